"""The state: all parts over one open file, the keeper thread, and the interface for other packages."""

from .state import State

__all__ = ["State"]

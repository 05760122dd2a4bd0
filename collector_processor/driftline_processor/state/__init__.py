"""The state: everything over one open file, the thread that keeps it, and what others ask of it."""

from .state import State

__all__ = ["State"]

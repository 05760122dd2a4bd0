"""How a window differs from the baseline: one method a file, and the rule that decides."""

from .rule import Drift, drift

__all__ = ["Drift", "drift"]

"""Slices nobody declared in which the model is weak: found on one half of the rows, confirmed on the other."""

from .found import Condition, WeakSearch, WeakSlice
from .halves import evenly, halves
from .losses import losses_of
from .search import weak_slices

__all__ = ["Condition", "WeakSearch", "WeakSlice", "evenly", "halves", "losses_of", "weak_slices"]

"""Slices nobody declared in which the model is weak: found on half of the rows, confirmed on the others."""

from .result import Condition, WeakSearch, WeakSlice
from .search import halves, losses_of, sample_evenly, weak_slices

__all__ = ["Condition", "WeakSearch", "WeakSlice", "halves", "losses_of", "sample_evenly", "weak_slices"]

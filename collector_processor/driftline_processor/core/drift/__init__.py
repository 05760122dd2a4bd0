"""Drift of a window: the rule that decides, and its statistics. May import `evaluation` and below."""

from .rule import Drift, drift

__all__ = ["Drift", "drift"]

"""Drift of a window: the rule that decides, and the statistics it stands on. Imports windows and outcomes/coverage."""

from .rule import Drift, drift

__all__ = ["Drift", "drift"]

"""Why a window drifts: which feature, where, in which slice, since when, and what it does to the score."""

from .explain import explain
from .view import View

__all__ = ["View", "explain"]

"""Why a window drifts: the feature, where in it, in which slice, since when, and the effect on the score.

May import `quality`, `drift` and below.
"""

from .causes import ExplainInput, explain

__all__ = ["ExplainInput", "explain"]

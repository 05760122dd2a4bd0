"""Why a window drifts: which feature, where, in which slice, since when, and its effect on the score. Imports drift,
quality.
"""

from .causes import ExplainInput, explain

__all__ = ["ExplainInput", "explain"]

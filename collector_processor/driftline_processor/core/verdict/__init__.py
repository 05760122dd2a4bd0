"""Verdicts: whether a model is healthy, since when, how certain this is, the cause, and what to do.

Verdicts are computed from evaluations on request and not stored, since a late outcome can change all of them. May
import every other package of core.
"""

from .context import NO_CONTEXT, VerdictContext, coming_windows
from .model import (
    ModelPart,
    Pace,
    StateSpan,
    Traffic,
    fold_verdicts,
    order_of_need,
    pace_of,
    parts_in_use,
    state_spans,
    verdict_of_model,
)
from .states import ORDER, rank_state
from .window import Reading, read_outcomes, read_window, verdict_of_window, with_verdicts

__all__ = [
    "NO_CONTEXT",
    "ORDER",
    "ModelPart",
    "Pace",
    "Reading",
    "StateSpan",
    "Traffic",
    "VerdictContext",
    "coming_windows",
    "fold_verdicts",
    "order_of_need",
    "pace_of",
    "parts_in_use",
    "rank_state",
    "read_outcomes",
    "read_window",
    "state_spans",
    "verdict_of_model",
    "verdict_of_window",
    "with_verdicts",
]

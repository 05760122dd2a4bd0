"""Verdicts: whether a model is still healthy, since when, how sure that is, why, and what to do.

Driftline computes verdicts from evaluations each time somebody asks, and stores none: a late outcome changes them all.
May import every other room of core.
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

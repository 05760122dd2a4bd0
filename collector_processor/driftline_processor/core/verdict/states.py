"""The states of a verdict and their precedence; ``docs/concepts/verdict.md`` defines them."""

from __future__ import annotations

from driftline_processor.core.evaluation import VerdictState

ORDER: tuple[VerdictState, ...] = ("degraded", "no_data", "lagging", "at_risk", "unknown", "healthy")
"""The states of a model in order of precedence."""

_RANKS = {state: rank for rank, state in enumerate(ORDER)}


def rank_state(state: VerdictState) -> int:
    """Return the index of a state in :data:`ORDER`: 0 precedes all others.

    >>> rank_state("degraded"), rank_state("healthy")
    (0, 5)
    """
    return _RANKS[state]

"""The states of a verdict, and which goes before which; ``docs/explanation/verdict.md`` has what shows each."""

from __future__ import annotations

from driftline_processor.core.evaluation import VerdictState

ORDER: tuple[VerdictState, ...] = ("degraded", "no_data", "lagging", "at_risk", "unknown", "healthy")
"""The states of a model, the one that goes before all others first."""

_RANKS = {state: rank for rank, state in enumerate(ORDER)}


def rank_state(state: VerdictState) -> int:
    """Return the place of a state in :data:`ORDER`: 0 goes before all others.

    >>> rank_state("degraded"), rank_state("healthy")
    (0, 5)
    """
    return _RANKS[state]

"""The states of a verdict: what shows each, and which goes before which.

``docs/explanation/verdict.md`` prints :data:`ORDER` as its table; a test compares both.
"""

from __future__ import annotations

from typing import NamedTuple

from driftline_processor.core.evaluation import VerdictState


class StateRow(NamedTuple):
    """One line of the table of states.

    Attributes:
        state: The state.
        shown_by: What shows it.
        decided_by: The window that decides it for a model.
    """

    state: VerdictState
    shown_by: str
    decided_by: str


ORDER: tuple[StateRow, ...] = (
    StateRow(
        "degraded",
        "a broken objective, a metric worse than the baseline's or than a constant, more errors, or a failing service",
        "the newest window whose outcomes tell",
    ),
    StateRow("no_data", "no row came, though the model's own pace promised some", "no window: the traffic"),
    StateRow("lagging", "windows wait longer than usual to be evaluated", "no window: the queue"),
    StateRow(
        "at_risk",
        "inputs, score or estimate moved, or data is faulty, and no outcome tells yet",
        "the newest closed window after the last that tells",
    ),
    StateRow("unknown", "no outcomes, too few, or too few days to tell", "the newest closed window"),
    StateRow("healthy", "outcomes had their time, and show no loss", "the newest window whose outcomes tell"),
)
"""The states of a model, the one that goes before all others first."""

_RANKS = {row.state: rank for rank, row in enumerate(ORDER)}


def rank_state(state: VerdictState) -> int:
    """Return the place of a state in :data:`ORDER`: 0 goes before all others.

    >>> rank_state("degraded"), rank_state("healthy")
    (0, 5)
    """
    return _RANKS[state]

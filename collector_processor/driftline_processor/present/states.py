"""States of windows and columns: their words, their order, and the overall state of a window."""

from __future__ import annotations

from collections.abc import Iterable

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, InconclusiveReason, ObjectiveState, State

STATE_WORDS: dict[str, str] = {"ok": "no drift"}
"""State → its words if they are not its name."""

_ORDER: dict[State, int] = {"drift": 0, "within_normal_variation": 1, "ok": 2, "inconclusive": 3, "no_baseline": 4}


def state_word(state: str, reason: str = "") -> str:
    """Return the state of a drift, an expectation, an objective or a criterion in words.

    ``reason``: reason why it is inconclusive.

    >>> state_word("inconclusive", "too_few_rows"), state_word("inconclusive"), state_word("met")
    ('too few rows', 'inconclusive', 'met')
    """
    word = reason if reason and state == "inconclusive" else state
    return STATE_WORDS.get(word, word.replace("_", " "))


def objective_state(one: ObjectiveState) -> str:
    """Return the state of an objective in words."""
    return "too few reviewed rows" if one.overdue and one.needed and not one.reason else state_word(one.state)


def rank_objective(objective: ObjectiveState) -> tuple[bool, bool]:
    """Return the sort key of an objective: broken ones first, then inconclusive ones."""
    return objective.state != "broken", objective.state != "inconclusive"


def drifted(evaluation: Evaluation) -> int:
    """Return the number of drifted features."""
    return evaluation.drift.drifted


def compared(evaluation: Evaluation) -> int:
    """Return the number of features that are comparable with the baseline."""
    return evaluation.drift.compared


def overall(evaluation: Evaluation) -> State:
    """Return the overall state of a window: drift if any column drifts, else the least certain state."""
    return evaluation.drift.overall


def inconclusive_reason(evaluation: Evaluation) -> InconclusiveReason:
    """Return the most frequent reason of a window's inconclusive columns; "" if the window is not inconclusive."""
    return evaluation.drift.reason if overall(evaluation) == "inconclusive" else ""


def rank(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Sort columns: drifted first, ties by PSI in descending order."""

    def distance(column: ColumnDrift) -> float:
        psi = column.methods.get("psi")
        value = psi.value if psi is not None and psi.value is not None else column.effect
        return -(value or 0.0)

    return sorted(columns, key=lambda column: (_ORDER.get(column.state, 6), distance(column), column.name))

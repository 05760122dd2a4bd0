"""States of windows and columns: their words, their order, and the one that stands for a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, InconclusiveReason, ObjectiveState, State

STATE_WORDS: dict[str, str] = {"ok": "no drift"}
"""State → its words, where they are not its name."""

_ORDER: dict[State, int] = {"drift": 0, "within_normal_variation": 1, "ok": 2, "inconclusive": 3, "no_baseline": 4}


def state_word(state: str, reason: str = "") -> str:
    """Say a state of drift, of an expectation, of an objective or of a criterion in words.

    ``reason``: Why it is inconclusive.

    >>> state_word("inconclusive", "too_few_rows"), state_word("inconclusive"), state_word("met")
    ('too few rows', 'inconclusive', 'met')
    """
    word = reason if reason and state == "inconclusive" else state
    return STATE_WORDS.get(word, word.replace("_", " "))


def objective_state(one: ObjectiveState) -> str:
    """Say the state of an objective in words."""
    return "too little reviewed" if one.overdue and one.needed and not one.reason else state_word(one.state)


def drifted(evaluation: Evaluation) -> int:
    """Count the features in state drift."""
    return evaluation.drift.drifted


def compared(evaluation: Evaluation) -> int:
    """Count the features that could be compared with the baseline."""
    return evaluation.drift.compared


def overall(evaluation: Evaluation) -> State:
    """Return the one state that stands for a window: drift when anything drifts, else the least sure one."""
    return evaluation.drift.overall


def inconclusive_reason(evaluation: Evaluation) -> InconclusiveReason:
    """Return why most columns of a window that are inconclusive are so; "" where the window is not."""
    return evaluation.drift.reason if overall(evaluation) == "inconclusive" else ""


def newest_judged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the newest window that can be judged, else the newest."""
    return next(
        (evaluation for evaluation in reversed(evaluations) if evaluation.fraction is not None), evaluations[-1]
    )


def rank(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Sort columns by what matters: those in drift first, and those with the greatest PSI first among equals."""

    def distance(column: ColumnDrift) -> float:
        psi = column.methods.get("psi")
        value = psi.value if psi is not None and psi.value is not None else column.effect
        return -(value or 0.0)

    return sorted(columns, key=lambda column: (_ORDER.get(column.state, 6), distance(column), column.name))

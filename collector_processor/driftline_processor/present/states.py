"""States of windows and columns: their words, their order, and the one that stands for a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Lacking, ObjectiveState, State

STATE_WORDS: dict[str, str] = {"ok": "no drift", "usual": "moved as usual", "blind": "cannot tell"}
"""State → its words, where they are not its name."""

_ORDER: dict[State, int] = {"drift": 0, "usual": 1, "ok": 2, "blind": 3, "cannot_tell": 4, "no_baseline": 5}


def state_word(state: str, lacking: str = "") -> str:
    """Say a state of drift, of an expectation, of an objective or of a criterion in words.

    ``lacking``: rows or days, where there are too few of them to tell.

    >>> state_word("blind"), state_word("cannot_tell", "rows"), state_word("cannot_tell"), state_word("met")
    ('cannot tell', 'too few rows', 'cannot tell', 'met')
    """
    if lacking and state == "cannot_tell":
        return f"too few {lacking}"
    return STATE_WORDS.get(state, state.replace("_", " "))


def objective_state(one: ObjectiveState) -> str:
    """Say the state of an objective in words."""
    return "too little reviewed" if one.overdue and one.needed and not one.lacks else state_word(one.state)


def drifted(evaluation: Evaluation) -> int:
    """Count the features in state drift."""
    return evaluation.drift.drifted


def compared(evaluation: Evaluation) -> int:
    """Count the features that could be compared with the baseline."""
    return evaluation.drift.compared


def overall(evaluation: Evaluation) -> State:
    """Return the one state that stands for a window: drift when anything drifts, else the least sure one."""
    return evaluation.drift.overall


def lacking(evaluation: Evaluation) -> Lacking:
    """Return what most columns of a window lack that cannot tell, rows or days; "" where it can."""
    return evaluation.drift.lacking if overall(evaluation) == "cannot_tell" else ""


def newest_judged(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the newest window that can be judged, else the newest."""
    return next((one for one in reversed(evaluations) if one.share is not None), evaluations[-1])


def rank(columns: Iterable[ColumnDrift]) -> list[ColumnDrift]:
    """Sort columns by what matters: those in drift first, and those with the greatest PSI first among equals."""

    def distance(column: ColumnDrift) -> float:
        psi = column.methods.get("psi")
        value = psi.value if psi is not None and psi.value is not None else column.effect
        return -(value or 0.0)

    return sorted(columns, key=lambda column: (_ORDER.get(column.state, 6), distance(column), column.name))

"""Incidents: drift that may trigger a notification.

State *drift* describes one window. With 24 windows per day and 50 models, one false alarm per hundred windows is twelve
per day. So an incident begins when a column drifts in two consecutive windows, or in one window with a p-value up to
:data:`AT_ONCE`, and ends after two windows without drift. At default settings and hourly windows that is far less than
one false incident per model in 90 days (evidence/drift.json); lasting drift is reported one window later, a large
drift immediately.
"""

from __future__ import annotations

from collections.abc import Iterator

from driftline_processor.core.evaluation import ColumnDrift, Evaluation

AT_ONCE = 1e-6
"""Adjusted p-values up to this need no second window: the 2,160 hourly windows of 90 days give 0.004 false alarms."""

WHERE = " where "
"""Separator between the name of a column and that of the slice in which it drifts."""


def incident(current: Evaluation, previous: Evaluation | None) -> dict[str, int]:
    """Return the columns that are in an incident: part of the pane → start of the incident's first window.

    ``previous``: the preceding window of the same model, version, slice and length, with its own incident, or None.
    Columns are named as their parts: ``feature:NAME``, ``score``, ``class``; those of a slice as ``PART where SLICE``.
    A column that cannot be evaluated in a window neither begins nor ends an incident, and an open window begins none.
    """
    before = {} if previous is None else previous.incident
    drifted_before = set() if previous is None else drifting(previous)
    columns_now = dict(_all_columns(current))
    without_drift = {name for name, column in columns_now.items() if column.state in ("ok", "within_normal_variation")}
    without_drift |= {name for name in before if name not in columns_now and _quiet(name, current)}
    incident_columns: dict[str, int] = {}
    for name in before:
        is_known = name in columns_now or (WHERE in name and (not current.closed or _slice(name) in current.slices))
        if is_known and (name not in without_drift or name in drifted_before or not current.closed):
            incident_columns[name] = before[name]
    for name, column in columns_now.items():
        if name not in incident_columns and column.state == "drift" and current.closed:
            if previous is not None and previous.closed and name in drifted_before:
                incident_columns[name] = previous.window.start
            elif _is_immediate(column):
                incident_columns[name] = current.window.start
    return incident_columns


def drifting(evaluation: Evaluation) -> set[str]:
    """Return the columns that drift in a window, including those of slices; an incident continues from these."""
    return {name for name, drift in _all_columns(evaluation) if drift.state == "drift"}


def columns(evaluation: Evaluation) -> Iterator[tuple[str, ColumnDrift]]:
    """Yield every column, computed over all rows, with the name of its part: features, then score and class."""
    for name, feature in evaluation.features.items():
        yield f"feature:{name}", feature
    for part, column in (("score", evaluation.score), ("class", evaluation.predicted)):
        if column is not None:
            yield part, column


def _all_columns(evaluation: Evaluation) -> Iterator[tuple[str, ColumnDrift]]:
    """Yield the drift of all rows, then the drift in slices."""
    yield from columns(evaluation)
    for name, slice_drift in evaluation.slices.items():
        for column in slice_drift.drifted():
            yield f"{_part(column)}{WHERE}{name}", column


def _slice(name: str) -> str:
    return name.rpartition(WHERE)[2]


def _quiet(name: str, evaluation: Evaluation) -> bool:
    """Return True if a column without drift was evaluated in a slice; an evaluation stores only the drift of slices."""
    slice_drift = evaluation.slices.get(_slice(name)) if WHERE in name else None
    return slice_drift is not None and slice_drift.state in ("ok", "within_normal_variation", "drift")


def _part(column: ColumnDrift) -> str:
    return f"feature:{column.name}" if column.column == "feature" else column.column


def _is_immediate(column: ColumnDrift) -> bool:
    p = column.methods[column.decided_by].p_value
    return p is not None and max(p, column.p_normal_variation or 0.0) <= AT_ONCE

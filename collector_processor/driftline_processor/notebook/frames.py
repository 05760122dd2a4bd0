"""The tables of an evaluation, drift, performance and windows, as Arrow tables and as data frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import pyarrow as pa

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MetricValue
from driftline_processor.core.nearest_names import near
from driftline_processor.present.metrics import metric_names
from driftline_processor.present.sentences.verdict import verdict_sentence
from driftline_processor.present.states import compared, drifted, rank

FrameKind: TypeAlias = Literal["drift", "performance", "windows"]

_TIME = pa.timestamp("ns", "UTC")
_WINDOW = {"window_start": _TIME, "window_end": _TIME}
_NUMBERS = {"value": pa.float64(), "low": pa.float64(), "high": pa.float64(), "baseline": pa.float64()}


def arrow_table(evaluations: Sequence[Evaluation], kind: FrameKind) -> pa.Table:
    """Return a table of evaluations.

    Args:
        evaluations: One per window, oldest first.
        kind: ``drift``, ``performance`` or ``windows``.

    Raises:
        ValueError: There is no such table.
    """
    if kind == "drift":
        return _drift_table(evaluations)
    if kind == "performance":
        return _performance_table(evaluations)
    if kind == "windows":
        return _windows_table(evaluations)
    raise ValueError(f"there is no table '{kind}'; {near(str(kind), get_args(FrameKind))}")


def frame_of(table: pa.Table, library: str) -> Any:
    """Return a table as a data frame: of polars if that is the ``library``, else of pandas, else of polars.

    Raises:
        ImportError: Neither is installed.
    """
    if library == "polars":
        import polars

        return polars.from_arrow(table)
    try:
        import pandas  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        return table.to_pandas()
    try:
        import polars
    except ModuleNotFoundError:
        raise ImportError(
            "to_frame() needs pandas or polars: pip install pandas; to_arrow() returns the same table without them"
        ) from None
    return polars.from_arrow(table)


def _drift_table(evaluations: Sequence[Evaluation]) -> pa.Table:
    evaluation_columns = [
        (evaluation, column) for evaluation in evaluations for columns in columns_of(evaluation) for column in columns
    ]
    methods = list(dict.fromkeys(name for _, column in evaluation_columns for name in column.methods))
    rows: list[dict[str, Any]] = []
    for evaluation, column in evaluation_columns:
        deciding = column.methods.get(column.decided_by)
        rows.append(
            {
                **_window_of(evaluation),
                "column": column.column,
                "name": column.name if column.column == "feature" else "",
                "state": column.state,
                "size": column.size if column.state == "drift" else "",
                "effect": column.effect,
                "p_value": None if deciding is None else deciding.p_value,
                "decided_by": column.decided_by,
                **{name: method.value for name, method in column.methods.items()},
                "missing_was": column.missing_was,
                "missing_now": column.missing_now,
                "rows": column.rows,
            }
        )
    columns = {**_WINDOW, **dict.fromkeys(("column", "name", "state", "size"), pa.string())}
    columns |= {"effect": pa.float64(), "p_value": pa.float64(), "decided_by": pa.string()}
    columns |= dict.fromkeys((*methods, "missing_was", "missing_now"), pa.float64())
    return _table(rows, {**columns, "rows": pa.int64()})


def columns_of(evaluation: Evaluation) -> tuple[list[ColumnDrift], list[ColumnDrift]]:
    """Return the score and the class of a window, and its features, the most important first."""
    predictions = [column for column in (evaluation.score, evaluation.predicted) if column is not None]
    return predictions, rank(evaluation.features.values())


def _performance_table(evaluations: Sequence[Evaluation]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for evaluation in evaluations:
        rows += _metric_rows(evaluation, "", evaluation.realized)
        for name in metric_names(evaluation.estimated):
            estimate, change = evaluation.estimated[name], evaluation.estimated_changes.get(name)
            row: dict[str, Any] = {**_window_of(evaluation), "slice": "", "metric": name, "basis": "estimated"}
            row |= {"value": estimate.value, "low": estimate.low, "high": estimate.high}
            row |= {"baseline": estimate.reference, "rows": estimate.rows}
            rows.append(row | {"comparison": None if change is None else change.state})
        for name, part in evaluation.performance_slices.items():
            rows += _metric_rows(evaluation, name, part.metrics)
    texts = dict.fromkeys(("slice", "metric", "basis"), pa.string())
    return _table(rows, {**_WINDOW, **texts, **_NUMBERS, "comparison": pa.string(), "rows": pa.int64()})


def _metric_rows(evaluation: Evaluation, part: str, metrics: Mapping[str, MetricValue]) -> Iterator[dict[str, Any]]:
    for name in metric_names(metrics):
        metric = metrics[name]
        reference = None if part else evaluation.reference.get(name)
        change = None if part else evaluation.realized_changes.get(name)
        yield {
            **_window_of(evaluation),
            "slice": part,
            "metric": name,
            "basis": "realized",
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "baseline": None if reference is None else reference.value,
            "comparison": None if change is None else change.state,
            "rows": metric.rows,
        }


def _windows_table(evaluations: Sequence[Evaluation]) -> pa.Table:
    rows = [
        {
            **_window_of(evaluation),
            "rows": evaluation.rows,
            "outcomes": evaluation.outcome_rows,
            "coverage": evaluation.coverage,
            "verdict": None if evaluation.verdict is None else evaluation.verdict.state,
            "sentence": None if evaluation.verdict is None else verdict_sentence(evaluation.verdict),
            "features_drifted": drifted(evaluation),
            "features_compared": compared(evaluation),
            "drift_fraction": evaluation.fraction,
            "findings": len(evaluation.findings),
        }
        for evaluation in evaluations
    ]
    columns = {**_WINDOW, "rows": pa.int64(), "outcomes": pa.int64(), "coverage": pa.float64()}
    columns |= {"verdict": pa.string(), "sentence": pa.string(), "features_drifted": pa.int64()}
    return _table(
        rows, {**columns, "features_compared": pa.int64(), "drift_fraction": pa.float64(), "findings": pa.int64()}
    )


def _window_of(evaluation: Evaluation) -> dict[str, int | None]:
    """Return the ends of a window, unix nanoseconds; None if rows have no time."""
    window = evaluation.window
    bound = window.start or window.end
    return {"window_start": window.start if bound else None, "window_end": window.end if bound else None}


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in columns.items()})

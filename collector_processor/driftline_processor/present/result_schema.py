"""The tables of results: their columns, and the rows of an evaluation or an alert.

``driftline export`` writes them. docs/reference/tables.md is generated from :data:`TABLES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from driftline.tables.timestamps import instant
from msgspec import Struct

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MetricChange, MetricValue, Verdict
from driftline_processor.present.metrics import metric_names
from driftline_processor.present.numbers import finite
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_evidence,
    verdict_headline,
    verdict_later,
    verdict_now,
    verdict_sentence,
)
from driftline_processor.present.states import compared, drifted, inconclusive_reason, overall

SCHEMA_VERSION = 1
"""Version of the columns. A new one makes ``driftline export`` write all days again."""

_TEXT, _COUNT, _NUMBER, _FLAG, _TIME = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC")

Row = dict[str, Any]


class ResultColumn(Struct, frozen=True):
    """A column of a table of results.

    Attributes:
        name: Its name.
        type: Its Arrow type.
        meaning: What it is, for the reference.
        unit: Its unit; "" without one.
        nullable: Whether it may be null: unknown, or not applicable.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False


def _maybe(name: str, type: pa.DataType, meaning: str, unit: str = "") -> ResultColumn:
    return ResultColumn(name, type, meaning, unit, nullable=True)


_METRIC = "unit of the metric"
_WINDOW = (
    ResultColumn("model", _TEXT, "name of the model"),
    ResultColumn("version", _TEXT, "version of the model; empty without one"),
    ResultColumn("environment", _TEXT, "environment; empty without one"),
    ResultColumn("window_name", _TEXT, "name of the window, which is its length: `1h`, `1d`, `1mo`"),
    ResultColumn("window_start", _TIME, "start of the window, included", "UTC"),
    ResultColumn("window_end", _TIME, "end of the window, excluded", "UTC"),
    ResultColumn("evaluated_at", _TIME, "when this evaluation was stored; a revision has a later time", "UTC"),
)
_SLICE = ResultColumn("slice", _TEXT, "`key=value` of a slice; empty for all rows")

TABLES: Mapping[str, tuple[ResultColumn, ...]] = {
    "windows": (
        *_WINDOW,
        ResultColumn("rows", _COUNT, "predictions in the window", "rows"),
        ResultColumn("distributed_rows", _COUNT, "predictions that were sent only as distributions", "rows"),
        ResultColumn("outcomes", _COUNT, "predictions with a known outcome", "rows"),
        _maybe("coverage", _NUMBER, "fraction of predictions with a known outcome", "0 to 1"),
        ResultColumn("maturity", _TEXT, "`immature` while outcomes are expected, then `mature`"),
        ResultColumn("drift_state", _TEXT, "`ok`, `within_normal_variation`, `drift`, `inconclusive`, `no_baseline`"),
        _maybe("drift_reason", _TEXT, "why the drift is inconclusive"),
        ResultColumn("features_drifted", _COUNT, "features in state `drift`", "features"),
        ResultColumn("features_compared", _COUNT, "features that could be compared with the baseline", "features"),
        _maybe("drift_fraction", _NUMBER, "drifted features divided by the features that could be evaluated", "0 to 1"),
        _maybe("weighted_drift_fraction", _NUMBER, "the same, weighted by importance", "0 to 1"),
        ResultColumn("findings", _COUNT, "data-quality findings", "findings"),
        _maybe("baseline_version", _TEXT, "version that the baseline was made for; null without a baseline"),
        _maybe("calls", _COUNT, "calls of predict, including failed calls", "calls"),
        _maybe("failed_calls", _COUNT, "calls that raised an exception", "calls"),
    ),
    "drift": (
        *_WINDOW,
        _SLICE,
        ResultColumn("column_kind", _TEXT, "`feature`, `score`, `class` (predicted) or `multivariate` (all features)"),
        _maybe("feature", _TEXT, "name of the feature"),
        _maybe("method", _TEXT, "drift method, such as `psi`, `ks` or `chi2`; null if none could be computed"),
        _maybe("value", _NUMBER, "value of the method", "unit of the method"),
        _maybe("p_value", _NUMBER, "p-value of the deciding method, corrected over the columns", "0 to 1"),
        ResultColumn("decides", _FLAG, "whether this method decides the state; true in one row per column"),
        ResultColumn("state", _TEXT, "state of the column; the values are those of `drift_state`"),
        _maybe("reason", _TEXT, "why the state is inconclusive"),
        _maybe("size", _TEXT, "`small`, `moderate` or `large`, by the PSI"),
        _maybe("effect", _NUMBER, "deciding effect minus its expectation without drift", "unit of the method"),
        ResultColumn("rows", _COUNT, "rows with a usable value", "rows"),
        _maybe("missing", _NUMBER, "fraction of missing and invalid values in the window", "0 to 1"),
        _maybe("missing_baseline", _NUMBER, "the same in the baseline", "0 to 1"),
    ),
    "metrics": (
        *_WINDOW,
        _SLICE,
        ResultColumn("metric", _TEXT, "name of the metric"),
        ResultColumn("basis", _TEXT, "`realized` (outcomes), `estimated` (without outcomes) or `service` (calls)"),
        _maybe("value", _NUMBER, "value", _METRIC),
        _maybe("low", _NUMBER, "lower end of the 95 % interval", _METRIC),
        _maybe("high", _NUMBER, "upper end of the 95 % interval", _METRIC),
        _maybe("method", _TEXT, "method of the interval (or why there is none), or of the estimate"),
        ResultColumn("rows", _COUNT, "rows from which the value is computed", "rows"),
        _maybe("effective_rows", _NUMBER, "Kish's effective number of weighted rows", "rows"),
        _maybe("baseline_value", _NUMBER, "value of the baseline", _METRIC),
        _maybe("comparison", _TEXT, "`worse`, `not_worse` or `inconclusive`, compared with the baseline"),
        _maybe("change", _NUMBER, "value minus the value of the baseline", _METRIC),
        _maybe("change_low", _NUMBER, "lower end of the interval of the change", _METRIC),
        _maybe("change_high", _NUMBER, "upper end of the interval of the change", _METRIC),
        _maybe("p_value", _NUMBER, "p-value of the test for a worse metric, corrected over the metrics", "0 to 1"),
    ),
    "verdicts": (
        *_WINDOW,
        ResultColumn("state", _TEXT, "`healthy`, `degraded`, `at_risk`, `unknown`"),
        _maybe("reason", _TEXT, "why the state is `unknown`"),
        _maybe("since", _TIME, "start of the state, in event time", "UTC"),
        _maybe("kind", _TEXT, "kind of change, such as `covariate_shift`"),
        _maybe("metric", _TEXT, "metric of the effect"),
        _maybe("effect", _NUMBER, "size of the effect", _METRIC),
        _maybe("low", _NUMBER, "lower end of the 95 % interval of the effect", _METRIC),
        _maybe("high", _NUMBER, "upper end of the 95 % interval of the effect", _METRIC),
        _maybe("slice", _TEXT, "affected slice; null for all rows"),
        ResultColumn("headline", _TEXT, "state, start and size as a short text"),
        _maybe("evidence", _TEXT, "sentence on the evidence"),
        _maybe("cause", _TEXT, "sentence on the cause; null if it is unknown"),
        _maybe("later", _TEXT, "sentences on what began after the degradation; null without any"),
        _maybe("now", _TEXT, "what the newest window of a degraded model shows, and what ends it; null otherwise"),
        ResultColumn("action", _TEXT, "sentence on what to do"),
        ResultColumn("sentence", _TEXT, "verdict with its size, cause and action in one text"),
    ),
    "alerts": (
        ResultColumn("id", _TEXT, "id of the alert; it never changes"),
        ResultColumn("policy", _TEXT, "name of the policy"),
        ResultColumn("model", _TEXT, "name of the model"),
        ResultColumn("version", _TEXT, "first version for which the policy fired"),
        ResultColumn("environment", _TEXT, "environment; empty without one"),
        ResultColumn("severity", _TEXT, "`critical`, `warning` or `info`"),
        ResultColumn("owner", _TEXT, "owner of the model; empty without one"),
        _maybe("state", _TEXT, "state of the verdict; null for a policy with other conditions"),
        ResultColumn("open", _FLAG, "whether the alert was open when it was exported"),
        _maybe("since", _TIME, "start of the condition, in event time", "UTC"),
        _maybe("until", _TIME, "end of the condition, in event time; null while the condition is true", "UTC"),
        ResultColumn("fired", _TIME, "end of the window that fired", "UTC"),
        ResultColumn("first_seen", _TIME, "when the alert was opened, wall time", "UTC"),
        _maybe("resolved", _TIME, "when the alert was closed, wall time", "UTC"),
        _maybe("notified", _TIME, "first notification, wall time; null without one", "UTC"),
        _maybe("silenced", _TIME, "end of the silence that suppresses the notification, wall time", "UTC"),
        _maybe("acknowledged", _TIME, "when somebody acknowledged it, wall time", "UTC"),
        _maybe("acknowledged_by", _TEXT, "who acknowledged it"),
        ResultColumn("finding", _TEXT, "reason of the alert as a sentence, as in its notification"),
    ),
}
"""Table → its columns. The partition column ``day`` is in the path of a file and not in the file."""

WINDOW_TABLES = ("windows", "drift", "metrics", "verdicts")
"""Tables with rows of windows, by the UTC day on which the window starts."""


def arrow_schema(table: str) -> pa.Schema:
    """Return the schema of a table, with the meaning and the unit of each column as its metadata."""
    return pa.schema(
        pa.field(
            column.name,
            column.type,
            nullable=column.nullable,
            metadata={"meaning": column.meaning, **({"unit": column.unit} if column.unit else {})},
        )
        for column in TABLES[table]
    )


def window_rows(evaluation: Evaluation, stored_at: int) -> dict[str, list[Row]]:
    """Return the rows of a window in each of :data:`WINDOW_TABLES`.

    Args:
        evaluation: The evaluation, with its verdict.
        stored_at: When it was stored, unix nanoseconds.
    """
    key, window = evaluation.key, evaluation.window
    common: Row = {"model": key.model, "version": key.version, "environment": key.environment}
    common |= {"window_name": window.name, "window_start": _micros(window.start), "window_end": _micros(window.end)}
    common["evaluated_at"] = _micros(stored_at)
    rows = {
        "windows": [_window_row(evaluation)],
        "drift": list(_drift_rows(evaluation)),
        "metrics": list(_metric_rows(evaluation)),
        "verdicts": [] if evaluation.verdict is None else [_verdict_row(evaluation.verdict)],
    }
    return {table: [common | row for row in of_table] for table, of_table in rows.items()}


def alert_row(alert: Mapping[str, Any]) -> Row:
    """Return the row of an alert in the format of the API."""
    row = {column.name: alert.get(column.name) for column in TABLES["alerts"]}
    consent = alert["acknowledged"] or {}
    row |= {"acknowledged": consent.get("time"), "acknowledged_by": consent.get("by")}
    times = (column.name for column in TABLES["alerts"] if column.type == _TIME)
    return row | {name: None if row[name] is None else _micros(instant(row[name])) for name in times}


def _micros(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 1_000


def _window_row(evaluation: Evaluation) -> Row:
    service = evaluation.service
    return {
        "rows": evaluation.rows,
        "distributed_rows": evaluation.distributed,
        "outcomes": evaluation.outcome_rows,
        "coverage": finite(evaluation.coverage),
        "maturity": evaluation.maturity,
        "drift_state": overall(evaluation),
        "drift_reason": inconclusive_reason(evaluation) or None,
        "features_drifted": drifted(evaluation),
        "features_compared": compared(evaluation),
        "drift_fraction": finite(evaluation.fraction),
        "weighted_drift_fraction": finite(evaluation.weighted_fraction),
        "findings": len(evaluation.findings),
        "baseline_version": evaluation.baseline_version,
        "calls": None if service is None else service.calls,
        "failed_calls": None if service is None else service.failed,
    }


def _drift_rows(evaluation: Evaluation) -> Iterator[Row]:
    yield from _column_rows("", (*evaluation.features.values(), evaluation.score, evaluation.predicted))
    for joint in evaluation.joint.values():
        yield {
            "slice": "",
            "column_kind": "multivariate",
            "feature": None,
            "method": joint.method,
            "value": finite(joint.value),
            "p_value": finite(joint.p_value),
            "decides": True,
            "state": joint.state,
            "reason": joint.reason or None,
            "size": None,
            "effect": finite(joint.effect),
            "rows": joint.rows,
            "missing": None,
            "missing_baseline": None,
        }
    for name, part in evaluation.slices.items():
        yield from _column_rows(name, (*part.features.values(), part.score, part.predicted))


def _column_rows(slice: str, columns: Iterable[ColumnDrift | None]) -> Iterator[Row]:
    for column in columns:
        if column is None:
            continue
        common: Row = {
            "slice": slice,
            "column_kind": column.column,
            "feature": column.name if column.column == "feature" else None,
            "state": column.state,
            "reason": column.reason or None,
            "size": column.size or None,
            "effect": finite(column.effect),
            "rows": column.rows,
            "missing": finite(column.missing_now),
            "missing_baseline": finite(column.missing_was),
        }
        if column.decided_by not in column.methods:
            yield common | {"method": None, "value": None, "p_value": None, "decides": True}
        for name, method in column.methods.items():
            values = {"value": finite(method.value), "p_value": finite(method.p_value)}
            yield common | values | {"method": name, "decides": name == column.decided_by}


def _metric_rows(evaluation: Evaluation) -> Iterator[Row]:
    for name in metric_names(evaluation.realized):
        reference = evaluation.reference.get(name)
        baseline = None if reference is None else reference.value
        comparison = _comparison(baseline, evaluation.realized_changes.get(name))
        yield _metric_row("", name, "realized", evaluation.realized[name]) | comparison
    for name in metric_names(evaluation.estimated):
        estimate = evaluation.estimated[name]
        yield {
            "slice": "",
            "metric": name,
            "basis": "estimated",
            "value": finite(estimate.value),
            "low": finite(estimate.low),
            "high": finite(estimate.high),
            "method": estimate.method,
            "rows": estimate.rows,
            "effective_rows": None,
        } | _comparison(estimate.reference, evaluation.estimated_changes.get(name))
    slices = {"": evaluation.service, **evaluation.service_slices}
    for slice, service in slices.items():
        for name, value in ({} if service is None else service.values).items():
            yield _metric_row(slice, name, "service", value) | _comparison(None, None)
    for slice, performance in evaluation.performance_slices.items():
        for name in metric_names(performance.metrics):
            yield _metric_row(slice, name, "realized", performance.metrics[name]) | _comparison(None, None)


def _metric_row(slice: str, name: str, basis: str, value: MetricValue) -> Row:
    return {
        "slice": slice,
        "metric": name,
        "basis": basis,
        "value": finite(value.value),
        "low": finite(value.low),
        "high": finite(value.high),
        "method": value.interval or None,
        "rows": value.rows,
        "effective_rows": finite(value.effective_rows),
    }


def _comparison(baseline: float | None, change: MetricChange | None) -> Row:
    return {
        "baseline_value": finite(baseline),
        "comparison": None if change is None else change.state,
        "change": None if change is None else finite(change.change),
        "change_low": None if change is None else finite(change.low),
        "change_high": None if change is None else finite(change.high),
        "p_value": None if change is None else finite(change.p_value),
    }


def _verdict_row(verdict: Verdict) -> Row:
    return {
        "state": verdict.state,
        "reason": verdict.reason or None,
        "since": _micros(verdict.since),
        "kind": verdict.kind or None,
        "metric": verdict.metric or None,
        "effect": finite(verdict.effect),
        "low": finite(verdict.low),
        "high": finite(verdict.high),
        "slice": verdict.slice or None,
        "headline": verdict_headline(verdict),
        "evidence": verdict_evidence(verdict) or None,
        "cause": verdict_cause(verdict) or None,
        "later": verdict_later(verdict) or None,
        "now": verdict_now(verdict) or None,
        "action": verdict_action(verdict),
        "sentence": verdict_sentence(verdict),
    }

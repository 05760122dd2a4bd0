"""Decode request bytes to rows, with the codec of the SDK and OTLP's own messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk.metrics.export import MetricsData, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan

from driftline.batch.conversion import list_of
from driftline.capture.model_identity import Identity
from driftline.capture.outcome import ATTRIBUTES
from driftline.semconv import attributes as a
from driftline.semconv import events, metrics
from driftline.tables import column_codec
from driftline.tables.table import Column, Text
from driftline.tables.task import Task

from .captured_rows import CapturedOutcome, CapturedPrediction, Count, Distribution, Loss

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCORES = (a.ML_PREDICTION_SCORE, a.DRIFTLINE_PREDICTION_SCORES, a.ML_PREDICTION_VALUE)
_SLICE = f"{a.DRIFTLINE_SLICE_VALUE}."
_FLAT = (a.DRIFTLINE_PREDICTION_ITEMS, a.DRIFTLINE_PREDICTION_ITEM_SCORES)
_LOSSES = (
    metrics.DRIFTLINE_SDK_UNRECORDED_PREDICTIONS,
    metrics.DRIFTLINE_SDK_UNUSABLE_VALUES,
    metrics.DRIFTLINE_SDK_DROPPED_ROWS,
    metrics.DRIFTLINE_SDK_FAULTS,
)


def records(bodies: Iterable[bytes]) -> Iterator[LogRecord]:
    """Yield the log records of ``ExportLogsServiceRequest`` messages."""
    for body in bodies:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                yield from scope.log_records


def predictions(bodies: Iterable[bytes], spans: Iterable[ReadableSpan]) -> list[CapturedPrediction]:
    """Return the rows of all columnar records, by time; rows of one time in the order of recording."""
    by_id = {span.context.span_id: span for span in spans if span.context is not None}
    rows = [
        row for record in records(bodies) if record.event_name == events.DRIFTLINE_PREDICTION_BATCH
        for row in _rows(_attributes(record.attributes), by_id)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row.time)


def _rows(attributes: Mapping[str, Any], spans: Mapping[int, ReadableSpan]) -> Iterator[CapturedPrediction]:
    n = int(attributes[a.ML_PREDICTION_COUNT])
    sent: dict[str, bytes] = dict(attributes[a.DRIFTLINE_PREDICTION_COLUMNS])
    flat: dict[str, bytes] = {name: sent.pop(name) for name in _FLAT if name in sent}
    table = {name: _values(column_codec.decode(data, n)) for name, data in sent.items()}
    items, item_scores = _rankings(table.get(a.DRIFTLINE_PREDICTION_ITEM_COUNT, [0] * n), flat)
    scores = next((table[name] for name in _SCORES if name in table), item_scores)
    decided = table.get(a.ML_PREDICTION_CLASS, [None] * n)
    task = Task(
        str(attributes.get(a.ML_MODEL_TASK, "")),
        tuple(attributes.get(a.DRIFTLINE_MODEL_CLASSES, ())),
        str(attributes.get(a.DRIFTLINE_MODEL_POSITIVE_CLASS, "")),
        float(attributes.get(a.DRIFTLINE_MODEL_THRESHOLD, 0.5)),
        quantiles=tuple(map(float, attributes.get(a.DRIFTLINE_MODEL_QUANTILES, ()))),
    )
    identity = Identity(str(attributes[a.ML_MODEL_NAME]), str(attributes.get(a.ML_MODEL_VERSION, "")), task)
    span_ids = [int.from_bytes(span_id or b"") for span_id in table.get("span_id", [None] * n)]
    features, slices = (_under(table, prefix, n) for prefix in (a.DRIFTLINE_FEATURE_VALUE, a.DRIFTLINE_SLICE_VALUE))
    for i in range(n):
        score = None if scores is None else scores[i]
        yield CapturedPrediction(
            model=identity.name,
            version=identity.version,
            task=task.kind,
            classes=task.classes,
            id=table[a.ML_PREDICTION_ID][i],
            features=features[i],
            score=score,
            predicted=decided[i] or (identity.task.derive_class(score) if score is not None else ""),
            items=items[i],
            slices=slices[i],
            time=_instant(table[a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO][i]),
            duration=float(table[a.DRIFTLINE_PREDICTION_DURATION][i]),
            span=spans.get(span_ids[i]),
        )


def _under(table: Mapping[str, list[Any]], prefix: str, n: int) -> list[dict[str, Any]]:
    """Return n mappings of the columns with a prefix."""
    values_by_name = {
        name.removeprefix(f"{prefix}."): values for name, values in table.items() if name.startswith(f"{prefix}.")
    }
    return [{name: values[i] for name, values in values_by_name.items()} for i in range(n)]


def _rankings(
    counts: Sequence[int], flat: Mapping[str, bytes]
) -> tuple[list[tuple[str, ...]], list[tuple[float, ...] | None] | None]:
    """Return the items of n rows, and their scores, which are concatenated on the wire."""
    m = sum(counts)
    ids, scores = (
        ([], None) if not flat else (_values(column_codec.decode(flat[a.DRIFTLINE_PREDICTION_ITEMS], m)), None)
    )
    if a.DRIFTLINE_PREDICTION_ITEM_SCORES in flat:
        scores = [
            math.nan if s is None else s
            for s in _values(column_codec.decode(flat[a.DRIFTLINE_PREDICTION_ITEM_SCORES], m))
        ]
    cuts = [slice(end - count, end) for end, count in zip(accumulate(counts), counts, strict=True)]
    return [tuple(ids[cut]) for cut in cuts], None if scores is None else [tuple(scores[cut]) or None for cut in cuts]


def _values(column: column_codec.Value) -> list[Any]:
    """Return a decoded column as n Python values, None if missing."""
    if isinstance(column, Text):
        return column_codec.strings(column)
    if isinstance(column, Column):
        return list_of(column)
    if column.ndim == 2:
        return [None if all(value != value for value in row) else tuple(row) for row in column.tolist()]
    return [None if value != value else value for value in column.tolist()]


def outcomes(bodies: Iterable[bytes], confirmed: Iterable[tuple[str, Mapping[str, Any]]]) -> list[CapturedOutcome]:
    """Return the buffered outcomes, then those of ``Model.outcomes``."""
    decoded = []
    for record in records(bodies):
        if record.event_name == events.ML_OUTCOME:
            attributes = _attributes(record.attributes)
            fields = {name: attributes.get(key) for name, key in ATTRIBUTES.items() if key in attributes}
            slices = {name.removeprefix(_SLICE): attributes[name] for name in attributes if name.startswith(_SLICE)}
            decoded.append(_outcome(attributes[a.ML_MODEL_NAME], {"actual": None, **fields, "slices": slices}))
    return decoded + [_outcome(model, row) for model, row in confirmed]


def _outcome(model: str, fields: Mapping[str, Any]) -> CapturedOutcome:
    times = {name: _instant(fields[name]) for name in ("time", "prediction_time") if name in fields}
    return CapturedOutcome(model, **{**fields, **times})


def distributions(bodies: Iterable[bytes]) -> list[Distribution]:
    """Return the newest point of each distribution, which is complete because reports are cumulative."""
    newest: dict[tuple[Any, ...], Distribution] = {}
    for body in bodies:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                        attributes = _attributes(point.attributes)
                        key = (metric.name, *sorted((name, repr(value)) for name, value in attributes.items()))
                        newest[key] = _distribution(metric.name, attributes, point)
    return list(newest.values())


def _distribution(metric: str, attributes: Mapping[str, Any], point: Any) -> Distribution:
    summed = "as_int" in point.DESCRIPTOR.fields_by_name
    total, low, high = (
        getattr(point, name) if not summed and point.HasField(name) else None for name in ("sum", "min", "max")
    )
    count = point.as_int if summed else point.count
    model, feature = str(attributes.get(a.ML_MODEL_NAME, "")), str(attributes.get(a.DRIFTLINE_FEATURE_NAME, ""))
    return Distribution(
        metric=metric,
        model=model,
        feature=feature,
        count=count,
        sum=total,
        low=low,
        high=high,
        attributes=attributes,
        point=point,
    )


def counts(data: MetricsData | None) -> list[Count]:
    """Return the counts of ``ml.predictions``."""
    return [
        Count(
            str(attributes.get(a.ML_MODEL_NAME, "")),
            str(attributes.get(a.ML_MODEL_VERSION, "")),
            str(attributes.get(a.ML_PREDICTION_CLASS, "")),
            str(attributes.get(a.ERROR_TYPE, "")),
            value,
        )
        for name, attributes, value in _sums(data)
        if name == metrics.ML_PREDICTIONS
    ]


def losses(data: MetricsData | None) -> list[Loss]:
    """Return the losses that the SDK counts: predictions, values, rows and internal errors."""
    return [
        Loss(
            name,
            str(attributes.get(a.ML_MODEL_NAME, "")),
            str(attributes.get(a.DRIFTLINE_REASON, attributes.get(a.ERROR_TYPE, ""))),
            n,
        )
        for name, attributes, n in _sums(data)
        if name in _LOSSES
    ]


def _sums(data: MetricsData | None) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    for resource in () if data is None else data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    if isinstance(point, NumberDataPoint):
                        yield metric.name, point.attributes or {}, int(point.value)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "array_value":
        return tuple(map(_value, value.array_value.values))
    return None if kind is None else getattr(value, kind)


def _instant(nanoseconds: Any) -> Any:
    """Return a datetime in UTC; None without a time."""
    return _EPOCH + timedelta(microseconds=int(nanoseconds) // 1000) if nanoseconds else None

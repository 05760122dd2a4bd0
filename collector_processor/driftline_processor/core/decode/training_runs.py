"""Decode training runs: log records named ``driftline.training.run``, and spans with the operation ``train``.

A run is sent both ways with one id, and the store counts it once. An invalid value does not affect the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from driftline.semconv import attributes as a
from msgspec import Struct, field
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .attributes import INTEGER, MAX_TEXT, NUMBER, TEXT, read

TRAIN: Final = "train"
SPAN_MARK: Final = a.DRIFTLINE_TRAINING_RUN_ID.encode()
"""Bytes in every request with a span of a training run."""

MOST_NAMED: Final = 64
"""Maximum results, and parts of a cost, of one run."""

_LONGEST_DURATION: Final = 10 * 366 * 86_400.0
"""Seconds; a run of more than ten years has a wrong unit."""

_NANOSECONDS: Final = 10**9
"""Nanoseconds per second."""


class TrainingRun(Struct, frozen=True):
    """A completed training run.

    Attributes:
        start: Unix nanoseconds.
        end: Unix nanoseconds.
        cpu_seconds: CPU time; None = unknown, here and below.
        peak_memory: Bytes.
        gpu_seconds: GPUs times seconds.
        cost: The amount, by the price sheet of the sender.
        parts: Resource → its part of the cost.
        results: Name of a measure → its value; None if it is not a number.
        error: The type of the exception, "" without one.
    """

    id: str
    model: str
    version: str
    environment: str
    start: int
    end: int
    cpu_seconds: float | None = None
    peak_memory: float | None = None
    gpu_seconds: float | None = None
    gpu_type: str = ""
    rows: int | None = None
    epochs: float | None = None
    cost: float | None = None
    currency: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""

    @property
    def seconds(self) -> float:
        """Duration of the run."""
        return (self.end - self.start) / _NANOSECONDS


def from_records(
    records: Iterable[tuple[LogRecord, str | None]], now: int, rejected: Counter[str]
) -> list[TrainingRun]:
    """Return the runs of log records.

    Args:
        records: Each with the environment of its resource.
        now: Unix nanoseconds, the end of runs without a time.
        rejected: Updated with the first reason per run of ``no_model_name``, ``no_run_id`` and ``bad_duration``.
    """
    found = [
        _run(
            record.attributes, environment, record.time_unix_nano or record.observed_time_unix_nano or now, 0, rejected
        )
        for record, environment in records
    ]
    return [run for run in found if run is not None]


def from_spans(spans: Iterable[tuple[Span, str | None]], now: int, rejected: Counter[str]) -> list[TrainingRun]:
    """Return the runs of spans; other spans are skipped. The arguments are those of :func:`from_records`."""
    found = []
    for span, environment in spans:
        if not any(
            attribute.key == a.ML_OPERATION_NAME and attribute.value.string_value == TRAIN
            for attribute in span.attributes
        ):
            continue
        end, failed = span.end_time_unix_nano or now, span.status.code == Status.STATUS_CODE_ERROR
        run = _run(span.attributes, environment, end, span.start_time_unix_nano, rejected, failed=failed)
        if run is not None:
            found.append(run)
    return found


def _run(
    attributes: Iterable[Any],
    environment: str | None,
    end: int,
    start: int,
    rejected: Counter[str],
    *,
    failed: bool = False,
) -> TrainingRun | None:
    values = {attribute.key: read(attribute.value) for attribute in attributes}

    def text(name: str) -> str:
        kind, value = values.get(name, (NUMBER, None))
        if kind == TEXT and len(value) <= MAX_TEXT:
            return str(value).strip()
        if kind == INTEGER:
            return str(value)
        return ""

    def number(name: str) -> float | None:
        kind, value = values.get(name, (TEXT, None))
        usable = kind in (NUMBER, INTEGER) and math.isfinite(value) and value >= 0
        if not usable and name in values:
            rejected[f"wrong_type:{name}"] += 1
        return float(value) if usable else None

    model, id = text(a.ML_MODEL_NAME), text(a.DRIFTLINE_TRAINING_RUN_ID)
    if not model:
        rejected["no_model_name"] += 1
        return None
    if not id:
        rejected["no_run_id"] += 1
        return None
    duration = number(a.DRIFTLINE_TRAINING_DURATION)
    if duration is None and start:
        duration = (end - start) / _NANOSECONDS
    if duration is None or not 0 <= duration <= _LONGEST_DURATION or end >= 2**63:
        rejected["bad_duration"] += 1
        return None
    rows, cost = number(a.DRIFTLINE_TRAINING_ROWS), number(a.DRIFTLINE_TRAINING_COST)
    parts = _named(values, a.DRIFTLINE_TRAINING_RESOURCE_COST)
    return TrainingRun(
        id=id,
        model=model,
        version=text(a.ML_MODEL_VERSION),
        environment=environment or "",
        start=max(0, end - round(duration * _NANOSECONDS)),
        end=end,
        cpu_seconds=number(a.DRIFTLINE_TRAINING_CPU_TIME),
        peak_memory=number(a.DRIFTLINE_TRAINING_MEMORY_PEAK),
        gpu_seconds=number(a.DRIFTLINE_TRAINING_GPU_TIME),
        gpu_type=text(a.DRIFTLINE_TRAINING_GPU_TYPE),
        rows=None if rows is None else int(min(rows, 2**53)),
        epochs=number(a.DRIFTLINE_TRAINING_EPOCHS),
        cost=cost,
        currency=text(a.DRIFTLINE_TRAINING_CURRENCY)[:16],
        parts={} if cost is None else {name: value for name, value in parts.items() if value is not None},
        results=_named(values, a.DRIFTLINE_TRAINING_RESULT_VALUE),
        error=text(a.ERROR_TYPE) or ("error" if failed else ""),
    )


def _named(values: Mapping[str, tuple[int, Any]], prefix: str) -> dict[str, float | None]:
    """Return the numbers of the keys below a prefix by their last part; None for values that are not numbers."""
    found: dict[str, float | None] = {}
    for key, (kind, value) in values.items():
        name = key.removeprefix(f"{prefix}.")
        if name == key or not name or len(name) > MAX_TEXT or len(found) >= MOST_NAMED:
            continue
        usable = kind in (NUMBER, INTEGER) and math.isfinite(value)
        found[name] = float(value) if usable else None
    return found

"""A training run as telemetry: one span, metrics, and a record that sampling does not drop.

The processor stores the record, which is sent as predictions and outcomes are, so a training script needs no
OpenTelemetry set-up. Nothing here raises into the training, and exceptions of the training are not caught.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.capture.training_record import TrainingRecord
from driftline.faults import FAULTS, logger
from driftline.semconv import SCHEMA_URL, metrics
from driftline.semconv import attributes as a
from driftline.tables.ids import IDS
from driftline.tables.text import sendable

from .measurement import Measured, Measurement
from .price_sheet import Cost, PriceSheet, UnusablePriceSheet, Usage, read_price_sheet

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from driftline.export.pipeline import Pipeline
    from driftline.model import Model


TRAIN = "train"
"""Value of ``ml.operation.name``."""

MOST_RESULTS = 64
LONGEST_NAME = 100
_MOST = 2**63 - 1


class TrainingRun:
    """One training run. :func:`training_run` creates it for a ``with`` block.

    Attributes:
        id: Id of the run, or "" before the run begins.
        cost: Cost of the run according to the price sheet. The cost is known after the end of the run. None if it is
            not known.
    """

    def __init__(
        self,
        model: str | Model,
        version: str,
        price_sheet: Mapping[str, Any] | str | PathLike[str] | None,
        gpus: float | None,
        gpu_type: str,
    ) -> None:
        self.id = ""
        self.cost: Cost | None = None
        self._model, self._version, self._given_sheet = model, version, price_sheet
        self._gpus, self._gpu_type = gpus, gpu_type
        self._forget()

    def _forget(self) -> None:
        self.cost = None
        self._results: dict[str, float] = {}
        self._rows: int | None = None
        self._epochs: float | None = None
        self._process = 0
        self._sheet: PriceSheet | None = None
        self._identity: Identity | None = None
        self._pipeline: Pipeline | None = None
        self._span: trace.Span = trace.INVALID_SPAN
        self._in_span: AbstractContextManager[Any] | None = None
        self._measurement: Measurement | None = None
        self._began = self._started = 0

    def record(self, *, rows: float | None = None, epochs: float | None = None, **results: float) -> None:
        """Record the size of the training, and measures of its model. This method never raises.

        Args:
            rows: Number of rows that the model was trained on.
            epochs: Number of passes over the rows.
            **results: Measures of the model, such as ``validation_loss=0.21``; a repeated measure replaces the earlier
                measure. A run has at most 64 measures.
        """
        try:
            if rows is not None:
                self._rows = min(max(int(rows), 0), _MOST)
            if epochs is not None:
                self._epochs = float(epochs)
        except Exception as error:
            kinds = f"{type(rows).__name__} and {type(epochs).__name__}"
            self._warn(f"rows and epochs must be numbers; they are {kinds}", error)
        for name, value in results.items():
            if name not in self._results and len(self._results) >= MOST_RESULTS:
                self._warn(f"a run has at most {MOST_RESULTS} results; further results are not recorded")
                return
            try:
                self._results[sendable(name[:LONGEST_NAME])] = float(value)
            except Exception as error:
                self._warn(f"the result {name[:LONGEST_NAME]!r} must be a number, not a {type(value).__name__}", error)

    def __enter__(self) -> TrainingRun:
        """Begin the run."""
        try:
            self._begin()
        except Exception as error:
            FAULTS.swallow("training run", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the run, and record it; an exception is not caught."""
        if self._in_span is not None:
            try:
                self._in_span.__exit__(None, None, None)
            except Exception as fault:  # the run ended in another context
                FAULTS.swallow("training run", fault)
        if self._process != os.getpid():  # a child process that was forked within the run
            return
        try:
            self._end(error)
        except Exception as fault:
            FAULTS.swallow("training run", fault)

    def _begin(self) -> None:
        from driftline.export.endpoint import disabled
        from driftline.export.pipeline import SILENT, pipeline_of

        self._forget()
        self._process, self._began, self._started = os.getpid(), time.time_ns(), time.perf_counter_ns()
        self.id = IDS.uuid7(self._began)
        try:
            self._sheet = None if self._given_sheet is None else read_price_sheet(self._given_sheet)
        except UnusablePriceSheet as error:
            self._warn(f"{error}; the run is recorded without its cost")
        if isinstance(self._model, str):
            if not self._model.strip():
                self._warn("the name of the model is empty; the run is not recorded")
                return
            self._identity = Identity(self._model.strip(), str(self._version))
            self._pipeline = SILENT if disabled() else pipeline_of(None)
        else:
            identity = self._model._identity
            self._identity = replace(identity, version=str(self._version) or identity.version)
            self._pipeline = self._model._pipeline
        tracer = trace.get_tracer(SCOPE, VERSION, self._identity.tracer_provider, SCHEMA_URL)
        named = {a.ML_OPERATION_NAME: TRAIN, a.ML_MODEL_NAME: self._identity.name}
        if self._identity.version:
            named[a.ML_MODEL_VERSION] = self._identity.version
        span_name = f"{TRAIN} {sendable(self._identity.name)}"
        self._span = tracer.start_span(span_name, attributes=named, start_time=self._began)
        self._in_span = trace.use_span(self._span, record_exception=False, set_status_on_exception=False)
        self._in_span.__enter__()
        self._measurement = Measurement()

    def _end(self, error: BaseException | None) -> None:
        elapsed = time.perf_counter_ns() - self._started
        measured = Measured() if self._measurement is None else self._measurement.close()
        identity, end = self._identity, self._began + elapsed
        if identity is None:
            return
        usage = self._usage(measured, elapsed * 1e-9)
        self.cost = None if self._sheet is None else self._sheet.cost(usage)
        if self.cost is not None and self.cost.unpriced:
            self._warn(f"{', '.join(self.cost.unpriced)}: the price or the usage is missing; not included in the cost")
        attributes = self._attributes(identity, usage, error)
        try:
            if self._span.is_recording():
                self._span.set_attributes(attributes)
                if a.ERROR_TYPE in attributes:
                    self._span.set_status(Status(StatusCode.ERROR))
            self._span.end(end)
            _count(identity, attributes)
        except Exception as fault:  # the application's provider can raise
            FAULTS.swallow("training run", fault)
        if self._pipeline is not None:
            self._pipeline.append(TrainingRecord(identity, end, attributes), TrainingRecord.size, 1)

    def _usage(self, measured: Measured, seconds: float) -> Usage:
        gpus = measured.gpus if self._gpus is None else _at_least_0(self._gpus)
        return Usage(
            seconds,
            measured.cpu_seconds,
            measured.peak_memory,
            None if gpus is None else gpus * seconds,
            sendable(str(self._gpu_type or measured.gpu_type)[:LONGEST_NAME]),
        )

    def _attributes(self, identity: Identity, usage: Usage, error: BaseException | None) -> dict[str, Any]:
        cost = self.cost
        attributes: dict[str, Any] = {
            a.ML_MODEL_NAME: identity.name,
            a.ML_MODEL_VERSION: identity.version or None,
            a.DRIFTLINE_TRAINING_RUN_ID: self.id,
            a.DRIFTLINE_TRAINING_DURATION: usage.seconds,
            a.DRIFTLINE_TRAINING_CPU_TIME: usage.cpu_seconds,
            a.DRIFTLINE_TRAINING_MEMORY_PEAK: usage.peak_memory,
            a.DRIFTLINE_TRAINING_ROWS: self._rows,
            a.DRIFTLINE_TRAINING_EPOCHS: self._epochs,
            a.ERROR_TYPE: None if error is None or _is_fine(error) else _type_name(error),
        }
        if usage.gpu_seconds:
            attributes[a.DRIFTLINE_TRAINING_GPU_TIME] = usage.gpu_seconds
            attributes[a.DRIFTLINE_TRAINING_GPU_COUNT] = (
                round(usage.gpu_seconds / usage.seconds) if usage.seconds else None
            )
            attributes[a.DRIFTLINE_TRAINING_GPU_TYPE] = usage.gpu_type or None
        if cost is not None:
            attributes[a.DRIFTLINE_TRAINING_COST] = cost.amount
            attributes[a.DRIFTLINE_TRAINING_CURRENCY] = cost.currency or None
            attributes |= {
                f"{a.DRIFTLINE_TRAINING_RESOURCE_COST}.{name}": amount for name, amount in cost.parts.items()
            }
        attributes |= {f"{a.DRIFTLINE_TRAINING_RESULT_VALUE}.{name}": value for name, value in self._results.items()}
        return {name: value for name, value in attributes.items() if value is not None}

    def _warn(self, sentence: str, error: BaseException | None = None) -> None:
        if FAULTS.once(f"training run: {sentence}"):
            kind = "" if error is None else f" ({type(error).__name__})"
            logger.warning("driftline: training run: %s%s", sentence, kind)


def training_run(
    model: str | Model,
    version: str = "",
    *,
    price_sheet: Mapping[str, Any] | str | PathLike[str] | None = None,
    gpus: float | None = None,
    gpu_type: str = "",
) -> TrainingRun:
    """Record a training run in a ``with`` block: its resources, its cost, and measures of its model.

    The run is sent as one span, as metrics, and as a record that ``driftline up`` stores. CPU time and memory are
    measured for this process and its children. GPUs are read with ``nvidia-ml-py`` if this package is installed.
    Driftline raises no exceptions of its own, and does not catch exceptions of the training.

    Args:
        model: Name of the model, or the model.
        version: Version that is trained. Default: the version of ``model``.
        price_sheet: Prices, as a mapping, or as the path of a JSON or YAML file. The keys are ``currency``,
            ``machine_hour``, ``cpu_hour``, ``gpu_hour`` and ``memory_gb_hour``. ``gpu_hour`` is one price, or one price
            per type.
        gpus: Number of GPUs of the run, on all machines. Default: the GPUs that this process uses according to NVML.
        gpu_type: Type of the GPUs, for the price sheet. Default: the type according to NVML.

    Returns:
        The run, with the method ``record``, as in ``run.record(validation_loss=0.21, rows=120_000, epochs=3)``.

    >>> import driftline
    >>> with driftline.training_run("churn", version="2026-12-01", price_sheet={"cpu_hour": 0.03}) as run:
    ...     run.record(validation_loss=0.21, rows=120_000)
    """
    return TrainingRun(model, version, price_sheet, gpus, gpu_type)


def _count(identity: Identity, attributes: Mapping[str, Any]) -> None:
    """Add the metrics of a run through the application's meters."""
    meter = otel_metrics.get_meter(SCOPE, VERSION, identity.meter_provider, SCHEMA_URL)
    about = {a.ML_MODEL_NAME: identity.name}
    failed = {**about, a.ERROR_TYPE: attributes[a.ERROR_TYPE]} if a.ERROR_TYPE in attributes else about

    def described(name: str) -> dict[str, Any]:
        return {"name": name, "unit": metrics.INSTRUMENTS[name].unit, "description": metrics.DESCRIPTIONS[name]}

    def attributes_with(name: str) -> dict[str, Any]:
        return {**about, name: attributes[name]} if name in attributes else about

    meter.create_counter(**described(metrics.DRIFTLINE_TRAINING_RUNS)).add(1, failed)
    meter.create_histogram(**described(metrics.DRIFTLINE_TRAINING_DURATION)).record(
        attributes[a.DRIFTLINE_TRAINING_DURATION], failed
    )
    for name, attribute, noun in (
        (metrics.DRIFTLINE_TRAINING_CPU_TIME, a.DRIFTLINE_TRAINING_CPU_TIME, about),
        (
            metrics.DRIFTLINE_TRAINING_GPU_TIME,
            a.DRIFTLINE_TRAINING_GPU_TIME,
            attributes_with(a.DRIFTLINE_TRAINING_GPU_TYPE),
        ),
        (metrics.DRIFTLINE_TRAINING_COST, a.DRIFTLINE_TRAINING_COST, attributes_with(a.DRIFTLINE_TRAINING_CURRENCY)),
    ):
        if attribute in attributes:
            meter.create_counter(**described(name)).add(attributes[attribute], noun)
    if a.DRIFTLINE_TRAINING_MEMORY_PEAK in attributes:
        gauge = meter.create_gauge(**described(metrics.DRIFTLINE_TRAINING_MEMORY_PEAK))
        gauge.set(attributes[a.DRIFTLINE_TRAINING_MEMORY_PEAK], about)
    prefix = a.DRIFTLINE_TRAINING_RESULT_VALUE + "."
    results = meter.create_gauge(**described(metrics.DRIFTLINE_TRAINING_RESULT_VALUE))
    for attribute, value in attributes.items():
        if attribute.startswith(prefix) and math.isfinite(value):
            results.set(value, {**about, a.DRIFTLINE_TRAINING_RESULT_NAME: attribute.removeprefix(prefix)})


def _is_fine(error: BaseException) -> bool:
    """Return True for ``sys.exit()`` without an error code."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return sendable(name[:LONGEST_NAME])


def _at_least_0(number: float) -> float | None:
    try:
        value = float(number)
    except (TypeError, ValueError):
        return None
    return value if 0 <= value < math.inf else None

"""Drift and performance as OTLP metrics: the names, attributes and values of the Prometheus page.

Gauges describe the newest closed window, those of performance the newest whose outcomes have had their time to arrive.
They are stamped now, since backends refuse old timestamps; an unknown value is an absent series, and a state is one
series with the value 1. A gauge that is no longer there is sent once more without a value: a backend would show it, and
two states at once, for minutes. Counters count from the start of this process.

Performance by slice and fairness, as derived metrics.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

from driftline.baseline.sections.slices import slice_name
from driftline.capture.model_identity import VERSION
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from driftline_processor.core.concept.result import ConceptDrift, error_rise
from driftline_processor.core.decode.otlp_rows import OWN_SCOPE
from driftline_processor.core.drift.incident import WHERE, columns
from driftline_processor.core.estimate.track_record import standing, with_track_records
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, JointDrift, Judgement
from driftline_processor.core.labels.delay import QUANTILES
from driftline_processor.core.performance.objective import newest_objectives
from driftline_processor.core.performance.slices import LABEL_AGE
from driftline_processor.core.quality import CHECKS
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.queries.overview import ModelView
from driftline_processor.queries.state_snapshot import StateSnapshot

from .metric_points import (
    Labels,
    Point,
    WorstMispredictions,
    attach_exemplars,
    counts_up,
    ended,
    growth,
    labels,
    model_attributes,
)

Derived = tuple[str, dict[str, str], float | None]
"""The name of a metric, its own attributes, and its value."""


def slice_points(newest: Evaluation) -> Iterator[Derived]:
    """Yield the performance of slices and of the ages of labels, and what came of fairness.

    Not that of single classes, of which there may be hundreds: a key has 21 values at most.
    """
    ages = {slice_name(LABEL_AGE, age): found for age, found in newest.ages.items()}
    for name, found in {**newest.performance_slices, **ages}.items():
        for metric, measured in found.metrics.items():
            if "[" not in metric:
                what = {a.DRIFTLINE_PERFORMANCE_METRIC: metric, a.DRIFTLINE_PERFORMANCE_SLICE: name}
                yield m.DRIFTLINE_PERFORMANCE_VALUE, what, measured.value
    for fair in newest.fairness:
        for one in fair.criteria:
            named = {a.DRIFTLINE_FAIRNESS_ATTRIBUTE: fair.attribute, a.DRIFTLINE_FAIRNESS_CRITERION: one.name}
            yield m.DRIFTLINE_FAIRNESS_STATUS, {**named, a.DRIFTLINE_STATE: one.state}, 1.0


SERVICE: Final = "driftline"
"""The ``service.name`` of everything that is derived."""

EVERY = 15.0
"""Seconds from one export to the next."""

Temporality = Literal["cumulative", "delta"]

_log = logging.getLogger("driftline")


class MetricSource(Protocol):
    """What metrics are made from: the state."""

    @property
    def snapshot(self) -> StateSnapshot:
        """What is known of all models."""

    def counters(self) -> Mapping[tuple[str, Labels], float]:
        """Return the counters and gauges of the processor: (metric name, sorted labels) → value."""


def points(source: MetricSource) -> list[Point]:
    """Return everything there is to say in metrics; counters as they stand since the state began."""
    models = [model for model in source.snapshot.models if not model.retired]
    made = [*_counted(models), *_evaluated(models), *_compared(models), *_own(source)]
    return [point for point in made if math.isfinite(point.value)]


def _counted(models: Iterable[ModelView]) -> Iterator[Point]:
    for model in models:
        of = model_attributes(model.key)
        tier = "" if model.tier is None else str(model.tier)
        known = {a.ML_MODEL_TASK: model.task.kind, a.DRIFTLINE_MODEL_TEAM: model.team, a.DRIFTLINE_MODEL_TIER: tier}
        yield _point(m.DRIFTLINE_MODEL_INFO, {**of, **{name: text for name, text in known.items() if text}}, 1.0)
        for name, value in model.by_class.items():
            yield _point(m.DRIFTLINE_PREDICTIONS, {**of, a.ML_PREDICTION_CLASS: name}, value)
        for error, value in model.by_error.items():
            yield _point(m.DRIFTLINE_PREDICTION_FAILURES, {**of, a.ERROR_TYPE: error}, value)
        if model.duration is not None and len(model.duration) == len(DURATION_BOUNDS) + 2:
            *buckets, total = model.duration.tolist()
            yield Point(m.DRIFTLINE_PREDICT_DURATION, labels(of), total, tuple(buckets))
        if model.balance is not None:
            yield _point(m.DRIFTLINE_RECORD_COMPLETENESS, of, model.balance.completeness)


def _evaluated(models: Iterable[ModelView]) -> Iterator[Point]:
    for model in models:
        if model.verdict is not None and model.in_use:
            yield _point(
                m.DRIFTLINE_MODEL_STATUS, {**model_attributes(model.key), a.DRIFTLINE_STATE: model.verdict.state}, 1.0
            )
        if model.concept is not None:
            yield from _concept(model.concept, model_attributes(model.key))
        for name, known in model.windows.items():
            of, window = model_attributes(model.key), {a.DRIFTLINE_WINDOW: name}
            place = next((at for at in range(len(known) - 1, -1, -1) if known[at].closed), None)
            newest = None if place is None else with_track_records(known[: place + 1], place)[0]
            if newest is not None:
                for column in (newest.score, newest.predicted, *newest.features.values()):
                    if column is not None:
                        yield from _drift(column, of, window)
                for cut, found in newest.slices.items():
                    for column in (found.score, found.predicted, *found.features.values()):
                        if column is not None:
                            yield from _drift(column, of, {a.DRIFTLINE_DRIFT_SLICE: cut, **window})
                for together in newest.joint.values():
                    yield from _joint(together, of, window)
                yield from _shares(newest, of, window)
                yield from _incidents(newest, of, window)
                yield from _quality(newest, of, window)
                yield from _estimates(newest, of, window)
                yield from _service(newest, of, window)
            mature = next((evaluation for evaluation in reversed(known) if model.mature(evaluation)), None)
            if mature is not None:
                yield from _outcomes(mature, of, window)
            if (measured := model.measured(name)) is not None:
                yield from _performance(measured, of, window)
                yield from (
                    _point(name, {**of, **what, **window}, value) for name, what, value in slice_points(measured)
                )
            yield from _objectives(known, of, window)
            judged = [one.label_sla for one in reversed(known) if one.label_sla is not None]
            if judged:
                told = next((one for one in judged if one.state != "inconclusive"), judged[0])
                yield _point(m.DRIFTLINE_OUTCOME_SLA_STATUS, {**of, **window, a.DRIFTLINE_STATE: told.state}, 1.0)


def _compared(models: Iterable[ModelView]) -> Iterator[Point]:
    """Versions beside their champion, once for each model."""
    for model in models:
        for found in model.versions:
            if found.challenger.name != model.key.version:
                continue
            what = {**model_attributes(model.key), a.DRIFTLINE_VERSION_CHAMPION: found.champion.name}
            yield _point(m.DRIFTLINE_VERSION_STATUS, {**what, a.DRIFTLINE_STATE: found.verdict}, 1.0)
            if (one := found.decides) is not None:
                what[a.DRIFTLINE_PERFORMANCE_METRIC] = one.loss
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE, what, one.difference)
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE_LOW, what, one.low)
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE_HIGH, what, one.high)


def _performance(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for metric, measured in newest.realized.items():
        what = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window}
        yield _point(m.DRIFTLINE_PERFORMANCE_VALUE, what, measured.value)
        yield _point(m.DRIFTLINE_PERFORMANCE_LOW, what, measured.low)
        yield _point(m.DRIFTLINE_PERFORMANCE_HIGH, what, measured.high)
    for metric, change in newest.realized_changes.items():
        what = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window, a.DRIFTLINE_STATE: change.state}
        yield _point(m.DRIFTLINE_PERFORMANCE_STATUS, what, 1.0)
    yield _point(m.DRIFTLINE_PERFORMANCE_WINDOW_END, {**model, **window}, newest.window.end / 1e9)


def _outcomes(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the outcome metrics of the newest window whose outcomes had their time: labels that stop show here."""
    yield _point(m.DRIFTLINE_OUTCOME_COVERAGE, {**model, **window}, newest.coverage)
    if newest.delay is not None:
        for share, seconds in zip(QUANTILES, (newest.delay.median, newest.delay.p90, newest.delay.p99), strict=True):
            yield _point(
                m.DRIFTLINE_OUTCOME_DELAY, {**model, a.DRIFTLINE_OUTCOME_QUANTILE: f"{share:g}", **window}, seconds
            )


def _estimates(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield estimated performance, and that of the baseline for comparison."""
    for metric, one in newest.estimated.items():
        what = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric}
        yield _point(m.DRIFTLINE_ESTIMATE_VALUE, {**what, **window}, one.value)
        if (state := standing(one)) is not None:
            yield _point(m.DRIFTLINE_ESTIMATE_STATUS, {**what, **window, a.DRIFTLINE_STATE: state}, 1.0)
    for metric, measured in newest.reference.items():
        yield _point(
            m.DRIFTLINE_PERFORMANCE_REFERENCE,
            {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window},
            measured.value,
        )


def _service(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield how the service answered, in all and by slice."""
    whole = {} if newest.service is None else {"": newest.service}
    for name, level in {**whole, **newest.service_slices}.items():
        what = {**model, **window, **({a.DRIFTLINE_PERFORMANCE_SLICE: name} if name else {})}
        for metric, measured in level.values.items():
            if metric in LATENCIES:
                quantile = f"{LATENCIES[metric]:g}"
                yield _point(
                    m.DRIFTLINE_SERVICE_LATENCY, {**what, a.DRIFTLINE_SERVICE_QUANTILE: quantile}, measured.value
                )
            else:
                yield _point(m.DRIFTLINE_SERVICE_ERROR_RATE, what, measured.value)


def _objectives(known: Sequence[Evaluation], model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for rule, one in newest_objectives(known).items():
        what = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: one.metric, a.DRIFTLINE_OBJECTIVE_RULE: rule, **window}
        if one.slice:  # over a key that itself, since another of its slices may be the worst next time
            what[a.DRIFTLINE_PERFORMANCE_SLICE] = one.slice.partition("=")[0] if one.slices else one.slice
        yield _point(m.DRIFTLINE_OBJECTIVE_STATUS, {**what, a.DRIFTLINE_STATE: one.state}, 1.0)
        yield _point(m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS, what, float(one.inconclusive_windows))
        yield _point(m.DRIFTLINE_OBJECTIVE_OVERDUE, what, float(one.overdue))
        yield _point(m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS, what, one.needed)


def _drift(column: ColumnDrift, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    what = {**model, a.DRIFTLINE_DRIFT_COLUMN: column.column}
    if column.column == "feature":
        what[a.DRIFTLINE_FEATURE_NAME] = column.name
    for method, found in column.methods.items():
        yield _point(m.DRIFTLINE_DRIFT_VALUE, {**what, a.DRIFTLINE_DRIFT_METHOD: method, **window}, found.value)
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**what, **window, a.DRIFTLINE_STATE: column.state}, 1.0)


def _concept(concept: ConceptDrift, model: dict[str, str]) -> Iterator[Point]:
    what = {**model, a.DRIFTLINE_DRIFT_COLUMN: "concept"}
    if (rise := error_rise(concept)) is not None:
        yield _point(m.DRIFTLINE_DRIFT_VALUE, {**what, a.DRIFTLINE_DRIFT_METHOD: "adwin"}, rise)
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**what, a.DRIFTLINE_STATE: concept.state}, 1.0)
    for cut, own in concept.slices.items():
        yield from _concept(own, {**model, a.DRIFTLINE_DRIFT_SLICE: cut})


def _joint(found: JointDrift, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    what = {**model, a.DRIFTLINE_DRIFT_COLUMN: "features", a.DRIFTLINE_DRIFT_METHOD: found.method, **window}
    yield _point(m.DRIFTLINE_DRIFT_VALUE, what, found.value)
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**what, a.DRIFTLINE_STATE: found.state}, 1.0)


def _shares(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for weighting, share in (("none", newest.share), ("importance", newest.weighted_fraction)):
        yield _point(m.DRIFTLINE_DRIFT_FRACTION, {**model, a.DRIFTLINE_DRIFT_WEIGHTING: weighting, **window}, share)
    for cut, found in newest.slices.items():
        what = {**model, a.DRIFTLINE_DRIFT_WEIGHTING: "none", a.DRIFTLINE_DRIFT_SLICE: cut, **window}
        yield _point(m.DRIFTLINE_DRIFT_FRACTION, what, found.share)


def _incidents(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the incidents of all rows, 0 without one, and those of slices."""
    named = [part for part, column in columns(newest) if column.state != "no_baseline"]
    for part in dict.fromkeys((*named, *newest.incident)):
        name, _, cut = part.partition(WHERE) if part in newest.incident and part not in named else (part, "", "")
        column, _, feature = name.partition(":")
        what = {**model, a.DRIFTLINE_DRIFT_COLUMN: column, **({a.DRIFTLINE_FEATURE_NAME: feature} if feature else {})}
        where = {a.DRIFTLINE_DRIFT_SLICE: cut} if cut else {}
        yield _point(m.DRIFTLINE_DRIFT_INCIDENT, {**what, **where, **window}, float(part in newest.incident))


def _quality(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    if newest.features:
        found = Counter(finding.check for finding in newest.findings)
        for check in CHECKS:
            yield _point(
                m.DRIFTLINE_QUALITY_FINDINGS, {**model, a.DRIFTLINE_QUALITY_CHECK: check, **window}, float(found[check])
            )
    if newest.expected:
        states = Counter(expected.state for expected in newest.expected)
        for state in get_args(Judgement):
            what = {**model, a.DRIFTLINE_STATE: state, **window}
            yield _point(m.DRIFTLINE_QUALITY_EXPECTATIONS, what, float(states[state]))


def _own(source: MetricSource) -> Iterator[Point]:
    for (name, known), value in sorted(source.counters().items()):
        yield Point(name, known, value)


def _point(metric: str, attributes: Mapping[str, str], value: float | None) -> Point:
    return Point(metric, labels(attributes), math.nan if value is None else value)


def metrics_request(
    measured: Iterable[Point], now: int, start: int, temporality: Temporality = "cumulative", instance: str = ""
) -> bytes:
    """Return the points as the body of an ``ExportMetricsServiceRequest``.

    ``now``, ``start``: unix nanoseconds, of every point and of what counters and histograms count since.
    ``instance``: the ``service.instance.id``, "" for none.
    """
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(_key_values(((a.SERVICE_NAME, SERVICE),)))
    if instance:
        resource.resource.attributes.extend(_key_values(((a.SERVICE_INSTANCE_ID, instance),)))
    scope = resource.scope_metrics.add(schema_url=SCHEMA_URL)
    scope.scope.name, scope.scope.version = OWN_SCOPE, VERSION
    how = otlp.AGGREGATION_TEMPORALITY_DELTA if temporality == "delta" else otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    made: dict[str, otlp.Metric] = {}
    for point in measured:
        metric = made.get(point.metric)
        if metric is None:
            metric = made[point.metric] = scope.metrics.add(
                name=point.metric, unit=m.UNITS.get(point.metric, ""), description=m.DESCRIPTIONS.get(point.metric, "")
            )
        stamp = {"time_unix_nano": now, "attributes": _key_values(point.attributes)}
        if point.buckets is not None:
            metric.histogram.aggregation_temporality = how
            counts = [round(count) for count in point.buckets]
            metric.histogram.data_points.add(
                **stamp,
                start_time_unix_nano=start,
                count=sum(counts),
                sum=point.value,
                bucket_counts=counts,
                explicit_bounds=DURATION_BOUNDS,
            )
        elif counts_up(point):
            metric.sum.aggregation_temporality = how
            metric.sum.is_monotonic = True
            made_of = metric.sum.data_points.add(**stamp, start_time_unix_nano=start, as_double=point.value)
            for one in point.exemplars:
                made_of.exemplars.add(
                    time_unix_nano=one.time, as_double=1.0, trace_id=one.trace_id, span_id=one.span_id
                )
        elif math.isnan(point.value):
            metric.gauge.data_points.add(**stamp, flags=otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
        else:
            metric.gauge.data_points.add(**stamp, as_double=point.value)
    return bytes(request.SerializeToString())


def _key_values(labels: Labels) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in labels]


@dataclass(frozen=True, slots=True)
class Sink:
    """Destination of metrics: ``offer`` queues the body of a request and returns at once."""

    offer: Callable[[bytes], object]
    temporality: Temporality = "cumulative"


class DerivedMetrics:
    """Sends what the state shows to every sink, every few seconds, on a thread of its own.

    Make it before anything is received: counters count from here.

    Args:
        clock: Unix nanoseconds.
        worst: What it sends as exemplars.
    """

    def __init__(
        self,
        source: MetricSource,
        sinks: Sequence[Sink],
        clock: Callable[[], int] = time.time_ns,
        every: float = EVERY,
        worst: WorstMispredictions | None = None,
    ) -> None:
        self._source, self._sinks, self._clock, self._every, self._worst = source, sinks, clock, every, worst
        self._instance = str(uuid.uuid4())
        self._first, self._began = points(source), clock()
        self._last, self._sent = self._first, self._began
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftline-derived", daemon=True)

    def start(self) -> None:
        """Begin to send, if there is anywhere to send to."""
        if self._sinks:
            self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Send a last time, within so many seconds; None = however long it takes."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def send(self) -> None:
        """Send what is known now."""
        striking = {} if self._worst is None else self._worst.take()  # before what is counted, so that it counts them
        known, now = points(self._source), self._clock()
        gone = ended(known, self._last)
        bodies: dict[Temporality, bytes] = {}
        for sink in self._sinks:
            if sink.temporality not in bodies:
                delta = sink.temporality == "delta"
                before, since = (self._last, self._sent) if delta else (self._first, self._began)
                bodies[sink.temporality] = metrics_request(
                    [*attach_exemplars(growth(known, before), striking), *gone],
                    now,
                    since,
                    sink.temporality,
                    self._instance,
                )
            sink.offer(bodies[sink.temporality])
        self._last, self._sent = known, now

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._stopping.wait(self._every)
            try:
                self.send()
            except Exception:
                _log.exception("derived metrics could not be made; the next ones come in %g s", self._every)

"""Export drift and performance as OTLP metrics, with the names, attributes and values of the Prometheus page.

Gauges describe the newest closed window, those of performance the newest mature one, and one gauge the drift of the
open window so far. They have the current time, because backends reject old timestamps; an unknown value is an absent
series, and a state is one series of an up-down counter with the value 1. An ended gauge or state is sent once more
without a value, because a backend would otherwise show it, or two states, for minutes. Counters count from the start
of this process.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, Literal, Protocol, get_args

from driftline.baseline.sections.slices import slice_name
from driftline.capture.model_identity import VERSION
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct
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
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.state_snapshot import StateSnapshot

from .metric_points import (
    Labels,
    Point,
    WorstMispredictions,
    attach_exemplars,
    counts_up,
    ended,
    growth,
    instrument_of,
    labels,
    model_attributes,
)

Derived = tuple[str, dict[str, str], float | None]
"""The name of a metric, its own attributes, and its value."""


def slice_points(newest: Evaluation) -> Iterator[Derived]:
    """Yield the performance of slices and of cohorts of label age, and fairness.

    Metrics of single classes are left out, because there may be hundreds; a slice key has at most 21 values.
    """
    ages = {slice_name(LABEL_AGE, age): slice_performance for age, slice_performance in newest.ages.items()}
    for name, slice_performance in {**newest.performance_slices, **ages}.items():
        for metric, measured in slice_performance.metrics.items():
            if "[" not in metric:
                attributes = {a.DRIFTLINE_PERFORMANCE_METRIC: metric, a.DRIFTLINE_PERFORMANCE_SLICE: name}
                yield m.DRIFTLINE_PERFORMANCE_VALUE, attributes, measured.value
    for fair in newest.fairness:
        for criterion in fair.criteria:
            fairness_attributes = {
                a.DRIFTLINE_FAIRNESS_ATTRIBUTE: fair.attribute,
                a.DRIFTLINE_FAIRNESS_CRITERION: criterion.name,
            }
            yield m.DRIFTLINE_FAIRNESS_STATUS, {**fairness_attributes, a.DRIFTLINE_STATE: criterion.state}, 1.0


SERVICE: Final = "driftline"
"""The ``service.name`` of derived telemetry."""

EVERY = 15.0
"""Seconds between exports."""

Temporality = Literal["cumulative", "delta"]

_log = logging.getLogger("driftline")


class MetricSource(Protocol):
    """The source of metrics: the state."""

    @property
    def snapshot(self) -> StateSnapshot:
        """The data of all models."""

    def counters(self) -> Mapping[tuple[str, Labels], float]:
        """Return the counters and gauges of the processor: (metric name, sorted labels) → value."""


def points(source: MetricSource) -> list[Point]:
    """Return all metric points; counters since the state was created."""
    models = [model for model in source.snapshot.models if not model.retired]
    metric_points = [*_counted(models), *_evaluated(models), *_compared(models), *_counter_points(source)]
    return [point for point in metric_points if math.isfinite(point.value)]


def _counted(models: Iterable[ModelView]) -> Iterator[Point]:
    for model in models:
        key_attributes = model_attributes(model.key)
        tier = "" if model.tier is None else str(model.tier)
        model_facts = {
            a.ML_MODEL_TASK: model.task.kind,
            a.DRIFTLINE_MODEL_TEAM: model.team,
            a.DRIFTLINE_MODEL_TIER: tier,
        }
        yield _point(
            m.DRIFTLINE_MODEL_INFO,
            {**key_attributes, **{name: text for name, text in model_facts.items() if text}},
            1.0,
        )
        for name, value in model.by_class.items():
            yield _point(m.DRIFTLINE_PREDICTIONS, {**key_attributes, a.ML_PREDICTION_CLASS: name}, value)
        for error, value in model.by_error.items():
            yield _point(m.DRIFTLINE_PREDICTION_FAILURES, {**key_attributes, a.ERROR_TYPE: error}, value)
        if model.duration is not None and len(model.duration) == len(DURATION_BOUNDS) + 2:
            *buckets, total = model.duration.tolist()
            yield Point(m.DRIFTLINE_PREDICT_DURATION, labels(key_attributes), total, tuple(buckets))
        if model.balance is not None:
            yield _point(m.DRIFTLINE_RECORD_COMPLETENESS, key_attributes, model.balance.completeness)


def _evaluated(models: Iterable[ModelView]) -> Iterator[Point]:
    for model in models:
        if model.verdict is not None and model.in_use:
            yield _point(
                m.DRIFTLINE_MODEL_STATUS, {**model_attributes(model.key), a.DRIFTLINE_STATE: model.verdict.state}, 1.0
            )
        if model.concept is not None:
            yield from _concept(model.concept, model_attributes(model.key))
        for name, evaluations in model.windows.items():
            key_attributes, window = model_attributes(model.key), {a.DRIFTLINE_WINDOW: name}
            place = next((index for index in range(len(evaluations) - 1, -1, -1) if evaluations[index].closed), None)
            newest = None if place is None else with_track_records(evaluations[: place + 1], place)[0]
            yield from _open_drift(evaluations, key_attributes, window)
            if newest is not None:
                for column, cut in _columns(newest):
                    yield from _drift(column, key_attributes, {**cut, **window})
                for joint_drift in newest.joint.values():
                    yield from _joint(joint_drift, key_attributes, window)
                yield from _shares(newest, key_attributes, window)
                yield from _incidents(newest, key_attributes, window)
                yield from _quality(newest, key_attributes, window)
                yield from _estimates(newest, key_attributes, window)
                yield from _service(newest, key_attributes, window)
            mature = next((evaluation for evaluation in reversed(evaluations) if model.mature(evaluation)), None)
            if mature is not None:
                yield from _outcomes(mature, key_attributes, window)
            if (measured := model.measured(name)) is not None:
                yield from _performance(measured, key_attributes, window)
                yield from (
                    _point(name, {**key_attributes, **point_attributes, **window}, value)
                    for name, point_attributes, value in slice_points(measured)
                )
            yield from _objectives(evaluations, key_attributes, window)
            label_slas = [
                evaluation.label_sla for evaluation in reversed(evaluations) if evaluation.label_sla is not None
            ]
            if label_slas:
                label_sla = next(
                    (evaluation for evaluation in label_slas if evaluation.state != "inconclusive"), label_slas[0]
                )
                yield _point(
                    m.DRIFTLINE_OUTCOME_SLA_STATUS,
                    {**key_attributes, **window, a.DRIFTLINE_STATE: label_sla.state},
                    1.0,
                )


def _compared(models: Iterable[ModelView]) -> Iterator[Point]:
    """Yield the comparisons with the champion, once per model."""
    for model in models:
        for version in model.versions:
            if version.challenger.name != model.key.version:
                continue
            attributes = {**model_attributes(model.key), a.DRIFTLINE_VERSION_CHAMPION: version.champion.name}
            yield _point(m.DRIFTLINE_VERSION_STATUS, {**attributes, a.DRIFTLINE_STATE: version.verdict}, 1.0)
            if (verdict := version.decides) is not None:
                attributes[a.DRIFTLINE_PERFORMANCE_METRIC] = verdict.loss
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE, attributes, verdict.difference)
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE_LOW, attributes, verdict.low)
                yield _point(m.DRIFTLINE_VERSION_DIFFERENCE_HIGH, attributes, verdict.high)


def _performance(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for metric, measured in newest.realized.items():
        attributes = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window}
        yield _point(m.DRIFTLINE_PERFORMANCE_VALUE, attributes, measured.value)
        yield _point(m.DRIFTLINE_PERFORMANCE_LOW, attributes, measured.low)
        yield _point(m.DRIFTLINE_PERFORMANCE_HIGH, attributes, measured.high)
    for metric, change in newest.realized_changes.items():
        attributes = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window, a.DRIFTLINE_STATE: change.state}
        yield _point(m.DRIFTLINE_PERFORMANCE_STATUS, attributes, 1.0)
    yield _point(m.DRIFTLINE_PERFORMANCE_WINDOW_END, {**model, **window}, newest.window.end / 1e9)


def _outcomes(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the outcome metrics of the newest mature window, in which missing labels are visible."""
    yield _point(m.DRIFTLINE_OUTCOME_COVERAGE, {**model, **window}, newest.coverage)
    if newest.delay is not None:
        for share, seconds in zip(QUANTILES, (newest.delay.median, newest.delay.p90, newest.delay.p99), strict=True):
            yield _point(
                m.DRIFTLINE_OUTCOME_DELAY, {**model, a.DRIFTLINE_OUTCOME_QUANTILE: f"{share:g}", **window}, seconds
            )


def _estimates(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the estimated performance, with that of the baseline."""
    for metric, estimate in newest.estimated.items():
        attributes = {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric}
        yield _point(m.DRIFTLINE_ESTIMATE_VALUE, {**attributes, **window}, estimate.value)
        if (state := standing(estimate)) is not None:
            yield _point(m.DRIFTLINE_ESTIMATE_STATUS, {**attributes, **window, a.DRIFTLINE_STATE: state}, 1.0)
    for metric, measured in newest.reference.items():
        yield _point(
            m.DRIFTLINE_PERFORMANCE_REFERENCE,
            {**model, a.DRIFTLINE_PERFORMANCE_METRIC: metric, **window},
            measured.value,
        )


def _service(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the service-level metrics, in total and by slice."""
    service_by_slice = {} if newest.service is None else {"": newest.service}
    for name, level in {**service_by_slice, **newest.service_slices}.items():
        attributes = {**model, **window, **({a.DRIFTLINE_PERFORMANCE_SLICE: name} if name else {})}
        for metric, measured in level.values.items():
            if metric in LATENCIES:
                quantile = f"{LATENCIES[metric]:g}"
                yield _point(
                    m.DRIFTLINE_SERVICE_LATENCY, {**attributes, a.DRIFTLINE_SERVICE_QUANTILE: quantile}, measured.value
                )
            else:
                yield _point(m.DRIFTLINE_SERVICE_ERROR_RATE, attributes, measured.value)


def _objectives(evaluations: Sequence[Evaluation], model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for rule, objective in newest_objectives(evaluations).items():
        attributes = {
            **model,
            a.DRIFTLINE_PERFORMANCE_METRIC: objective.metric,
            a.DRIFTLINE_OBJECTIVE_RULE: rule,
            **window,
        }
        if objective.slice:  # for a key, because another of its slices may be the worst next time
            attributes[a.DRIFTLINE_PERFORMANCE_SLICE] = (
                objective.slice.partition("=")[0] if objective.slices else objective.slice
            )
        yield _point(m.DRIFTLINE_OBJECTIVE_STATUS, {**attributes, a.DRIFTLINE_STATE: objective.state}, 1.0)
        yield _point(m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS, attributes, float(objective.inconclusive_windows))
        yield _point(m.DRIFTLINE_OBJECTIVE_OVERDUE, attributes, float(objective.overdue))
        yield _point(m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS, attributes, objective.needed)


def _columns(evaluation: Evaluation) -> Iterator[tuple[ColumnDrift, dict[str, str]]]:
    """Yield the compared columns of all rows, then those of slices, with the attribute of their slice."""
    for column in (evaluation.score, evaluation.predicted, *evaluation.features.values()):
        if column is not None:
            yield column, {}
    for cut, slice_drift in evaluation.slices.items():
        for column in (slice_drift.score, slice_drift.predicted, *slice_drift.features.values()):
            if column is not None:
                yield column, {a.DRIFTLINE_DRIFT_SLICE: cut}


def _column_attributes(column: ColumnDrift) -> dict[str, str]:
    feature = {a.DRIFTLINE_FEATURE_NAME: column.name} if column.column == "feature" else {}
    return {a.DRIFTLINE_DRIFT_COLUMN: column.column, **feature}


def _drift(column: ColumnDrift, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    attributes = {**model, **_column_attributes(column)}
    for method, method_drift in column.methods.items():
        yield _point(
            m.DRIFTLINE_DRIFT_VALUE, {**attributes, a.DRIFTLINE_DRIFT_METHOD: method, **window}, method_drift.value
        )
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**attributes, **window, a.DRIFTLINE_STATE: column.state}, 1.0)


def _open_drift(evaluations: Sequence[Evaluation], model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the drift so far of the newest open window in which a column has enough rows.

    It has no state, because the hours that a window lacks may differ from those that it has. A value of too few rows is
    left out, because it would be large by chance whenever a window begins; until then the window before is still open.
    A column has one method, PSI if it is measured: with 13 features that adds a sixth to the series of a model, and all
    methods would add almost half.
    """
    for evaluation in takewhile(lambda one: not one.closed, reversed(evaluations)):
        drifts = [
            ({**_column_attributes(column), a.DRIFTLINE_DRIFT_METHOD: method, **cut}, column.methods[method].value)
            for column, cut in _columns(evaluation)
            if column.reason != "too_few_rows"
            and (method := "psi" if "psi" in column.methods else column.decided_by) in column.methods
        ]
        drifts += [
            (_joint_attributes(joint_drift), joint_drift.value)
            for joint_drift in evaluation.joint.values()
            if joint_drift.reason != "too_few_rows"
        ]
        if drifts:
            for attributes, value in drifts:
                yield _point(m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, {**model, **attributes, **window}, value)
            break


def _concept(concept: ConceptDrift, model: dict[str, str]) -> Iterator[Point]:
    attributes = {**model, a.DRIFTLINE_DRIFT_COLUMN: "concept"}
    if (rise := error_rise(concept)) is not None:
        yield _point(m.DRIFTLINE_DRIFT_VALUE, {**attributes, a.DRIFTLINE_DRIFT_METHOD: "adwin"}, rise)
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**attributes, a.DRIFTLINE_STATE: concept.state}, 1.0)
    for cut, slice_concept in concept.slices.items():
        yield from _concept(slice_concept, {**model, a.DRIFTLINE_DRIFT_SLICE: cut})


def _joint_attributes(joint_drift: JointDrift) -> dict[str, str]:
    return {a.DRIFTLINE_DRIFT_COLUMN: "features", a.DRIFTLINE_DRIFT_METHOD: joint_drift.method}


def _joint(joint_drift: JointDrift, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    attributes = {**model, **_joint_attributes(joint_drift), **window}
    yield _point(m.DRIFTLINE_DRIFT_VALUE, attributes, joint_drift.value)
    yield _point(m.DRIFTLINE_DRIFT_STATUS, {**attributes, a.DRIFTLINE_STATE: joint_drift.state}, 1.0)


def _shares(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    for weighting, share in (("none", newest.fraction), ("importance", newest.weighted_fraction)):
        yield _point(m.DRIFTLINE_DRIFT_FRACTION, {**model, a.DRIFTLINE_DRIFT_WEIGHTING: weighting, **window}, share)
    for cut, slice_drift in newest.slices.items():
        attributes = {**model, a.DRIFTLINE_DRIFT_WEIGHTING: "none", a.DRIFTLINE_DRIFT_SLICE: cut, **window}
        yield _point(m.DRIFTLINE_DRIFT_FRACTION, attributes, slice_drift.fraction)


def _incidents(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    """Yield the incidents of all rows, 0 without one, and those of slices."""
    column_parts = [part for part, column in columns(newest) if column.state != "no_baseline"]
    for part in dict.fromkeys((*column_parts, *newest.incident)):
        name, _, cut = part.partition(WHERE) if part in newest.incident and part not in column_parts else (part, "", "")
        column, _, feature = name.partition(":")
        attributes = {
            **model,
            a.DRIFTLINE_DRIFT_COLUMN: column,
            **({a.DRIFTLINE_FEATURE_NAME: feature} if feature else {}),
        }
        where = {a.DRIFTLINE_DRIFT_SLICE: cut} if cut else {}
        yield _point(m.DRIFTLINE_DRIFT_INCIDENT, {**attributes, **where, **window}, float(part in newest.incident))


def _quality(newest: Evaluation, model: dict[str, str], window: dict[str, str]) -> Iterator[Point]:
    if newest.features:
        counts_by_check = Counter(finding.check for finding in newest.findings)
        for check in CHECKS:
            yield _point(
                m.DRIFTLINE_QUALITY_FINDINGS,
                {**model, a.DRIFTLINE_QUALITY_CHECK: check, **window},
                float(counts_by_check[check]),
            )
    if newest.expected:
        states = Counter(expected.state for expected in newest.expected)
        for state in get_args(Judgement):
            attributes = {**model, a.DRIFTLINE_STATE: state, **window}
            yield _point(m.DRIFTLINE_QUALITY_EXPECTATIONS, attributes, float(states[state]))


def _counter_points(source: MetricSource) -> Iterator[Point]:
    for (name, counter_attributes), value in sorted(source.counters().items()):
        yield Point(name, counter_attributes, value)


def _point(metric: str, attributes: Mapping[str, str], value: float | None) -> Point:
    return Point(metric, labels(attributes), math.nan if value is None else value)


def metrics_request(
    measured: Iterable[Point], now: int, start: int, temporality: Temporality = "cumulative", instance: str = ""
) -> bytes:
    """Return the points as the body of an ``ExportMetricsServiceRequest``.

    ``now``: unix nanoseconds, the time of every point; ``start``: of counters and histograms. ``instance``: the
    ``service.instance.id``, "" for none.
    """
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    scope = resource.scope_metrics.add(schema_url=SCHEMA_URL)
    set_origin(resource, scope)
    if instance:
        resource.resource.attributes.append(text_value(a.SERVICE_INSTANCE_ID, instance))
    aggregation = (
        otlp.AGGREGATION_TEMPORALITY_DELTA if temporality == "delta" else otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    )
    metrics_by_name: dict[str, otlp.Metric] = {}
    for point in measured:
        metric = metrics_by_name.get(point.metric)
        if metric is None:
            instrument = m.INSTRUMENTS.get(point.metric)
            metric = metrics_by_name[point.metric] = scope.metrics.add(
                name=point.metric,
                unit="" if instrument is None else instrument.unit,
                description=m.DESCRIPTIONS.get(point.metric, ""),
            )
        stamp = {"time_unix_nano": now, "attributes": _key_values(point.attributes)}
        if point.buckets is not None:
            metric.histogram.aggregation_temporality = aggregation
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
            metric.sum.aggregation_temporality = aggregation
            metric.sum.is_monotonic = True
            made_of = metric.sum.data_points.add(**stamp, start_time_unix_nano=start, as_double=point.value)
            for exemplar in point.exemplars:
                made_of.exemplars.add(
                    time_unix_nano=exemplar.time, as_double=1.0, trace_id=exemplar.trace_id, span_id=exemplar.span_id
                )
        else:
            if instrument_of(point) == "updowncounter":  # cumulative with each preference, as OpenTelemetry's SDKs
                metric.sum.aggregation_temporality = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
                level, stamp["start_time_unix_nano"] = metric.sum, start
            else:
                level = metric.gauge
            if math.isnan(point.value):
                level.data_points.add(**stamp, flags=otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
            else:
                level.data_points.add(**stamp, as_double=point.value)
    return bytes(request.SerializeToString())


def set_origin(group: Any, scope: Any, environment: str = "") -> None:
    """Set the resource and the scope of an OTLP request of the processor's own telemetry."""
    for key, text in ((a.SERVICE_NAME, SERVICE), (a.SERVICE_VERSION, VERSION)):
        group.resource.attributes.append(text_value(key, text))
    if environment:
        group.resource.attributes.append(text_value(a.DEPLOYMENT_ENVIRONMENT_NAME, environment))
    scope.scope.name, scope.scope.version = OWN_SCOPE, VERSION


def text_value(key: str, text: str) -> KeyValue:
    """Return an attribute; unpaired surrogates, which received names may contain, are replaced."""
    return KeyValue(key=key, value=AnyValue(string_value=text.encode("utf-8", "replace").decode()))


def _key_values(labels: Labels) -> list[KeyValue]:
    return [text_value(key, text) for key, text in labels]


class Sink(Struct, frozen=True):
    """A destination of metrics: ``offer`` queues the body of a request and returns immediately."""

    offer: Callable[[bytes], object]
    temporality: Temporality = "cumulative"


class DerivedMetrics:
    """Sends the metrics of the state to every sink periodically, on its own thread.

    Create it before anything is received, because counters count from its creation.

    Args:
        clock: Unix nanoseconds.
        worst: Source of exemplars.
    """

    def __init__(
        self,
        source: MetricSource,
        sinks: Sequence[Sink],
        clock: Callable[[], int] = time.time_ns,
        every: float = EVERY,
        worst: WorstMispredictions | None = None,
    ) -> None:
        self._source, self._sinks, self._clock, self._interval, self._worst = source, sinks, clock, every, worst
        self._instance = str(uuid.uuid4())
        self._first, self._began = points(source), clock()
        self._last, self._last_sent = self._first, self._began
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftline-derived", daemon=True)

    def start(self) -> None:
        """Start to send, if there is a sink."""
        if self._sinks and self._thread.ident is None:
            self._thread.start()

    def replace(self, sinks: Sequence[Sink]) -> None:
        """Send to other sinks from now on."""
        self._sinks = sinks
        self.start()

    def stop(self, timeout: float | None = None) -> None:
        """Send a last time, within ``timeout`` seconds; None = without a limit."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def send(self) -> None:
        """Send the current values."""
        striking = {} if self._worst is None else self._worst.take()  # before the counters, so that they include them
        current_points, now = points(self._source), self._clock()
        ended_points = ended(current_points, self._last)
        bodies: dict[Temporality, bytes] = {}
        for sink in self._sinks:
            if sink.temporality not in bodies:
                delta = sink.temporality == "delta"
                before, since = (self._last, self._last_sent) if delta else (self._first, self._began)
                bodies[sink.temporality] = metrics_request(
                    [*attach_exemplars(growth(current_points, before), striking), *ended_points],
                    now,
                    since,
                    sink.temporality,
                    self._instance,
                )
            sink.offer(bodies[sink.temporality])
        self._last, self._last_sent = current_points, now

    def _run(self) -> None:
        has_ended = False
        while not has_ended:
            has_ended = self._stopping.wait(self._interval)
            try:
                self.send()
            except Exception:
                _log.exception("derived metrics could not be computed; the next attempt is in %g s", self._interval)

"""What is known goes out as OTLP metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from driftline.capture.model_identity import VERSION
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Evaluation,
    Expected,
    Finding,
    JointDrift,
    MethodValue,
    MetricChange,
    MetricValue,
    SliceDrift,
    Verdict,
)
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.core.windows.window import Window
from driftline_processor.exporters import prometheus_page as page
from driftline_processor.exporters.derived_metrics import DerivedMetrics, Sink, Temporality, metrics_request, points
from driftline_processor.exporters.metric_points import Point, growth
from driftline_processor.queries.model_view import ModelView
from msgspec import structs
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from tests.support.fake_view import FakeView

HOUR = 3_600 * 10**9
NOW = 1_800_000_000 * 10**9
KEY = ModelKey("churn", "7", "prod")
MODEL = ((a.ML_MODEL_NAME, "churn"), (a.ML_MODEL_VERSION, "7"), (a.DEPLOYMENT_ENVIRONMENT_NAME, "prod"))


def evaluation(closed: bool = True, start: int = NOW - HOUR, drift: float | None = 0.3) -> Evaluation:
    age = ColumnDrift("feature", "age", "drift", "ks", 100, {"ks": MethodValue(drift, 0.001), "psi": MethodValue(None)})
    score = ColumnDrift("score", "", "inconclusive", "ks", 3, {})
    return Evaluation(
        KEY,
        Window("1h", start, start + HOUR),
        100,
        closed,
        features={"age": age},
        score=score,
        realized={"accuracy": MetricValue(0.75, 80, "panes"), "roc_auc": MetricValue(None, 80, "panes")},
        coverage=0.8,
    )


def model(**fields: Any) -> ModelView:
    known: dict[str, Any] = {"windows": {"1h": [evaluation()]}, "by_class": {"0": 60.0, "1": 40.0}, **fields}
    return ModelView(KEY, Task("binary"), 100, NOW - HOUR, NOW, NOW, **known)


def found(view: FakeView, metric: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {point.attributes[3:]: point.value for point in points(view) if point.metric == metric}


def test_the_newest_closed_window_is_described() -> None:
    old, newest, opened = (
        evaluation(start=NOW - 3 * HOUR, drift=0.1),
        evaluation(start=NOW - 2 * HOUR),
        evaluation(closed=False),
    )
    view = FakeView([model(windows={"1h": [old, newest, opened], "1d": [evaluation(closed=False)]})])

    window = (a.DRIFTLINE_WINDOW, "1h")
    age = ((a.DRIFTLINE_DRIFT_COLUMN, "feature"), (a.DRIFTLINE_FEATURE_NAME, "age"))
    assert found(view, m.DRIFTLINE_DRIFT_VALUE) == {(*age, (a.DRIFTLINE_DRIFT_METHOD, "ks"), window): 0.3}
    assert found(view, m.DRIFTLINE_DRIFT_STATUS) == {
        (*age, window, (a.DRIFTLINE_STATE, "drift")): 1.0,
        ((a.DRIFTLINE_DRIFT_COLUMN, "score"), window, (a.DRIFTLINE_STATE, "inconclusive")): 1.0,
    }
    assert found(view, m.DRIFTLINE_PERFORMANCE_VALUE) == {((a.DRIFTLINE_PERFORMANCE_METRIC, "accuracy"), window): 0.75}
    assert found(view, m.DRIFTLINE_PERFORMANCE_WINDOW_END) == {(window,): (NOW - HOUR) / 1e9}
    assert found(view, m.DRIFTLINE_OUTCOME_COVERAGE) == {(window,): 0.8}
    assert all(point.attributes[:3] == MODEL for point in points(view))


def test_what_is_unknown_is_no_empty_label_and_no_empty_attribute() -> None:
    view = FakeView([structs.replace(model(by_class={"": 60.0}, by_error={"": 1.0}), key=ModelKey("churn"))])

    for openmetrics in (False, True):
        assert b'=""' not in page.exposition(points(view), openmetrics=openmetrics)
    request = ExportMetricsServiceRequest.FromString(metrics_request(points(view), NOW, NOW - HOUR))
    assert empty_attributes(request) == []
    assert {point.attributes for point in points(view) if point.metric == m.DRIFTLINE_PREDICTIONS} == {
        ((a.ML_MODEL_NAME, "churn"),)
    }


def empty_attributes(message: Any) -> list[str]:
    """Return the keys of the attributes without text, at any depth."""
    if isinstance(message, KeyValue):
        return [message.key] if message.value == AnyValue(string_value="") else []
    return [
        key
        for field, value in message.ListFields()
        if field.message_type is not None
        for part in (value if field.is_repeated else [value])
        for key in empty_attributes(part)
    ]


def test_the_open_window_has_a_drift_of_its_own_and_no_state() -> None:
    window, method = (a.DRIFTLINE_WINDOW, "1h"), (a.DRIFTLINE_DRIFT_METHOD, "ks")
    age = ((a.DRIFTLINE_DRIFT_COLUMN, "feature"), (a.DRIFTLINE_FEATURE_NAME, "age"), method)
    opened = evaluation(closed=False, drift=0.5)
    del opened.features["age"].methods["psi"]
    opened.slices = {"country=NL": SliceDrift(100, "drift", "", 1, 1.0, opened.features, None, None)}
    opened.joint = {
        "mmd": JointDrift("mmd", "drift", 100, 0.2, 0.001, 0.2),
        "domain": JointDrift("domain", "inconclusive", 9, 0.9, None, 0.4, reason="too_few_rows"),
    }
    alone = [point for point in points(FakeView([model(windows={"1h": [opened]})])) if window in point.attributes]
    assert {(point.metric, *point.attributes[3:]): point.value for point in alone} == {
        (m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, *age, window): 0.5,
        (m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, *age, (a.DRIFTLINE_DRIFT_SLICE, "country=NL"), window): 0.5,
        (
            m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE,
            (a.DRIFTLINE_DRIFT_COLUMN, "features"),
            (a.DRIFTLINE_DRIFT_METHOD, "mmd"),
            window,
        ): 0.2,
    }

    closed = evaluation(start=NOW - 2 * HOUR)
    after_closed = FakeView([model(windows={"1h": [closed, opened]})])
    assert list(found(after_closed, m.DRIFTLINE_DRIFT_VALUE).values()) == [0.3]
    assert found(after_closed, m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE)[(*age, window)] == 0.5
    assert found(FakeView([model(windows={"1h": [closed]})]), m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE) == {}


def test_until_an_open_window_has_enough_rows_the_one_before_is_shown_while_it_is_open() -> None:
    before, opened = evaluation(closed=False, start=NOW - 2 * HOUR, drift=0.4), evaluation(closed=False, drift=0.9)
    few = {"age": structs.replace(opened.features["age"], state="inconclusive", reason="too_few_rows")}
    opened = structs.replace(opened, features=few)
    before.features["age"].methods["psi"] = MethodValue(0.25)
    alone, after_open = ({"1h": [opened]}, {"1h": [before, opened]})
    assert found(FakeView([model(windows=alone)]), m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE) == {}
    shown = found(FakeView([model(windows=after_open)]), m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE)
    assert list(shown.values()) == [0.25]


def test_a_model_is_in_the_one_state_of_its_verdict() -> None:
    wrong = Verdict("degraded", NOW, "log_loss", 0.1, 0.05, 0.15)
    assert found(FakeView([model(verdict=wrong)]), m.DRIFTLINE_MODEL_STATUS) == {
        ((a.DRIFTLINE_STATE, "degraded"),): 1.0
    }
    assert found(FakeView([model()]), m.DRIFTLINE_MODEL_STATUS) == {}


def test_every_metric_that_was_compared_is_in_one_state() -> None:
    newest = evaluation()
    newest.realized_changes = {
        "accuracy": MetricChange("worse", -0.03, -0.04, -0.02),
        "log_loss": MetricChange("inconclusive", 0.01, reason="too_few_rows"),
    }
    window = (a.DRIFTLINE_WINDOW, "1h")
    assert found(FakeView([model(windows={"1h": [newest]})]), m.DRIFTLINE_PERFORMANCE_STATUS) == {
        ((a.DRIFTLINE_PERFORMANCE_METRIC, "accuracy"), window, (a.DRIFTLINE_STATE, "worse")): 1.0,
        ((a.DRIFTLINE_PERFORMANCE_METRIC, "log_loss"), window, (a.DRIFTLINE_STATE, "inconclusive")): 1.0,
    }


def test_findings_are_counted_by_check_and_expectations_by_what_came_of_them() -> None:
    newest = evaluation()
    newest.findings = tuple(
        Finding(check, features, "minor", 0.0, 0.1, 1e-9)
        for check, features in (("missing", ("age",)), ("missing", ("city",)), ("swapped", ("a", "b")))
    )
    newest.expected = (
        Expected("age", "missing: < 5%", "broken", 0.1, 0.1, 100, facts.RowsInWindow(rows=100)),
        Expected("", "rows: >= 10", "met", 100.0, 100.0, 100, facts.RowsInWindow(rows=100)),
    )
    view, window = FakeView([model(windows={"1h": [newest]})]), (a.DRIFTLINE_WINDOW, "1h")
    counted = {"missing": 2.0, "swapped": 1.0}
    assert found(view, m.DRIFTLINE_QUALITY_FINDINGS) == {
        ((a.DRIFTLINE_QUALITY_CHECK, check), window): counted.get(check, 0.0) for check in CHECKS
    }
    assert found(view, m.DRIFTLINE_QUALITY_EXPECTATIONS) == {
        ((a.DRIFTLINE_STATE, "met"), window): 1.0,
        ((a.DRIFTLINE_STATE, "broken"), window): 1.0,
        ((a.DRIFTLINE_STATE, "inconclusive"), window): 0.0,
    }
    bare = evaluation()
    bare.features = {}
    nothing = FakeView([model(windows={"1h": [bare]})])
    assert found(nothing, m.DRIFTLINE_QUALITY_FINDINGS) == found(nothing, m.DRIFTLINE_QUALITY_EXPECTATIONS) == {}


@pytest.mark.parametrize(("delay", "described"), [(0, HOUR), (HOUR, HOUR), (HOUR + 1, 2 * HOUR), (3 * HOUR, None)])
def test_performance_waits_for_outcomes_that_may_take_their_time(delay: int, described: int | None) -> None:
    windows = [evaluation(start=NOW - 3 * HOUR), evaluation(start=NOW - 2 * HOUR, drift=0.4)]
    view = FakeView([model(windows={"1h": windows}, watermark=NOW, outcome_delay=OutcomeDelay(delay, "configured"))])

    ends = list(found(view, m.DRIFTLINE_PERFORMANCE_WINDOW_END).values())
    assert ends == ([] if described is None else [(NOW - described) / 1e9])
    assert len(found(view, m.DRIFTLINE_OUTCOME_COVERAGE)) == len(ends)
    assert list(found(view, m.DRIFTLINE_DRIFT_VALUE).values()) == [0.4]


def test_an_unknown_value_is_an_absent_series() -> None:
    unknown = Evaluation(
        KEY, Window("1h", NOW - HOUR, NOW), 5, True, realized={"f1": MetricValue(math.nan, 0, "panes")}
    )

    assert points(FakeView([model(windows={"1h": [unknown]}, by_class={})])) == [
        Point(m.DRIFTLINE_MODEL_INFO, (*MODEL, (a.ML_MODEL_TASK, "binary")), 1.0),
        Point(m.DRIFTLINE_PERFORMANCE_WINDOW_END, (*MODEL, (a.DRIFTLINE_WINDOW, "1h")), NOW / 1e9),
    ]


def decoded(body: bytes) -> tuple[Any, dict[str, otlp.Metric]]:
    [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
    [scope] = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("driftline.processor", VERSION, SCHEMA_URL)
    return resource.resource, {metric.name: metric for metric in scope.metrics}


def test_a_backend_makes_the_series_of_the_scrape_page_of_them() -> None:
    """What OTLP becomes in Prometheus: dots are underscores; the unit, and the kind, are suffixes."""
    view = FakeView(
        [model(duration=np.arange(len(DURATION_BOUNDS) + 2.0))],
        {(m.DRIFTLINE_REJECTED_ROWS, ((a.DRIFTLINE_REASON, "no_id"),)): 3.0},
    )

    _, metrics = decoded(metrics_request(points(view), NOW, NOW))

    made = set()
    for name, metric in metrics.items():
        suffix = {"s": "_seconds", "1": "_ratio" * metric.HasField("gauge")}.get(metric.unit, "")
        suffix += "_total" * metric.sum.is_monotonic
        series = [(each, each.as_double, "") for each in (*metric.gauge.data_points, *metric.sum.data_points)]
        series += [(each, each.sum, "_sum") for each in metric.histogram.data_points]
        for each, value, part in series:
            labels = ",".join(sorted(f'{kv.key.replace(".", "_")}="{kv.value.string_value}"' for kv in each.attributes))
            made.add((f"{name.replace('.', '_')}{suffix}{part}{{{labels}}}", value))
    text = page.exposition(points(view)).decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if "_bucket{" not in line]
    scraped = {(name, float(value)) for name, value in lines if not name.startswith("#") and "_count{" not in name}
    assert made == scraped


def test_metrics_are_stamped_now_and_counters_since_the_start() -> None:
    view = FakeView([model(duration=np.array([1.0] * (len(DURATION_BOUNDS) + 1) + [2.5]))])

    resource, metrics = decoded(metrics_request(points(view), NOW, NOW - HOUR, instance="me"))

    assert {label.key: label.value.string_value for label in resource.attributes} == {
        a.SERVICE_NAME: "driftline",
        a.SERVICE_VERSION: VERSION,
        a.SERVICE_INSTANCE_ID: "me",
    }
    assert all(
        point.time_unix_nano == NOW
        for metric in metrics.values()
        for point in (*metric.gauge.data_points, *metric.sum.data_points, *metric.histogram.data_points)
    )
    counted = metrics[m.DRIFTLINE_PREDICTIONS]
    assert counted.unit == "{prediction}"
    assert counted.sum.is_monotonic
    assert counted.sum.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert [(point.start_time_unix_nano, point.as_double) for point in counted.sum.data_points] == [
        (NOW - HOUR, 60.0),
        (NOW - HOUR, 40.0),
    ]
    [duration] = metrics[m.DRIFTLINE_PREDICT_DURATION].histogram.data_points
    assert list(duration.explicit_bounds) == list(DURATION_BOUNDS)
    assert list(duration.bucket_counts) == [1] * (len(DURATION_BOUNDS) + 1)
    assert (duration.count, duration.sum) == (len(DURATION_BOUNDS) + 1, 2.5)
    [drift] = metrics[m.DRIFTLINE_DRIFT_VALUE].gauge.data_points
    assert drift.as_double == 0.3
    assert metrics[m.DRIFTLINE_OUTCOME_COVERAGE].unit == "1"


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_a_state_is_an_updowncounter_that_is_not_monotonic_and_always_cumulative(temporality: Temporality) -> None:
    _, metrics = decoded(metrics_request(points(FakeView([model()])), NOW, NOW - HOUR, temporality))

    status = metrics[m.DRIFTLINE_DRIFT_STATUS]
    assert (status.WhichOneof("data"), status.unit, status.sum.is_monotonic) == ("sum", "1", False)
    assert status.sum.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert {(one.start_time_unix_nano, one.as_double) for one in status.sum.data_points} == {(NOW - HOUR, 1.0)}


def test_what_a_counter_grew_by_is_never_negative() -> None:
    before = [Point(m.DRIFTLINE_PREDICTIONS, (), 5.0), Point(m.DRIFTLINE_PREDICT_DURATION, (), 2.0, (1.0, 1.0))]
    now = [Point(m.DRIFTLINE_PREDICTIONS, (), 4.0), Point(m.DRIFTLINE_PREDICT_DURATION, (), 3.0, (1.0, 4.0))]

    assert growth(now, before) == [
        Point(m.DRIFTLINE_PREDICTIONS, (), 0.0),
        Point(m.DRIFTLINE_PREDICT_DURATION, (), 1.0, (0.0, 3.0)),
    ]


def test_each_sink_gets_counters_in_its_own_temporality() -> None:
    view, times = FakeView([model()]), iter([NOW, NOW + HOUR, NOW + 2 * HOUR])
    sent: dict[str, list[bytes]] = {"cumulative": [], "delta": []}
    sinks = [Sink(sent["cumulative"].append), Sink(sent["delta"].append, "delta")]
    derived = DerivedMetrics(view, sinks, lambda: next(times))

    for rows in (70.0, 75.0):
        view.known = [model(by_class={"0": rows})]
        derived.send()

    def counted(kind: str) -> list[tuple[int, int, float]]:
        series = [decoded(body)[1][m.DRIFTLINE_PREDICTIONS].sum.data_points[0] for body in sent[kind]]
        return [(point.start_time_unix_nano, point.time_unix_nano, point.as_double) for point in series]

    assert counted("cumulative") == [(NOW, NOW + HOUR, 10.0), (NOW, NOW + 2 * HOUR, 15.0)]
    assert counted("delta") == [(NOW, NOW + HOUR, 10.0), (NOW + HOUR, NOW + 2 * HOUR, 5.0)]


def levels(metrics: Mapping[str, otlp.Metric]) -> dict[str, list[otlp.NumberDataPoint]]:
    """Return the points of gauges and of up-down counters."""
    found = {name: metric.gauge if metric.HasField("gauge") else metric.sum for name, metric in metrics.items()}
    return {name: list(data.data_points) for name, data in found.items() if not getattr(data, "is_monotonic", False)}


def test_a_gauge_or_a_state_that_ended_is_sent_once_more_without_a_value() -> None:
    view, sent = FakeView([model()]), list[bytes]()
    derived = DerivedMetrics(view, [Sink(sent.append)], lambda: NOW)

    for windows in ({"1h": [evaluation()]}, {}, {}):
        view.known = [model(windows=windows)]
        derived.send()

    first, second, third = (decoded(body)[1] for body in sent)
    there = {m.DRIFTLINE_MODEL_INFO}  # the model stays, without its windows
    was, now = levels(first), levels(second)
    assert m.DRIFTLINE_DRIFT_STATUS in was
    assert was.keys() == now.keys()
    for name in was.keys() - there:
        assert [point.attributes for point in now[name]] == [point.attributes for point in was[name]]
        assert {point.flags for point in was[name]} == {0}
        assert {(point.flags, point.WhichOneof("value")) for point in now[name]} == {(1, None)}
    assert levels(third).keys() == there


def test_a_model_is_known_with_its_team_and_tier() -> None:
    view = FakeView([model(windows={}, by_class={}, team="payments", tier=1)])
    known = ((a.ML_MODEL_TASK, "binary"), (a.DRIFTLINE_MODEL_TEAM, "payments"), (a.DRIFTLINE_MODEL_TIER, "1"))
    assert points(view) == [Point(m.DRIFTLINE_MODEL_INFO, (*MODEL, *known), 1.0)]


def test_the_last_state_is_sent_at_the_end() -> None:
    sent: list[bytes] = []
    derived = DerivedMetrics(FakeView([model()]), [Sink(sent.append)], lambda: NOW, every=3600.0)

    derived.start()
    derived.stop()

    assert len(sent) == 1


def test_without_a_sink_nothing_runs() -> None:
    derived = DerivedMetrics(FakeView(), [])

    derived.start()
    derived.stop()

"""Metrics of other people's names become points of ours, where they match and can be used."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.core.decode.foreign_metrics import MetricMapping, by_name
from driftline_processor.core.decode.requests import Decoded, decode_metrics
from driftline_processor.core.histogram import Explicit, count
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from tests.support.metric_requests import DELTA, exponential_of, histogram_of, metrics_body, sum_of
from tests.support.otlp_requests import NOW, attributes

START = NOW - 60 * 10**9
AMOUNT = MetricMapping("order.amount", "pricing", m.DRIFTLINE_FEATURE_DISTRIBUTION, feature="amount")


def decoded(metric: otlp.Metric, *mapped: MetricMapping, **said: Any) -> Decoded:
    return decode_metrics(metrics_body([metric], captured=False, scope="shop", **said), NOW, by_name(mapped))


def amounts(said: dict[str, Any] | None = None, **fields: Any) -> otlp.Metric:
    return histogram_of("order.amount", [10.0], [3, 4], said, start=START, time=NOW, **fields)


def gauge(name: str, value: float, said: dict[str, Any] | None = None) -> otlp.Metric:
    metric = otlp.Metric(name=name)
    metric.gauge.data_points.add(attributes=attributes(said or {}), time_unix_nano=NOW, as_double=value)
    return metric


def test_a_histogram_of_another_name_is_a_feature_of_the_model_that_names_it() -> None:
    (point,) = decoded(amounts(), AMOUNT, environment="live").points
    assert (point.metric, point.feature) == (m.DRIFTLINE_FEATURE_DISTRIBUTION, "amount")
    assert point.key == ModelKey("pricing", "1", "live")
    assert (point.foreign, point.captured, point.rows) == (True, True, False)
    assert count(point.histogram) == 7
    assert decoded(amounts()).points == []


def test_exponential_histograms_and_deltas_are_read_too() -> None:
    metric = exponential_of("order.amount", 3, (4, (2, 1)), (0, (5,)), zero=1, start=START, time=NOW, how=DELTA)
    (point,) = decoded(metric, AMOUNT).points
    assert (point.delta, count(point.histogram)) == (True, 9.0)


def test_what_does_not_match_is_not_read_and_counts_as_nothing() -> None:
    of_france = MetricMapping(
        "order.amount", "pricing", m.DRIFTLINE_FEATURE_DISTRIBUTION, "amount", match={"country": "fr", "tier": "1"}
    )
    assert len(decoded(amounts({"country": "fr", "tier": 1}), of_france).points) == 1
    assert len(decoded(amounts({"country": "fr"}), of_france, resource={"tier": 1}).points) == 1
    other = decoded(amounts({"country": "de", "tier": 1}), of_france)
    assert (other.points, other.rejected) == ([], Counter())


def test_version_and_environment_are_read_where_they_are_said_to_be() -> None:
    mapped = MetricMapping(
        "order.amount",
        "p",
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        "x",
        version_attribute="service.version",
        environment_attribute="site",
    )
    (point,) = decoded(amounts({"site": "lyon"}), mapped, resource={"service.version": "2.1"}).points
    assert point.key == ModelKey("p", "2.1", "lyon")


def test_one_metric_may_serve_two_models_and_name_its_features_itself() -> None:
    by_attribute = MetricMapping(
        "order.amount", "a", m.DRIFTLINE_FEATURE_DISTRIBUTION, feature_attribute="field", rows=True, rows_feature="age"
    )
    both = decoded(amounts({"field": "age"}), by_attribute, AMOUNT).points
    assert [(point.key.model, point.feature, point.rows) for point in both] == [
        ("a", "age", True),
        ("pricing", "amount", False),
    ]
    assert both[0].stream != both[1].stream
    assert [point.rows for point in decoded(amounts({"field": "fare"}), by_attribute).points] == [False]
    assert decoded(amounts(), by_attribute).rejected == {"no_feature_name": 1}


def test_a_counter_by_label_counts_categories_and_classes_and_those_without_are_missing() -> None:
    plans = MetricMapping("orders", "p", m.DRIFTLINE_FEATURE_CATEGORIES, "plan", category_attribute="plan")
    (point,) = decoded(sum_of("orders", 5, {"plan": "pro"}, start=START, time=NOW), plans).points
    assert (point.metric, point.category, count(point.histogram)) == (m.DRIFTLINE_FEATURE_CATEGORIES, "pro", 5.0)
    (point,) = decoded(sum_of("orders", 5, start=START, time=NOW), plans).points
    assert (point.metric, point.feature) == (m.DRIFTLINE_FEATURE_MISSING_VALUES, "plan")
    classes = MetricMapping("orders", "p", m.ML_PREDICTIONS, category_attribute="late")
    (point,) = decoded(sum_of("orders", 5, {"late": "yes"}, start=START, time=NOW), classes).points
    assert (point.metric, point.decided, point.category) == (m.ML_PREDICTIONS, "yes", "")


def test_a_gauge_is_read_where_it_is_mapped_as_one() -> None:
    counted = MetricMapping(
        "by_plan", "p", m.DRIFTLINE_FEATURE_CATEGORIES, "plan", category_attribute="plan", gauge=True
    )
    (point,) = decoded(gauge("by_plan", 12.0, {"plan": "pro"}), counted).points
    assert (point.category, point.delta, count(point.histogram)) == ("pro", True, 12.0)
    value = MetricMapping("heat", "p", m.DRIFTLINE_FEATURE_DISTRIBUTION, "heat", gauge=True)
    (point,) = decoded(gauge("heat", -3.5), value).points
    assert isinstance(point.histogram, Explicit)
    assert (point.histogram.low, point.histogram.high, count(point.histogram)) == (-3.5, -3.5, 1.0)
    assert decoded(gauge("order.amount", 3.0), AMOUNT).rejected == {"gauge_or_not": 1}
    assert decoded(
        amounts(), MetricMapping("order.amount", "p", m.DRIFTLINE_FEATURE_DISTRIBUTION, "x", gauge=True)
    ).rejected == {"gauge_or_not": 1}


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1.0), ("", 1.0), ("ms", 1e3), ("ns", 1e9)])
def test_durations_are_in_their_own_unit(unit: str, per_second: float) -> None:
    metric = amounts()
    metric.unit = unit
    (point,) = decoded(metric, MetricMapping("order.amount", "p", m.ML_PREDICT_DURATION)).points
    assert point.per_second == per_second


def test_points_that_cannot_be_used_are_counted_by_reason() -> None:
    furlongs = amounts()
    furlongs.unit = "[fur_us]"
    assert decoded(furlongs, MetricMapping("order.amount", "p", m.ML_PREDICT_DURATION)).rejected == {"bad_unit": 1}
    assert decoded(amounts(count=9), AMOUNT).rejected == {"bad_point": 1}
    assert decoded(sum_of("order.amount", 5, start=START, time=NOW), AMOUNT).rejected == {"not_a_distribution": 1}
    of_no_time = histogram_of("order.amount", [], [1], start=0, time=2**63)
    assert decoded(of_no_time, AMOUNT).rejected == {"bad_time": 1}


def test_what_our_own_sdk_says_without_rows_is_not_read_twice() -> None:
    mapped = MetricMapping(
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        "churn",
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        feature_attribute=a.DRIFTLINE_FEATURE_NAME,
    )
    metric = histogram_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION, [1.0], [2, 3], {a.DRIFTLINE_FEATURE_NAME: "age"}, start=START, time=NOW
    )
    (own,) = decode_metrics(metrics_body([metric]), NOW, by_name([mapped])).points
    assert not own.foreign
    (marked,) = decoded(metric, mapped, resource={a.DRIFTLINE_CAPTURE: "metrics"}).points
    assert (marked.foreign, marked.captured) == (False, True)
    unmarked, read = decoded(metric, mapped).points
    assert (unmarked.captured, read.foreign) == (False, True)

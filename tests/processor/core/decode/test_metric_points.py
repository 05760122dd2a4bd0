"""Metrics: what concerns us is read point by point, and a point that cannot be used costs only itself."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.core.decode.metric_points import Point, is_ours
from driftline_processor.core.decode.requests import Malformed, decode_metrics
from driftline_processor.core.histogram import Explicit, Exponential
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from tests.support.metric_requests import (
    DELTA,
    exponential_of,
    gauge_of,
    histogram_of,
    metrics_body,
    predictions_of,
    sum_of,
)
from tests.support.otlp_requests import NOW

START = NOW - 60 * 10**9


def one(metric: otlp.Metric, **said: Any) -> Point:
    (point,) = decode_metrics(metrics_body([metric], **said), NOW).points
    return point


def refused(metric: otlp.Metric) -> Counter[str]:
    decoded = decode_metrics(metrics_body([metric]), NOW)
    assert decoded.points == []
    return decoded.rejected


def score(counts: list[int], bounds: list[float], **fields: Any) -> otlp.Metric:
    return histogram_of(m.DRIFTLINE_PREDICTION_SCORE, bounds, counts, start=START, time=NOW, **fields)


def test_a_histogram_is_read_whole() -> None:
    said = {a.DRIFTLINE_FEATURE_NAME: "age"}
    metric = histogram_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        [1.0, 2.0],
        [3, 0, 4],
        said,
        start=START,
        time=NOW,
        how=DELTA,
        sum=9.0,
        min=0.5,
        max=7.0,
    )
    point = one(metric, environment="prod")
    assert (point.metric, point.key, point.feature) == (
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        ModelKey("churn", "1", "prod"),
        "age",
    )
    assert (point.begin, point.end, point.delta, point.captured) == (START, NOW, True, True)
    assert isinstance(point.histogram, Explicit)
    assert point.histogram.bounds.tolist() == [1.0, 2.0]
    assert point.histogram.counts.tolist() == [3.0, 0.0, 4.0]
    assert (point.histogram.total, point.histogram.low, point.histogram.high) == (9.0, 0.5, 7.0)


def test_an_exponential_histogram_is_read_whole() -> None:
    said = {a.DRIFTLINE_FEATURE_NAME: "age"}
    metric = exponential_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION, 3, (-2, (1, 0, 5)), (4, (2,)), zero=6, said=said, start=START, time=NOW
    )
    histogram = one(metric).histogram
    assert isinstance(histogram, Exponential)
    assert (histogram.scale, histogram.zero) == (3, 6.0)
    assert (histogram.positive.offset, histogram.positive.counts.tolist()) == (-2, [1.0, 0.0, 5.0])
    assert (histogram.negative.offset, histogram.negative.counts.tolist()) == (4, [2.0])
    assert math.isnan(histogram.total)


def test_our_sdk_sends_predictions_from_any_scope_and_everything_else_where_no_row_is_sent() -> None:
    points = [predictions_of(3, "True", start=START, time=NOW), score([1], [])]
    outside = decode_metrics(metrics_body(points, captured=False), NOW).points
    assert [(point.metric, point.decided, point.captured) for point in outside] == [(m.ML_PREDICTIONS, "1", False)]
    assert len(decode_metrics(metrics_body(points), NOW).points) == 2


def test_what_driftline_derives_and_what_others_measure_is_not_read() -> None:
    derived = metrics_body([predictions_of(3, start=START, time=NOW)], scope="driftline.processor")
    assert decode_metrics(derived, NOW).points == []
    assert decode_metrics(metrics_body([sum_of("http.requests", 3, start=START, time=NOW)]), NOW).points == []
    assert not is_ours(metrics_body([sum_of("http.html.requests", 3, start=START, time=NOW)], captured=False))


def test_a_stream_is_known_by_process_metric_attributes_and_beginning() -> None:
    def stream(metric: otlp.Metric, **said: Any) -> bytes:
        return one(metric, **said).stream

    first = stream(predictions_of(3, start=START, time=NOW - 9))
    assert stream(predictions_of(5, start=START, time=NOW)) == first
    others = [
        stream(predictions_of(3, "1", start=START, time=NOW)),
        stream(predictions_of(3, start=START + 1, time=NOW)),
        stream(predictions_of(3, start=START, time=NOW), instance="two"),
        stream(predictions_of(3, start=START, time=NOW), scope="shop"),
        stream(predictions_of(3, start=START, time=NOW), captured=False),
    ]
    assert len({first, *others}) == 6
    # A Collector that learns more of the process on the way does not make it another.
    assert stream(predictions_of(3, start=START, time=NOW), resource={"k8s.pod.name": "pod-1"}) == first


def test_deltas_of_one_thing_are_one_stream() -> None:
    one_minute, next_minute = (
        predictions_of(3, start=start, time=start + 60, how=DELTA) for start in (START, START + 60)
    )
    assert one(one_minute).stream == one(next_minute).stream


def test_points_without_a_value_or_a_time_say_so() -> None:
    metric = predictions_of(3, start=START, time=NOW)
    metric.sum.data_points[0].flags = otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    assert decode_metrics(metrics_body([metric]), NOW).points == []
    assert one(predictions_of(3, start=0, time=0)).end == NOW
    assert one(predictions_of(3, start=NOW + 5, time=NOW)).begin == 0


def _summary() -> otlp.Metric:
    metric = otlp.Metric(name=m.DRIFTLINE_PREDICTION_SCORE)
    point = metric.summary.data_points.add(time_unix_nano=NOW, count=5, sum=10.0)
    point.attributes.add(key=a.ML_MODEL_NAME).value.string_value = "churn"
    return metric


def test_what_cannot_be_used_is_counted_by_its_reason() -> None:
    nameless = predictions_of(3, start=START, time=NOW)
    nameless.sum.data_points[0].attributes[0].value.string_value = ""
    assert refused(nameless) == {"no_model_name": 1}
    assert refused(histogram_of(m.DRIFTLINE_FEATURE_DISTRIBUTION, [], [1], start=START, time=NOW)) == {
        "no_feature_name": 1
    }
    assert refused(predictions_of(3, start=START, time=2**63)) == {"bad_time": 1}
    for broken in (
        score([1, 2], [2.0, 1.0]),
        score([1, 2], [1.0], count=4),
        score([1, 2, 3], [1.0, math.inf]),
        score([1, 2, 3], [2.0, 1.0]),
        score([2**62], []),
        exponential_of(m.DRIFTLINE_PREDICTION_SCORE, 99, (0, (1,)), start=START, time=NOW),
        exponential_of(m.DRIFTLINE_PREDICTION_SCORE, 0, (0, (1,)), start=START, time=NOW, count=7),
        exponential_of(m.DRIFTLINE_PREDICTION_SCORE, 0, (0, (1,) * 5_000), start=START, time=NOW),
        predictions_of(3, start=START, time=NOW, how=0),
        gauge_of(m.ML_PREDICTIONS, 3.0, {a.ML_MODEL_NAME: "churn"}, time=NOW),
        _summary(),
    ):
        assert refused(broken) == {"bad_point": 1}
    negative = predictions_of(3, start=START, time=NOW)
    negative.sum.data_points[0].as_int = -1
    assert refused(negative) == {"bad_point": 1}


def test_one_bad_point_costs_itself_only() -> None:
    body = metrics_body([score([1, 2], [1.0], count=9), score([1, 2], [1.0])])
    decoded = decode_metrics(body, NOW)
    assert (len(decoded.points), decoded.rejected) == (1, {"bad_point": 1})


@pytest.mark.slow
def test_more_points_than_any_sender_of_ours_has_are_counted_not_read() -> None:
    metric = predictions_of(1, start=START, time=NOW)
    point = metric.sum.data_points[0]
    metric.sum.data_points.extend([point] * 20_004)
    decoded = decode_metrics(metrics_body([metric]), NOW)
    assert (len(decoded.points), decoded.rejected) == (20_000, {"too_many_points": 5})


def test_what_protobuf_refuses_is_refused_whole() -> None:
    good = metrics_body([predictions_of(1, start=START, time=NOW)])
    for body in (b"whatever", good[:-1], good + b"\x0a\xff"):
        with pytest.raises(Malformed, match="not an ExportMetricsServiceRequest"):
            decode_metrics(body, NOW)

"""Business metrics over OTLP: gauges, what is new, and what cannot be used."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from driftline_processor.core.business import BusinessPoint, CumulativePoint
from driftline_processor.core.decode import business_points
from driftline_processor.core.decode.attributes import read
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.decode.requests import Decoded, decode_metrics, holds_ours
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from tests.support.metric_requests import CUMULATIVE, DELTA, gauge_of, histogram_of, metrics_body, sum_of

NOW = 1_700_000_000 * 10**9
NAME = "shop.conversion"
WANTED = {NAME: (BusinessMetric("conversion", "1"),)}


def decoded(metric: otlp.Metric, wanted: BusinessMetric | None = None, **said: str) -> Decoded:
    metrics = WANTED if wanted is None else {NAME: (wanted,)}
    return decode_metrics(metrics_body([metric], captured=False, scope="shop", **said), NOW, {}, metrics)  # type: ignore[arg-type]


def one(metric: otlp.Metric, wanted: BusinessMetric | None = None) -> BusinessPoint:
    (point,) = decoded(metric, wanted).business
    assert isinstance(point, BusinessPoint)
    return point


def total(metric: otlp.Metric, wanted: BusinessMetric | None = None, **said: str) -> CumulativePoint:
    (point,) = decoded(metric, wanted, **said).business
    assert isinstance(point, CumulativePoint)
    return point


def test_a_gauge_is_a_value_at_its_time() -> None:
    point = one(gauge_of(NAME, 0.031, time=NOW - 5, unit="1"))
    assert (point.name, point.time, point.value, point.weight) == ("conversion", NOW - 5, 0.031, 1.0)


def test_what_a_delta_adds_belongs_to_the_time_before_its_end() -> None:
    point = one(sum_of(NAME, 40, start=NOW - 60, time=NOW, how=DELTA))
    assert (point.time, point.value) == (NOW - 1, 40)


def test_a_histogram_is_its_mean_weighted_by_its_count() -> None:
    point = one(histogram_of(NAME, [1.0], [3, 1], start=NOW - 60, time=NOW, how=DELTA, sum=8.0))
    assert (point.value, point.weight) == (2.0, 4.0)


def test_a_cumulative_point_says_everything_since_its_beginning() -> None:
    counted = total(sum_of(NAME, 40, start=NOW - 60, time=NOW))
    assert (counted.begin, counted.time, counted.total, counted.counted) == (NOW - 60, NOW, 40.0, None)
    measured = total(histogram_of(NAME, [1.0], [3, 1], start=NOW - 60, time=NOW, sum=8.0))
    assert (measured.total, measured.counted) == (8.0, 4.0)


def test_a_process_that_starts_anew_is_another_stream() -> None:
    first, second = (total(sum_of(NAME, 1, start=start, time=NOW)) for start in (NOW - 60, NOW - 30))
    other = total(sum_of(NAME, 1, {"country": "NL"}, start=NOW - 60, time=NOW))
    assert first.process == other.process != second.process
    assert len({first.stream, second.stream, other.stream}) == 3


def test_a_beginning_after_the_end_is_none() -> None:
    assert total(sum_of(NAME, 1, start=NOW + 1, time=NOW)).begin == 0


def test_a_sum_that_may_fall_is_a_level_as_a_gauge_is() -> None:
    metric = sum_of(NAME, -3, start=NOW - 60, time=NOW)
    metric.sum.is_monotonic = False
    point = one(metric, BusinessMetric("conversion", level=True))
    assert (point.time, point.value) == (NOW, -3.0)


def test_a_total_is_no_level() -> None:
    found = decoded(sum_of(NAME, 40, start=NOW - 60, time=NOW), BusinessMetric("conversion", level=True))
    assert (found.business, found.rejected) == ([], Counter({"cumulative": 1}))


def test_points_of_one_stream_are_known_again_whatever_the_order_of_attributes() -> None:
    here, there = ({"country": "NL", "shop": 1}, {"shop": 1, "country": "NL"})
    streams = [one(gauge_of(NAME, 1.0, said, time=NOW)).stream for said in (here, there, {"country": "BE"})]
    assert streams[0] == streams[1] != streams[2]


def test_attributes_choose_points() -> None:
    wanted = BusinessMetric("conversion", "", {"country": "NL", "own": "true"})
    assert one(gauge_of(NAME, 1.0, {"country": "NL", "own": True}, time=NOW), wanted).value == 1
    assert decoded(gauge_of(NAME, 1.0, {"country": "BE", "own": True}, time=NOW), wanted).business == []


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (gauge_of(NAME, math.nan, time=NOW, unit="1"), "bad_point"),
        (gauge_of(NAME, -math.inf, time=NOW, unit="1"), "bad_point"),
        (gauge_of(NAME, 3.1, time=NOW, unit="%"), "bad_unit"),
        (gauge_of(NAME, 1.0, time=2**63, unit="1"), "bad_time"),
        (sum_of(NAME, -1, start=NOW - 60, time=NOW, how=CUMULATIVE), "bad_point"),
        (sum_of(NAME, 40, start=NOW - 60, time=NOW, how=otlp.AGGREGATION_TEMPORALITY_UNSPECIFIED), "bad_point"),
        (histogram_of(NAME, [1.0], [3, 1], start=NOW - 60, time=NOW, how=CUMULATIVE), "bad_point"),
        (histogram_of(NAME, [1.0], [3, 1], start=NOW - 60, time=NOW, how=DELTA), "bad_point"),
        (histogram_of(NAME, [1.0], [0, 0], start=NOW - 60, time=NOW, how=DELTA, sum=0.0), "bad_point"),
        (otlp.Metric(name=NAME), "bad_point"),
    ],
    ids=["nan", "infinite", "unit", "time", "falls", "no temporality", "total of none", "no sum", "nothing", "no data"],
)
def test_what_cannot_be_used_is_counted_and_takes_nothing_with_it(metric: otlp.Metric, reason: str) -> None:
    good = gauge_of(NAME, 0.5, time=NOW, unit="1")
    found = decode_metrics(metrics_body([metric, good], captured=False), NOW, {}, WANTED)
    assert [point.value for point in found.business if isinstance(point, BusinessPoint)] == [0.5]
    assert found.rejected == Counter({reason: 1})


def test_a_request_of_many_metrics_and_attributes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes are read once for each metric otherwise: a request of 16 MB has 10¹¹ such pairs."""
    reads: list[object] = []

    def counted(value: AnyValue) -> tuple[int, object]:
        reads.append(value)
        return read(value)

    monkeypatch.setattr(business_points, "read", counted)
    metrics = [gauge_of(NAME, 1.0, time=NOW) for _ in range(20)]
    said = {f"service.part.{number}": "x" for number in range(20)} | {"country": "NL"}
    body = metrics_body(metrics, captured=False, resource=said)
    wanted = {NAME: (BusinessMetric("conversion", "", {"country": "NL"}),)}
    assert len(decode_metrics(body, NOW, {}, wanted).business) == 20
    assert len(reads) == 1


def test_a_point_without_a_value_is_nothing() -> None:
    found = decoded(gauge_of(NAME, 0.5, time=NOW, flags=otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK))
    assert (found.business, found.rejected) == ([], Counter())


def test_requests_without_a_named_metric_are_not_decoded() -> None:
    assert holds_ours("metrics", NAME.encode(), {}, WANTED)
    assert not holds_ours("metrics", b"http.server", {}, WANTED)
    assert not holds_ours("metrics", NAME.encode())

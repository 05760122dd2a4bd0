"""Numbers without bins: exactly what OpenTelemetry's SDK counts, and not blind where that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.distributions.exponential_histogram import MOST_BUCKETS, MOST_PARTS, Buckets, ExponentialBuckets, Part
from driftline.tables.table import F64
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from scipy.stats import ks_2samp

N = 20_000


def stock(values: F64) -> ExponentialHistogramDataPoint:
    """Return what OpenTelemetry's own aggregation makes of positive values."""
    reader = InMemoryMetricReader()
    view = View(instrument_name="x", aggregation=ExponentialBucketHistogramAggregation())
    histogram = MeterProvider([reader], views=[view]).get_meter("test").create_histogram("x")
    for value in values.tolist():
        histogram.record(value)
    data: Any = reader.get_metrics_data()
    point = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
    assert isinstance(point, ExponentialHistogramDataPoint)
    return point


def counted(values: F64, batch: int = 1000) -> ExponentialBuckets:
    numbers = ExponentialBuckets()
    for start in range(0, len(values), batch):
        numbers.add(values[start : start + batch])
    return numbers


def parts(numbers: ExponentialBuckets) -> list[tuple[int, Part]]:
    fine = [(window.sign, part) for window, part in numbers.fine.items()]
    return [*numbers.coarse.items(), *fine]


def total(numbers: ExponentialBuckets) -> int:
    return numbers.zeros + sum(int(part.buckets.counts.sum()) for _, part in parts(numbers))


def edges(sign: int, buckets: Buckets) -> tuple[F64, F64]:
    index = np.arange(len(buckets.counts)) + buckets.offset
    with np.errstate(over="ignore"):  # the last bucket ends beyond the largest number
        low, high = 2.0 ** (index / 2.0**buckets.scale), 2.0 ** ((index + 1) / 2.0**buckets.scale)
    return (low, high) if sign > 0 else (-high, -low)


def distance(one: ExponentialBuckets, two: ExponentialBuckets) -> float:
    """Return the Kolmogorov-Smirnov distance of two distributions, values in the middles of their buckets."""
    clouds = []
    for numbers in (one, two):
        at, how_many = [np.zeros(1)], [np.array([numbers.zeros])]
        for sign, part in parts(numbers):
            low, high = edges(sign, part.buckets)
            at.append((low + high) / 2)
            how_many.append(part.buckets.counts)
        clouds.append((np.concatenate(at), np.concatenate(how_many)))
    grid = np.unique(np.concatenate([places for places, _ in clouds]))
    shares = []
    for places, counts in clouds:
        order = np.argsort(places)
        summed = np.concatenate([[0.0], np.cumsum(counts[order])])
        shares.append(summed[np.searchsorted(places[order], grid, side="right")] / summed[-1])
    return float(np.abs(shares[0] - shares[1]).max())


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).lognormal(0, 1, 3000),
        np.random.default_rng(2).normal(1000, 1, 3000),
        np.random.default_rng(3).pareto(1.5, 3000) + 1,
        np.random.default_rng(4).uniform(1e-3, 1, 3000),
        1.79e9 + np.random.default_rng(5).uniform(0, 86400, 3000),
        2.0 ** np.arange(-40.0, 40.0),
        np.array([1.0]),
        np.array([2.3e-308, 1.7976931348623157e308]),
    ],
    ids=["log-normal", "normal", "heavy tail", "uniform", "seconds of a day", "powers of two", "one", "extremes"],
)
def test_clean_positive_numbers_are_counted_as_by_opentelemetrys_own_sdk(values: F64) -> None:
    numbers = counted(values, batch=700)
    part = numbers.coarse[1]
    theirs = stock(values)
    counts = np.trim_zeros(np.array(theirs.positive.bucket_counts), "b")

    assert numbers.fine == {}
    assert (part.buckets.scale, part.buckets.offset) == (theirs.scale, theirs.positive.offset)
    assert part.buckets.counts.tolist() == counts.tolist()
    assert (part.count, part.low, part.high) == (theirs.count, theirs.min, theirs.max)
    assert part.total == pytest.approx(theirs.sum)


def test_a_power_of_two_ends_its_bucket() -> None:
    for power in range(-1074, 1024):
        numbers = ExponentialBuckets()
        numbers.add(np.array([2.0**power]))
        assert numbers.coarse[1].buckets.offset == power * 2**20 - 1


SHIFTED = {
    "normal": (0.0, 1.0, None, 0.0),
    "far from 0": (1000.0, 1.0, None, 0.0),
    "seventh digit": (1e7, 1.0, None, 0.0),
    "eighth digit": (2e7, 1.0, None, 0.0),
    "sentinel 1": (1000.0, 1.0, 1.0, 0.05),
    "sentinel 1e9": (1000.0, 1.0, 1e9, 0.05),
    "sentinel 1e-12": (1000.0, 1.0, 1e-12, 0.05),
    "sentinel -999": (1000.0, 1.0, -999.0, 0.05),
    "sentinel 0": (1000.0, 1.0, 0.0, 0.05),
    "mostly sentinels": (1000.0, 1.0, 1e9, 0.6),
    "one stray value, last": (1000.0, 1.0, 1e9, 0.0),
}


@pytest.mark.parametrize(("mean", "sd", "sentinel", "share"), SHIFTED.values(), ids=SHIFTED)
def test_a_shift_of_one_standard_deviation_is_seen(
    mean: float, sd: float, sentinel: float | None, share: float
) -> None:
    random = np.random.default_rng(17)
    before = random.normal(mean, sd, N)
    after = before + sd
    if sentinel is not None:
        instead = random.random(N) < share
        instead[-1] = True
        before, after = (np.where(instead, sentinel, values) for values in (before, after))
    one, two = counted(before), counted(after)

    assert total(one) == total(two) == N
    assert distance(one, two) == pytest.approx(ks_2samp(before, after).statistic, abs=0.03)


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_sentinel_among_few_rows_hides_nothing_once_there_are_enough(batch: int) -> None:
    random = np.random.default_rng(5)
    before = np.where(np.arange(2000) % 10 == 0, 1.0, random.normal(1000, 1, 2000))
    after = np.where(before == 1.0, 1.0, before + 1)

    exact = ks_2samp(before, after).statistic
    assert distance(counted(before, batch), counted(after, batch)) == pytest.approx(exact, abs=0.04)


def test_what_differs_in_the_tenth_digit_only_stays_hidden() -> None:
    before = np.random.default_rng(17).normal(1e10, 1.0, N)
    assert distance(counted(before), counted(before + 1)) < 0.01
    assert ks_2samp(before, before + 1).statistic > 0.35


def test_one_value_again_and_again_needs_no_part_of_its_own() -> None:
    assert counted(np.repeat([1.0, 1000.0, 1e9], 5000)).fine == {}


def test_many_crowds_get_no_more_than_a_few_parts() -> None:
    random = np.random.default_rng(3)
    values = np.concatenate([10.0**power * random.normal(1, 1e-6, 2000) for power in range(-12, 12, 2)])
    numbers = counted(values)

    assert len(numbers.fine) == MOST_PARTS
    assert total(numbers) == len(values)


def test_deltas_merged_are_what_was_counted_at_once() -> None:
    values = np.random.default_rng(4).normal(0, 3, 5000)
    one, merged = counted(values), ExponentialBuckets()
    for part in np.array_split(values, 7):
        merged.merge(counted(part))

    assert merged.zeros == one.zeros
    for sign in (1, -1):
        mine, theirs = merged.coarse[sign], one.coarse[sign]
        assert (mine.buckets.scale, mine.buckets.offset) == (theirs.buckets.scale, theirs.buckets.offset)
        assert mine.buckets.counts.tolist() == theirs.buckets.counts.tolist()
        assert (mine.count, mine.low, mine.high) == (theirs.count, theirs.low, theirs.high)


def test_the_next_stretch_of_time_keeps_the_parts_and_starts_from_nothing() -> None:
    random = np.random.default_rng(6)
    numbers = counted(np.append(random.normal(1000, 1, 1000), 1e9))
    again = numbers.empty_copy(cumulative=False)

    assert total(again) == 0
    assert list(again.fine) == list(numbers.fine)
    again.add(random.normal(1000, 1, 10))
    assert sum(part.count for part in again.fine.values()) == 10


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40), max_size=8))
def test_every_value_is_in_one_bucket_that_holds_it(batches: list[list[float]]) -> None:
    numbers = ExponentialBuckets()
    for batch in batches:
        numbers.add(np.array(batch))
    values = np.array([value for batch in batches for value in batch])

    assert total(numbers) == len(values)
    assert numbers.zeros == np.count_nonzero(values == 0)
    for _, part in parts(numbers):
        assert part.count == part.buckets.counts.sum()
        assert len(part.buckets.counts) <= MOST_BUCKETS
    if numbers.fine == {}:
        for sign, part in parts(numbers):
            low, high = edges(sign, part.buckets)
            mine = values[np.sign(values) == sign]
            slack = 1 + 1e-9
            for at, n in enumerate(part.buckets.counts.tolist()):
                # the slack is nothing beside the least double there is, and a bound may be rounded to the value itself
                between = (np.abs(mine) >= min(abs(low[at]), abs(high[at])) / slack) & (
                    np.abs(mine) <= max(abs(low[at]), abs(high[at])) * slack
                )
                assert np.count_nonzero(between) >= n

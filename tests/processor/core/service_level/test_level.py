"""Service levels from sums: what bins know of quantiles, weights, failures and coarse histograms."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import DURATION_BOUNDS, Pane, merge
from driftline.tables.table import F64, Column, without_errors
from driftline_processor.core.histogram import Buckets, Explicit, Exponential
from driftline_processor.core.service_level.level import LATENCIES, Calls, quantile_ranks
from driftline_processor.core.service_level.sums import (
    BINS,
    BOUNDS,
    OTHER_ERROR,
    bounded_errors,
    call_parts,
    histogram_parts,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tests.support.unwrap import unwrap


def pane_of(seconds: F64, errors: Column | None = None, weight: F64 | None = None) -> Pane:
    parts = call_parts(seconds, errors, weight, np.zeros(len(seconds), np.int64), 1)
    return Pane({part: sums.dense(1)[0] for part, sums in parts.items()})


def calls_of(pane: Pane) -> Calls:
    return unwrap(Calls.of(pane))


def test_no_bin_is_wider_than_a_tenth_and_the_bounds_of_durations_are_among_them() -> None:
    edges = np.array(BOUNDS)
    assert (edges[1:] / edges[:-1] <= 1.1 + 1e-12).all()
    assert set(DURATION_BOUNDS) <= set(BOUNDS)
    assert {0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0} <= set(BOUNDS)


@given(st.lists(st.floats(0, 900), min_size=1, max_size=300), st.sampled_from(list(LATENCIES)))
def test_a_quantile_is_that_of_the_calls_within_the_bound_that_is_told(seconds: list[float], metric: str) -> None:
    durations = np.array(seconds)
    found = unwrap(calls_of(pane_of(durations)).latency(LATENCIES[metric], 0.95))
    exact = float(np.quantile(durations, LATENCIES[metric], method="inverted_cdf"))
    assert abs(unwrap(found.value) - exact) <= found.bound + 1e-15
    assert unwrap(found.low) <= exact
    assert found.high is None or found.high >= exact


@pytest.mark.parametrize("calls", [5, 59, 60, 368, 369, 1_000, 12_345])
@pytest.mark.parametrize("quantile", list(LATENCIES.values()))
def test_the_ranks_of_an_interval_are_those_of_the_binomial_distribution(calls: int, quantile: float) -> None:
    below = binom.cdf(np.arange(calls + 1), calls, quantile)  # P(at most k calls lie below the quantile)
    low = max([0, *(np.flatnonzero(below <= 0.025) + 1).tolist()])
    high = int(np.flatnonzero(below >= 0.975)[0]) + 1
    assert quantile_ranks(calls, quantile, 0.95) == (low, high if high <= calls else None)


def test_failed_calls_are_no_latency_and_a_share_of_all_calls() -> None:
    errors = Column(codes=np.array([0, -1, -1, 1, 0], np.int32), categories=("A", "B"))
    level = calls_of(pane_of(np.array([9.0, 0.02, 0.02, 9.0, 9.0]), errors)).level(0.95)
    assert (level.calls, level.failed, level.errors) == (5, 3, {"A": 2, "B": 1})
    assert level.values["error_rate"].value == 0.6
    assert level.values["latency_p99"].rows == 2
    assert level.values["latency_p99"].value == pytest.approx(0.02, rel=0.1)


def test_labels_that_repeat_are_one_error() -> None:
    errors = Column(codes=np.array([0, 1], np.int32), categories=("A", "A"))
    assert calls_of(pane_of(np.ones(2), errors)).errors == {"A": 2.0}


def test_weights_of_sampled_spans_count_and_make_intervals_wider() -> None:
    codes = np.where(np.arange(400) < 40, 0, -1).astype(np.int32)
    whole = calls_of(pane_of(np.full(4_000, 0.02), Column(codes=np.repeat(codes, 10), categories=("A",))))
    sampled = calls_of(pane_of(np.full(400, 0.02), Column(codes=codes, categories=("A",)), np.full(400, 10.0)))
    one, other = whole.error_rate(0.95), sampled.error_rate(0.95)
    assert one is not None
    assert other is not None
    assert one.value == other.value == 0.1
    assert unwrap(other.low) < unwrap(one.low)
    assert other.effective_rows == 400
    level = sampled.level(0.95)
    assert (level.calls, level.failed) == (4_000, 400)


@given(st.lists(st.floats(1e-5, 20), min_size=30, max_size=200), st.integers(1, 4))
def test_panes_add_up_to_the_pane_of_all(seconds: list[float], parts: int) -> None:
    durations = np.array(seconds)
    group = np.arange(len(durations)) % parts
    found = call_parts(durations, without_errors(len(durations)), None, group, parts)
    dense = {part: sums.dense(parts) for part, sums in found.items()}
    panes = [Pane({part: sums[at] for part, sums in dense.items()}) for at in range(parts)]
    whole = pane_of(durations, without_errors(len(durations)))
    assert merge(panes).parts.keys() == whole.parts.keys()
    assert all(np.array_equal(merge(panes).parts[part], whole.parts[part]) for part in whole.parts)


def test_rows_that_say_nothing_of_calls_have_no_service_level() -> None:
    assert Calls.of(Pane({"rows": np.full(3, 5.0), "duration": np.ones(len(DURATION_BOUNDS) + 2)})) is None
    assert call_parts(None, None, None, np.zeros(3, np.int64), 1) == {}
    unknown = calls_of(pane_of(np.array([0.1, np.nan, -1.0, 1e12])))
    assert unknown.error_rate(0.95) is None, "nobody said which failed"
    assert unknown.level(0.95).calls == 1


def test_a_histogram_of_coarse_buckets_bounds_its_quantiles() -> None:
    rng = np.random.default_rng(7)
    seconds = rng.lognormal(np.log(0.03), 0.8, 4_000)
    counts = np.histogram(seconds, [0, *DURATION_BOUNDS, np.inf])[0].astype(np.float64)
    coarse = Explicit(np.array(DURATION_BOUNDS), counts, float(seconds.sum()))
    calls = calls_of(Pane(histogram_parts(coarse, 1.0, "")))
    for quantile in LATENCIES.values():
        found, exact = calls.latency(quantile, 0.95), float(np.quantile(seconds, quantile, method="inverted_cdf"))
        assert found is not None
        assert abs(unwrap(found.value) - exact) <= found.bound
        assert unwrap(found.low) <= exact <= unwrap(found.high)
    in_milliseconds = Explicit(np.array(DURATION_BOUNDS) * 1e3, counts)
    assert calls_of(Pane(histogram_parts(in_milliseconds, 1e3, ""))).latency(0.5, 0.95) == calls.latency(0.5, 0.95)
    failed = histogram_parts(coarse, 1.0, "TimeoutError")
    assert {part: float(sums[0]) for part, sums in failed.items()} == {"calls": 4_000.0, "failed:TimeoutError": 4_000.0}


def test_an_exponential_histogram_is_read_too() -> None:
    seconds = np.random.default_rng(3).lognormal(np.log(0.03), 0.8, 1_000)
    scale = 3
    index = np.ceil(np.log2(seconds) * 2**scale).astype(int) - 1
    counts = np.bincount(index - index.min()).astype(np.float64)
    histogram = Exponential(scale, 0.0, 0.0, Buckets(int(index.min()), counts), Buckets(0, np.empty(0)))
    found = calls_of(Pane(histogram_parts(histogram, 1.0, ""))).latency(0.95, 0.95)
    exact = float(np.quantile(seconds, 0.95, method="inverted_cdf"))
    assert found is not None
    assert abs(unwrap(found.value) - exact) <= found.bound <= 0.3 * exact


def test_errors_beyond_twenty_types_are_others() -> None:
    names = tuple(f"E{at}" for at in range(30))
    many = Column(codes=np.arange(-1, 30, dtype=np.int32), categories=names)
    told = unwrap(bounded_errors(many, ()))
    assert told.categories == (*names[:20], OTHER_ERROR)
    later = unwrap(bounded_errors(Column(codes=np.array([0, 1], np.int32), categories=("E7", "new")), told.categories))
    assert later.categories == ("E7", OTHER_ERROR)
    assert call_parts(None, later, None, np.zeros(2, np.int64), 1)["failed:other"].value.tolist() == [1.0]


def test_a_call_slower_than_the_last_bound_has_no_made_up_latency() -> None:
    found = unwrap(calls_of(pane_of(np.full(500, 5_000.0))).latency(0.5, 0.95))
    assert (found.value, found.low is not None and found.low >= 1_000) == (1_000.0, True)
    assert len(pane_of(np.full(1, 5_000.0)).parts["latency"]) == BINS


def test_the_shortest_latencies_have_nothing_as_their_lower_end() -> None:
    found = unwrap(calls_of(pane_of(np.full(200, 1e-7))).latency(0.5, 0.95))
    assert found.low == 0.0

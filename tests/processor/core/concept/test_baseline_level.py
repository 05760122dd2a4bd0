"""A model that is worse than its baseline from its first row is found, and one that is as good is left alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.concept.baseline_level import BaselineLevel
from driftline_processor.core.concept.stream import (
    WHOLE,
    FirstLosses,
    ModelStreams,
    Stream,
    decode_stream,
    encode_stream,
)
from driftline_processor.core.performance.reference import level_of_errors

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")
DAY = 86_400 * 10**9
EACH = DAY // 1_000
LEVEL = BaselineLevel(0.18, 0.187)


def stream(level: BaselineLevel | None = LEVEL) -> Stream:
    made = Stream("error")
    if level is not None:
        made.know(level)
    return made


def errors(seed: int, n: int, rate: float) -> F64:
    return (np.random.default_rng(seed).random(n) < rate).astype(np.float64)


def feed(made: Stream, values: F64, first: int = 0) -> Stream:
    times = (first + np.arange(len(values))) * EACH
    made.feed(values, times, times + 1)
    return made


def test_three_points_more_errors_from_the_first_row_are_found() -> None:
    concept = feed(stream(), errors(1, 50_000, 0.21)).concept()
    assert concept.state == "drift"
    assert concept.before == pytest.approx(0.18)
    assert concept.after == pytest.approx(0.21, abs=0.005)
    assert unwrap(concept.since) < 3_000 * EACH
    assert len(concept.changes) == 1


def test_nothing_but_the_baseline_tells_of_them() -> None:
    assert feed(stream(None), errors(1, 50_000, 0.21)).concept().state == "ok"


def test_as_many_errors_as_the_baselines_are_no_finding() -> None:
    for seed in range(5):
        assert feed(stream(), errors(seed, 50_000, 0.18)).concept().state == "ok"


def test_the_drift_ends_where_errors_fall_back_to_the_baselines() -> None:
    found = feed(stream(), np.concatenate([errors(1, 30_000, 0.26), errors(2, 10_000, 0.18)])).concept()
    assert found.state == "ok"
    assert [change.after > change.before for change in found.changes] == [True, False]


def test_the_beginning_is_where_errors_rose_not_the_first_row() -> None:
    values = np.concatenate([errors(3, 4_000, 0.18), errors(4, 40_000, 0.205)])
    concept = feed(stream(), values).concept()
    assert concept.state == "drift"
    assert 2_000 * EACH < unwrap(concept.since) < 8_000 * EACH


@pytest.mark.parametrize("cuts", [(1,), (63, 64, 65), (1_000, 7_777)])
def test_however_the_stream_is_cut_the_same_is_found(cuts: tuple[int, ...]) -> None:
    values = errors(5, 12_000, 0.23)
    whole, made = feed(stream(), values), stream()
    assert whole.concept().state == "drift"
    for first, last in pairwise((0, *cuts, len(values))):
        feed(made, values[first:last], first)
        made = decode_stream(encode_stream(made))
    assert made.concept() == whole.concept()
    assert encode_stream(made) == encode_stream(whole)


def test_a_stream_that_began_without_a_level_uses_that_of_a_later_baseline() -> None:
    old = decode_stream(encode_stream(feed(stream(None), errors(1, 500, 0.2))))
    streams = ModelStreams("error", None, {WHOLE: old}, LEVEL)
    rows = 50_000
    times = np.arange(500, 500 + rows) * EACH
    streams.feed(WHOLE, FirstLosses(errors(2, rows, 0.21), times, times, {}))
    assert old.concept().state == "drift"


def test_days_that_differ_in_the_baseline_make_a_bad_day_no_finding() -> None:
    bad = errors(6, 1_000, 0.30)
    assert feed(stream(), bad).concept().state == "drift"
    assert feed(stream(LEVEL._replace(days=0.05)), bad).concept().state == "ok"


class TestTheLevel:
    def baseline(self, right: int, wrong: int) -> Baseline:
        n = np.array([float(right + wrong)] * 3)
        pane = Pane({"outcomes": n, "confusion": np.array([right / 2, wrong / 2, wrong / 2, right / 2])})
        return Baseline("m", "", BINARY, ModelBins(), pane)

    def test_is_the_error_rate_and_the_greatest_that_the_rows_leave_possible(self) -> None:
        few, many = (level_of_errors(self.baseline(82 * n, 18 * n)) for n in (10, 1_000))
        assert few is not None
        assert many is not None
        assert few.mean == many.mean == pytest.approx(0.18)
        assert 0.2 < few.upper_limit < 0.22
        assert 0.182 < many.upper_limit < 0.184

    def test_of_fewer_than_a_hundred_outcomes_is_not_known(self) -> None:
        assert level_of_errors(self.baseline(82, 17)) is None
        assert level_of_errors(None) is None

    def test_of_a_regression_is_in_its_own_standard_deviations(self) -> None:
        rng = np.random.default_rng(1)
        said = rng.normal(size=2_000)
        pane = fold_outcomes(
            Task("regression"), said[:, np.newaxis], None, Column(numbers=said + rng.normal(size=2_000))
        )
        level = unwrap(level_of_errors(Baseline("m", "", Task("regression"), ModelBins(), pane)))
        assert level.mean == 0.0
        assert level.upper_limit == pytest.approx(2.43 / 2_000**0.5, rel=0.1)
        assert level.least_value == pytest.approx(-1.32, abs=0.05)

"""How far days differ is read from a baseline's days, and lent to windows of few."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.intervals.day_spread import DaySpread, Neighbours, day_spread, lent_rows_as_one
from scipy import stats

from tests.support.unwrap import unwrap


def test_days_that_differ_as_independent_rows_cost_a_window_of_as_many_little() -> None:
    design = lent_rows_as_one(DaySpread(29.0, 29, 29 * 500.0), np.ones(3), 1_500.0).at(0.95)
    assert 1.0 < design < 1.2


def test_days_with_equal_means_cost_a_window_nothing() -> None:
    assert lent_rows_as_one(DaySpread(0.0, 13, 13 * 200.0), np.ones(2), 400.0).at(0.95) == 1.0


def test_days_that_differ_much_give_students_interval_of_their_variance() -> None:
    """Fourteen days of 100 rows whose means vary a thousand times as much as by rows: a day is one draw more."""
    spread = DaySpread(13 * 1_001.0, 13, 13 * 100.0)
    design = lent_rows_as_one(spread, np.ones(1), 100.0).at(0.95)
    expected = 1_001 * (stats.t.ppf(0.975, 13) / stats.norm.ppf(0.975)) ** 2
    assert design == pytest.approx(expected, rel=0.01)


def test_a_day_of_many_rows_is_one_draw_all_the_same() -> None:
    spread = DaySpread(13 * 11.0, 13, 13 * 100.0)
    few, many = (lent_rows_as_one(spread, np.ones(1), rows).at(0.95) / rows for rows in (1_000.0, 100_000.0))
    assert few == pytest.approx(many, rel=0.1)


def test_days_that_resemble_the_one_before_count_as_fewer() -> None:
    rng = np.random.default_rng(1)
    steps = rng.normal(size=60)
    walk = np.empty(60)
    walk[0] = steps[0]
    for at in range(1, 60):
        walk[at] = 0.9 * walk[at - 1] + steps[at] * (1 - 0.81) ** 0.5
    rows = np.full(60, 1.0 / 60)
    walk *= 3
    lasting = day_spread((walk - walk.mean()) / 60, rows / 60, 60_000.0)
    mixed = unwrap(day_spread(rng.permutation(walk - walk.mean()) / 60, rows / 60, 60_000.0))
    assert lasting is not None
    assert lasting.autocorrelation > 0.6
    assert mixed.autocorrelation < 0.1
    assert lent_rows_as_one(lasting, np.ones(4), 4_000.0).at(0.95) > 1.5 * lent_rows_as_one(
        mixed, np.ones(4), 4_000.0
    ).at(0.95)


def test_one_day_tells_of_no_difference() -> None:
    assert day_spread(np.array([0.0]), np.array([1.0]), 100.0) is None


@pytest.mark.parametrize("theta", [0.0, 1.0, 10.0])
def test_of_windows_of_two_days_beside_fourteen_as_many_hold_the_truth_as_promised(theta: float) -> None:
    rng, held, wide = np.random.default_rng(int(theta)), 0, []
    runs = 600
    for _ in range(runs):
        days = rng.normal(size=14) * (1 + theta) ** 0.5
        influence = (days - days.mean()) / 14
        spread = unwrap(day_spread(influence, np.full(14, 1 / 14**2), 1_400.0))
        design = lent_rows_as_one(spread, np.ones(2), 200.0).at(0.95)
        window = rng.normal(size=2).mean() * (1 + theta) ** 0.5
        half = 1.96 * (design / 2) ** 0.5
        held += abs(window) <= half
        wide.append(half / (1.96 * ((1 + theta) / 2) ** 0.5))
    assert held / runs > 0.93
    assert np.median(wide) < 1.3


def _days(rng: np.random.Generator, many: int, keeps: float = 0.0, deviation: float = 4.5) -> tuple[DaySpread, float]:
    """Draw days of 100 rows, each beyond its rows by this much of a mean of rows; return their spread and mean."""
    at = rng.normal(size=many)
    for day in range(1, many):
        at[day] = keeps * at[day - 1] + (1 - keeps**2) ** 0.5 * at[day]
    days = deviation * at + rng.normal(size=many)
    spread = unwrap(day_spread((days - days.mean()) / many, np.full(many, 1 / many**2), 100.0 * many))
    return spread, float(days.mean())


@pytest.mark.parametrize(
    ("many", "keeps", "times", "least"),
    [(5, 0.0, 1, 0.93), (7, 0.0, 1, 0.93), (7, 0.5, 1, 0.92), (30, 0.5, 1, 0.92), (5, 0.0, 2, 0.9), (7, 0.0, 2, 0.92)],
)
def test_windows_of_five_days_and_more_borrow_and_hold_the_truth(
    many: int, keeps: float, times: int, least: float
) -> None:
    rng, held, long = np.random.default_rng([many, int(10 * keeps), times]), 0, []
    runs = 600
    alike = 1 + 2 * sum((1 - at / many) * keeps**at for at in range(1, many))
    known = 1.96 * ((1 + (4.5 * times) ** 2 * alike) / many) ** 0.5
    for _ in range(runs):
        before, _ = _days(rng, 30, keeps)
        own, mean = _days(rng, many, keeps, 4.5 * times)
        half = 1.96 * (lent_rows_as_one(before.pooled(own), np.ones(many), 100.0 * many).at(0.95) / many) ** 0.5
        held += abs(mean) <= half
        long.append(half / known)
    assert held / runs >= least
    assert np.mean(long) <= 1.3


def test_nothing_jumps_between_four_days_and_five() -> None:
    """The same days of the baseline, and days of the window that differ as they do."""
    lent = DaySpread(26 * 10.0, 26, 26 * 100.0)
    effects = []
    for many in (3, 4, 5, 6, 7):
        own = DaySpread((many - 1) * 10.0, many - 1, (many - 1) * 100.0)
        effects.append(lent_rows_as_one(lent.pooled(own), np.ones(many), 100.0 * many).at(0.95))
    assert (max(effects) / min(effects)) ** 0.5 < 1.1  # of lengths


def test_of_a_week_nobody_learns_whether_days_resemble_each_other() -> None:
    """Seven days and two: what they seem to keep is chance as often as not, and would cost eight times the length."""
    few, many = (Neighbours(0.5 * free, free) for free in (4.0, 20.0))
    assert few.autocorrelation == 0.0
    assert many.autocorrelation == 0.5


def test_what_days_seem_to_keep_counts_less_the_more_it_may_be_chance() -> None:
    kept = [Neighbours(0.4 * free, free).autocorrelation for free in (8.0, 16.0, 64.0)]
    assert kept == sorted(kept)
    assert kept[0] < 0.1
    assert kept[2] == pytest.approx(0.4)


def test_days_that_differ_surely_more_count_alone() -> None:
    lent, own = DaySpread(26 * 10.0, 26, 26 * 100.0), DaySpread(6 * 200.0, 6, 6 * 100.0)
    both = lent.pooled(own)
    assert both.freedom == pytest.approx(6, abs=0.1)
    alone = 200 * (stats.t.ppf(0.975, 6) / stats.norm.ppf(0.975)) ** 2
    assert lent_rows_as_one(both, np.ones(7), 700.0).at(0.95) == pytest.approx(alone, rel=0.05)


def test_seven_days_that_happen_to_resemble_each_other_count_for_little_beside_thirty_that_do_not() -> None:
    rng = np.random.default_rng(3)
    lent, _ = _days(rng, 30)
    climb = np.arange(7) - 3.0
    own = unwrap(day_spread(climb / 7, np.full(7, 1 / 49), 700.0))
    assert own.neighbours.weight / own.neighbours.free > 0.8
    assert lent.pooled(own).autocorrelation < 0.2

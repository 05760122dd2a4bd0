"""Weak slices: what is found, what is not, and that it depends on nothing but the rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pytest
from driftline.panes.bins import Bins, CategoryBins, Index, assign, number_bins
from driftline.tables.row_losses import losses_of
from driftline.tables.table import F64, I64, Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import WeakSlice
from driftline_processor.core.weak_slices.search import difference, fisher, halves, pearson, sample_evenly, weak_slices
from scipy import stats

from tests.support.unwrap import unwrap

HOUR = 3_600 * 10**9
Features = dict[str, tuple[Bins, Index]]


def rows(n: int, seed: int = 1) -> tuple[dict[str, F64], dict[str, Column]]:
    rng = np.random.default_rng(seed)
    numbers: dict[str, F64] = {"age": rng.normal(40, 12, n), "income": rng.lognormal(10, 1, n)}
    numbers["visits"] = rng.poisson(3, n).astype(np.float64)
    country = Column(codes=rng.integers(0, 4, n).astype(np.int32), categories=("NL", "BE", "FR", "LU"))
    return numbers, {**{name: Column(numbers=values) for name, values in numbers.items()}, "country": country}


def binned(columns: Mapping[str, Column]) -> Features:
    found: Features = {}
    for name, column in columns.items():
        bins: Bins = CategoryBins(column.categories) if column.numbers is None else number_bins(column.numbers)
        found[name] = (bins, assign(bins, column))
    return found


def wrong(rate: F64, seed: int = 2) -> F64:
    return (np.random.default_rng(seed).random(len(rate)) < rate).astype(np.float64)


def found(features: Features, loss: F64, time: I64 | None = None) -> tuple[WeakSlice, ...]:
    search = unwrap(weak_slices(features, {"error": loss}, time=np.arange(len(loss)) * HOUR if time is None else time))
    return search.slices


def test_nothing_is_found_where_errors_are_the_same_everywhere() -> None:
    _, columns = rows(8_000)
    search = unwrap(weak_slices(binned(columns), {"error": wrong(np.full(8_000, 0.2))}, time=np.arange(8_000) * HOUR))
    assert (search.slices, search.rows, search.features, search.pairs) == ((), 8_000, 4, 6)


def test_a_slice_of_one_number_is_found_and_told_in_its_own_unit() -> None:
    numbers, columns = rows(8_000)
    weak = numbers["age"] < 25
    (one,) = found(binned(columns), wrong(np.where(weak, 0.45, 0.15)))
    (condition,) = one.conditions
    assert condition.feature == "age"
    assert condition.low is None
    assert condition.high == pytest.approx(25, abs=3)
    assert condition.text == f"below {condition.high:.4g}"
    assert one.low < 0.42 < one.high
    assert one.rest == pytest.approx(0.15, abs=0.02)
    assert one.p_value < 1e-9


def test_a_slice_of_two_features_is_found() -> None:
    numbers, columns = rows(20_000)
    weak = (numbers["visits"] >= 5) & (np.asarray(columns["country"].codes) == 2)
    (one,) = found(binned(columns), wrong(np.where(weak, 0.4, 0.15)))
    assert {condition.feature: condition.text for condition in one.conditions} == {
        "visits": "of 5 or more",
        "country": "= FR",
    }
    assert abs(one.rows - np.count_nonzero(weak)) == 0


def test_missing_values_are_a_slice() -> None:
    numbers, columns = rows(8_000)
    income = np.where(np.arange(8_000) % 9 == 0, np.nan, numbers["income"])
    columns["income"] = Column(numbers=income)
    (one,) = found(binned(columns), wrong(np.where(np.isnan(income), 0.5, 0.15)))
    assert one.name == "income missing"
    assert one.conditions[0].absent == "missing"


def test_of_two_slices_both_are_found_the_costlier_first() -> None:
    numbers, columns = rows(20_000)
    rate = np.where(numbers["age"] < 25, 0.5, 0.1) + np.where(np.asarray(columns["country"].codes) == 0, 0.15, 0.0)
    names = [condition.feature for one in found(binned(columns), wrong(rate)) for condition in one.conditions]
    assert sorted(names) == ["age", "country"]


def test_a_slice_of_fewer_than_two_hundred_rows_is_none() -> None:
    columns = {"kind": Column(codes=np.repeat([0, 1], [7_850, 150]).astype(np.int32), categories=("a", "b"))}
    assert found(binned(columns), np.repeat([0.0, 1.0], [7_850, 150])) == ()


def test_cannot_tell_are_not_searched() -> None:
    _, columns = rows(399)
    assert weak_slices(binned(columns), {"error": np.zeros(399)}) is None


def test_rows_without_outcome_or_without_weight_are_left_out() -> None:
    _, columns = rows(1_000)
    loss = np.where(np.arange(1_000) < 100, np.nan, 0.0)
    weight = np.where(np.arange(1_000) < 300, 0.0, 1.0)
    search = unwrap(weak_slices(binned(columns), {"error": loss}, weight))
    assert search.rows == 700


@pytest.mark.parametrize("timed", [True, False])
def test_the_order_of_the_rows_changes_nothing(timed: bool) -> None:
    numbers, columns = rows(6_000)
    loss = wrong(np.where(numbers["age"] > 55, 0.4, 0.15))
    time = np.arange(6_000) // 3 * HOUR if timed else np.zeros(6_000, np.int64)
    order = np.random.default_rng(3).permutation(6_000)
    features = binned(columns)
    shuffled: Features = {name: (bins, of[order]) for name, (bins, of) in features.items()}
    one, other = found(features, loss, time), found(shuffled, loss[order], time[order])
    assert one
    for mine, its in zip(one, other, strict=True):
        assert (mine.conditions, mine.rows) == (its.conditions, its.rows)
        for figure in ("value", "low", "high", "rest", "p_value", "excess"):
            assert getattr(mine, figure) == pytest.approx(getattr(its, figure), rel=1e-9)


def test_a_row_stays_in_its_half_when_other_rows_come() -> None:
    time = np.arange(1_000) * HOUR
    assert np.array_equal(halves(time, [])[::2], halves(time[::2], []))
    assert np.array_equal(halves(np.arange(1_000), [])[::2], halves(np.arange(1_000)[::2], []))
    assert np.array_equal(
        sample_evenly(time, [], 600)[::2] & sample_evenly(time[::2], [], 300), sample_evenly(time, [], 600)[::2]
    )


def test_weights_say_how_many_rows_one_stands_for() -> None:
    numbers, columns = rows(8_000)
    weak = numbers["age"] < 28
    loss = wrong(np.where(weak, 0.4, 0.2))
    weight = np.where(loss > 0, 1.0, 10.0)  # of the right ones a tenth was reviewed
    search = unwrap(weak_slices(binned(columns), {"error": loss}, weight, np.arange(8_000) * HOUR))
    assert search.slices[0].rest == pytest.approx(0.2 / (0.2 + 0.8 * 10), abs=0.005)


def test_days_that_differ_are_no_slice() -> None:
    """A feature that moves with the day, and errors that do: nothing that holds on another day."""
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(40), 250)
    alarms = 0
    for _ in range(20):
        features = binned({"weather": Column(numbers=rng.normal(size=40)[day] + rng.normal(0, 0.1, 10_000))})
        loss = (rng.random(10_000) < np.clip(0.2 + rng.normal(0, 0.08, 40), 0.02, 0.6)[day]).astype(np.float64)
        alarms += bool(found(features, loss, day * 24 * HOUR))
    assert alarms <= 1


@pytest.mark.parametrize("days", [2, 4, 5])
def test_of_few_days_the_bad_one_is_no_slice_and_what_is_weak_on_each_of_them_is(days: int) -> None:
    """Half of the errors of a week are those of one day, which is the only one with such weather."""
    numbers, columns = rows(8_000)
    day = np.repeat(np.arange(days), 8_000 // days)
    columns["weather"] = Column(numbers=day.astype(np.float64))
    at = day * 24 * HOUR + np.arange(8_000) % (8_000 // days) * 24 * HOUR // (8_000 // days)
    features = binned(columns)
    assert found(features, wrong(np.where(day % 4 == 1, 0.4, 0.1)), at) == ()
    weak = found(features, wrong(np.where(numbers["age"] < 25, 0.45, 0.15)), at)
    assert [[condition.feature for condition in one.conditions] for one in weak] == [["age"]]


def test_a_stray_error_hides_no_slice_and_makes_none() -> None:
    numbers, columns = rows(8_000)
    loss = np.random.default_rng(7).exponential(np.where(numbers["income"] > 60_000, 2.0, 1.0))
    loss[17] = 1e9
    search = unwrap(weak_slices(binned(columns), {"absolute_error": loss}, time=np.arange(8_000) * HOUR))
    assert [one.conditions[0].feature for one in search.slices] in (["income"], [])  # told by plain means
    quiet = np.random.default_rng(7).exponential(np.ones(8_000))
    quiet[17] = 1e9
    search = unwrap(weak_slices(binned(columns), {"absolute_error": quiet}, time=np.arange(8_000) * HOUR))
    assert search.slices == ()


def test_losses_are_what_a_task_has() -> None:
    binary, several = Task("binary", ("no", "yes"), "yes"), Task("multiclass", ("a", "b", "c"))
    truth = Column(codes=np.array([0, 1, -1], np.int32), categories=("no", "yes"))
    found = losses_of(binary, np.array([[0.2], [0.3], [0.9]]), None, truth)
    assert found["error"].tolist()[:2] == [0.0, 1.0]
    assert found["log_loss"][:2] == pytest.approx([-np.log(0.8), -np.log(0.3)])
    assert np.isnan([found["error"][2], found["log_loss"][2]]).all()
    letters = Column(codes=np.array([0, 2], np.int32), categories=("a", "b", "c"))
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]])
    assert losses_of(several, scores, None, letters)["log_loss"] == pytest.approx(-np.log([0.5, 0.1]))
    scores[1] *= 2  # whose sum is not 1 are no probabilities, here as in the log loss of all rows
    assert np.isnan(losses_of(several, scores, None, letters)["log_loss"]).tolist() == [False, True]
    number = losses_of(Task("regression"), np.array([[3.0]]), None, Column(numbers=np.array([5.0])))
    assert {by: values.tolist() for by, values in number.items()} == {"absolute_error": [2.0]}
    assert losses_of(Task("ranking"), None, None, truth) == {}


@pytest.mark.parametrize(("hits", "drawn", "marked", "of"), [(3, 4, 4, 8), (0, 5, 5, 20), (40, 100, 150, 1_000)])
def test_fisher_is_that_of_scipy(hits: int, drawn: int, marked: int, of: int) -> None:
    assert fisher(hits, drawn, marked, of) == pytest.approx(stats.hypergeom.sf(hits - 1, of, marked, drawn), rel=1e-9)


def test_pearson_has_the_moments_of_all_choices() -> None:
    values = np.array([0.0, 0.5, 1.0, 1.5, 9.0, 2.0, 0.1, 0.2])
    values = values - values.mean()
    sums = np.array([values[list(some)].sum() for some in combinations(range(8), 3)])
    inside = np.isin(np.arange(8), [0, 4, 5])
    z = (values[inside].sum() - sums.mean()) / sums.std()
    assert pearson(inside, values) == pytest.approx(stats.pearson3.sf(z, stats.skew(sums)), rel=1e-9)


def test_pearson_within_strata_has_the_moments_of_all_choices_from_each() -> None:
    values, stratum = np.array([0.0, 0.5, 1.0, 1.5, 9.0, 2.0, 0.1, 0.2]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    values = values - np.array([values[stratum == at].mean() for at in (0, 1)])[stratum]
    sums = np.array(
        [
            values[list(one)].sum() + values[4:][list(other)].sum()
            for one in combinations(range(4), 2)
            for other in combinations(range(4), 1)
        ]
    )
    inside = np.isin(np.arange(8), [0, 3, 4])
    z = (values[inside].sum() - sums.mean()) / sums.std()
    assert pearson(inside, values, stratum) == pytest.approx(stats.pearson3.sf(z, stats.skew(sums)), rel=1e-9)


@pytest.mark.slow
def test_pearson_keeps_its_level_for_long_tails() -> None:
    rng = np.random.default_rng(11)
    below = 0
    for _ in range(4_000):
        loss = rng.lognormal(0, 1, 600)
        below += pearson(np.arange(600) < 110, loss - loss.mean()) <= 0.01
    assert 0.005 <= below / 4_000 <= 0.015


def test_rows_of_one_time_that_resemble_each_other_count_as_fewer() -> None:
    day = np.repeat(np.arange(40), 50).astype(np.int64)
    rng = np.random.default_rng(1)
    loss = np.clip(rng.normal(1, 0.5, 40)[day] + rng.normal(0, 0.1, 2_000), 0, None)
    alike = difference(day % 7 == 0, loss, None, day)
    alone = difference(day % 7 == 0, loss, None, None)
    assert alike.effect > 10
    assert alone.effect == 1
    assert alike.p_value > alone.p_value

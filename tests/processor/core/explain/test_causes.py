"""Why a window drifts: where from and where to, in which words, in which slice, and what it does to the score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import CategoryBins, count, number_bins
from driftline.panes.fold import fold
from driftline.tables.table import F64, Column, ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.explain.causes import region_changes
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.time_before import steps_of
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.causes import cause_sentence, explanation_sentence
from msgspec.structs import replace

from tests.support.recomputation import fraction_in_range
from tests.support.unwrap import unwrap

HOUR = 3_600 * 10**9
DAY = Window("1d", 1_772_323_200 * 10**9, 1_772_409_600 * 10**9)


def frame(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age, height = rng.normal(45, 10, n), rng.normal(170, 10, n)
    return {"age": age, "height": height, "fee": np.full(n, 2.0), "score": 1 / (1 + np.exp(-(age - 45) / 10))}


def evaluated(rows: dict[str, Any], importance: dict[str, float] | None = None) -> Evaluation:
    built = frame(20_000, 1)
    baseline = Baseline.from_frame(built, score="score", model="m", task="binary", importance=importance)
    table, *_ = table_from_frame(rows, score="score", model="m", task="binary")
    return judge_window(ModelWindow(ModelKey("m"), DAY, fold(table, baseline.bins)), Reference(baseline))


def number_changes(was: F64, now: F64) -> list[tuple[str, float, float]]:
    bins = number_bins(was)
    found = region_changes(bins, count(bins, Column(numbers=was)), count(bins, Column(numbers=now)))
    return [(one.where, round(one.was, 2), round(one.now, 2)) for one in found]


NORMAL = np.random.default_rng(4).normal(50, 10, 50_000)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (NORMAL, NORMAL + 15),
        (NORMAL, NORMAL - 10),
        (NORMAL, 50 + 2 * (NORMAL - 50)),
        (NORMAL.round(), (NORMAL + 4).round()),
        (NORMAL, np.full(900, 47.31)),  # one value inside a bin
        (np.repeat([0.0, 1.0, 2.0], [50, 30, 20]), np.repeat([0.0, 1.0, 2.0], [50, 10, 40])),
        (np.repeat([1.1, 1.4], [60, 40]), np.repeat([-1.8, -0.1], [50, 50])),  # new values below all known ones
        (np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0, 7.0], [60, 10, 30])),
        (np.repeat([1.0, 2.0, 3.0, 4.0], 25), np.repeat([1.0, 2.0, 3.0, 4.0], [5, 45, 45, 5])),
    ],
)
def test_the_fractions_of_a_range_are_those_of_the_rows(was: F64, now: F64) -> None:
    bins = number_bins(was)
    [found] = region_changes(bins, count(bins, Column(numbers=was)), count(bins, Column(numbers=now)))
    assert [found.was, found.now] == pytest.approx(
        [fraction_in_range(found.where, was), fraction_in_range(found.where, now)], abs=0.001
    )
    assert abs(found.now - found.was) > 0.15


def test_a_shift_is_of_the_side_with_fewer_rows_and_a_wider_distribution_of_the_range_that_it_left() -> None:
    [(where, was, now)] = number_changes(NORMAL, NORMAL + 15)
    assert was + now <= 1.01
    assert len(where.split()[2]) <= 5  # an edge with few digits
    [(where, was, now)] = number_changes(NORMAL, 50 + 2 * (NORMAL - 50))
    assert was - now > 0.25


def test_of_a_category_the_labels_that_lost_and_won_most_are_told() -> None:
    was, now = np.array([60.0, 30, 10, 0, 0, 0]), np.array([25.0, 30, 15, 30, 0, 0])
    found = region_changes(CategoryBins(("NO", "SE", "DK")), was, now)
    assert [(one.where, round(one.was, 3), round(one.now, 3)) for one in found] == [
        ("NO", 0.6, 0.25),
        ("other categories", 0.0, 0.3),
    ]


def test_missing_values_are_told_first_where_most_of_the_change_is_theirs() -> None:
    was, now = np.array([60.0, 40, 0, 0, 0]), np.array([30.0, 20, 0, 50, 0])
    found = region_changes(CategoryBins(("NO", "SE")), was, now)
    assert (found[0].where, found[0].was, found[0].now) == ("missing values", 0.0, 0.5)


def test_a_quiet_window_needs_no_explanation() -> None:
    assert evaluated(frame(2_000, 2)).explanation is None


def test_what_carries_the_score_comes_first_and_its_part_is_told() -> None:
    rows = frame(2_000, 2)
    rows["age"] += 8
    rows["height"] += 12
    rows["score"] = 1 / (1 + np.exp(-(rows["age"] - 45) / 10))
    found = unwrap(evaluated(rows).explanation)
    assert [cause.features for cause in found.causes] == [("age",), ("height",)]
    first, second = found.causes
    assert second.moved > first.moved
    assert first.score_shift == pytest.approx(1.0, abs=0.1)
    assert second.score_shift == pytest.approx(0.0, abs=0.05)
    assert found.score_now == pytest.approx(rows["score"].mean(), abs=0.01)
    assert "of the score's shift" in cause_sentence(first)
    assert "importance unknown" not in explanation_sentence(found)


def test_new_values_of_a_constant_have_an_unknown_effect_on_the_score() -> None:
    rows = frame(4_000, 2)
    rows["age"] = np.where(np.arange(4_000) < 1_000, rows["age"] + 30, rows["age"])
    rows["score"] = 1 / (1 + np.exp(-(rows["age"] - 45) / 10))
    rows["fee"] = np.full(4_000, 3.0)
    first, second = unwrap(evaluated(rows).explanation).causes
    assert (first.features, first.score_shift, second.features) == (("fee",), None, ("age",))


def test_what_counts_more_comes_first_where_importance_is_known() -> None:
    rows = frame(2_000, 2)
    rows["age"] += 4
    rows["height"] += 12
    known = evaluated(rows, {"age": 0.9, "height": 0.1}).explanation
    unknown = unwrap(evaluated(rows).explanation)
    assert known is not None
    assert [cause.features[0] for cause in known.causes] == ["age", "height"]
    assert known.causes[0].importance == 0.9
    assert sum(cause.weight or 0.0 for cause in known.causes) == pytest.approx(1)
    assert [cause.features[0] for cause in unknown.causes] == ["height", "age"]
    assert explanation_sentence(unknown).split("; ")[1] == "importance unknown"


def test_another_unit_is_no_drift_of_the_feature() -> None:
    rows = frame(2_000, 2)
    rows["height"] *= 100
    found = unwrap(evaluated(rows).explanation)
    [cause] = found.causes
    assert (cause.features, cause.check) == (("height",), "unit_change")
    assert cause_sentence(cause).startswith("height: 100 % of values are multiplied by 100")


def test_a_score_that_drifts_alone_is_said_to() -> None:
    rows = frame(2_000, 2)
    rows["score"] = rows["score"] * 0.8
    found = unwrap(evaluated(rows).explanation)
    assert (found.causes, explanation_sentence(found)) == ((), "the score drifts, and no feature does")


def test_steps_are_windows_up_to_a_day_and_days_beyond() -> None:
    days = steps_of(Window("1mo", DAY.start, DAY.start + 31 * 24 * HOUR))
    assert (len(days), days[-1].end, {one.end - one.start for one in days}) == (
        184,
        DAY.start + 31 * 24 * HOUR,
        {24 * HOUR},
    )
    assert {one.end - one.start for one in steps_of(replace(DAY, name="1h", end=DAY.start + HOUR))} == {HOUR}

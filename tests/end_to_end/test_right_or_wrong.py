"""The benchmark of real streams and planted worlds: its scorer knows a worse window from one that is not."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.right_or_wrong.__main__ import RESULTS, WINDOWS, streams_table
from benchmarks.right_or_wrong.goals import QUICK, goals
from benchmarks.right_or_wrong.score import cells_of
from benchmarks.right_or_wrong.streams import LENGTHS, Stream
from benchmarks.right_or_wrong.tools import driftline
from benchmarks.right_or_wrong.truth import Class, Truth, area_by_weight
from simulations.frame import table_rows

DAYS, DRAWS = 40, 200


def rows(n: int, seed: int, blur: float = 0.0, level: float = -0.5) -> pd.DataFrame:
    """Draw rows of 40 days whose score is their chance, but for a part of ``blur``, which has that of another row."""
    random = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-random.normal(size=n) * 1.5 - level))
    label = (random.random(n) < score).astype(np.int64)
    mixed = np.flatnonzero(random.random(n) < blur)
    score[mixed] = score[random.permutation(mixed)]
    return pd.DataFrame({"score": score, "label": label, "time": day_times(np.arange(n) * DAYS // n)})


def day_times(days: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
    return np.datetime64("2026-01-01T00:00:00") + days * np.timedelta64(86_400, "s")


BASELINE = rows(4_000, 0)


def truth_of(baseline: pd.DataFrame) -> Truth:
    return Truth(baseline, True, DRAWS, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(rows(4_000, 1), "equivalent", id="the same"),
        pytest.param(rows(4_000, 1, blur=0.3), "worse", id="a third of the scores mixed"),
        pytest.param(rows(4_000, 1, blur=0.08), "neither", id="worse within the margin"),
        pytest.param(rows(150, 1), "neither", id="few rows"),
    ],
)
def test_a_window_has_the_class_that_was_planted(window: pd.DataFrame, expected: str) -> None:
    assert truth_of(BASELINE).of(window) == expected


def test_one_bad_day_of_five_shows_less_than_as_many_bad_rows_of_all_days() -> None:
    good, bad = rows(3_200, 1), rows(800, 2, blur=1.0)
    window = pd.concat([good, bad], ignore_index=True)
    one_day, all_days = (
        window.assign(time=day_times(days)) for days in (np.arange(4_000) // 800, np.arange(4_000) % 5)
    )
    assert truth_of(BASELINE).of(one_day) == "neither"
    assert truth_of(BASELINE).of(all_days) == "worse"


def test_the_area_decides_of_rare_outcomes_and_of_a_baseline_without_skill() -> None:
    assert not truth_of(BASELINE).auc_decides
    assert truth_of(rows(4_000, 0, level=-5.0)).auc_decides
    too_high = BASELINE.assign(score=0.9 + BASELINE["score"] / 20)
    assert truth_of(too_high).auc_decides
    same_scale = rows(4_000, 1).assign(score=lambda of: 0.9 + of["score"] / 20)
    assert truth_of(too_high).of(same_scale) == "equivalent"


def test_the_area_by_weight_is_the_mean_over_pairs() -> None:
    window = pd.DataFrame({"score": [0.1, 0.4, 0.4, 0.8], "label": [0, 1, 0, 1]})
    weights = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(area_by_weight(window)(weights), [0.875, 1.0, np.nan])


def test_a_regression_is_compared_by_its_absolute_error() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(size=4_000) * 3
    window = pd.DataFrame({"label": truth, "score": truth + random.normal(size=4_000)})
    read = Truth(window, False, DRAWS, random)
    assert read.of(window.assign(score=truth + random.normal(size=4_000))) == "equivalent"
    assert read.of(window.assign(score=truth + 2 * random.normal(size=4_000))) == "worse"


def test_answers_are_counted_by_class() -> None:
    answers: list[tuple[Class, str]] = [("worse", "worse"), ("worse", "at_risk"), ("equivalent", "fine")]
    assert cells_of([*answers, ("neither", "worse")]) == ["**1** / 0 / 1", "0 / **1** / 0", "**1** / 0 / 0"]


def test_the_results_are_those_of_the_windows() -> None:
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))["streams"]
    assert table_rows(streams_table(pd.read_csv(WINDOWS))) == measured


def test_every_stream_has_windows_of_its_length_in_order() -> None:
    for name, length in LENGTHS.items():
        stream = Stream(name)
        assert list(stream.windows) == sorted(stream.windows)
        assert all(len(window) == length.rows for window in list(stream.windows.values())[:-1] if length.rows)


@pytest.mark.heavy
def test_no_worse_window_of_a_real_stream_is_healthy_and_most_are_degraded() -> None:
    windows = pd.read_csv(WINDOWS)
    answers = [answer for name in LENGTHS for answer in driftline(Stream(name))["windows"].values()]
    counts, classes = Counter(zip(windows["class"], answers, strict=True)), Counter(windows["class"])
    assert counts["worse", "fine"] == counts["equivalent", "worse"] == 0
    assert counts["worse", "worse"] >= 0.85 * classes["worse"]
    assert counts["equivalent", "fine"] >= 0.6 * classes["equivalent"]
    assert counts["neither", "worse"] <= 0.15 * classes["neither"]


@pytest.mark.heavy
def test_goals_are_kept_in_a_few_planted_worlds() -> None:
    assert [goal for goal in goals(QUICK._replace(quiet=4, first_seed=500)) if goal.kept is False] == []

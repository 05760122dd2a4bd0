"""The benchmark of real streams and planted worlds: its scorer knows a worse window from one that is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.right_or_wrong.__main__ import RESULTS
from benchmarks.right_or_wrong.answers import WINDOWS
from benchmarks.right_or_wrong.goals import QUICK, goals
from benchmarks.right_or_wrong.score import cells_of, promises_table, streams_table
from benchmarks.right_or_wrong.streams import KNOWN, STREAMS, Stream, streams_in
from benchmarks.right_or_wrong.tools import driftline
from benchmarks.right_or_wrong.truth import Class, Truth, area_by_block
from benchmarks.right_or_wrong.verdicts import states_of
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


def truth_of(baseline: pd.DataFrame, task: str = "binary", factor: float = 1.0) -> Truth:
    return Truth(baseline, task, DRAWS, np.random.default_rng(1), factor=factor)


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


def test_the_area_by_block_is_the_mean_over_pairs() -> None:
    window = pd.DataFrame({"score": [0.1, 0.4, 0.4, 0.8], "label": [0, 1, 0, 1]})
    area = area_by_block(window, np.arange(4))
    times = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(area(times), [0.875, 1.0, np.nan])
    two_blocks = area_by_block(window, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(two_blocks(np.array([[1.0, 1.0], [2.0, 0.0], [1.0, 3.0]])), [0.875, 1.0, 14.5 / 16])


def test_a_regression_is_compared_by_its_absolute_error() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(size=4_000) * 3
    window = pd.DataFrame({"label": truth, "score": truth + random.normal(size=4_000)})
    read = truth_of(window, "regression")
    assert read.of(window.assign(score=truth + random.normal(size=4_000))) == "equivalent"
    assert read.of(window.assign(score=truth + 2 * random.normal(size=4_000))) == "worse"
    without_labels = window.assign(label=np.where(np.arange(4_000) % 2, truth, np.nan))
    assert read.of(without_labels) == "equivalent"


def predicted_classes(wrong: float, seed: int) -> pd.DataFrame:
    """Draw rows of three classes, of which a part has a wrong prediction, and probabilities that know of it."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, 6_000)
    predicted = np.where(random.random(6_000) < wrong, (label + random.integers(1, 3, 6_000)) % 3, label)
    chances = {f"p_{name}": np.where(predicted == name, 1 - wrong, wrong / 2) for name in range(3)}
    return pd.DataFrame({"label": label, "prediction": predicted, **chances})


@pytest.mark.parametrize("with_chances", [True, False])
def test_classes_are_compared_by_their_log_loss_or_without_probabilities_by_their_errors(with_chances: bool) -> None:
    def drawn(wrong: float, seed: int) -> pd.DataFrame:
        found = predicted_classes(wrong, seed)
        return found if with_chances else found[["label", "prediction"]]

    read = truth_of(drawn(0.2, 1), "multiclass")
    assert read.of(drawn(0.2, 2)) == "equivalent"
    assert read.of(drawn(0.5, 2)) == "worse"


def test_the_margin_is_a_quarter_of_the_skill_at_most_half_of_the_loss_and_a_factor_multiplies_it() -> None:
    loss, area = truth_of(BASELINE).margins
    np.testing.assert_allclose(truth_of(BASELINE, factor=2.0).margins, [2 * loss, 2 * area])
    very_good = predicted_classes(0.02, 1)[["label", "prediction"]]
    errors = (very_good["label"] != very_good["prediction"]).mean()
    assert truth_of(very_good, "multiclass").margins == [pytest.approx(errors / 2)]


def test_driftline_is_told_a_margin() -> None:
    before, worse = (drawn.assign(age=1.0 * np.arange(4_000) % 50) for drawn in (BASELINE, rows(4_000, 1, blur=0.15)))
    states = [states_of(worse, before, "binary", factor, time="time").windows[-1] for factor in (1.0, 8.0)]
    assert states == ["degraded", "healthy"]


def test_answers_are_counted_by_class() -> None:
    answers: list[tuple[Class, str]] = [("worse", "worse"), ("worse", "at_risk"), ("equivalent", "fine")]
    assert cells_of([*answers, ("neither", "worse")]) == ["**1** / 0 / 1", "0 / **1** / 0", "**1** / 0 / 0"]


@pytest.mark.parametrize(("name", "table"), [("streams", streams_table), ("promises", promises_table)])
def test_the_results_are_those_of_the_windows(name: str, table: Callable[[pd.DataFrame], str]) -> None:
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))[name]
    assert table_rows(table(pd.read_csv(WINDOWS))) == measured


def test_a_tool_that_cannot_read_a_stream_has_no_answer_and_the_table_says_why() -> None:
    answers = {"driftline 1: windows": ["worse", "fine"], "nannyml 1: realized": ["worse", "no answer: no scores"]}
    windows = pd.DataFrame({"stream": ["a", "b"], "class": ["worse", "worse"], **answers})
    table = streams_table(windows)
    assert "| NannyML, realized performance | **1** / 0 / 1 (1 no answer) |" in table
    assert "NannyML, realized performance: no answer: no scores (b)" in table


def test_a_peer_is_bold_where_it_does_better_on_streams_that_came_later() -> None:
    answers = {f"driftline 1: {row}": ["worse", "at_risk", "fine"] for row in ("windows", "model")}
    answers |= {f"driftline 0: {row} at first": ["fine", "at_risk", "fine"] for row in ("windows", "model")}
    answers |= {"nannyml 1: realized": ["fine", "fine", "fine"], "evidently 1: decisive": ["worse", "worse", "fine"]}
    windows = pd.DataFrame({"stream": ["gas", "gas", "bank"], "class": ["worse", "equivalent", "worse"], **answers})
    windows["driftline 1: estimates"] = ["0/5", "3/4", "0/5"]
    lines = [list(row.values()) for row in table_rows(promises_table(windows))]
    assert lines[0][2:] == ["0 / 0 of 1", "0 / 0 of 1", "1 / 1 of 1", "0 of 1", "1 of 1"]
    assert lines[1][2:] == ["1 / 1 of 1", "1 / 1 of 1", "0 / 0 of 1", "1 of 1", "0 of 1"]
    assert lines[2][2:] == ["0 / 0 of 0", "0 / 0 of 1", "0 / 0 of 1", "**1 of 1**", "0 of 1"]
    assert lines[5][2:] == ["0 of 0", "–", "3 of 4", "–", "–"]


def test_every_stream_has_windows_of_its_length_in_order() -> None:
    assert set(streams_in(None)) == set(STREAMS) - {"tennis"}
    for name in streams_in(None):
        stream = Stream(name)
        assert list(stream.windows) == sorted(stream.windows)
        assert all(len(window) == stream.kind.rows for window in list(stream.windows.values())[:-1] if stream.kind.rows)


@pytest.mark.heavy
def test_no_worse_window_of_a_real_stream_is_healthy_and_most_are_degraded() -> None:
    windows = pd.read_csv(WINDOWS)
    answers = [answer for name in KNOWN for answer in driftline(Stream(name))["windows"].values()]
    known = windows["class"][windows["stream"].isin(KNOWN)]
    counts, classes = Counter(zip(known, answers, strict=True)), Counter(known)
    assert counts["worse", "fine"] == counts["equivalent", "worse"] == 0
    assert counts["worse", "worse"] >= 0.85 * classes["worse"]
    assert counts["equivalent", "fine"] >= 0.6 * classes["equivalent"]
    assert counts["neither", "worse"] <= 0.15 * classes["neither"]


@pytest.mark.heavy
def test_goals_are_kept_in_a_few_planted_worlds() -> None:
    assert [goal for goal in goals(QUICK._replace(quiet=4, first_seed=500)) if goal.kept is False] == []

"""A window is compared with what the baseline would have decided at the window's own threshold."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import EXPECTED
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline_processor.core import facts
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.reference.decision_threshold import align_threshold

from tests.support.unwrap import of_type, unwrap

ROWS = 6_000
DAY = 86_400
AT_DECISION = ("accuracy", "precision", "recall", "f1", "specificity")


def scored(seed: int, rows: int = ROWS) -> tuple[F64, F64]:
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 3, rows)
    return score, (rng.random(rows) < score).astype(float)


@cache
def built(threshold: float) -> Baseline:
    return made(threshold)


def made(threshold: float, **changes: object) -> Baseline:
    score, actual = scored(1)
    said = {"actual": actual, "time": np.linspace(0, 30 * DAY, ROWS) + DAY, "slices": {"half": np.arange(ROWS) % 2}}
    said |= {"score": score} | changes
    return Baseline.from_frame(
        {"x": said["score"]},
        model="churn",
        task="binary",
        threshold=threshold,
        **said,  # type: ignore[arg-type]
    )


def window(threshold: float | F64, strays: int = 0, score: F64 | None = None) -> Pane:
    """Scores by decision; ``strays``: so many rows that are decided the other way."""
    score = scored(2, 1_000)[0] if score is None else score
    decided = (score >= threshold).astype(int)
    decided[:strays] = 1 - decided[:strays]
    counts = [np.bincount(score_bin(score[decided == side]), minlength=SCORE_BINS) for side in (0, 1)]
    return Pane({f"score_grid:{side}": of.astype(float) for side, of in enumerate(counts)})


def test_a_baseline_is_what_it_would_be_had_it_been_built_at_the_threshold() -> None:
    half, third = built(0.5), built(0.3)
    found = align_threshold(half, window(0.3), third.task)
    anew, own = (realized(one.pane, one.task) for one in (found.baseline, third))
    before = realized(half.pane, half.task)
    assert {name: anew[name].value for name in AT_DECISION} == pytest.approx(
        {name: own[name].value for name in AT_DECISION}, abs=5e-3
    )
    assert abs((before["recall"].value or 0) - (own["recall"].value or 0)) > 0.3
    assert anew["roc_auc"] == own["roc_auc"]
    assert found.baseline.fold == half.fold
    assert found.baseline.task == third.task
    assert found.notes == (facts.BaselineDecidedAgain(threshold=0.3, baseline_threshold=0.5),)
    sliced = unwrap(found.baseline.extras.slices)
    panes = [found.baseline.pane, *(pane for values in sliced.by_key.values() for pane in values.values())]
    assert not any("class" in pane.parts for pane in panes)


def test_its_stretches_of_time_are_decided_anew_too() -> None:
    half, third = built(0.5), built(0.3)
    found = align_threshold(half, Pane(), third.task).baseline
    for part in ("confusion", EXPECTED):
        anew, own = (in_blocks(one, part) for one in (found, third))
        assert anew == pytest.approx(own, abs=0.02 * ROWS)


def test_its_blocks_of_rows_are_decided_anew_too() -> None:
    score, actual = scored(1)
    runs = np.lexsort([actual, np.arange(ROWS) // 500])
    half, third = (made(at, time=None, score=score[runs], actual=actual[runs]) for at in (0.5, 0.3))
    found = align_threshold(half, Pane(), third.task).baseline
    anew, own = (
        [pane.parts["confusion"] for pane in unwrap(one.extras.row_blocks).outcomes.panes] for one in (found, third)
    )
    assert len(anew) == len(own) > 20
    np.testing.assert_allclose(anew, own, atol=8)  # rows of a block of 120, of which 30 cells of scores decide


def in_blocks(baseline: Baseline, part: str) -> F64:
    known = unwrap(baseline.extras.estimation)
    total: F64 = np.sum([pane.parts[part] for pane in unwrap(known.blocks).panes], axis=0)
    return total


def test_weights_that_differ_stay_as_uneven_as_they_were() -> None:
    half = made(0.5)
    half.pane.parts["confusion_excess"] = 2 * half.pane.parts["confusion"]
    found = align_threshold(half, Pane(), replace(half.task, threshold=0.3)).baseline.pane.parts
    assert found["confusion_excess"] == pytest.approx(2 * found["confusion"])


@pytest.mark.parametrize("pane", [window(0.5), window(0.5, strays=3)])
def test_rows_that_the_service_decided_at_the_baselines_threshold_are_compared_as_they_are(pane: Pane) -> None:
    baseline = built(0.5)
    found = align_threshold(baseline, pane, replace(baseline.task, threshold=0.3))
    assert found.baseline is baseline
    assert found.notes == ()


def test_a_baseline_whose_own_decisions_are_those_of_the_window_is_compared_as_it_is() -> None:
    score, _ = scored(1)
    baseline = made(0.5, predicted=(score >= 0.3).astype(int))
    assert align_threshold(baseline, window(0.3), replace(baseline.task, threshold=0.3)).baseline is baseline


def test_decisions_of_a_window_in_which_the_threshold_changed_are_compared_with_none() -> None:
    baseline = built(0.5)
    found = align_threshold(baseline, window(0.5, strays=100), replace(baseline.task, threshold=0.3))
    assert {"accuracy", "recall"}.isdisjoint(known := realized(found.baseline.pane, found.baseline.task))
    assert known["roc_auc"] == realized(baseline.pane, baseline.task)["roc_auc"]
    assert found.notes == (facts.BaselineWithoutDecisions(0.5, 0.3, decided_there=False),)


def rare(seed: int) -> tuple[F64, F64]:
    """Scores of which 2 % are high, fewer than 1 % between 0.3 and 0.5; what came true."""
    rng = np.random.default_rng(seed)
    score = np.where(rng.random(20_000) < 0.03, rng.uniform(0.05, 1, 20_000), rng.uniform(0, 0.02, 20_000))
    return score, (rng.random(20_000) < score).astype(float)


def rarely(**changes: object) -> Baseline:
    score, actual = rare(1)
    return made(0.5, **({"actual": actual, "score": score, "time": None, "slices": {}} | changes))


def test_thresholds_are_told_apart_by_the_few_rows_between_them_where_few_are_flagged() -> None:
    baseline, (score, actual) = rarely(), rare(1)
    task = replace(baseline.task, threshold=0.3)
    found = align_threshold(baseline, window(0.3, score=rare(2)[0]), task).baseline
    precision = realized(found.pane, found.task)["precision"].value
    assert precision == pytest.approx(actual[score >= 0.3].mean(), abs=5e-3)
    assert align_threshold(baseline, window(0.5, score=rare(2)[0]), task).baseline is baseline
    other = rarely(predicted=(score >= 0.3).astype(int))
    assert align_threshold(other, window(0.3, score=rare(2)[0]), task).baseline is other


@pytest.mark.parametrize("threshold", [np.repeat([0.5, 0.3], 10_000), np.array(0.7)], ids=["changed", "third"])
def test_few_flagged_rows_of_both_thresholds_or_of_a_third_are_compared_with_none(threshold: F64) -> None:
    baseline = rarely()
    found = align_threshold(baseline, window(threshold, score=rare(2)[0]), replace(baseline.task, threshold=0.3))
    assert "confusion" not in found.baseline.pane.parts
    assert of_type(found.notes[0], facts.BaselineWithoutDecisions).decided_there is False


def test_where_no_row_lies_between_two_thresholds_they_decide_alike() -> None:
    score, actual = rare(1)
    sure = (score < 0.29) | (score > 0.51)
    baseline = rarely(score=score[sure], actual=actual[sure])
    pane = window(0.5, score=score[sure])
    assert align_threshold(baseline, pane, replace(baseline.task, threshold=0.3)).baseline is baseline


@pytest.mark.parametrize(("own", "said"), [(0.5, 0.3), (0.3, 0.5)])
@pytest.mark.parametrize("at", [0.3, 0.5])
def test_rows_at_the_lower_of_two_thresholds_tell_them_apart_where_none_lies_between(
    own: float, said: float, at: float
) -> None:
    score = np.repeat([0.1, 0.3, 0.9], [4_000, 100, 1_000])
    actual = (score > 0.5).astype(float)
    baseline = made(own, score=score, actual=actual, time=None, slices={})
    task = replace(baseline.task, threshold=said)
    found = align_threshold(baseline, window(at, score=score), task).baseline
    precision = realized(found.pane, found.task)["precision"].value
    assert precision == (1.0 if at == 0.5 else pytest.approx(10 / 11))


def test_a_baseline_that_knows_no_outcomes_is_compared_without_its_decisions() -> None:
    baseline = made(0.5, actual=None)
    found = align_threshold(baseline, window(0.3), replace(baseline.task, threshold=0.3))
    assert "class" not in found.baseline.pane.parts
    assert of_type(found.notes[0], facts.BaselineWithoutDecisions).decided_there is True


def test_of_one_threshold_and_of_other_classes_nothing_changes() -> None:
    baseline = built(0.5)
    for task in (baseline.task, replace(baseline.task, classes=("no", "yes"), threshold=0.3)):
        assert align_threshold(baseline, window(0.3), task).baseline is baseline

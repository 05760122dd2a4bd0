"""Shifted classes and targets: shares are found, intervals hold or are withheld; inputs that moved change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.codec import to_json
from driftline_processor.core.estimate.class_shift import ClassShift
from driftline_processor.core.estimate.estimator import TargetShift, estimate_metrics, explain_label_shift

from simulations.outcome_shift import CLASSES, ROWS, built, classes, estimated, in_shares, seen, target, tilted
from tests.support.slow import slow
from tests.support.unwrap import unwrap

ONE = np.array([0.4, 0, 0, 0, 0, 0])


def test_new_shares_of_classes_are_found_and_estimates_hold_under_them() -> None:
    rng = np.random.default_rng(3)
    baseline, rows = built("multiclass", rng), in_shares(0.15, 1, 2.5)(rng)
    pane, real = seen(rows, baseline, "multiclass")
    explained = unwrap(explain_label_shift(pane, baseline, baseline.task, 0))
    told, shift = explained
    assert isinstance(shift, ClassShift)
    assert told.explains in ("labels", "either")
    for at, name in enumerate(CLASSES):
        share = told.shares[name]
        true = float(np.mean(rows["y"] == name))
        assert share.low <= true <= share.high
        assert shift.now[at] == pytest.approx(share.now)
        assert share.high - share.low < 0.15
    plain, shifted = (estimate_metrics(pane, baseline, baseline.task, 0, shift=one) for one in (None, explained))
    for metric in ("accuracy", "precision", "recall", "f1"):
        one, value = shifted[metric], real[metric]
        assert value is not None
        assert unwrap(one.low) <= value <= unwrap(one.high)
    assert real["accuracy"] is not None
    assert not plain["accuracy"].low <= real["accuracy"] <= unwrap(plain["accuracy"].high)  # type: ignore[operator]
    assert (shifted["roc_auc_ovr"].low, shifted["roc_auc_ovr"].reason) == (None, "label_shift")


def test_the_sentence_names_the_class_that_moved_most_surely() -> None:
    rng = np.random.default_rng(4)
    told, *_ = estimated(in_shares(0.5, 1, 1)(rng), built("multiclass", rng), "multiclass")
    assert told is not None
    assert told.class_name == "a"
    assert told.now < told.was
    assert told.low < told.now < told.high
    assert told.is_known


@pytest.mark.parametrize("kind", ["multiclass", slow("regression")])
def test_an_input_that_moved_explains_scores_and_leaves_estimates_as_they_are(kind: str) -> None:
    rng = np.random.default_rng(5)
    baseline = built(kind, rng)
    pane, _ = seen((classes if kind == "multiclass" else target)(ROWS, rng, ONE), baseline, kind)
    explained = unwrap(explain_label_shift(pane, baseline, baseline.task, 0))
    assert (explained[0].explains, explained[0].features) == ("inputs", ("f0",))
    plain, shifted = (estimate_metrics(pane, baseline, baseline.task, 0, shift=one) for one in (None, explained))
    assert plain == shifted


@pytest.mark.slow
def test_a_target_that_moved_takes_the_interval_away_and_says_why() -> None:
    rng = np.random.default_rng(6)
    baseline, rows = built("regression", rng), tilted(0.3)(rng)
    pane, _ = seen(rows, baseline, "regression")
    explained = unwrap(explain_label_shift(pane, baseline, baseline.task, 0))
    told, shift = explained
    assert isinstance(shift, TargetShift)
    assert told.low < float(np.mean(rows["y"])) < told.high
    assert told.quantity == "mean"
    found = estimate_metrics(pane, baseline, baseline.task, 0, shift=explained)["mae"]
    assert (found.low, found.high, found.reason) == (None, None, "label_shift")
    assert found.value is not None


@pytest.mark.parametrize("kind", ["multiclass", slow("regression")])
def test_outcomes_by_feature_survive_a_baseline_that_is_saved_and_old_ones_leave_both_open(kind: str) -> None:
    rng = np.random.default_rng(7)
    baseline = built(kind, rng)
    known = unwrap(baseline.extras.score_means)
    again = unwrap(Baseline.from_json(baseline.to_json()).extras.score_means)
    assert to_json(again) == to_json(known)
    means = known.by_part["feature:f0"]
    told = unwrap(means.classes if kind == "multiclass" else means.outcome)
    assert told.shape[-1] == len(means.rows)
    if kind == "multiclass":
        assert told.sum(axis=0) == pytest.approx(np.ones(len(means.rows)) * (means.labelled > 0), abs=1e-4)  # type: ignore[operator]

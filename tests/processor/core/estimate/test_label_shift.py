"""Label shift: the new share of positives, what explains the scores, and intervals that hold under both."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import score_grid
from driftline.panes.bins import assign
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.estimate.cbpe_binary import rates_of
from driftline_processor.core.estimate.estimator import estimate_metrics, explain_label_shift
from driftline_processor.core.estimate.label_shift import PriorShift, remixed, remixed_rates
from driftline_processor.core.performance.realized import from_rows

from tests.support.unwrap import unwrap

TASK = Task("binary", ("0", "1"), "1")
WEIGHTS = np.array([1.0, 0.8, 0.6, 0.4, 0.2])
NAMES = [f"f{at}" for at in range(len(WEIGHTS))]

Rows = tuple[F64, F64, F64]


def drawn(n: int, rng: np.random.Generator, shift: F64 | float = 0.0) -> Rows:
    """Draw features, scores and outcomes; ``shift``: of the features, in standard deviations."""
    x = rng.normal(0, 1, (n, len(WEIGHTS))) + shift
    logit = x @ WEIGHTS - 1
    actual = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return x, 1 / (1 + np.exp(-(0.8 * logit + 0.2))), actual


def with_positives(n: int, share: float, rng: np.random.Generator) -> Rows:
    """Draw as many positives as are asked for, each class as it is."""
    rows = drawn(8 * n, rng)
    of_class = [np.flatnonzero(rows[2] == one) for one in (0, 1)]
    many = round(n * share)
    at = np.concatenate([of_class[1][:many], of_class[0][: n - many]])
    return rows[0][at], rows[1][at], rows[2][at]


def built(rows: Rows, features: bool = True) -> Baseline:
    named = dict(zip(NAMES, rows[0].T, strict=True)) if features else {}
    frame = {**named, "p": rows[1], "y": rows[2]}
    return Baseline.from_frame(frame, score="p", actual="y", features=list(named), model="m", task="binary")


def pane_of(rows: Rows, baseline: Baseline) -> Pane:
    n = len(rows[1])
    entries = score_grid(TASK, rows[1][:, np.newaxis], None, None, np.zeros(n, np.int64))
    parts = {"rows": np.full(3, float(n))} | {one.part: one.dense(1)[0] for one in entries}
    for name, values in zip(NAMES, rows[0].T, strict=True):
        if (bins := baseline.bins.features.get(name)) is not None:
            counts = np.bincount(assign(bins, Column(numbers=values)), minlength=bins.size + 2)
            parts[f"feature:{name}"] = counts.astype(np.float64)
    return Pane(parts)


def test_a_new_share_of_positives_is_found_and_explains_scores_and_features() -> None:
    rng = np.random.default_rng(2)
    baseline = built(drawn(10_000, rng))
    rows = with_positives(5_000, 0.15, rng)
    explained = unwrap(explain_label_shift(pane_of(rows, baseline), baseline, TASK, 0))
    found = explained[0]
    assert found.explains == "labels"
    assert found.low <= 0.15 <= found.high < 0.2 < found.was
    assert found.features[0] == "f0"


def test_estimates_of_a_new_share_hold_what_is_realized_and_say_what_they_assume() -> None:
    rng = np.random.default_rng(2)
    baseline = built(drawn(10_000, rng))
    rows = with_positives(5_000, 0.15, rng)
    pane = pane_of(rows, baseline)
    plain = estimate_metrics(pane, baseline, TASK, 0)
    shifted = estimate_metrics(pane, baseline, TASK, 0, shift=explain_label_shift(pane, baseline, TASK, 0))
    real = from_rows(TASK, rows[1][:, np.newaxis], None, Column(numbers=rows[2]), None)
    for name in ("accuracy", "precision", "actual_rate", "log_loss"):
        now, was, value = shifted[name], plain[name], real[name].value
        assert value is not None
        assert unwrap(now.low) <= value <= unwrap(now.high)
        assert abs(unwrap(now.value) - value) < abs(unwrap(was.value) - value)
        assert now.method == "label_shift"
    assert plain["precision"].low is not None
    assert not plain["precision"].low <= real["precision"].value <= plain["precision"].high  # type: ignore[operator]


def test_an_input_that_moved_explains_scores_and_leaves_estimates_as_they_are() -> None:
    rng = np.random.default_rng(3)
    baseline = built(drawn(10_000, rng))
    rows = drawn(5_000, rng, np.array([0.5, 0, 0, 0, 0]))
    pane = pane_of(rows, baseline)
    explained = unwrap(explain_label_shift(pane, baseline, TASK, 0))
    assert (explained[0].explains, explained[0].features) == ("inputs", ("f0",))
    assert estimate_metrics(pane, baseline, TASK, 0, shift=explained) == estimate_metrics(pane, baseline, TASK, 0)


def test_scores_without_features_leave_both_open_and_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    baseline = built(drawn(10_000, rng), features=False)
    rows = with_positives(5_000, 0.15, rng)
    pane = pane_of(rows, baseline)
    explained = unwrap(explain_label_shift(pane, baseline, TASK, 0))
    assert explained[0].explains == "either"
    both, plain = (estimate_metrics(pane, baseline, TASK, 0, shift=one)["actual_rate"] for one in (explained, None))
    assert both.value == plain.value
    assert unwrap(both.low) < 0.15 < unwrap(plain.low)


def test_quiet_windows_show_no_label_shift() -> None:
    rng = np.random.default_rng(5)
    baseline = built(drawn(10_000, rng))
    found = [explain_label_shift(pane_of(drawn(2_000, rng), baseline), baseline, TASK, 0) for _ in range(60)]
    assert not any(one is not None and one[0].explains == "labels" for one in found)


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.3])
def test_remixed_rates_have_the_new_share_of_positives(shift: float) -> None:
    rng = np.random.default_rng(6)
    negative, positive = rng.integers(1, 9, (2, 40)).astype(np.float64)
    rate, prior = positive / (negative + positive), float(positive.sum() / (negative + positive).sum())
    # rows of each class as they were, the classes in new proportions
    new = positive / positive.sum() * (prior + shift), negative / negative.sum() * (1 - prior - shift)
    assert remixed(rate, prior, shift) == pytest.approx(new[0] / (new[0] + new[1]), abs=1e-12)


def test_rates_without_a_shift_stay_as_they_are() -> None:
    rng = np.random.default_rng(7)
    baseline = built(drawn(5_000, rng))
    rates = rates_of(baseline.pane)
    explained = unwrap(explain_label_shift(pane_of(with_positives(3_000, 0.15, rng), baseline), baseline, TASK, 0))
    assert rates is not None
    assert isinstance(explained[1], PriorShift)
    moved = remixed_rates(rates, explained[1])
    assert (np.diff(moved.rate) >= 0).all()
    assert float(moved.rate.max()) <= 1
    assert float(rates.rows @ moved.rate) < float(rates.rows @ rates.rate)

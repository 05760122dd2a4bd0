"""Estimates without labels: what they say, how sure they are, and when they alert."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.calibration import ResampledCalibration, resample_calibration
from driftline.baseline.sections.estimation import RowGroups, class_sums, loss_sums, score_grid
from driftline.panes.bins import SCORE_BINS
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task
from driftline_processor.core.estimate import cbpe_binary, cbpe_multiclass
from driftline_processor.core.estimate.cbpe_binary import rates_of
from driftline_processor.core.estimate.estimator import estimate_metrics, half_width, learn_reference, stretch_variance
from driftline_processor.core.estimate.sums import learned_parts, score_parts
from driftline_processor.core.evaluation import Estimate
from driftline_processor.core.windows.window import DAY
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from tests.support.paths import GOLDEN_FILES
from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")


def scores(n: int, rng: np.random.Generator, shift: float = 0.0) -> tuple[F64, F64]:
    """Scores of logistic rows, and outcomes that come true as often as a function of the score says."""
    logit = rng.normal(-0.5 + shift, 1.5, n)
    chance = 1 / (1 + np.exp(-(0.7 * logit + 0.2)))  # not what the score says: the scores are not calibrated
    return 1 / (1 + np.exp(-logit)), (rng.random(n) < chance).astype(float)


def baseline(n: int = 20_000, seed: int = 1) -> Baseline:
    p, y = scores(n, np.random.default_rng(seed))
    return Baseline.from_frame({"p": p, "y": y}, score="p", actual="y", features=[], model="m", task="binary")


def pane(p: F64, weight: F64 | None = None, predicted: Column | None = None) -> Pane:
    n = len(p)
    w = np.ones(n) if weight is None else weight
    parts = {"rows": np.array([n, w.sum(), (w**2).sum()])}
    group = np.zeros(n, np.int64)
    found = score_grid(BINARY, p[:, np.newaxis], predicted, weight, group)
    return Pane(parts | {one.part: one.dense(1)[0] for one in found})


def test_binary_estimates_are_the_expectations_over_rows_with_isotonic_chances() -> None:
    built, rng = baseline(), np.random.default_rng(2)
    p, _ = scores(5_000, rng, 0.8)
    negative, positive = (built.pane.parts[f"score_{side}"] for side in ("negative", "positive"))
    held = np.flatnonzero(negative + positive)
    weight = (negative + positive)[held]
    oracle = IsotonicRegression().fit(held, positive[held] / weight, sample_weight=weight)
    rates = unwrap(rates_of(built.pane))
    assert rates.rate[held] == pytest.approx(oracle.predict(held), abs=1e-12)
    c = rates.rate[np.searchsorted(np.arange(SCORE_BINS), _bins(p))]
    hit = p >= 0.5
    found = {name: one.value for name, one in estimate_metrics(pane(p), built, BINARY, 0).items()}
    hits, alarms, misses = c[hit].sum(), (1 - c[hit]).sum(), c[~hit].sum()
    assert found["precision"] == pytest.approx(hits / hit.sum(), rel=1e-12)
    assert found["recall"] == pytest.approx(hits / c.sum(), rel=1e-12)
    assert found["f1"] == pytest.approx(2 * hits / (2 * hits + alarms + misses), rel=1e-12)
    assert found["specificity"] == pytest.approx((1 - c[~hit]).sum() / (1 - c).sum(), rel=1e-12)
    assert found["accuracy"] == pytest.approx((hits + (1 - c[~hit]).sum()) / len(p), rel=1e-12)
    both = np.concatenate([np.ones(len(p)), np.zeros(len(p))])
    twice, shares = np.concatenate([p, p]), np.concatenate([c, 1 - c])
    assert found["roc_auc"] == pytest.approx(roc_auc_score(both, twice, sample_weight=shares), abs=1e-4)
    assert found["average_precision"] == pytest.approx(
        average_precision_score(both, twice, sample_weight=shares), abs=2e-3
    )
    assert found["log_loss"] == pytest.approx(log_loss(both, twice, sample_weight=shares), abs=1e-5)
    assert found["brier"] == pytest.approx(brier_score_loss(both, twice, sample_weight=shares), abs=1e-5)


def _bins(p: F64) -> F64:
    from driftline.panes.bins import score_bin

    return score_bin(p).astype(float)


def test_slopes_are_the_derivatives_of_the_metrics_in_the_positives_of_each_cell() -> None:
    rng = np.random.default_rng(3)
    grid = np.zeros((3, SCORE_BINS))
    grid[0, 1500:2049] = rng.random(549)
    grid[1, 2049:2600] = rng.random(551)
    rate = np.sort(rng.random(SCORE_BINS))
    from driftline_processor.core.estimate.cbpe_binary import Rates

    def values(rates: F64) -> dict[str, float | None]:
        known = Rates(
            rates,
            ResampledCalibration(np.arange(SCORE_BINS), rates, np.zeros((1, SCORE_BINS))),
            grid.sum(axis=0),
            900.0,
        )
        return {name: one.value for name, one in cbpe_binary.expected(grid, known).items()}

    base = values(rate)
    for cell, row in ((1800, 0), (2300, 1)):
        step = np.zeros(SCORE_BINS)
        step[cell] = 1e-6
        moved = values(rate + step)
        only = np.zeros(SCORE_BINS)
        only[cell] = 1.0  # the rate of this bin alone is off: by its slope
        known = Rates(
            rate, ResampledCalibration(np.arange(SCORE_BINS), rate, only[np.newaxis]), grid.sum(axis=0), 900.0
        )
        for name, one in cbpe_binary.expected(grid, known).items():
            after, before = moved[name], base[name]
            assert after is not None
            assert before is not None
            slope = (after - before) / 1e-6 if row >= 0 else 0.0
            assert one.learned**0.5 == pytest.approx(abs(slope), rel=2e-3, abs=1e-9), name


@pytest.mark.parametrize("unknown", [0, 1, 500])
def test_labelled_rows_are_estimated_by_their_own_scores(unknown: int) -> None:
    built, (p, y) = baseline(), scores(2_000, np.random.default_rng(4))
    known = slice(unknown, None)
    labelled = Baseline.from_frame(
        {"p": p[known], "y": y[known]}, score="p", actual="y", features=[], model="m", task="binary"
    ).pane
    sums = {name: labelled.parts[name] for name in ("outcomes", "score_negative", "score_positive")}
    window, learned = Pane(pane(p).parts | sums), learn_reference(built)
    points, _ = learned.points(window)
    found = learned.labelled(window, points, len(p))
    assert found == cbpe_binary.expected(unwrap(cbpe_binary.grid_of(pane(p[known]), BINARY)), unwrap(learned.rates))
    assert (found == points) == (unknown == 0)


@pytest.mark.slow
def test_intervals_hold_what_is_realized_as_often_as_they_say() -> None:
    inside = {"accuracy": 0, "recall": 0, "roc_auc": 0, "log_loss": 0, "precision": 0}
    rng, runs = np.random.default_rng(4), 60
    for run in range(runs):
        built = baseline(4_000, seed=100 + run)
        p, y = scores(1_000, rng, 0.5)
        found = estimate_metrics(pane(p), built, BINARY, 0)
        hit = p >= 0.5
        real = {
            "accuracy": (hit == y).mean(),
            "recall": hit[y == 1].mean(),
            "precision": y[hit].mean(),
            "roc_auc": roc_auc_score(y, p),
            "log_loss": log_loss(y, p),
        }
        for name, value in real.items():
            one = found[name]
            inside[name] += unwrap(one.low) <= value <= unwrap(one.high)
    assert {name: count / runs >= 0.9 for name, count in inside.items()} == dict.fromkeys(inside, True), inside


def test_a_covariate_shift_is_an_alert_and_a_quiet_window_is_none() -> None:
    built, rng = baseline(), np.random.default_rng(5)
    quiet, shifted = (scores(5_000, rng, shift)[0] for shift in (0.0, 1.5))
    of_quiet, of_shifted = (estimate_metrics(pane(p), built, BINARY, 0)["accuracy"] for p in (quiet, shifted))
    assert (of_quiet.alert, of_shifted.alert) == (False, True)
    assert of_quiet.reference == pytest.approx(learn_reference(built).reference["accuracy"].value)
    assert (of_quiet.method, of_quiet.source, of_quiet.rows) == ("cbpe", "panes", 5_000)


def test_there_is_no_estimate_where_too_little_is_known() -> None:
    p, y = scores(25, np.random.default_rng(6))
    few = Baseline.from_frame({"x": p, "p": p, "y": y}, score="p", actual="y", model="m", task="binary")
    assert estimate_metrics(pane(scores(500, np.random.default_rng(7))[0]), few, BINARY, 0) == {}
    assert estimate_metrics(pane(p), baseline(), BINARY, 0) == {}, "too few rows"
    assert estimate_metrics(Pane(), baseline(), BINARY, 0) == {}
    other = Task("binary", ("1", "0"), "0")
    assert estimate_metrics(pane(scores(500, np.random.default_rng(7))[0]), baseline(), other, 0) == {}


def test_weights_count_as_rows_and_cost_what_they_cost() -> None:
    built, rng = baseline(), np.random.default_rng(8)
    p, _ = scores(500, rng)
    whole = estimate_metrics(pane(np.repeat(p, 2)), built, BINARY, 0)["accuracy"]
    weighed = estimate_metrics(pane(p, np.full(500, 2.0)), built, BINARY, 0)["accuracy"]
    assert weighed.value == pytest.approx(whole.value, rel=1e-12)
    assert weighed.rows == 500
    assert unwrap(weighed.sampling_error) > 1.3 * unwrap(whole.sampling_error)


def test_the_decision_is_the_services_own() -> None:
    built = baseline()
    p, _ = scores(1_000, np.random.default_rng(9))
    said = Column(codes=np.ones(1_000, np.int32), categories=("0", "1"))
    found = estimate_metrics(pane(p, predicted=said), built, BINARY, 0)
    assert found["recall"].value == 1.0
    assert found["specificity"].value == 0.0


def test_several_classes_are_expected_as_their_rows_are() -> None:
    task, rng = Task("multiclass", ("a", "b", "c")), np.random.default_rng(10)
    truth = rng.dirichlet((1, 2, 3), 8_000)
    s = truth**0.6 / (truth**0.6).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(3, p=row) for row in truth])
    frame = {"x": s[:, 0], "a": s[:, 0], "b": s[:, 1], "c": s[:, 2], "y": np.array(["a", "b", "c"])[y]}
    built = Baseline.from_frame(
        {name: one[:4_000] for name, one in frame.items()},
        score=["a", "b", "c"], actual="y", model="m", task="multiclass", classes=["a", "b", "c"],
    )  # fmt: skip
    assert built.extras.estimation is not None
    now, real = s[4_000:], y[4_000:]
    group = np.zeros(4_000, np.int64)
    parts = class_sums(task, now, None, RowGroups(group, 1), built.extras.estimation.classes)
    window = Pane({"rows": np.full(3, 4_000.0)} | {one.part: one.dense(1)[0] for one in parts})
    found = estimate_metrics(window, built, task, 0)
    assert found["accuracy"].value == pytest.approx((now.argmax(axis=1) == real).mean(), abs=0.02)
    assert found["roc_auc_ovr"].value == pytest.approx(roc_auc_score(real, now, multi_class="ovr"), abs=0.02)
    assert found["log_loss"].value == pytest.approx(log_loss(real, now), abs=0.03)
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc_ovr", "log_loss", "brier"):
        assert found[name].alert is False or name not in learn_reference(built).reference, name
    halves = [class_sums(task, half, None, RowGroups(group[:2_000], 1), built.extras.estimation.classes)
              for half in (now[:2_000], now[2_000:])]  # fmt: skip
    for whole, one, other in zip(parts, *halves, strict=True):
        assert one.dense(1) + other.dense(1) == pytest.approx(whole.dense(1), rel=1e-12)


def test_the_macro_of_an_expected_confusion_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score, precision_score, recall_score

    confusion = np.array([[5.0, 1.0, 0.0], [2.0, 7.0, 1.0], [0.0, 3.0, 9.0]])
    actual, predicted = (np.repeat(which.ravel(), confusion.ravel().astype(int)) for which in np.indices((3, 3)))
    found = cbpe_multiclass.decided(confusion, np.zeros((3, 3)))
    for name, oracle in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert found[name].value == pytest.approx(oracle(actual, predicted, average="macro"), rel=1e-12)


def test_stretches_that_differ_by_chance_widen_no_bound() -> None:
    rng = np.random.default_rng(11)
    quiet = rng.normal(0.9, 0.01, 20)
    assert stretch_variance(quiet.tolist(), [0.0002] * 20).variance == 0.0
    wild = stretch_variance(rng.normal(0.9, 0.05, 20).tolist(), [0.0001] * 20)
    assert 0.03 < wild.variance**0.5 < 0.07
    assert half_width(0.0001, wild, 1.0) > half_width(0.0001, wild, 10.0) > 0.03


@pytest.mark.slow
def test_a_small_baseline_makes_intervals_hold_what_it_is_too_good_by() -> None:
    names, runs, rng = ("roc_auc", "log_loss", "average_precision"), 40, np.random.default_rng(12)
    inside = dict.fromkeys(names, 0)
    for run in range(runs):
        p, y = scores(4_000, rng, 1.0)
        found = estimate_metrics(pane(p), baseline(500, seed=500 + run), BINARY, 0)
        real = (roc_auc_score(y, p), log_loss(y, p), average_precision_score(y, p))
        for name, value in zip(names, real, strict=True):
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            inside[name] += low <= value <= high
    assert min(inside.values()) >= 0.9 * runs, inside


@pytest.mark.parametrize("middle", [-3.5, -3.0, 3.0, 3.5])
def test_the_curve_follows_scores_that_few_rows_are_unlike(middle: float) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        p = 1 / (1 + np.exp(-rng.normal(middle, 1.2, 20_000)))
        happened, at = rng.random(len(p)) < p, _bins(p).astype(np.int64)
        sides = (np.bincount(at[of], minlength=SCORE_BINS).astype(np.float64) for of in (~happened, happened))
        found = resample_calibration(*sides)
        assert np.corrcoef(found.smooth[found.place[at]], p)[0, 1] > 0.9


@pytest.mark.parametrize("sign", [1, -1])
def test_rare_decisions_have_neither_interval_nor_alert_either_way(sign: int) -> None:
    def rows(rng: np.random.Generator) -> tuple[F64, F64]:
        logit = rng.normal(3, 1, 2_000)
        happened = rng.random(len(logit)) < 1 / (1 + np.exp(-logit - 0.5))
        return 1 / (1 + np.exp(-sign * logit)), (happened == (sign > 0)).astype(float)

    rng, rare = np.random.default_rng(17), ("recall", "f1", "specificity", "balanced_accuracy")
    for _ in range(3):
        p, y = rows(rng)
        built = Baseline.from_frame({"p": p, "y": y}, score="p", actual="y", features=[], model="m", task="binary")
        found = estimate_metrics(pane(rows(rng)[0]), built, BINARY, 0)
        for name in rare:
            one = found[name]
            assert (one.low, one.lower_bound, one.alert, one.reason) == (None, None, None, "too_few_rows"), name
        assert found["accuracy"].reason is None
    every = pane(np.full(500, 0.7 if sign < 0 else 0.3))
    assert estimate_metrics(every, baseline(), BINARY, 0)["recall"].alert, "the window's own do not excuse it"


def test_scores_that_the_baseline_hardly_has_have_no_interval() -> None:
    built, rng = baseline(5_000), np.random.default_rng(18)
    for shift, reason in ((0.0, None), (1.0, None), (4.0, "not_comparable")):
        found = estimate_metrics(pane(scores(2_000, rng, shift)[0]), built, BINARY, 0)
        assert found["roc_auc"].reason == reason, shift
    assert found["actual_rate"].alert


def test_few_days_that_differ_count_by_students_t_and_as_days() -> None:
    rng, each, day = np.random.default_rng(19), 400, 86_400 * 10**9
    p, y = np.concatenate([np.stack(scores(each, rng, off)) for off in rng.normal(0, 0.3, 7)], axis=1)
    time = (np.arange(7 * each) * (day // each)).astype("datetime64[ns]")
    frame = {"p": p, "y": y, "t": time}
    built = Baseline.from_frame(frame, score="p", actual="y", time="t", features=[], model="m", task="binary")
    known = learn_reference(built)
    assert (known.length, known.lasting) == (day // 4, day)
    assert known.differ(2_049, "actual_rate", (0.0, 0.0))[1].stretches == 7
    wild = stretch_variance([0.9, 0.8, 0.7], [0.0, 0.0, 0.0])
    assert half_width(0.0, wild, 1.0, 1.959963984540054) == pytest.approx(4.302653 * (0.01 * 4 / 3) ** 0.5, rel=1e-6)


def _in_groups(groups: int, each: int, rng: np.random.Generator) -> tuple[F64, F64]:
    """Return groups of consecutive rows whose outcomes differ from those that the scores lead to expect."""
    p = scores(groups * each, rng)[0]
    level = np.repeat(rng.normal(0, 0.15, groups), each)
    return p, (rng.random(len(p)) < np.clip(0.2 + 0.6 * p + level, 0, 1)).astype(float)


def _hold_the_actual_rate(built: Baseline, span: int, rng: np.random.Generator) -> float:
    windows, inside = 100, 0
    for _ in range(windows):
        p, y = _in_groups(1, 200, rng)
        one = estimate_metrics(pane(p), built, BINARY, span)["actual_rate"]
        inside += unwrap(one.low) <= float(y.mean()) <= unwrap(one.high)
    return inside / windows


def test_the_interval_of_a_day_is_that_of_a_day_although_the_blocks_of_the_baseline_are_weeks() -> None:
    rng = np.random.default_rng(20)
    p, y = _in_groups(84, 200, rng)
    time = (np.arange(len(p)) * (DAY // 200)).astype("datetime64[ns]")
    frame = {"p": p, "y": y, "t": time}
    built = Baseline.from_frame(frame, score="p", actual="y", time="t", features=[], model="m", task="binary")
    known = learn_reference(built)
    assert known.length == 7 * DAY
    spans = (0, DAY // 24, DAY, 7 * DAY, 28 * DAY)
    assert [known.lengths(200, span, known.length) for span in spans] == pytest.approx([1, 1 / 7, 1 / 7, 1, 4])
    assert _hold_the_actual_rate(built, DAY, rng) >= 0.93


def test_intervals_of_autocorrelated_rows_without_times_are_as_wide_as_blocks_of_rows_differ() -> None:
    rng = np.random.default_rng(21)
    p, y = _in_groups(60, 240, rng)
    frame = {"p": p, "y": y}
    built = Baseline.from_frame(frame, score="p", actual="y", features=[], model="m", task="binary")
    known = learn_reference(built)
    assert known.length == 240
    assert [known.lengths(rows, 0, known.length) for rows in (100, 240, 960)] == [1, 1, 4]
    assert _hold_the_actual_rate(built, 0, rng) >= 0.93


def test_losses_of_autocorrelated_rows_without_times_are_as_uncertain_as_other_parts_of_the_baseline() -> None:
    rng = np.random.default_rng(22)
    x = rng.normal(0, 1, 3_600)
    wide = np.repeat(np.exp(0.5 * rng.normal(size=30)), 120)
    frame = {"x": x, "p": 2 * x, "y": 2 * x + wide * rng.normal(0, 1, len(x))}

    def interval(order: I64, rows: int) -> Estimate:
        of_order = {name: column[order] for name, column in frame.items()}
        built = Baseline.from_frame(of_order, score="p", actual="y", features=["x"], model="m", task="regression")
        columns = {"x": Column(numbers=x[:rows])}
        learned = unwrap(unwrap(built.extras.estimation).losses)
        group = RowGroups(np.zeros(rows, np.int64), 1)
        sums = loss_sums(columns, 2 * x[:rows, np.newaxis], group, built.bins, learned)
        window = Pane({"rows": np.full(3, float(rows))} | {one.part: one.dense(1)[0] for one in sums})
        return estimate_metrics(window, built, Task("regression"), 0)["mae"]

    kept, shuffled = np.arange(3_600), rng.permutation(3_600)
    by_blocks, by_rows = interval(kept, 300), interval(shuffled, 300)
    assert unwrap(by_blocks.high) - unwrap(by_blocks.low) > 2 * (unwrap(by_rows.high) - unwrap(by_rows.low))
    longer = interval(kept, 1_800)
    assert (longer.low, longer.high, longer.reason) == (None, None, "too_few_days")


def test_there_is_no_interval_where_none_would_hold() -> None:
    p, y = np.linspace(0.01, 0.99, 400), (np.arange(400) % 10 == 0).astype(float)  # 40 positives
    rare = Baseline.from_frame({"x": p, "p": p, "y": y}, score="p", actual="y", model="m", task="binary")
    found = estimate_metrics(pane(scores(2_000, np.random.default_rng(14))[0]), rare, BINARY, 0)["accuracy"]
    assert (found.low, found.high, found.reason) == (None, None, "too_few_rows")
    assert found.value is not None
    few = estimate_metrics(pane(scores(40, np.random.default_rng(15), -1.0)[0]), baseline(), BINARY, 0)
    assert (few["accuracy"].reason, few["recall"].reason) == (None, "too_few_rows")


def test_the_variance_of_a_mean_over_classes_is_that_of_rows_of_one_class_each() -> None:
    rng, n = np.random.default_rng(16), 400
    p = rng.dirichlet((2, 1, 1), n)
    said = p.argmax(axis=1)
    cells, variance = np.zeros((3, 3)), np.zeros((3, 3))
    np.add.at(cells.T, said, p)
    np.add.at(variance.T, said, p * (1 - p))
    drawn = (rng.random((2_000, n, 1)) > np.cumsum(p, axis=1)[:, :2]).sum(axis=2)
    real = []
    for actual in drawn:
        confusion = np.bincount(3 * actual + said, minlength=9).reshape(3, 3)
        real.append((confusion.diagonal() / confusion.sum(axis=1)).mean())
    found = cbpe_multiclass.decided(cells, variance)["recall"].chance
    assert 0.95 <= found / np.var(real) <= 1.6


def test_a_large_window_of_the_rows_of_a_small_baseline_is_no_alert() -> None:
    of_scores = ("log_loss", "brier", "roc_auc", "average_precision")
    for seed in range(6):
        p, _ = scores(20_000, np.random.default_rng(100 + seed))
        found = estimate_metrics(pane(p), baseline(500, seed), BINARY, 0)
        assert [name for name in of_scores if found[name].alert] == []


GOLDEN = GOLDEN_FILES / "estimates.json"
CHUNKS = 10
NANNYML: dict[str, Any] = json.loads(GOLDEN.read_text())
CARDS = ("highstreet_card", "prepaid_card", "upmarket_card")

Columns = dict[str, Any]


def columns(which: str) -> Columns:
    """The kept columns of ``loan_reference``, say."""
    with np.load(GOLDEN.with_suffix(".npz")) as kept:
        return {name[len(which) + 1 :]: kept[name] for name in kept.files if name.startswith(f"{which}_")}


def chunk_days(n: int) -> Any:
    """A day for each chunk: the rows of a chunk are sorted, their times are not known any more."""
    return (np.arange(n) // (n // CHUNKS) + 20_000) * (DAY // 10**9) + 3_600.0


def estimates(built: Baseline, chunk: PredictionTable) -> dict[str, Estimate]:
    group = np.zeros(len(chunk), np.int64)
    found = [*score_parts(chunk, group), *learned_parts(chunk, built, group, 1)]
    parts = {"rows": np.full(3, float(len(chunk)))} | {one.part: one.dense(1)[0] for one in found}
    return estimate_metrics(Pane(parts), built, built.task, DAY)


def chunks(
    built: Baseline, scores: Any, predicted: Column | None = None, features: dict[str, Column] | None = None
) -> list[dict[str, Estimate]]:
    """The estimates of each tenth of the rows."""
    n = len(scores) // CHUNKS
    found = []
    for at in range(CHUNKS):
        some = slice(at * n, (at + 1) * n)
        own = None if predicted is None or predicted.codes is None else predicted.codes[some]
        table = PredictionTable(
            ModelKey("m"), built.task, np.zeros(n, np.int64), Text(np.zeros(n + 1, np.int32), b""), scores[some],
            predicted=None if own is None or predicted is None else Column(codes=own, categories=predicted.categories),
            features={name: _part(column, some) for name, column in (features or {}).items()},
        )  # fmt: skip
        found.append(estimates(built, table))
    return found


def _part(column: Column, some: slice) -> Column:
    numbers = None if column.numbers is None else column.numbers[some]
    return Column(numbers, None if column.codes is None else column.codes[some], column.categories)


@lru_cache
def loans() -> list[dict[str, Estimate]]:
    was, now = columns("loan_reference"), columns("loan_analysis")
    built = Baseline.from_frame(
        {"p": was["score"] / 100, "said": was["predicted"], "y": was["actual"], "t": chunk_days(len(was["score"]))},
        score="p", predicted="said", actual="y", time="t", features=[], model="loan", task="binary",
    )  # fmt: skip
    said = Column(codes=now["predicted"].astype(np.int32), categories=("0", "1"))
    return chunks(built, now["score"][:, np.newaxis] / 100, said)


@lru_cache
def cards() -> list[dict[str, Estimate]]:
    was, now = columns("cards_reference"), columns("cards_analysis")
    frame = {name: was[name] / 100 for name in CARDS}
    labels = np.array(CARDS)
    built = Baseline.from_frame(
        frame | {"said": labels[was["predicted"]], "y": labels[was["actual"]], "t": chunk_days(len(was["actual"]))},
        score=list(CARDS), predicted="said", actual="y", time="t", features=[], model="cards", task="multiclass",
        classes=list(CARDS),
    )  # fmt: skip
    said = Column(codes=now["predicted"].astype(np.int32), categories=CARDS)
    return chunks(built, np.column_stack([now[name] for name in CARDS]) / 100, said)


@lru_cache
def prices() -> list[dict[str, Estimate]]:
    was, now = columns("price_reference"), columns("price_analysis")
    labels = {name: tuple(NANNYML["car_price"][name]) for name in ("fuel", "transmission")}
    frame = {
        name: np.array(labels[name])[values] if name in labels else values.astype(float) for name, values in was.items()
    }
    built = Baseline.from_frame(
        frame | {"t": chunk_days(len(was["y_true"]))},
        score="y_pred", actual="y_true", time="t", model="price", task="regression",
        features=[name for name in was if not name.startswith("y_")],
    )  # fmt: skip
    features = {
        name: Column(codes=values.astype(np.int32), categories=labels[name])
        if name in labels
        else Column(numbers=values.astype(float))
        for name, values in now.items()
        if not name.startswith("y_")
    }
    return chunks(built, now["y_pred"].astype(float)[:, np.newaxis], features=features)


def values(found: list[dict[str, Estimate]], metric: str) -> list[float]:
    return [one[metric].value or np.nan for one in found]


@pytest.mark.parametrize(
    ("metric", "within"),
    [
        ("roc_auc", 1e-5), ("accuracy", 1e-5), ("precision", 1e-5), ("recall", 1e-5), ("f1", 1e-5),
        ("specificity", 1e-5), ("average_precision", 1e-3),
    ],
)  # fmt: skip
def test_car_loans_are_estimated_as_nannyml_does(metric: str, within: float) -> None:
    assert values(loans(), metric) == pytest.approx(NANNYML["car_loan"][metric]["value"], abs=within)


def test_car_loans_alert_in_exactly_the_last_five_chunks() -> None:
    for metric in ("roc_auc", "accuracy", "f1"):
        alerts = [at for at, one in enumerate(loans()) if one[metric].alert]
        assert alerts == [5, 6, 7, 8, 9], metric
        assert alerts == [at for at, alert in enumerate(NANNYML["car_loan"][metric]["alert"]) if alert]


def test_what_is_realized_of_the_car_loans_lies_within_the_intervals() -> None:
    inside = [
        one[metric].low <= real <= one[metric].high
        for metric in ("roc_auc", "accuracy", "f1")
        for one, real in zip(loans(), NANNYML["car_loan"]["realized"][metric], strict=True)
    ]
    assert np.mean(inside) >= 0.9


@pytest.mark.parametrize(
    ("metric", "theirs", "within"),
    [
        ("accuracy", "accuracy", 0.002), ("precision", "precision", 0.002), ("recall", "recall", 0.002),
        ("f1", "f1", 0.002), ("roc_auc_ovr", "roc_auc", 0.002),
    ],
)  # fmt: skip
def test_cards_are_estimated_as_nannyml_does(metric: str, theirs: str, within: float) -> None:
    assert values(cards(), metric) == pytest.approx(NANNYML["cards"][theirs]["value"], abs=within)


@pytest.mark.parametrize(("metric", "within"), [("mae", 0.05), ("rmse", 0.04), ("mape", 0.1)])
def test_car_prices_are_estimated_as_nannyml_does(metric: str, within: float) -> None:
    assert values(prices(), metric) == pytest.approx(NANNYML["car_price"][metric]["value"], rel=within)


@pytest.mark.parametrize("metric", ["mae", "rmse", "mape"])
def test_car_prices_are_within_six_percent_of_what_is_realized(metric: str) -> None:
    assert values(prices(), metric) == pytest.approx(NANNYML["car_price"]["realized"][metric], rel=0.06)


@pytest.mark.parametrize("metric", ["mae", "mape"])
def test_losses_of_car_prices_are_no_further_from_what_is_realized_than_nannymls(metric: str) -> None:
    said = NANNYML["car_price"]
    realized, theirs = np.array(said["realized"][metric]), np.array(said[metric]["value"])
    ours = np.array(values(prices(), metric))
    off, off_theirs = (np.abs(one / realized - 1).mean() for one in (ours, theirs))
    assert off <= off_theirs


@pytest.mark.parametrize(("metric", "least"), [("mae", 5), ("rmse", 5), ("mape", 3)])
def test_car_prices_alert_in_the_last_five_chunks(metric: str, least: int) -> None:
    alerts = [at for at, one in enumerate(prices()) if one[metric].alert]
    assert set(alerts) <= {5, 6, 7, 8, 9}
    assert len(alerts) >= least


def test_an_area_is_compared_with_the_days_of_the_baseline() -> None:
    """All days together are ordered better than any day if their levels differ."""
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(30), 500)
    logit = rng.normal(-0.5, 1.0, len(day)) + rng.normal(0, 1.5, 30)[day]
    p = 1 / (1 + np.exp(-logit))
    rows = {"p": p, "y": (rng.random(len(p)) < p).astype(float), "t": (20_000 + day) * DAY}
    built = Baseline.from_frame(rows, score="p", actual="y", time="t", features=[], model="m", task="binary")

    estimates = [estimate_metrics(pane(p), built, BINARY, span)["roc_auc"].reference for span in (0, DAY)]

    days = [roc_auc_score(rows["y"][day == one], p[day == one]) for one in range(30)]
    assert estimates == [
        pytest.approx(roc_auc_score(rows["y"], p), abs=1e-3),
        pytest.approx(np.mean(days), abs=2e-3),
    ]

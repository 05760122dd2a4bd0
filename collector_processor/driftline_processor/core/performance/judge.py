"""Evaluate the performance of a window from its outcomes: maturity, metrics, curves, comparison with a constant.

Fast labels differ from slow ones: a fraud that is noticed within an hour is an obvious one. So a window is *immature*
until its outcomes had their usual delay (:mod:`~driftline_processor.core.labels.delay`), and as long as too few are
known.

The comparison with a constant is the log loss less that of always predicting the baseline's rate of positives, on the
same rows. Its interval is that of a mean of paired differences, by rows and by blocks of time, and so much shorter than
that of either loss.

The level of the scores is the mean score less the actual rate, compared with the same gap in the baseline. Days with
more positives that the model predicted do not change it; the variance between the baseline's days widens the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import hypot, log
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import score_centers
from driftline.panes.outcome_sums import CALIBRATION_BINS
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    BaselineComparison,
    Curve,
    Evaluation,
    InconclusiveReason,
    Maturity,
    MetricChange,
    MetricValue,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals import confidence as limits_of
from driftline_processor.core.intervals.confidence import (
    CONFIDENCE,
    FEWEST_TELLING,
    Interval,
    WeightSums,
    clopper_pearson,
    normal_quantile,
    student,
)
from driftline_processor.core.intervals.day_spread import FEW, FEWEST_LENDING, DaySpread, day_spread
from driftline_processor.core.intervals.gradients import LossMean
from driftline_processor.core.intervals.score_curves import influence_of_scores
from driftline_processor.core.intervals.time_blocks import MOST, has_day_blocks
from driftline_processor.core.labels.delay import delay_of, judge_sla
from driftline_processor.core.metrics.log_loss_constant import log_loss_of_constant
from driftline_processor.core.metrics.losses import losses_of
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.metrics.score_order import ScoreOrder
from driftline_processor.core.outcomes.coverage import sent_rows
from driftline_processor.core.outcomes.review import unreviewed
from driftline_processor.core.outcomes.selection_bias import has_selection_bias
from driftline_processor.core.outcomes.sums import confusion
from driftline_processor.core.weak_slices.slice_change import find_slice_change
from driftline_processor.core.windows.window import DAY, looks_a_day

from .changes import LEVEL, Compared, judge_changes, made_inconclusive
from .difficulty import OFF, Losses, at_equal_difficulty, gap_margin
from .implicit_feedback import count_silence, count_silence_everywhere, without_young_lists
from .margin import AREAS, SHARE, constants, deciding_metric, error_of
from .metric_intervals import DaySpreads, intervals_at, performance_sums
from .objective_states import judge_objectives
from .outstanding import at_bound, bounds_of
from .positive_class import POSITIVE, positive_words
from .realized import realized, realized_from_panes_alone
from .reference import beside_constant, blocks_of_baseline, find_missing_skill, lent_days, margins_of, reference_of
from .service_objectives import judge_service
from .settings import STANDARD, PerformanceSettings
from .slices import judge_slices, unseen_by_slice
from .window_outcomes import WindowOutcomes

POINTS = 40
"""Maximum number of points of a curve, which is drawn in a few hundred pixels."""

MOST_CLASSES = 50
"""Maximum number of classes for a drawn confusion matrix; with more, a cell is smaller than its number."""

SLICE_LEVEL = 0.001
"""Probability that a day without any change has a slice that became worse, as of periods of days."""

_DIGITS = 6
"""Digits of a point, more than a drawing shows."""


def curves(pane: Pane, task: Task, confidence: float = CONFIDENCE) -> dict[str, Curve]:
    """Return roc, precision_recall, gain and calibration of a binary classifier; {} of anything else.

    roc: false positive rate → recall. precision_recall: recall → precision. gain: share of the rows, highest scores
    first → share of the positives among them. Each point is the threshold at an edge of the score grid, so it is exact.
    calibration: mean score → share of positives, by ten bins of the score, with the weight of each and the limits of
    that share, as if rows were independent.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.9], [0.4], [0.2]]), None, Column(numbers=np.array([1.0, 1.0, 0.0])))
    >>> curves(pane, task)["roc"].points.tolist()
    [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [1.0, 1.0]]
    """
    intervals: dict[str, Curve] = {}
    if not task.has_threshold:
        return intervals
    ranked = ScoreOrder.of_pane(pane)
    if ranked is not None and ranked.weight > 0:
        true, false = (np.cumsum(side[::-1]) for side in (ranked.positive, ranked.negative))
        if true[-1] > 0:
            recall, precision, share = true / true[-1], true / (true + false), (true + false) / ranked.weight
            intervals["precision_recall"] = Curve("recall", "precision", _few(recall, precision))
            intervals["gain"] = Curve("share", "recall", _few(_from(0.0, share), _from(0.0, recall)))
            if false[-1] > 0:
                rate = false / false[-1]
                intervals["roc"] = Curve("false_positive_rate", "recall", _few(_from(0.0, rate), _from(0.0, recall)))
    held = pane.parts.get("calibration")
    if held is not None and held.any():
        weight, scores, positives = held.reshape(CALIBRATION_BINS, 3).T
        there = weight > 0
        points = np.column_stack([scores[there] / weight[there], positives[there] / weight[there]])
        limits = _share_limits(positives[there], weight[there], pane.parts.get("outcomes"), confidence)
        intervals["calibration"] = Curve("mean_score", "actual_rate", np.round(points, _DIGITS), weight[there], limits)
    return intervals


def _share_limits(positives: F64, weight: F64, outcomes: F64 | None, confidence: float) -> F64:
    """Return the exact interval of each fraction of positives, float64 (m, 2), with the mean weight per row."""
    each = 1.0 if outcomes is None or outcomes[1] <= 0 else float(outcomes[2] / outcomes[1])
    found = []
    for hits, rows in zip(positives.tolist(), weight.tolist(), strict=True):
        right, wrong = (WeightSums(one, one * each, each) for one in (hits, max(rows - hits, 0.0)))
        found.append(clopper_pearson(right, wrong, confidence))
    return np.array([[one.low, one.high] for one in found], np.float64).reshape(-1, 2).round(_DIGITS)


def confused(pane: Pane, task: Task) -> F64 | None:
    """Return the weight per actual (row) and predicted (column) class, for up to 50 classes; else None."""
    return confusion(pane, len(task.classes)) if 0 < len(task.classes) <= MOST_CLASSES else None


def _from(start: float, values: F64) -> F64:
    return np.concatenate([[start], values])


def _few(x: F64, y: F64) -> F64:
    """Return at most :data:`POINTS` points, evenly along the curve, with both ends: float64 (m, 2)."""
    if len(x) > POINTS:
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[at], y[at]
    return np.column_stack([x, y]).round(_DIGITS)


def gap(sums: PerformanceSums) -> LossMean | None:
    """Return the mean score less the actual rate; None if scores are not probabilities, or without outcomes."""
    if not {"score", "positive", "brier"} <= set(sums.task.losses):
        return None
    score, came, squared = (sums.loss_mean(name) for name in ("score", "positive", "brier"))
    if score is None or came is None or squared is None:
        return None
    value = score.value - came.value
    alone = came.value * (1 - came.value)
    if alone <= 0 or came.telling < FEWEST_TELLING:
        return None
    times = max(squared.value - value**2, 0.0) / alone  # ratio of the variance of a row's gap to that of its outcome
    moved = came.influence._replace(
        variance=came.influence.variance * times,
        influence=score.influence.influence - came.influence.influence,
        expected=came.influence.expected * times,
    )
    return came._replace(value=value, influence=moved)


class _OfBaseline(NamedTuple):
    """The gap of a baseline, half the length of its interval, and its variance between days; None with too few days."""

    value: float
    half: float
    lent: DaySpread | None


_KNOWN: WeakKeyDictionary[Baseline, _OfBaseline | None] = WeakKeyDictionary()


def level_change(
    sums: PerformanceSums, settings: PerformanceSettings, baseline: Baseline, *, final: bool, lends: bool
) -> MetricChange | None:
    """Return the gap of a window less that of its baseline, or the gap itself if that is smaller.

    ``worse`` if the difference is at least three standard errors, and costs more log loss than the margin: a gap g at a
    rate p costs g² / (2 p (1 - p)) to second order.

    Args:
        sums: Sums of the window.
        settings: Confidence.
        baseline: The baseline.
        final: Whether the outcomes had their usual delay.
        lends: Whether the baseline's variance between days applies to this window.
    """
    own, usual = gap(sums), _of_baseline(baseline, settings)
    if own is None or usual is None:
        return None
    sums.confidence, sums.lent = settings.confidence, (usual.lent,) if lends else ()
    sums.requested.clear()
    half = _half(sums, own)
    if half is None:
        return None
    came = float(sums.pane.parts["losses"][sums.task.losses.index("positive")] / sums.pane.parts["losses"][0])
    margin = gap_margin(came, margins_of(baseline, settings).get("log_loss"))
    return _gap_change((own.value, half), (usual.value, usual.half), margin, final=final)


def bias_change(
    realized: Mapping[str, MetricValue], reference: Mapping[str, MetricValue], margin: float | None, *, final: bool
) -> MetricChange | None:
    """Return the bias of a window less that of the baseline, or the bias itself if that is smaller; None if unknown.

    ``worse`` if it is at least the margin of the mean absolute error, and three standard errors.

    >>> now, was = MetricValue(3.0, 500, "panes", low=2.6, high=3.4), MetricValue(0.1, 900, "panes", low=-0.1, high=0.3)
    >>> bias_change({"bias": now}, {"bias": was}, 1.0, final=True).state
    'worse'
    """
    now, was = realized.get("bias"), reference.get("bias")
    if now is None or was is None or now.value is None or now.low is None or now.high is None or was.value is None:
        return None
    half, usual = (now.high - now.low) / 2, ((was.high or was.value) - (was.low or was.value)) / 2
    return _gap_change((now.value, half), (was.value, usual), margin, final=final)


def coverage_changes(
    realized: Mapping[str, MetricValue], reference: Mapping[str, MetricValue], confidence: float, *, final: bool
) -> dict[str, MetricChange]:
    """Return how the coverage of each interval between quantiles differs from the baseline's.

    Too wide is as wrong as too narrow. ``worse`` if its gap to the nominal coverage grew by at least three standard
    errors and a quarter of the rows that the interval promises to miss.

    >>> was, narrow, near, wide = (
    ...     {"interval_coverage@0.8": MetricValue(value, 900, "panes", low=value - 0.02, high=value + 0.02)}
    ...     for value in (0.81, 0.38, 0.78, 1.0)
    ... )
    >>> [coverage_changes(now, was, 0.95, final=True).popitem()[1].state for now in (narrow, near, wide)]
    ['worse', 'inconclusive', 'worse']
    """
    changes = {}
    for name in realized.keys() & reference.keys():
        parsed, now, was = parse_name(name), realized[name], reference[name]
        if parsed is None or parsed.base != "interval_coverage" or parsed.at is None:
            continue
        if now.value is None or now.low is None or now.high is None or was.value is None:
            continue
        half, usual = (now.high - now.low) / 2, ((was.high or was.value) - (was.low or was.value)) / 2
        gaps = (now.value - parsed.at, half), (was.value - parsed.at, usual)
        gap, change = _gap_change(*gaps, SHARE * error_of(name, parsed.at), final=final), now.value - was.value
        low, high = change - hypot(half, usual), change + hypot(half, usual)
        error = half / normal_quantile(confidence)
        changes[name] = replace(gap, change=change, low=low, high=high, error=error)
    return changes


def _gap_change(
    now: tuple[float, float], was: tuple[float, float], margin: float | None, *, final: bool
) -> MetricChange:
    """Return the smaller of a gap and its change, 0 if their signs differ.

    ``now`` and ``was`` are the gap of the window and of the baseline, each with half the length of its interval.
    """
    (gap_now, half), since = now, now[0] - was[0]
    off = min(gap_now, since, key=abs) if gap_now * since > 0 else 0.0
    half = hypot(half, was[1]) if abs(since) <= abs(gap_now) else half
    worse = final and off != 0 and margin is not None and abs(off) >= max(margin, OFF * half)
    return MetricChange("worse" if worse else "inconclusive", off, off - half, off + half, margin=margin)


def _of_baseline(baseline: Baseline, settings: PerformanceSettings) -> _OfBaseline | None:
    if baseline not in _KNOWN:
        _KNOWN[baseline] = _measured(baseline, settings)
    return _KNOWN[baseline]


def _measured(baseline: Baseline, settings: PerformanceSettings) -> _OfBaseline | None:
    blocks, length = blocks_of_baseline(baseline)
    days = length >= DAY
    sums = performance_sums(baseline.pane, blocks, baseline.task, settings, None, days=days)
    sums.tested, sums.of_rows = False, not length
    found = gap(sums)
    half = None if found is None else _half(sums, found)
    if found is None or half is None:
        return None
    spread = day_spread(found.influence.influence, found.influence.expected, found.rows) if days else None
    enough_days = spread is not None and spread.freedom >= FEWEST_LENDING - 1
    return _OfBaseline(found.value, half, spread.of_days(length / DAY) if enough_days and spread is not None else None)


def find_baseline_fault(baseline: Baseline) -> Fact | None:
    """Return the fact that a baseline's scores have another level than its outcomes, or no skill; else None.

    The level is off by the same rule as that of a window (:func:`level_change`), compared with no baseline.
    """
    reference, found = reference_of(baseline, STANDARD), _of_baseline(baseline, STANDARD)
    predicted, actual, loss = (
        reference[name].value if name in reference else None for name in ("mean_score", "actual_rate", "log_loss")
    )
    constant = constants(reference, baseline.pane, baseline.task).get("log_loss")
    if found is None or predicted is None or actual is None:
        return find_missing_skill(baseline)
    margin = gap_margin(actual, margins_of(baseline, STANDARD).get("log_loss")) or 0.0
    if abs(found.value) < max(margin, OFF * found.half):
        return find_missing_skill(baseline)
    level = facts.LevelOfScores(
        predicted=predicted,
        actual=actual,
        low=reference["actual_rate"].low,
        high=reference["actual_rate"].high,
        positive_class=positive_words(baseline.task, baseline.columns) or POSITIVE,
        constant_is_better=loss is not None and constant is not None and loss > constant,
    )
    return facts.BaselineLevelOff(level=level)


def _half(sums: PerformanceSums, loss_mean: LossMean) -> float | None:
    (low, high, _), _ = sums.interval_by_gradient(loss_mean.value, loss_mean.influence, student, loss_mean.rows)
    return None if low is None or high is None else float(high - low) / 2


def against_constant(
    evaluation: Evaluation, sums: PerformanceSums, settings: PerformanceSettings, lent: DaySpreads
) -> MetricChange | None:
    """Return the log loss less that of a constant; None if either, or the scores, are unknown.

    Args:
        evaluation: The window, with its metrics and those of the baseline.
        sums: Sums of the window, with its blocks of time.
        settings: Confidence.
        lent: The variance between days of the baseline.
    """
    loss, constant = (evaluation.realized.get(name) for name in ("log_loss", "log_loss_constant"))
    reference_rate = evaluation.reference.get("actual_rate")
    if loss is None or constant is None or loss.value is None or constant.value is None or reference_rate is None:
        return None
    change, rate = loss.value - constant.value, reference_rate.value or 0.0
    limits = _limits(change, rate, sums, lent)
    if limits is None:
        return MetricChange("inconclusive", change, reason="too_few_rows")
    shown, strict = limits(settings.confidence), limits(1 - 2 * LEVEL)
    if shown.low is None or shown.high is None or strict.low is None:
        return MetricChange("inconclusive", change, reason="too_few_rows")
    state: BaselineComparison = "inconclusive"
    reason: InconclusiveReason = ""
    if evaluation.maturity == "mature":
        state = "worse" if strict.low > 0 else "not_worse" if shown.high < 0 else "inconclusive"
        if state == "inconclusive":
            reason = "too_few_days" if shown.method == "blocks" and not sums.of_rows else "too_few_rows"
    return MetricChange(state, change, shown.low, shown.high, reason=reason)


def _limits(change: float, rate: float, sums: PerformanceSums, lent: DaySpreads) -> Callable[[float], Interval] | None:
    """Return the function from confidence to interval; None with too few rows, or if few large losses dominate."""
    curve, mean = sums.curve(), sums.loss_mean("log_loss")
    if curve is None or mean is None or mean.telling < FEWEST_TELLING or not 0 < rate < 1:
        return None
    held = _filled_bins(sums.pane)
    of_positive, of_negative = (one[held] for one in losses_of(score_centers()))
    differences = of_negative + log(1 - rate), of_positive + log(rate)
    weights = [side.weight for side in curve]
    total = float(sum(weight.sum() for weight in weights))
    middle = sum(float(weight @ one) for weight, one in zip(weights, differences, strict=True)) / total
    moves = [(one - middle) / total for one in differences]
    rows = sum(side.rows for side in curve)
    moved = influence_of_scores(curve, moves, [rows / max(rows - 1, 1.0)] * 2)

    def limits(confidence: float) -> Interval:
        sums.confidence, sums.lent = confidence, lent.get("log_loss", ())
        sums.requested.clear()
        return sums.interval_by_gradient(change, moved, limits_of.student, rows)[0]

    return limits


def _filled_bins(pane: Pane) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return the indices of the score bins with rows, as in a curve."""
    return np.flatnonzero((pane.parts["score_negative"] > 0) | (pane.parts["score_positive"] > 0))


def judge_performance(
    evaluation: Evaluation,
    pane: Pane,
    baseline: Baseline | None,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    exact: dict[str, MetricValue] | None = None,
) -> None:
    """Fill in the performance of a window.

    ``pane``: the sums of the window. ``exact``: metrics from rows, if rows are available; else they are computed from
    the pane.
    """
    if outcomes.delay.complete(evaluation.coverage):
        outcomes = replace(outcomes, young=False)
    silent = settings.outcomes == "implicit" and task is not None and task.ranks_items
    young = outcomes.young or not evaluation.closed
    if silent and task is not None and not young:
        pane, outcomes = count_silence(pane, task), count_silence_everywhere(outcomes, task)
        evaluation.outcome_rows, evaluation.coverage = int(pane.parts.get("outcomes", [0])[0]), 1.0
    if exact is not None:
        alone = {} if task is None or not exact else realized_from_panes_alone(pane, task, settings)
        evaluation.realized = exact | alone
    elif task is not None:
        evaluation.realized = realized(pane, task, settings)
    if silent and young:
        evaluation.realized = without_young_lists(evaluation.realized)
    evaluation.maturity, evaluation.immature = maturity(evaluation, outcomes, settings)
    sums: PerformanceSums | None = None
    lent: DaySpreads | None = None
    if task is not None and evaluation.realized:
        outcomes = replace(outcomes, unseen=unseen_by_slice(pane, outcomes.slices, task))
        unseen, days = outcomes.unseen.get(""), has_day_blocks(evaluation.window)
        evaluation.unreviewed = unreviewed(unseen, task)
        sums = performance_sums(pane, outcomes.blocks, task, settings, unseen, days=days)
        sums.of_rows = evaluation.window.end <= evaluation.window.start
        lent = _lent(evaluation, outcomes.reference or baseline, settings) if days else {}
        evaluation.realized = intervals_at(settings.confidence, evaluation.realized, sums, lent)
        evaluation.curves, evaluation.confusion = curves(pane, task, settings.confidence), confused(pane, task)
    evaluation.young, evaluation.outcome_span = outcomes.young, _outcome_span(evaluation, outcomes)
    evaluation.delay = delay_of(pane)
    if (
        settings.label_sla is not None
        and evaluation.closed
        and (evaluation.delay is not None or outcomes.age is not None)
    ):
        evaluation.label_sla = judge_sla(pane, int(sent_rows(pane)[0]), outcomes.age, settings.label_sla)
    if task is not None:
        judge_slices(evaluation, pane, task, outcomes, settings)
    if baseline is not None:
        _compare_with_baseline(evaluation, outcomes.reference or baseline, outcomes, settings, sums, lent)
    of_outcomes = judge_objectives(evaluation, task, outcomes, settings, baseline, pane)
    evaluation.objectives = (*of_outcomes, *judge_service(evaluation, pane, outcomes, settings))


def _compare_with_baseline(
    evaluation: Evaluation,
    reference: Baseline,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    sums: PerformanceSums | None,
    told_with: DaySpreads | None,
) -> None:
    """Fill in how the performance of a window differs from the baseline's, and from that of a constant.

    ``sums``: None without metrics. ``told_with``: the variance between days that the intervals were computed with.
    """
    span = evaluation.window.end - evaluation.window.start
    evaluation.reference = reference_of(reference, settings, span)
    evaluation.skill = beside_constant(reference, settings)
    if sums is not None:
        evaluation.realized_changes = _changes(evaluation, sums, reference, outcomes, settings, told_with)
    constant = log_loss_of_constant(evaluation.realized, evaluation.reference)
    if constant is not None:
        evaluation.realized = {**evaluation.realized, "log_loss_constant": constant}
    if sums is not None:
        if constant is not None:
            lent = _lent(evaluation, reference, settings)
            evaluation.constant_comparison = against_constant(evaluation, sums, settings, lent)
        evaluation.level = _level(evaluation, sums, settings, reference)
        covered = _coverage(evaluation, sums, settings, reference)
        evaluation.realized_changes = _at_equal_difficulty(evaluation, sums, reference) | covered
    if sums is not None and settings.outcomes == "explicit" and has_selection_bias(sums.pane, reference):
        _withdraw_claims(evaluation)
        return
    tiles = outcomes.losses() if evaluation.closed and evaluation.maturity == "mature" else None
    if tiles is not None:
        chance = SLICE_LEVEL / looks_a_day(span)
        evaluation.slice_change = find_slice_change(reference, tiles, chance, margins_of(reference, settings))


def _withdraw_claims(evaluation: Evaluation) -> None:
    """Withdraw the comparisons of a window whose outcomes are a selection of its rows: they are not of all rows."""
    of_rows = evaluation.realized_changes
    evaluation.realized_changes = made_inconclusive(of_rows, ("worse", "not_worse", "inconclusive"), "not_comparable")
    evaluation.level = evaluation.constant_comparison = None


def _level(
    evaluation: Evaluation, sums: PerformanceSums, settings: PerformanceSettings, reference: Baseline
) -> MetricChange | None:
    """Return how the level of scores, or of predicted numbers, differs from the baseline's; None if it is unknown."""
    span, final = evaluation.window.end - evaluation.window.start, evaluation.maturity == "mature"
    level = level_change(sums, settings, reference, final=final, lends=0 < span <= MOST * DAY)
    if level is not None:
        return level
    margin = margins_of(reference, settings).get("mae")
    now = _among_days("bias", evaluation, sums, settings, reference)
    return bias_change(now, evaluation.reference, margin, final=final)


def _among_days(
    start: str, evaluation: Evaluation, sums: PerformanceSums, settings: PerformanceSettings, reference: Baseline
) -> dict[str, MetricValue]:
    """Return the metrics whose names begin with a text, with intervals that know how the baseline's days differ."""
    found = {name: value for name, value in evaluation.realized.items() if name.startswith(start)}
    return intervals_at(settings.confidence, found, sums, _lent(evaluation, reference, settings))


def _coverage(
    evaluation: Evaluation, sums: PerformanceSums, settings: PerformanceSettings, reference: Baseline
) -> dict[str, MetricChange]:
    """Return how the coverage of intervals between quantiles differs from the baseline's, with how days differ."""
    now = _among_days("interval_coverage@", evaluation, sums, settings, reference)
    final = evaluation.maturity == "mature"
    return coverage_changes(now, evaluation.reference, settings.confidence, final=final)


def _changes(
    evaluation: Evaluation,
    sums: PerformanceSums,
    reference: Baseline,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    told_with: DaySpreads | None,
) -> dict[str, MetricChange]:
    """Return how each metric of all rows differs from the baseline's.

    A change of an immature window has a state only if no outstanding outcome can change it.

    ``told_with``: the variance between days that the existing intervals were computed with.
    """
    days, lent = has_day_blocks(evaluation.window), _lent(evaluation, reference, settings)
    span = evaluation.window.end - evaluation.window.start

    @cache  # the bounds of outstanding outcomes use the same intervals
    def now(confidence: float) -> dict[str, MetricValue]:
        if confidence == settings.confidence and (lent is told_with or not (lent or told_with)):
            return evaluation.realized  # they have these intervals already
        return intervals_at(confidence, evaluation.realized, sums, lent)

    compared = Compared(
        now,
        lambda confidence: reference_of(reference, replace(settings, confidence=confidence), span),
        settings.confidence,
        final=evaluation.maturity == "mature",
        days=None if span <= 0 or (days and _days_with_outcomes(outcomes) >= FEW) else lent.keys(),
        margins=margins_of(reference, settings),
        autocorrelation={name: one.autocorrelation for name, (one, *_) in lent.items() if one is not None},
    )
    changes = judge_changes(compared)
    if evaluation.maturity == "immature":
        return changes | _settled(changes, compared, sums)
    return changes | _by_rows(changes, compared, evaluation.realized, sums, settings)


def _by_rows(
    changes: Mapping[str, MetricChange],
    compared: Compared,
    found: Mapping[str, MetricValue],
    sums: PerformanceSums,
    settings: PerformanceSettings,
) -> dict[str, MetricChange]:
    """Return the change of the metric that decides with its interval by rows alone, if it has too few days."""
    name = deciding_metric(changes, compared.was(compared.confidence), compared.margins)
    change = None if name is None else changes.get(name)
    if name is None or change is None or change.reason != "too_few_days" or change.error is not None:
        return {}
    alone = performance_sums(sums.pane, (), sums.task, settings, sums.unseen, days=False)
    of_metric = {name: found[name]}
    rows = Compared(
        lambda confidence: intervals_at(confidence, of_metric, alone, {}), compared.was, compared.confidence
    )
    limits = judge_changes(rows).get(name)
    if limits is None or limits.low is None or limits.high is None:
        return {}
    return {name: replace(change, by_rows=(limits.low, limits.high))}


def _settled(changes: Mapping[str, MetricChange], compared: Compared, sums: PerformanceSums) -> dict[str, MetricChange]:
    """Return the changes of an immature window with the state that no outstanding outcome can change."""
    bounds = bounds_of(compared.now(compared.confidence), sums.pane, sums.task)

    def at(place: int) -> dict[str, MetricChange]:
        def now(confidence: float) -> dict[str, MetricValue]:
            known = compared.now(confidence)
            return {**known, **{name: at_bound(known[name], ends[place]) for name, ends in bounds.items()}}

        return judge_changes(replace(compared, now=now, final=True))

    least, greatest = (at(0), at(1)) if bounds else ({}, {})
    return {
        name: replace(changes[name], state=least[name].state)
        for name in bounds.keys() & changes.keys() & least.keys() & greatest.keys()
        if least[name].state == greatest[name].state != "inconclusive"
    }


def _at_equal_difficulty(evaluation: Evaluation, sums: PerformanceSums, baseline: Baseline) -> dict[str, MetricChange]:
    """Return changes in which a log loss claims nothing that comes from easier or harder outcomes.

    The area under the ROC curve does not depend on the rate of positives, and decides then; without one, the log loss
    is all there is.
    """
    changes = evaluation.realized_changes
    change = changes.get("log_loss")
    has_area = any(changes[name].margin is not None for name in AREAS & changes.keys())
    if change is None or not has_area or evaluation.maturity != "mature":
        return changes
    loss, loss_before = evaluation.realized["log_loss"].value, evaluation.reference["log_loss"].value
    constant = constants(evaluation.realized, sums.pane, sums.task).get("log_loss")
    constant_before = constants(evaluation.reference, baseline.pane, baseline.task).get("log_loss")
    if loss is None or loss_before is None or not constant or not constant_before:
        return changes
    rate = evaluation.realized.get("actual_rate")
    few: InconclusiveReason = "too_few_days" if rate is not None and rate.interval == "blocks" else "too_few_rows"
    now, was = Losses(loss, constant), Losses(loss_before, constant_before)
    adjusted = {"log_loss": at_equal_difficulty(change, now, was, evaluation.level, few=few)}
    brier = changes.get("brier")
    if adjusted["log_loss"].reason == "harder_outcomes" and brier is not None and brier.state == "worse":
        adjusted["brier"] = replace(brier, state="inconclusive", reason="harder_outcomes")
    return changes | adjusted


def _lent(evaluation: Evaluation, reference: Baseline | None, settings: PerformanceSettings) -> DaySpreads:
    """Return the variance between days of the baseline, if blocks of the window are at most a day long."""
    span = evaluation.window.end - evaluation.window.start
    return {} if reference is None or not 0 < span <= MOST * DAY else lent_days(reference, settings)


def _days_with_outcomes(outcomes: WindowOutcomes) -> int:
    return len(_blocks_with_outcomes(outcomes))


def _blocks_with_outcomes(outcomes: WindowOutcomes) -> list[int]:
    """Return the positions of the blocks of a window in which outcomes are known."""
    blocks = enumerate(outcomes.blocks)
    return [at for at, block in blocks if "outcomes" in block.parts and block.parts["outcomes"][0] > 0]


def _outcome_span(evaluation: Evaluation, outcomes: WindowOutcomes) -> tuple[int, int] | None:
    """Return start and end of the part of a window from the first block with outcomes to the last."""
    known, count, window = _blocks_with_outcomes(outcomes), len(outcomes.blocks), evaluation.window
    span = window.end - window.start
    if not known or span <= 0:
        return None
    return window.start + span * known[0] // count, window.start + span * (known[-1] + 1) // count


def maturity(
    evaluation: Evaluation, outcomes: WindowOutcomes, settings: PerformanceSettings
) -> tuple[Maturity, tuple[Fact, ...]]:
    """Return the maturity of a window and, of an immature one, the reason."""
    if not evaluation.closed:
        return "open", ()
    coverage = evaluation.coverage or 0.0
    if outcomes.young:
        learned = outcomes.delay.outcomes if outcomes.delay.source == "learned" else None
        return "immature", (facts.OutcomesMayStillCome(delay=outcomes.delay.nanoseconds, learned_from=learned),)
    if coverage < settings.min_coverage:
        return "immature", (facts.CoverageTooLow(coverage=coverage, needed=settings.min_coverage),)
    return "mature", ()

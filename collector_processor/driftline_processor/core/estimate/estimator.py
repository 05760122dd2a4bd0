"""Metrics of a window without labels, estimated from its sums and from its baseline.

``estimate_metrics(pane, baseline, ...)`` → metric → ``Estimate``.

**Bounds.** An estimate beyond its bounds is an alert. They are the reference's value ± three standard deviations of a
window of n rows without change, from

- chance: rows and outcomes of the window, and the reference's rows as far as they affect the estimate (the reference's
  own outcomes do not count, since estimates are learned from them and have the same error);
- overfitting: an estimate of the reference's own rows is biased if it was learned from few of them (not for a
  regression, whose losses are tested on other rows);
- time: the variance of realized values between the reference's own periods, beyond chance, over the number of periods
  in the window, with the tail of Student's t for few periods.

NannyML uses the mean ± three standard deviations of the realized values of the reference's chunks. For windows of the
chunks' size both agree on average; windows of other lengths need other bounds.

**Target shift of a regression.** Direct loss estimation assumes that inputs moved, and that rows have the errors of
similar reference rows. If the target moved instead, rows with the same inputs have other targets and other errors. The
two cannot be distinguished without the distribution of the target at each input. So an estimate has no interval if
predictions moved and nothing refutes a target shift. As with classes (:mod:`.label_shift`), one number is tested: the
move δ of the target's mean, from the fraction of its variance that the predictions explain. Each feature must then move
by the fraction of that variance that it explains itself. This holds if the mean of a feature is about linear in the
target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import CLASSES, LOSS, Estimation
from driftline.baseline.sections.time_blocks import EXPECTED, OutcomeBlocks
from driftline.panes.bins import SCORE_BINS
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import PerKind, Task
from msgspec import Struct, field, structs
from msgspec.structs import replace

from driftline_processor.core.evaluation import Estimate, EstimateMethod, EstimateReason, LabelShift, MetricValue
from driftline_processor.core.outcomes.sums import effective_rows
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.reference import period_offsets

from . import cbpe_binary, cbpe_multiclass, direct_loss
from .cbpe_binary import Rates, rates_of, weight_per_row
from .class_shift import ClassShift, decisions_between, explain_class_shift
from .label_shift import (
    LEVEL,
    POSSIBLE,
    PriorShift,
    ScalarOutcome,
    explain_shift,
    explanation,
    feature_shifts,
    move_of,
    remixed_rates,
)
from .point import BOUND_DEVIATIONS, DEVIATIONS, Point, limits


class TargetShift(Struct, frozen=True):
    """The mean of the target in the reference, and in the window."""

    was: float
    now: float


def explain_target_shift(pane: Pane, baseline: Baseline, between: float = 0.0) -> tuple[LabelShift, TargetShift] | None:
    """Return whether a new mean of the target explains that predictions moved; None if they moved within chance.

    Args:
        pane: Pane of the window.
        baseline: Baseline with outcomes.
        between: Variance of the target's mean between periods of the window's length.
    """
    target, known, losses = _target(baseline), baseline.extras.score_means, pane.parts.get("score")
    means = None if known is None else known.by_part.get("score")
    if target is None or means is None or losses is None:
        return None
    mean, variance = target
    whole = ScalarOutcome(lambda means_of_part: means_of_part.outcome, variance, 1.0, 1.0)
    move = move_of(pane, baseline, "score", means, whole)
    # 0.01: minimum fraction of the target's variance that predictions must explain; with less, a move of 0.1 standard
    # deviations of the predictions would imply one of a standard deviation of the target
    if move is None or move.due < 0.01 or move.deviation <= 0:
        return None
    deviation = math.sqrt(move.deviation**2 + between)
    p_value = math.erfc(abs(move.carried) / deviation / math.sqrt(2))
    if p_value > POSSIBLE:
        return None
    shift, wide = move.carried / move.due, DEVIATIONS * deviation / move.due
    features = feature_shifts(
        pane, baseline, ScalarOutcome(lambda means_of_part: means_of_part.outcome, variance, move.due, shift)
    )
    explains, by = explanation(features, p_value)
    now = mean + shift
    moved = LabelShift(
        explains=explains,
        was=mean,
        now=now,
        low=now - wide,
        high=now + wide,
        p_value=p_value,
        fit=1.0,
        features=by,
        quantity="mean",
    )
    return moved, TargetShift(mean, now)


def target_sums(pane: Pane) -> tuple[float, float, float] | None:
    """Return weight, mean and variance of the target of a pane with outcomes; None without outcomes."""
    sums = pane.parts.get("losses")
    if sums is None or len(sums) < 6 or sums[0] <= 0:
        return None
    weight, total, squares = float(sums[0]), float(sums[4]), float(sums[5])
    return weight, total / weight, max(0.0, squares / weight - (total / weight) ** 2)


def _target(baseline: Baseline) -> tuple[float, float] | None:
    sums = target_sums(baseline.pane)
    return None if sums is None or sums[2] <= 0 else (sums[1], sums[2])


OutcomeShift = PriorShift | ClassShift | TargetShift
"""The shift of the fraction of positives, of the fractions of several classes, or of the mean of a target."""

ExplainedShift = tuple[LabelShift, OutcomeShift]
"""What explains that scores moved, and the shift of outcomes for estimating a window."""


class StretchVariance(Struct, frozen=True):
    """The variance between periods beyond chance: ``variance`` of one, estimated from ``stretches`` periods."""

    variance: float
    stretches: int

    def over(self, lengths: float) -> float:
        """Return the variance of a window of this length in periods, plus that of the reference."""
        return self.variance * (1 / lengths + 1 / self.stretches) if self.stretches > 1 else 0.0


NO_STRETCHES = StretchVariance(0.0, 0)


def stretch_variance(values: Sequence[float], chance: Sequence[float]) -> StretchVariance:
    """Return the variance between periods beyond the variance of each by chance.

    >>> stretch_variance([0.9, 0.8, 0.7], [0.004, 0.004, 0.004])
    StretchVariance(variance=0.006, stretches=3)
    """
    if len(values) < 2:
        return NO_STRETCHES
    beyond = float(np.var(values, ddof=1)) - float(np.mean(chance))
    return StretchVariance(round(max(0.0, beyond), 12), len(values))


def estimate_error_variance(errors: Sequence[float], chance: Sequence[float]) -> StretchVariance:
    """Return the mean squared error of the estimates of periods beyond chance.

    >>> estimate_error_variance([0.1, -0.1], [0.004, 0.004])
    StretchVariance(variance=0.006, stretches=2)
    """
    if len(errors) < 2:
        return NO_STRETCHES
    beyond = float(np.mean(np.square(errors))) - float(np.mean(chance))
    return StretchVariance(round(max(0.0, beyond), 12), len(errors))


def half_width(chance: float, differ: StretchVariance, lengths: float, deviations: float = BOUND_DEVIATIONS) -> float:
    """Return the distance of a bound from its value. ``chance``: variance; ``lengths``: of the window, in periods.

    >>> round(half_width(0.0001, NO_STRETCHES, 1.0), 6)
    0.03
    """
    time = differ.over(lengths)
    wide = _tail(differ.stretches, deviations) if time > 0 else 0.0
    return math.sqrt(deviations**2 * chance + wide**2 * time)


@lru_cache(maxsize=64)
def _tail(stretches: int, deviations: float) -> float:
    """Return the quantile of Student's t that corresponds to a number of standard deviations of a normal variable."""
    from driftline_processor.core.special_functions import ndtr, stdtrit

    return float(stdtrit(stretches - 1, ndtr(deviations)))


DAY, FEWEST_DAYS = 86_400 * 10**9, 3
"""Nanoseconds of a day, and the minimum number of days for estimating their variation; with fewer, their parts are
used.
"""

_OVERFIT_OF_DECISIONS, _OVERFIT_OF_RATES, _OVERFIT_OF_LOSSES = 4.0, 1.5, 2.5
"""Factor of the squared error on the reference's own rows, from which values were learned: for metrics of a class's
decisions, other metrics of classes, and learned losses. With them the intervals of evidence/estimates.json have their
nominal coverage.
"""

FEWEST_PERIODS = 3
"""Minimum periods of the baseline, as long as the window, for the error of its estimates: with two, Student's t is 12.7
standard errors, and an interval says nothing.
"""

LEAST_ROWS, LEAST_OF_A_CLASS = 1_000, 300
"""Minimum rows of the reference, and of a class: with fewer, learned values overfit by more than an interval accounts
for.
"""


class _Stretch(NamedTuple):
    """The effective rows of a period of the reference, and its realized and expected metrics."""

    rows: float
    realized: Mapping[str, float | None]
    expected: Mapping[str, float | None]


class ReferenceLearning(Struct, eq=False, dict=True):
    """Calibrations and errors learned from the outcomes of one baseline; empty for a task without estimates.

    Each kind of task with estimates has a subclass.

    Attributes:
        method: Method of the estimates.
        learned_of_own_rows: True if the learned values are biased on the reference's own rows; losses are tested on
            other rows than those that they are learned from.
        blocks: Performance per period of the reference: per time block, or per block of consecutive rows if rows
            without times are autocorrelated. None without either.
    """

    method: ClassVar[EstimateMethod] = "cbpe"
    learned_of_own_rows: ClassVar[bool] = False

    task: Task
    rows: float
    reference: dict[str, MetricValue]
    rates: Rates | None
    estimation: Estimation
    blocks: OutcomeBlocks | None
    _pane: Pane
    _per_row: dict[int, dict[str, tuple[float, float]]] = field(default_factory=dict)
    _differ: dict[tuple[int, str], tuple[StretchVariance, StretchVariance]] = field(default_factory=dict)
    _stretches: list[_Stretch] | None = None

    @property
    def length(self) -> int:
        """Length of a period of the reference in nanoseconds, or in rows if rows have no times; 0 without periods."""
        return 0 if self.blocks is None else self.blocks.length

    @property
    def lasting(self) -> int:
        """Nanoseconds for which the error of an estimate lasts: a period, or a day if periods are parts of days.

        For example, 28 periods of six hours are seven days: an error in the morning is the same at night.
        """
        many = 0 if self.blocks is None else len(self.blocks.panes)
        return max(self.length, DAY) if many * self.length >= FEWEST_DAYS * DAY else self.length

    def lengths(self, rows: float, span: int, length: int) -> float:
        """Return the length of a window in periods of the reference; 1 if it is unknown.

        A day in weeks is 1/7: a week is the mean of its days, so single days differ more than weeks do. Parts of a day
        count as the day, and fewer rows than a block as a block, since their errors last as long.

        Args:
            rows: Rows of the window.
            span: Length of the window in nanoseconds; 0 if unknown.
            length: Length of a period, :attr:`length` or :attr:`lasting`.
        """
        if length and self.estimation.blocks is None:
            return max(rows / length, 1.0)
        return max(span, min(length, DAY)) / length if span and length else 1.0

    def points(self, pane: Pane, _shift: OutcomeShift | None = None) -> tuple[dict[str, Point], int]:
        """Return the expected value of each metric of a pane, and the bin of the score grid at which its model decides.

        ``_shift``: shift of outcomes, if labels shifted and not inputs.
        """
        return self._with_learned(self._expected_of_window(pane), effective_rows(pane, "rows")), 0

    def cut(self, _pane: Pane) -> int:
        """Return the bin of the score grid at which the model of a pane decides; 0 for a task without a grid."""
        return 0

    def _with_learned(self, points: dict[str, Point], rows: float) -> dict[str, Point]:
        """Add the variance of learned values, for kinds of tasks whose sums do not contain the distribution of rows.

        It is the sampling variance of the reference's effective rows, which are fewer if the window's rows are of
        another kind: the squared move of a metric, in standard deviations of rows, is a lower limit of the loss (the
        bound of Hammersley, Chapman and Robbins on the chi-square divergence).
        """
        distances = [
            (point.value - was.value) ** 2 / (point.mix * rows)
            for name, point in points.items()
            if point.value is not None and point.mix > 0 and (was := self.reference.get(name)) and was.value is not None
        ]
        unlike = max(distances, default=0.0)
        worth = self.rows / (rows * (1 + unlike)) if rows > 0 else 0.0
        # 0.25: limit above which no interval had its nominal coverage
        reason: EstimateReason | None = (
            "not_comparable" if unlike > 0.25 else "too_few_rows" if self._too_few() else None
        )
        learned_points = {}
        for name, point in points.items():
            was = self.reference.get(name)
            moved = 0.0 if was is None or was.value is None or point.value is None else point.value - was.value
            chance = point.chance / worth if worth > 0 else 0.0
            overfit = chance * self._overfit(name)
            bias = overfit if self.learned_of_own_rows else 0.0
            # 0.15: relative error of an estimate's move, by the model of losses or the calibrations of classes
            learned_points[name] = replace(point, learned=overfit + (0.15 * moved) ** 2, bias=bias, reason=reason)
        return learned_points

    def label_shift(self, _pane: Pane, _baseline: Baseline, _span: int) -> ExplainedShift | None:
        """Return what explains that the scores moved; None if they did not, or if the task has no such test."""
        return None

    def labelled(
        self, pane: Pane, points: dict[str, Point], rows: int, _shift: OutcomeShift | None = None
    ) -> dict[str, Point]:
        """Return the expected metrics of a pane's rows with a known outcome; {} if unknown.

        It is the expectation over all ``rows`` (``points``) with the sampling variance of fewer rows, if at least half
        of the outcomes are known.
        """
        outcomes, all_rows = effective_rows(pane), effective_rows(pane, "rows")
        # 0.5: minimum fraction of outcomes for checking an estimate of all rows
        if outcomes <= 0 or pane.parts["outcomes"][0] < 0.5 * rows:
            return {}
        more = max(1.0, all_rows / outcomes)
        return {name: replace(point, chance=point.chance * more) for name, point in points.items()}

    def has_bounds(self, _metric: str, _cut: int, _rows: int) -> bool:
        """Return True if a window distributed as the reference has enough rows of each decision of a metric."""
        return True

    def per_row(self, cut: int) -> dict[str, tuple[float, float]]:
        """Return the variance of each metric of the reference by chance and by mix, times its rows.

        {} if it is unknown; the variance of the window is used then.

        Args:
            cut: See :meth:`points`.
        """
        if cut not in self._per_row:
            points = self._reference_points(cut)
            self._per_row[cut] = {
                name: (point.chance * self.rows, point.mix * self.rows) for name, point in points.items()
            }
        return self._per_row[cut]

    def _reference_points(self, _cut: int) -> dict[str, Point]:
        panes = () if self.blocks is None else self.blocks.panes
        expected_sums = [pane.parts[EXPECTED] for pane in panes if EXPECTED in pane.parts]
        return self._expected_of_sums(np.sum(expected_sums, axis=0)) if expected_sums else {}

    def differ(self, cut: int, metric: str, per_row: tuple[float, float]) -> tuple[StretchVariance, StretchVariance]:
        """Return the variance of a metric between the reference's periods, and that of the error of their estimates.

        ``per_row``: variance of the metric by chance and by mix, times the rows.
        """
        key = (cut, metric)
        if metric not in self.per_row(cut):  # the window's own variance, so not cached
            return self._of_blocks(metric, per_row)
        if key not in self._differ:
            self._differ[key] = self._of_blocks(metric, per_row)
        return self._differ[key]

    def _stretches_of(self, blocks: OutcomeBlocks) -> list[_Stretch]:
        """Return the metrics of each period of the reference, cached for all metrics and windows."""
        if self._stretches is None:
            stretches = []
            for pane in blocks.panes:
                sums = pane.parts.get(EXPECTED)
                expected_points = {} if sums is None else self._expected_of_sums(sums)
                realized_values = {name: metric_value.value for name, metric_value in realized(pane, self.task).items()}
                expected = {name: metric_value.value for name, metric_value in expected_points.items()}
                stretches.append(_Stretch(effective_rows(pane), realized_values, expected))
            self._stretches = stretches
        return self._stretches

    def _of_blocks(self, metric: str, per_row: tuple[float, float]) -> tuple[StretchVariance, StretchVariance]:
        if self.blocks is None:
            return NO_STRETCHES, NO_STRETCHES
        values, chance, errors, of_errors = [], [], [], []
        for stretch in self._stretches_of(self.blocks):
            value, expected_value = stretch.realized.get(metric), stretch.expected.get(metric)
            if value is None:
                continue
            values.append(value)
            chance.append(sum(per_row) / stretch.rows)
            if expected_value is not None:
                errors.append(value - expected_value)
                of_errors.append(per_row[0] / stretch.rows)
        differ = stretch_variance(values, chance)
        off = estimate_error_variance(errors, of_errors) if errors else differ
        days = round(off.stretches * self.length / max(self.lasting, 1))
        # one degree of freedom for their mean, which was learned
        beyond = off.variance * days / (days - 1) if errors and days > 1 else off.variance
        return differ, StretchVariance(beyond, days)

    def error_of(
        self, _metric: str, _per_row: tuple[float, float], off: StretchVariance, rows: float, span: int
    ) -> tuple[StretchVariance, float] | None:
        """Return the variance of the error of an estimate, and the length of a window in its periods.

        None if the baseline does not show how wrong an estimate of such a window is.

        Args:
            off: Variance of the errors of estimates of the reference's periods, see :meth:`differ`.
            rows: Rows of the window.
            span: Length of the window in nanoseconds; 0 if unknown.
        """
        return off, self.lengths(rows, span, self.lasting)

    def estimated_rows(self, pane: Pane) -> int:
        """Return the rows of a pane in its sums for estimates."""
        rows = pane.parts.get("rows")
        return 0 if rows is None or rows[1] <= 0 else round(self._weight(pane) * float(rows[0] / rows[1]))

    def _weight(self, _pane: Pane) -> float:
        """Return the weight of the rows in the sums for estimates."""
        return 0.0

    def _expected_of_window(self, _pane: Pane) -> dict[str, Point]:
        """Return the expected value of each metric of a pane, without the variance of the learned values."""
        return {}

    def _expected_of_sums(self, _sums: F64) -> dict[str, Point]:
        """Return the same from what was expected of the reference's rows, their part ``EXPECTED``."""
        return {}

    def _overfit(self, _metric: str) -> float:
        """Return the squared factor between the error of learned values and chance (evidence/estimates.json)."""
        return 0.0

    def _too_few(self) -> bool:
        """Return True if the reference has too few rows for an interval."""
        worth = weight_per_row(self._pane, "outcomes")
        return any(
            calibration.rate @ calibration.weight < LEAST_OF_A_CLASS * worth
            for calibration in self.estimation.classes.values()
        )


class _BinaryLearning(ReferenceLearning):
    """Rates of positives by score; learned values need no extra variance, since the sums contain each row's bin."""

    def points(self, pane: Pane, _shift: OutcomeShift | None = None) -> tuple[dict[str, Point], int]:
        grid, rates = cbpe_binary.grid_of(pane, self.task), self._rates(_shift)
        if rates is None or grid is None:
            return {}, 0
        return cbpe_binary.expected(grid, rates, weight_per_row(pane, "rows")), self.cut(pane)

    def cut(self, pane: Pane) -> int:
        grid = cbpe_binary.grid_of(pane, self.task)
        return 0 if grid is None else cbpe_binary.cut_of(grid, self._usual_cut)

    def _rates(self, shift: OutcomeShift | None) -> Rates | None:
        return remixed_rates(self.rates, shift) if isinstance(shift, PriorShift) and self.rates else self.rates

    def label_shift(self, _pane: Pane, _baseline: Baseline, _span: int) -> ExplainedShift | None:
        grid = cbpe_binary.grid_of(_pane, self.task)
        if self.rates is None or grid is None:
            return None
        window = grid.sum(axis=0) / weight_per_row(_pane, "rows")
        if window.sum() < FEWEST:
            return None
        name = "actual_rate"
        per_row = self.per_row(self._usual_cut).get(name)
        differ = NO_STRETCHES if per_row is None else self.differ(self._usual_cut, name, per_row)[0]
        between = differ.over(self.lengths(float(window.sum()), _span, self.length))
        return explain_shift(
            window, _pane, _baseline, self.rates, between * _few_periods_factor(differ) if between > 0 else between
        )

    def labelled(
        self, pane: Pane, points: dict[str, Point], _rows: int, _shift: OutcomeShift | None = None
    ) -> dict[str, Point]:
        """Return the estimate for the labelled rows from their own scores, with the decisions of their bins."""
        sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
        grid, rates = cbpe_binary.grid_of(pane, self.task), self._rates(_shift)
        if rates is None or grid is None or sides[0] is None or sides[1] is None:
            return {}
        weight, all_of = sides[0] + sides[1], grid.sum(axis=0)
        shares = np.divide(grid, all_of, out=np.zeros_like(grid), where=all_of > 0)
        known, worth = weight * shares, weight_per_row(pane, "outcomes")
        if worth == weight_per_row(pane, "rows") and np.array_equal(known, grid):  # all rows are labelled
            return points
        return cbpe_binary.expected(known, rates, worth)

    @cached_property
    def _usual_cut(self) -> int:
        """Bin of the score grid from which the model decided for the positive class in the reference."""
        confusion = self._pane.parts.get("confusion")
        if self.rates is None or confusion is None or confusion.sum() <= 0:
            return SCORE_BINS // 2
        predicted_weights = confusion.reshape(2, 2).sum(axis=0)
        share = predicted_weights[self.task.classes.index(self.task.positive_class)] / predicted_weights.sum()
        above = np.cumsum(self.rates.rows[::-1])[::-1]
        return int(np.count_nonzero(above > share * above[0] * (1 + 1e-9)))

    def has_bounds(self, metric: str, cut: int, rows: int) -> bool:
        """Return True if a window distributed as the reference has enough rows of each decision of a metric."""
        if self.rates is None:
            return True
        decided = np.array([self.rates.rows[:cut].sum(), self.rates.rows[cut:].sum()])
        return cbpe_binary.enough_decided(metric, decided * min(1.0, rows / float(decided.sum())))

    def _reference_points(self, cut: int) -> dict[str, Point]:
        if self.rates is None:
            return {}
        weight = self._pane.parts["score_negative"] + self._pane.parts["score_positive"]
        grid = np.zeros((3, len(weight)))
        grid[0, :cut], grid[1, cut:] = weight[:cut], weight[cut:]
        return cbpe_binary.as_learned(grid, self.rates, weight_per_row(self._pane, "outcomes"))

    def _weight(self, pane: Pane) -> float:
        grid = cbpe_binary.grid_of(pane, self.task)
        return 0.0 if grid is None else float(grid.sum())

    def _expected_of_sums(self, sums: F64) -> dict[str, Point]:
        return cbpe_binary.of_confusion(sums.reshape(2, 2), self.task)


class _MulticlassLearning(ReferenceLearning):
    """Calibrated probabilities of each class."""

    learned_of_own_rows = True

    def points(self, pane: Pane, _shift: OutcomeShift | None = None) -> tuple[dict[str, Point], int]:
        if not isinstance(_shift, ClassShift):
            return ReferenceLearning.points(self, pane)
        reason: EstimateReason | None = "too_few_rows" if self._too_few() else None
        return {name: replace(point, reason=reason) for name, point in _shift.points.items()}, 0

    def label_shift(self, _pane: Pane, _baseline: Baseline, _span: int) -> ExplainedShift | None:
        if self.estimated_rows(_pane) < FEWEST:
            return None
        panes = () if self.blocks is None else self.blocks.panes
        between = decisions_between(panes, len(self.task.classes))
        lengths = self.lengths(self.estimated_rows(_pane), _span, self.length)
        between_stretches = StretchVariance(between, len(panes)).over(lengths)
        return explain_class_shift(_pane, _baseline, between_stretches)

    def _weight(self, pane: Pane) -> float:
        sums = pane.parts.get(CLASSES)
        return 0.0 if sums is None else float(sums[0])

    def _expected_of_window(self, pane: Pane) -> dict[str, Point]:
        return cbpe_multiclass.expected(pane, len(self.task.classes))

    def _expected_of_sums(self, sums: F64) -> dict[str, Point]:
        return cbpe_multiclass.of_sums(sums, len(self.task.classes))

    def _overfit(self, metric: str) -> float:
        if metric in ("log_loss", "brier"):
            return 1.0 + len(self.task.classes)
        return _OVERFIT_OF_DECISIONS if metric in ("accuracy", "roc_auc_ovr") else _OVERFIT_OF_RATES


class _RegressionLearning(ReferenceLearning):
    """Losses, learned from the features and the predicted value: direct loss estimation."""

    method = "direct_loss"

    def points(self, pane: Pane, _shift: OutcomeShift | None = None) -> tuple[dict[str, Point], int]:
        """Return the expected losses; none after a target shift, since the losses at the same inputs have changed."""
        return ReferenceLearning.points(self, pane) if _shift is None else ({}, 0)

    def label_shift(self, _pane: Pane, _baseline: Baseline, _span: int) -> ExplainedShift | None:
        rows_of_window = self.estimated_rows(_pane)
        if rows_of_window < FEWEST:
            return None
        blocks = () if self.blocks is None else self.blocks.panes
        block_sums = [(effective_rows(block), *sums) for block in blocks if (sums := target_sums(block)) is not None]
        chance = [variance / rows for rows, _, _, variance in block_sums if rows > 0]
        differ = stretch_variance([mean for rows, _, mean, _ in block_sums if rows > 0], chance)
        between = differ.over(self.lengths(rows_of_window, _span, self.length))
        return explain_target_shift(_pane, _baseline, between)

    def error_of(
        self, metric: str, per_row: tuple[float, float], off: StretchVariance, rows: float, span: int
    ) -> tuple[StretchVariance, float] | None:
        """Return the variance of the errors of periods as long as the window, at times that they are not learned from.

        Neighbouring days have the same season, so their errors do not average out: a month may be as wrong as its days.
        Blocks of consecutive rows have no estimates, so they are compared with the loss of the whole reference.
        """
        blocks, whole = self.blocks, self.reference.get(metric)
        if blocks is None:
            return off, 1.0
        each = max(1, round(self.lengths(rows, span, blocks.length)))
        without_estimates = None if whole is None or self.estimation.blocks is not None else whole.value
        known = [
            (stretch.rows, value - expected)
            for stretch in self._stretches_of(blocks)
            if (value := stretch.realized.get(metric)) is not None
            and (expected := stretch.expected.get(metric, without_estimates)) is not None
        ]
        periods = [np.array(known[at : at + each]) for at in range(0, len(known) - each + 1, each)]
        if len(periods) < FEWEST_PERIODS:
            return None
        of_periods = [float(period[:, 0].sum()) for period in periods]
        errors = [float(period[:, 0] @ period[:, 1]) / n for period, n in zip(periods, of_periods, strict=True)]
        chance = per_row[0] if without_estimates is None else sum(per_row)
        return estimate_error_variance(errors, [chance / n for n in of_periods]), 1.0

    def _weight(self, pane: Pane) -> float:
        sums = pane.parts.get(LOSS)
        return 0.0 if sums is None else float(sums[0])

    def _expected_of_window(self, pane: Pane) -> dict[str, Point]:
        trees = self.estimation.losses
        return {} if trees is None else direct_loss.expected(pane, trees.spread)

    def _expected_of_sums(self, sums: F64) -> dict[str, Point]:
        trees = self.estimation.losses
        return {} if trees is None else direct_loss.of_sums(sums, trees.spread)

    def _overfit(self, _metric: str) -> float:
        return _OVERFIT_OF_LOSSES

    def _too_few(self) -> bool:
        return self.rows < LEAST_ROWS


_LEARNING: PerKind[type[ReferenceLearning]] = PerKind(
    binary=_BinaryLearning,
    multiclass=_MulticlassLearning,
    regression=_RegressionLearning,
    ranking=ReferenceLearning,
    unknown=ReferenceLearning,
)

_CACHE: WeakKeyDictionary[Baseline, ReferenceLearning] = WeakKeyDictionary()


def learn_reference(baseline: Baseline) -> ReferenceLearning:
    """Return the calibrations learned from a baseline, cached as long as it exists."""
    cached = _CACHE.get(baseline)
    if cached is None:
        pane, task = baseline.pane, baseline.task
        rates = rates_of(pane) if task.has_threshold else None
        estimation, ordered = baseline.extras.estimation or Estimation(), baseline.extras.row_blocks
        blocks = ordered.outcomes if estimation.blocks is None and ordered is not None else estimation.blocks
        cached = _LEARNING.of(task)(task, effective_rows(pane), realized(pane, task), rates, estimation, blocks, pane)
        _CACHE[baseline] = cached
    return cached


FEWEST = 30
"""Minimum rows of a window, and outcomes for checking an estimate: with fewer, a fraction has a standard error of up to
nine percentage points, √(0.25 / 30).
"""


def explain_label_shift(pane: Pane, baseline: Baseline, task: Task, span: int) -> ExplainedShift | None:
    """Return whether a shift of outcomes explains that the scores of a window moved; None if they did not.

    Args:
        pane: Pane of the window, with the parts of :mod:`driftline.baseline.sections.estimation`.
        baseline: Baseline with outcomes.
        task: Task of the model.
        span: Length of the window in nanoseconds; 0 if unknown.
    """
    return learn_reference(baseline).label_shift(pane, baseline, span) if _same_task(task, baseline.task) else None


class Meaning(NamedTuple):
    """The meaning of scores in the reference.

    Attributes:
        rates: Rates of positives by score.
        between: Variance between the realized fraction of positives and its estimate, over a window's time.
    """

    rates: Rates
    between: float


def score_meaning(pane: Pane, baseline: Baseline, task: Task, span: int) -> Meaning | None:
    """Return the meaning of a binary model's scores in the reference; None for another task, or with few outcomes.

    Args:
        pane: Pane of the window.
        baseline: Baseline with outcomes.
        task: Task of the model.
        span: Length of the window in nanoseconds; 0 if unknown.
    """
    learning = learn_reference(baseline)
    if learning.rates is None or learning.rows < FEWEST or not _same_task(task, baseline.task):
        return None
    cut = learning.cut(pane)
    per_row = learning.per_row(cut).get("actual_rate")
    off = NO_STRETCHES if per_row is None else learning.differ(cut, "actual_rate", per_row)[1]
    between = off.over(learning.lengths(learning.estimated_rows(pane), span, learning.lasting))
    return Meaning(learning.rates, between * _few_periods_factor(off) if between > 0 else between)


def _few_periods_factor(stretch_variance: StretchVariance) -> float:
    """Return the factor of a variance estimated from few periods: the squared ratio of Student's t to the normal."""
    return (_tail(stretch_variance.stretches, DEVIATIONS) / DEVIATIONS) ** 2


def _same_task(task: Task, other_task: Task) -> bool:
    return (task.kind, task.classes, task.positive_class) == (
        other_task.kind,
        other_task.classes,
        other_task.positive_class,
    )


def estimate_metrics(
    pane: Pane,
    baseline: Baseline,
    task: Task,
    span: int,
    realized: Mapping[str, MetricValue] | None = None,
    shift: ExplainedShift | None = None,
) -> dict[str, Estimate]:
    """Estimate every metric of a window; {} if the baseline has too few outcomes, or the window too few rows.

    ``pane``: with the parts of :mod:`driftline.baseline.sections.estimation`. ``baseline``: baseline with outcomes.
    ``span``: length of the window in nanoseconds; 0 if unknown. ``realized``: realized metrics, if outcomes are known.
    ``shift``: what explains that its scores moved (:func:`explain_label_shift`). After a label shift, estimates use the
    new fraction of positives. Unless inputs alone explain the scores, an interval contains the results of both
    explanations.
    """
    if not _same_task(task, baseline.task):
        return {}
    learning = learn_reference(baseline)
    rows = learning.estimated_rows(pane)
    if rows < FEWEST or learning.rows < FEWEST:
        return {}
    offsets = period_offsets(baseline, span)
    estimates = _estimates(learning, pane, rows, span, realized or {}, offsets)
    if shift is None or shift[0].explains == "inputs":
        return estimates
    labels = _estimates(learning, pane, rows, span, realized or {}, offsets, shift[1])
    combined = {name: _merge_intervals(estimates[name], label) for name, label in labels.items()}
    if shift[0].explains == "labels":
        combined = {name: _merge_intervals(label, estimates[name]) for name, label in labels.items()}
    if shift[0].p_value > LEVEL:
        return estimates | combined
    return {
        name: combined[name] if name in combined else _without_interval(estimate)
        for name, estimate in estimates.items()
    }


def _without_interval(estimate: Estimate) -> Estimate:
    """Return an estimate without an interval, since the metric after a shift of outcomes is unknown."""
    return structs.replace(estimate, low=None, high=None, reason=estimate.reason or "label_shift")


def _estimates(
    reference_learning: ReferenceLearning,
    pane: Pane,
    rows: int,
    span: int,
    realized: Mapping[str, MetricValue],
    offsets: Mapping[str, float],
    prior: OutcomeShift | None = None,
) -> dict[str, Estimate]:
    """Return the estimates of a window; ``prior``: shift of outcomes, ``offsets``: see :func:`period_offsets`."""
    points, cut = reference_learning.points(pane, prior)
    labelled = reference_learning.labelled(pane, points, rows, prior) if realized else {}
    method = reference_learning.method if prior is None else "label_shift"
    builder = _EstimateBuilder(reference_learning, cut, rows, span, method, offsets)
    return {name: builder.estimate(name, point, realized.get(name), labelled) for name, point in points.items()}


def _merge_intervals(estimate: Estimate, other_estimate: Estimate) -> Estimate:
    """Return an estimate with an interval that contains those of both explanations; without one if either has none."""
    reason = estimate.reason or other_estimate.reason
    if estimate.low is None or estimate.high is None or other_estimate.low is None or other_estimate.high is None:
        return structs.replace(estimate, low=None, high=None, reason=reason)
    return structs.replace(
        estimate, low=min(estimate.low, other_estimate.low), high=max(estimate.high, other_estimate.high)
    )


class _EstimateBuilder:
    """The inputs that all estimates of a window share."""

    def __init__(
        self,
        learned: ReferenceLearning,
        cut: int,
        rows: int,
        span: int,
        method: EstimateMethod,
        offsets: Mapping[str, float],
    ) -> None:
        self._learned, self._cut, self._rows, self._method, self._offsets = learned, cut, rows, method, offsets
        self._span = span
        self._lengths = learned.lengths(rows, span, learned.length)

    def estimate(
        self, name: str, point: Point, realized: MetricValue | None, labelled: Mapping[str, Point]
    ) -> Estimate:
        learned, rows, lengths = self._learned, self._rows, self._lengths
        reference = learned.reference.get(name)
        value = None if reference is None or reference.value is None else reference.value + self._offsets.get(name, 0.0)
        if point.value is None:
            return Estimate(
                value=None,
                low=None,
                high=None,
                sampling_error=None,
                lower_bound=None,
                upper_bound=None,
                alert=None,
                rows=rows,
                source="panes",
                method=self._method,
                reference=value,
            )
        per_row = learned.per_row(self._cut).get(name, (point.chance * rows, point.mix * rows))
        differ, off = learned.differ(self._cut, name, per_row)
        known = learned.error_of(name, per_row, off, rows, self._span)
        off, lasting = known or (off, 1.0)
        time, reason = off.over(lasting), point.reason if known else point.reason or "too_few_days"
        error = math.sqrt(point.chance + point.learned + time)
        lowest, highest = limits(name)
        width = half_width(point.chance + point.learned, off, lasting, DEVIATIONS)
        low: float | None = max(lowest, point.value - width)
        high: float | None = min(highest, point.value + width)
        if reason is not None:
            low = high = None
        lower = upper = alert = None
        if value is not None and learned.has_bounds(name, self._cut, rows):
            width = half_width(sum(per_row) / rows + per_row[1] / learned.rows + point.bias, differ, lengths)
            lower, upper = max(lowest, value - width), min(highest, value + width)
            alert = not lower <= point.value <= upper
        estimates = (float(point.value), low, high, error, lower, upper, alert, rows)
        judgement = _label_error(labelled.get(name), realized, time)
        return Estimate(*estimates, "panes", self._method, value, *judgement, reason=reason)


def _label_error(
    labelled: Point | None, realized: MetricValue | None, time: float
) -> tuple[float | None, float | None]:
    """Return the difference of labelled rows from their expectation, and its standard error."""
    if labelled is None or labelled.value is None or realized is None:
        return None, None
    if realized.value is None or realized.rows < FEWEST:
        return None, None
    return realized.value - labelled.value, math.sqrt(labelled.chance + labelled.learned + time)

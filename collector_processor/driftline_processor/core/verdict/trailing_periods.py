"""The last 7 and 30 days of a model as one comparison with its baseline, added up from its windows.

A fault that is too small for one day is shown by many: each window adds its value with the weight of its outcomes, and
the variance of the sum comes from how days differ. A period is read at each look, every day, so it needs a p-value of
one in a thousand to show a degradation.

Without ten days, the variance is that of the windows' own intervals, into which a baseline of seven days or more lends
how days differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import structs
from numpy.typing import NDArray

from driftline_processor.core.evaluation import (
    BaselineComparison,
    Evaluation,
    InconclusiveReason,
    MetricChange,
    MetricValue,
)
from driftline_processor.core.intervals.confidence import NORMAL, student_quantile
from driftline_processor.core.intervals.onset import Onset, onset_of_step
from driftline_processor.core.intervals.time_blocks import FEWEST_ALONE, variance_from_blocks
from driftline_processor.core.metrics import direction
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.output_faults import DOUBTFUL, outcomes_of_one_class
from driftline_processor.core.performance.changes import is_significant, made_inconclusive
from driftline_processor.core.performance.difficulty import at_equal_difficulty, losses_of_period
from driftline_processor.core.performance.judge import coverage_changes
from driftline_processor.core.performance.margin import AREAS
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.special_functions import stdtr
from driftline_processor.core.windows.window import DAY, Window

from .comparisons import deciding_change
from .risks import is_fault

LENGTHS = {"7d": 7, "30d": 30}
"""Days of a period by its name."""

LEVEL = 0.001
"""Maximum p-value of a degradation that only a period shows. With a look a day at both periods it is a false one in
a model and year at most; see ``evidence/verdict_quiet.json``.
"""

FEWEST = 2
"""Minimum days of a period."""

REMEMBERED = 60
"""Days in which a fault and the recovery from it are looked for."""

LONGEST = DAY + DAY // 12
"""Nanoseconds of the longest window that is added up: a day is longer where clocks go back."""

UNLIKELY = 1.5
"""Standard errors by the days' own intervals below which a period need not be tested."""

CONFIDENCE = STANDARD.confidence

NEWEST = (2, 3, 5, 7, 10, 14, 20, 30)
"""Numbers of days that can show a recovery."""

NEWEST_DOUBTFUL = (2, 3, 5, 7)
"""Numbers of newest days that a longer period may hide."""

DOUBT = 0.005
"""P-value of the newest days up to which no longer period says that the model is healthy."""

MEANS = frozenset({"log_loss", "roc_auc", "roc_auc_ovr", "mae", "quantile_loss", "interval_coverage", "ndcg"})
"""Metrics of which the mean over windows is compared."""

INCOMPARABLE: tuple[InconclusiveReason, ...] = ("not_comparable", "easier_outcomes")
"""Reasons for which a metric does not show that a model is healthy, nor does a period with such a window."""


class TrailingPeriods(NamedTuple):
    """What the windows of a model show together.

    Attributes:
        windows: The last 7 and 30 days, each as a window with the changes of its metrics; [] if nothing adds up.
        recovered: Since when the model has recovered from its last fault, unix nanoseconds; 0 without one.
        doubtful: The newest days as one inconclusive window, if their loss is beyond the margin at :data:`DOUBT`. Then
            no longer period shows that the model is healthy. None without such days.
        metrics: The metrics of which the mean is compared, by day.
    """

    windows: list[Evaluation]
    recovered: int
    doubtful: Evaluation | None = None
    metrics: tuple[_Days, ...] = ()

    def onset(self, metric: str, since: int) -> Onset | None:
        """Return when a metric became worse, since the last recovery; None if unknown.

        ``since``: start of the first window that shows it. Days are those whose outcomes are all known: if they end
        before, they do not show when it became worse.
        """
        days = next((one for one in self.metrics if one.name == metric), None)
        if days is None or days.start[-1] < since:
            return None
        first = int(np.searchsorted(days.start, self.recovered))
        worse = -direction(metric) * days.values[first:]
        return onset_of_step(days.start[first:], worse, days.errors[first:])

    def show_loss(self, since: int, end: int) -> bool:
        """Return True if the days from one time to another are worse than the baseline by the margin."""
        places = ((one, np.searchsorted(one.start, (since, end)).tolist()) for one in self.metrics)
        return any(one.shows_loss(first, last, LEVEL) for one, (first, last) in places)


Excluded = dict[tuple[str, int, int, int, float], bool]
"""Metric, start of a fault, start of the first and the last newer day, outcomes of the last one, which grows → whether
the newer days exclude the fault.
"""


def trailing_periods(evaluations: Iterable[Evaluation], excluded: Excluded | None = None) -> TrailingPeriods:
    """Return the last 7 and 30 days of a model.

    They begin after a fault from which the model has recovered, and with the data faults of the newest windows.

    Args:
        evaluations: Closed windows of one version in one environment, of any lengths, the oldest first.
        excluded: Known results for the same windows, to which new ones are added.
    """
    excluded = {} if excluded is None else excluded
    evaluations = [*evaluations]
    newest = next(filter(_adds_up, reversed(evaluations)), None)
    since = 0 if newest is None else newest.window.end - REMEMBERED * DAY
    windows = tiles([one for one in evaluations if one.window.start >= since and _adds_up(one)], since)
    if not windows:
        return TrailingPeriods([], 0)
    metrics = [one for name in windows[-1].realized_changes if (one := _days_of(name, windows)) is not None]
    recovered = max((metric.recovered(excluded) for metric in metrics), default=0)
    # the rows before a data fault, or before it was mended, say nothing about those since then
    anew = max(recovered, _since_other_faults(windows))
    periods = list[Evaluation]()
    for name, days in LENGTHS.items():
        added = _added(windows, max(anew, windows[-1].window.end - days * DAY), metrics, name)
        if added is not None and not any(added.window.start == other.window.start for other in periods):
            periods.append(added)
    return TrailingPeriods(periods, recovered, _doubtful(windows, metrics, anew), tuple(metrics))


def _adds_up(evaluation: Evaluation) -> bool:
    """Return True if a window has outcomes that say something about the model."""
    return evaluation.has_mature_outcomes and outcomes_of_one_class(evaluation, DOUBTFUL) is None


def _since_other_faults(windows: Sequence[Evaluation]) -> int:
    """Return since when windows have the data faults of the newest ones, unix nanoseconds; 0 if all have them.

    A fault that one window has, or lacks, is no change: it may be chance.
    """
    if not any(window.findings for window in windows):
        return 0
    faults = [{(one.check, one.features) for one in window.findings if is_fault(one)} for window in windows]
    since, lasting = 0, faults[0]
    for window, (before, now) in zip(windows, pairwise(faults), strict=False):
        if before == now != lasting:
            since, lasting = window.window.start, now
    return since


def _doubtful(windows: Sequence[Evaluation], metrics: Sequence[_Days], anew: int) -> Evaluation | None:
    """Return the newest days as one inconclusive window if the deciding metric is worse than its margin allows."""
    decides = deciding_change(windows[-1])
    days = next((metric for metric in metrics if decides is not None and metric.name == decides[0]), None)
    since = None if days is None else days.doubtful_since(anew)
    added = None if since is None else _added(windows, since, metrics, "newest")
    if added is None:
        return None
    changes = made_inconclusive(added.realized_changes, ("worse", "not_worse"), "too_few_days")
    return structs.replace(added, realized_changes=changes)


def tiles(evaluations: Sequence[Evaluation], since: int) -> list[Evaluation]:
    """Return the windows of one length since a moment: the longest of at most a day, with the newest's baseline."""
    by_name: dict[str, list[Evaluation]] = {}
    for one in evaluations:
        if one.window.start >= since and 0 < one.window.end - one.window.start <= LONGEST:
            by_name.setdefault(one.window.name, []).append(one)
    tiles = max(by_name.values(), key=lambda found: found[-1].window.end - found[-1].window.start, default=[])
    return [one for one in tiles if one.reference is tiles[-1].reference or one.reference == tiles[-1].reference]


def _added(windows: Sequence[Evaluation], since: int, metrics: Iterable[_Days], name: str) -> Evaluation | None:
    """Return the windows since a moment as one; None if no metric can be added up."""
    windows = [one for one in windows if one.window.start >= since]
    if not windows:
        return None
    newest, realized, changes = windows[-1], dict[str, MetricValue](), dict[str, MetricChange]()
    for metric in metrics:
        found = metric.compared(int(np.searchsorted(metric.start, windows[0].window.start - DAY // 2)))
        if found is not None:
            realized[metric.name], changes[metric.name] = found
    if not changes:
        return None
    losses = losses_of_period(windows, realized["log_loss"].value or 0.0) if "log_loss" in realized else None
    if losses is not None:
        realized |= losses.rates
        if not AREAS.isdisjoint(newest.realized_changes):
            change = changes["log_loss"]
            changes["log_loss"] = at_equal_difficulty(change, losses.now, losses.was, losses.level, few="too_few_days")
    changes |= coverage_changes(realized, newest.reference, STANDARD.confidence, final=True)
    decides = deciding_change(newest)
    if decides is not None and decides[0] not in changes:
        changes = made_inconclusive(changes, ("not_worse",), "too_few_days")
    spans = [one.outcome_span or (one.window.start, one.window.end) for one in windows if one.outcome_rows]
    return structs.replace(
        newest,
        window=Window(name, windows[0].window.start, newest.window.end),
        rows=sum(one.rows for one in windows),
        outcome_rows=sum(one.outcome_rows for one in windows),
        outcome_span=(spans[0][0], spans[-1][1]) if spans else None,
        realized=realized,
        realized_changes=changes,
        verdict=None,
        objectives=(),
        level=None if losses is None else losses.level,
        constant_comparison=None,
        service=None,
    )


class _Days(NamedTuple):
    """A metric by day.

    Attributes:
        name: Name of the metric.
        was: Its value in the baseline.
        margin: Its margin.
        start: Start of each day's first window, int64 (n,), unix nanoseconds.
        rows: Outcomes of each day, float64 (n,).
        values: The metric, float64 (n,).
        errors: Standard error of each value, with how days differ; NaN if unknown.
        worse: Lower end of the worsening of a day that is worse by itself; NaN of others.
        incomparable: Why a day cannot show that its metric is no worse, "" if it can, one per day.
    """

    name: str
    was: MetricValue
    margin: float | None
    start: I64
    rows: F64
    values: F64
    errors: F64
    worse: F64
    incomparable: Sequence[InconclusiveReason]

    def mean(self, first: int, last: int) -> tuple[float, float, float] | None:
        """Return the mean over days, its variance and the degrees of freedom; None if its variance is unknown."""
        rows, values, errors = self.rows[first:last], self.values[first:last], self.errors[first:last]
        if not len(rows):
            return None
        share = rows / rows.sum()
        value = float(share @ values)
        by_blocks = variance_from_blocks(share * (values - value), rows) if len(rows) >= FEWEST_ALONE else None
        if by_blocks is not None:
            return value, *by_blocks
        return (value, float(((share * errors) ** 2).sum()), inf) if np.isfinite(errors).all() else None

    def worsening(self, mean: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        """Return the worsening of a mean, its standard error and the degrees of freedom; None if unknown."""
        if mean is None or self.was.value is None or self.was.low is None or self.was.high is None:
            return None
        value, variance, freedom = mean
        error = sqrt(variance + ((self.was.high - self.was.low) / 2 / NORMAL) ** 2)
        return (-direction(self.name) * (value - self.was.value), error, freedom) if error > 0 else None

    def recovered(self, excluded: Excluded) -> int:
        """Return since when the model has recovered from its last fault, unix nanoseconds; 0 without one.

        The newest days, two or more, must differ from those of the fault by :data:`LEVEL`, and show no loss themselves.
        So two days end what one day showed, and a smaller fault takes about as many as it took to find it.
        """
        anew, fault, suspects = 0, -1, self._suspects()
        for last in range(1, len(self.rows) + 1):
            if fault < 0 and np.isfinite(self.worse[last - 1]):
                fault = last - 1
            if fault < 0 and suspects[last - 1]:
                firsts = (max(anew, last - days) for days in LENGTHS.values())
                fault = next((at for at in firsts if last - at >= FEWEST and self.shows_loss(at, last, LEVEL)), -1)
            if fault >= 0:
                newest = next(
                    (last - days for days in NEWEST if self._excludes(fault, last - days, last, excluded)), -1
                )
                if newest >= 0:
                    anew, fault = newest, -1
        return int(self.start[anew]) if anew else 0

    def doubtful_since(self, anew: int) -> int | None:
        """Return since when the newest days together are worse than the margin allows; None if they are not.

        Of the numbers of days that show it, the largest counts.
        """
        since, last = None, len(self.rows)
        for days in NEWEST_DOUBTFUL:
            if last < days or self.start[last - days] < anew:
                break
            loss = self.worsening(self.mean(last - days, last))
            if self.margin is not None and loss is not None and loss[0] >= self.margin and _p_value(*loss) <= DOUBT:
                since = int(self.start[last - days])
        return since

    def _suspects(self) -> NDArray[np.bool_]:
        """Return the days at whose end a period may show a loss, bool (n,), by the sums of the days alone."""
        if self.was.value is None:
            return np.zeros(len(self.rows), np.bool_)
        errors = np.where(np.isfinite(self.errors), self.errors, 0.0)
        worse = -direction(self.name) * (self.values - self.was.value) * self.rows
        sums = [np.concatenate([[0.0], np.cumsum(one)]) for one in (self.rows, worse, (self.rows * errors) ** 2)]
        last, found = np.arange(1, len(self.rows) + 1), np.zeros(len(self.rows), np.bool_)
        for days in (*LENGTHS.values(), *NEWEST):
            rows, moved, squares = (one[last] - one[np.maximum(last - days, 0)] for one in sums)
            found |= moved > UNLIKELY * np.sqrt(squares) * (rows > 0)
        return found

    def shows_loss(self, first: int, last: int, level: float) -> bool:
        """Return True if days are worse at a level, by the margin or more."""
        loss = self.worsening(self.mean(first, last))
        return self.margin is not None and loss is not None and loss[0] >= self.margin and _p_value(*loss) <= level

    def _excludes(self, fault: int, newest: int, last: int, excluded: Excluded) -> bool:
        """Return True if the days from ``newest`` to ``last`` differ from those of a fault, and show no loss."""
        if not 0 <= fault < newest:
            return False
        began, since, end = (int(self.start[at]) for at in (fault, newest, last - 1))
        days = self.name, began, since, end, float(self.rows[last - 1])
        if days not in excluded:
            excluded[days] = self._differ(fault, newest, last)
        return excluded[days]

    def _differ(self, fault: int, newest: int, last: int) -> bool:
        if self.shows_loss(newest, last, (1 - CONFIDENCE) / 2):
            return False
        before, after = self.mean(fault, newest), self.mean(newest, last)
        if before is None or after is None:
            return False
        better = direction(self.name) * (after[0] - before[0])
        error = sqrt(before[1] + after[1])
        return error > 0 and _p_value(better, error, min(before[2], after[2])) <= LEVEL

    def compared(self, first: int) -> tuple[MetricValue, MetricChange] | None:
        """Return the mean since a day, and its change; None with too few days."""
        last = len(self.rows)
        own = self.mean(first, last) if last - first >= FEWEST else None
        found = self.worsening(own)
        if found is None or own is None or self.was.value is None:
            return None
        (worse, error, freedom), (value, variance, _) = found, own
        change, p = value - self.was.value, _p_value(worse, error, freedom)
        factor = student_quantile(CONFIDENCE, freedom)
        half, own_half = factor * error, factor * sqrt(variance)
        state: BaselineComparison = "inconclusive"
        reason: InconclusiveReason = "too_few_days"
        if self.margin is not None and worse + half < self.margin:
            reason = next((why for why in self.incomparable[first:] if why), "")
            state = "inconclusive" if reason else "not_worse"
        elif self.margin is not None and worse >= self.margin and p <= LEVEL:
            state, reason = "worse", ""
        rows = int(self.rows[first:].sum())
        of_days = MetricValue(value, rows, "panes", low=value - own_half, high=value + own_half, interval="blocks")
        return of_days, MetricChange(state, change, change - half, change + half, p, self.margin, reason)


def _p_value(worse: float, error: float, freedom: float) -> float:
    """Return the one-sided p-value of Student's t."""
    return float(stdtr(min(freedom, 1e9), -worse / error))


def _days_of(name: str, windows: Sequence[Evaluation]) -> _Days | None:
    """Return a metric by day; None if its mean is not compared, or the baseline has no interval of it."""
    parsed, newest = parse_name(name), windows[-1]
    was, change = newest.reference.get(name), newest.realized_changes[name]
    if parsed is None or parsed.base not in MEANS or "[" in name or was is None or was.low is None:
        return None
    by_day: dict[int, list[Evaluation]] = {}
    for one in windows:
        value = one.realized.get(name)
        if name in one.realized_changes and value is not None and value.value is not None and value.rows:
            by_day.setdefault(one.window.start // DAY, []).append(one)
    by_day = dict(sorted(by_day.items()))
    found = [_day(name, of_day) for of_day in by_day.values()]
    rows, values, errors, worse = np.array(found, np.float64).reshape(-1, 4).T
    start = np.array([of_day[0].window.start for of_day in by_day.values()], np.int64)
    reasons = [{one.realized_changes[name].reason for one in of_day} for of_day in by_day.values()]
    incomparable: list[InconclusiveReason] = [next((why for why in INCOMPARABLE if why in day), "") for day in reasons]
    return _Days(name, was, change.margin, start, rows, values, errors, worse, incomparable) if len(rows) else None


def _day(name: str, windows: Sequence[Evaluation]) -> tuple[float, float, float, float]:
    """Return the outcomes, the value, the standard error and the certain worsening of a day; NaN if unknown."""
    if len(windows) == 1:
        return _single(name, windows[0])
    known = [one.realized[name] for one in windows]
    weight = np.array([value.rows for value in known], np.float64)
    mean = float(weight @ np.array([value.value for value in known], np.float64) / weight.sum())
    return float(weight.sum()), mean, nan, nan


def _single(name: str, window: Evaluation) -> tuple[float, float, float, float]:
    """Return the same of a day that is one window."""
    value, change = window.realized[name], window.realized_changes[name]
    error, worse = nan if change.error is None else change.error, nan
    if is_significant(change) and change.low is not None and change.high is not None:
        worse = change.low if direction(name) < 0 else -change.high
    return float(value.rows), value.value or 0.0, error, worse

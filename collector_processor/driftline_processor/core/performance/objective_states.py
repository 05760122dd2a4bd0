"""Evaluate objectives: met, broken or inconclusive, and the number of rows needed to decide.

The interval decides. Broken: all of it is on the wrong side of the limit; met: all of it is on the right side. With 95
% intervals a model exactly at its objective is broken in 2.5 % of windows, and met in as many. To prove with 90 % power
that precision is below 0.95 takes some 1,500 reviewed rows if it is 0.93, 280 if it is 0.90.

A rolling objective is evaluated every minute, including the open five minutes. It is broken if the value of an hour is
beyond the limit, and so is the whole interval of the last 5, 10, ... or 60 minutes of that hour, with an error of one
in three million (:data:`BY_CHANCE`). It is met if the interval of every hour that ends within the window is on the
right side. False alarms are simulated with a look a minute (evidence/objectives.json).

An objective over a key is evaluated in each slice with enough rows: broken if one is, met if all are. With k slices,
those on the wrong side use a Bonferroni-corrected interval, 1 - (1 - confidence) / k, so a model exactly at its
objective in all slices is broken in 2.5 % of windows for any k. Those on the right side use their own interval (an
intersection-union test; Berger, 1982). If a slice has enough predictions but too few outcomes, the objective is
inconclusive instead of met.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple, get_args

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import MOST_VALUES, OTHER, slice_name
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec import structs
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Judgement, MetricValue, ObjectiveState, SlicePerformance
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import (
    TOO_FEW,
    UNREVIEWED,
    Interval,
    difference,
    normal_quantile,
    power_of_share,
)
from driftline_processor.core.intervals.time_blocks import blocks_of_window, has_day_blocks
from driftline_processor.core.metrics import METRICS
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.outcomes.coverage import sent_rows
from driftline_processor.core.outcomes.review import find_unseen_decisions, unreviewed
from driftline_processor.core.windows.window import HOUR, PANE, Window, before, length, parse

from .metric_intervals import with_intervals
from .objective import Objective
from .outstanding import at_bound, bounds_of, decision_counts, outstanding_count
from .realized import realized
from .reference import reference_in
from .settings import PerformanceSettings
from .slices import measured
from .window_outcomes import Steps, WindowOutcomes

_TELLS = 0.9
"""Probability that the needed rows decide, if the metric keeps its value (Cohen 1988 names 0.8 as the minimum)."""

POWER = 1.2815515655446004
"""Normal quantile of :data:`_TELLS`."""

ALL_REVIEWED = 0.95
"""Coverage above which more rows are needed, not more reviews: the remaining ones would shorten an interval by at most
3 %, 1 - √0.95.
"""

_AT_LIMIT = 1e-12
"""Distance from a limit within which a value is at it: percentages are divided by 100, which rounds."""


def judge_objectives(
    evaluation: Evaluation,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    baseline: Baseline | None = None,
    pane: Pane | None = None,
) -> tuple[ObjectiveState, ...]:
    """Return the states of the objectives on outcomes that apply to a window with computed metrics.

    ``baseline``: the source of the reference metrics by slice, None = no slices. ``pane``: the sums of the window; an
    objective of an immature window is decided if no outstanding outcome can change it.
    """
    states = [
        state
        for objective in settings.objectives
        if (state := _objective_state(objective, evaluation, task, outcomes, settings, baseline, pane)) is not None
    ]
    by_rule = {objective.rule: objective for objective in settings.objectives}
    states = [
        structs.replace(
            state,
            alert_after=by_rule[state.rule].patience(evaluation.window.name),
            policy=by_rule[state.rule].policy,
            reason="too_few_rows" if _all_reviewed(state, evaluation) else state.reason,
        )
        for state in states
    ]
    if evaluation.maturity == "immature" and not evaluation.young:
        rows = evaluation.outcome_rows / evaluation.coverage if evaluation.coverage else evaluation.rows
        fewest_rows = math.ceil(round(settings.min_coverage * rows, 6))
        states = [
            structs.replace(state, needed=max(fewest_rows, state.needed or 0))
            if state.state == "inconclusive"
            else state
            for state in states
        ]
    return tuple(states)


def _objective_state(
    objective: Objective,
    evaluation: Evaluation,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    baseline: Baseline | None,
    pane: Pane | None,
) -> ObjectiveState | None:
    """Return the state of an objective on outcomes; None if it does not apply to the window."""
    if objective.of_service:
        return None
    if objective.rolling:
        if outcomes.steps is None or task is None:
            return None
        why = () if evaluation.young else evaluation.immature  # too few outcomes
        judge = judge_outcomes(objective, task, outcomes, settings, evaluation.reference, why)
        steps, timezone = outcomes.steps, outcomes.timezone
        return judge_rolling(objective, evaluation.window, steps, timezone, settings.confidence, judge)
    if objective.window not in ("", evaluation.window.name) or (objective.slice and not has_slices(evaluation)):
        return None
    why = () if evaluation.maturity == "mature" else evaluation.immature or (facts.WindowOpenYet(),)
    if objective.slice == objective.key != "":
        return _slice_states(objective, evaluation, task, outcomes, settings, why, baseline)
    return _state_of_rows(objective, evaluation, task, outcomes, settings, why, baseline, pane)


def _state_of_rows(
    objective: Objective,
    evaluation: Evaluation,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    why: tuple[Fact, ...],
    baseline: Baseline | None,
    pane: Pane | None,
) -> ObjectiveState:
    """Evaluate all rows of a window, or those of the objective's slice."""
    in_slice = evaluation.performance_slices.get(objective.slice)
    metrics = evaluation.realized if not objective.slice else {} if in_slice is None else in_slice.metrics
    metric, none_of = metrics.get(objective.metric), unreviewed(outcomes.unseen.get(objective.slice), task)
    against = _against(objective, objective.slice, evaluation.reference, baseline, settings)
    state = _state_in(objective, metric, against, settings, why, none_of)
    sums = outcomes.slices.get(objective.slice) if objective.slice else pane
    if evaluation.maturity == "immature" and metric is not None and sums is not None and task is not None:
        bounds = bounds_of({objective.metric: metric}, sums, task).get(objective.metric, ())
        ends = metric, *(at_bound(metric, bound) for bound in bounds)
        known, *filled = (_state_in(objective, end, against, settings, (), none_of) for end in ends)
        if filled and {end.state for end in filled} == {known.state} != {"inconclusive"}:
            remark = facts.OutstandingCannotChange(outstanding=outstanding_count(sums))
            state = structs.replace(known, remarks=(*known.remarks, remark))
    if in_slice is None and _folded(objective, outcomes):
        state = structs.replace(state, needed=None, remarks=why or (_folded_fact(objective),))
    return structs.replace(state, slice=objective.slice)


def _all_reviewed(state: ObjectiveState, evaluation: Evaluation) -> bool:
    """Return True if an objective lacks rows, although nearly all of its rows have an outcome."""
    if state.state != "inconclusive" or not state.needed:
        return False
    slice_performance = evaluation.performance_slices.get(state.slice)
    if slice_performance is not None and slice_performance.predictions:
        return slice_performance.rows >= ALL_REVIEWED * slice_performance.predictions
    return slice_performance is None and not state.slice and (evaluation.coverage or 0.0) >= ALL_REVIEWED


def _folded(objective: Objective, outcomes: WindowOutcomes) -> bool:
    """Return True if a slice may be part of the ``other`` values of its key."""
    is_missing = bool(objective.slice) and objective.slice not in outcomes.slices
    return is_missing and slice_name(objective.key, OTHER) in outcomes.slices


def _folded_fact(objective: Objective) -> Fact:
    other_slice = slice_name(objective.key, OTHER)
    return facts.SliceFolded(slice=objective.slice, key=objective.key, most=MOST_VALUES, other=other_slice)


def has_slices(evaluation: Evaluation) -> bool:
    """Return True if slices are known; they are stored per hour, so a window of minutes has none."""
    name = evaluation.window.name
    return bool(evaluation.performance_slices) or not name or parse(name).unit != "m"


def _state(
    objective: Objective,
    metric: MetricValue | None,
    reference: Mapping[str, MetricValue],
    settings: PerformanceSettings,
    why: tuple[Fact, ...],
    none_of: Mapping[str, int],
) -> ObjectiveState:
    """Evaluate a metric. ``why``: facts that defer the decision. ``none_of``: decisions without outcomes."""
    rows = _rows(metric)
    unknown = unknown_state(objective, rows)
    if metric is None or metric.value is None:
        needed = _least_rows(objective, settings.confidence)
        remark = facts.NoRowReviewed(metric=objective.metric, slice=objective.slice, needed=needed)
        return structs.replace(unknown, needed=needed, remarks=why or (remark,))
    value, limits, limit = metric.value, Interval(metric.low, metric.high, metric.interval), objective.limit
    if objective.relative:
        reference_metric = reference.get(objective.metric)
        if reference_metric is None or reference_metric.value is None:
            return structs.replace(unknown, remarks=(_baseline_lacks(objective, "metric"),))
        if reference_metric.interval == UNREVIEWED.method:
            return structs.replace(unknown, remarks=(_baseline_lacks(objective, "decisions"),))
        if reference_metric.low is None or reference_metric.high is None:
            lacking = "rows" if reference_metric.interval == TOO_FEW.method else "interval"
            return structs.replace(unknown, remarks=why or (_baseline_lacks(objective, lacking),))
        reference_limits = Interval(reference_metric.low, reference_metric.high, reference_metric.interval)
        limits, value = (
            difference(metric.value, limits, reference_metric.value, reference_limits),
            metric.value - reference_metric.value,
        )
    bounded = structs.replace(unknown, value=value, low=limits.low, high=limits.high, limit=limit)
    if limits.low is None or limits.high is None:
        no_interval: Fact = facts.IntervalUnknown()
        if metric.interval == UNREVIEWED.method:
            no_interval = facts.DecisionsUnreviewed(predictions=dict(none_of))
        return structs.replace(bounded, remarks=why or (no_interval,))
    if (state := decided(bounded, objective, why)) is not None:
        return state
    if metric.interval == "blocks" and abs(value - limit) > _AT_LIMIT:
        return structs.replace(bounded, reason="too_few_days", remarks=why or (facts.MoreDaysDecide(),))
    needed = _needed(objective, rows, value, limits, settings.confidence)
    return structs.replace(bounded, needed=needed, remarks=why or (facts.RowsDecide(needed=needed),))


def decided(bounded: ObjectiveState, objective: Objective, why: tuple[Fact, ...]) -> ObjectiveState | None:
    """Return the state of an interval on one side of the limit, None otherwise. ``why``: facts that defer it."""
    low, high, limit = bounded.low, bounded.high, objective.limit
    if objective.upwards:
        good, bad = low is not None and low >= limit, high is not None and high < limit
    else:
        good, bad = high is not None and high <= limit, low is not None and low > limit
    if not good and not bad:
        return None
    return structs.replace(bounded, state="inconclusive" if why else "met" if good else "broken", remarks=why)


def unknown_state(objective: Objective, rows: int = 0) -> ObjectiveState:
    """Return the state of an objective without a value."""
    return ObjectiveState(
        metric=objective.metric,
        rule=objective.rule,
        state="inconclusive",
        value=None,
        low=None,
        high=None,
        rows=rows,
        relative=objective.relative,
        rolling=objective.rolling,
    )


def _baseline_lacks(objective: Objective, lacking: str) -> Fact:
    return facts.BaselineLacks(metric=objective.metric, lacking=lacking)


class _Against(NamedTuple):
    """The reference that a change is measured from.

    Attributes:
        rows: Facts about the rows of the baseline that a slice is compared with.
    """

    reference: Mapping[str, MetricValue]
    rows: tuple[Fact, ...] = ()


def _against(
    objective: Objective,
    name: str,
    reference: Mapping[str, MetricValue],
    baseline: Baseline | None,
    settings: PerformanceSettings,
) -> _Against:
    """Return the reference of the same slice if it has enough rows, else that of all rows."""
    model_metric = reference.get(objective.metric)
    if (
        not objective.relative
        or not name
        or baseline is None
        or model_metric is None
        or model_metric.interval == UNREVIEWED.method
    ):
        return _Against(reference)
    slice_metric = reference_in(baseline, name, settings).get(objective.metric)
    if slice_metric is None or slice_metric.value is None or _rows(slice_metric) < objective.min_rows:
        return _Against(reference, (facts.ComparedWithAllRows(),))
    return _Against({objective.metric: slice_metric}, (facts.ComparedWithSlice(rows=_rows(slice_metric)),))


def _state_in(
    objective: Objective,
    metric: MetricValue | None,
    against: _Against,
    settings: PerformanceSettings,
    why: tuple[Fact, ...],
    none_of: Mapping[str, int],
) -> ObjectiveState:
    """Evaluate a metric and add the remark on the reference rows. The arguments are those of :func:`_state`."""
    state = _state(objective, metric, against.reference, settings, why, none_of)
    compared_rows = against.rows if state.value is not None and not why else ()
    return structs.replace(state, remarks=state.remarks + compared_rows) if compared_rows else state


def _rows(metric: MetricValue | None) -> int:
    """Return the rows of a metric, effective ones if known."""
    if metric is None:
        return 0
    return metric.rows if metric.effective_rows is None else round(metric.effective_rows)


BY_CHANCE = 3e-7
"""Probability that a part of a rolling hour shows a break by chance. A look a minute for 90 days at twelve overlapping
parts counts as some 200,000 independent ones, and as 600,000 if outcomes come late.
"""

PARTS = 12
"""Parts of a period that end with it: the last 5, 10, ... and 60 minutes of an hour."""


def confidence_of_looks(objective: Objective, confidence: float) -> float:
    """Return the confidence at which a part shows a rolling objective broken, however often it is looked at.

    >>> confidence_of_looks(Objective("recall", least=0.9, window="1h"), 0.95)
    0.9999994
    """
    return max(confidence, 1 - 2 * BY_CHANCE * length(objective.window) / HOUR)


JudgeOfPart = Callable[[Window, Sequence[Pane], float], ObjectiveState | None]
"""Evaluates a part of a period by the panes of its five-minute windows, at a confidence; None without data."""


def judge_outcomes(
    objective: Objective,
    task: Task,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    reference: Mapping[str, MetricValue],
    why: tuple[Fact, ...] = (),
) -> JudgeOfPart:
    """Return the function that evaluates the outcomes of a part of a period.

    Bad outcomes may be the early ones. Until all outcomes had their time, a part is broken only if it would be with
    every outstanding decision correct, unless the reviewed rows are a sample.

    Args:
        objective: A rolling objective.
        task: Task of the model.
        outcomes: The five-minute windows; the final ones show how many decisions get an outcome.
        settings: Settings of performance.
        reference: Metrics of the baseline.
        why: Facts that defer the decision.
    """
    assert outcomes.steps is not None
    steps, timezone = outcomes.steps, outcomes.timezone

    @cache  # it merges all final steps
    def expected_coverage() -> F64:
        return _expected_coverage(steps, task)

    def judge(part: Window, panes: Sequence[Pane], confidence: float) -> ObjectiveState | None:
        blocks = _blocks(panes, part, timezone)
        pane = merge(blocks)
        state = of_sums(pane, blocks, part, confidence)
        if settings.outcomes == "sampled" or steps.is_final(part.end) or state.state != "broken":
            return state
        best = _as_if_correct(pane, task, expected_coverage())
        if best is not None and of_sums(best, (), part, confidence).state == "broken":
            return state
        return structs.replace(state, state="inconclusive")

    def of_sums(pane: Pane, blocks: Sequence[Pane], part: Window, confidence: float) -> ObjectiveState:
        with_confidence = replace(settings, confidence=confidence)
        metrics, unseen = realized(pane, task, with_confidence, objective.metric), find_unseen_decisions(pane, task)
        bounded = with_intervals(metrics, pane, blocks, task, with_confidence, unseen, days=has_day_blocks(part))
        reach = normal_quantile(confidence) / normal_quantile(settings.confidence)
        wider_reference = {
            name: _wider(metric, reach) for name, metric in reference.items() if name == objective.metric
        }
        return _state(
            objective, bounded.get(objective.metric), wider_reference, with_confidence, why, unreviewed(unseen, task)
        )

    return judge


def _expected_coverage(steps: Steps, task: Task) -> F64:
    """Return the fraction of decisions that get an outcome, by class, as in the final steps: float64 (k,); 1 = all."""
    final = [pane for window, pane in zip(steps.windows, steps.panes, strict=True) if steps.is_final(window.end)]
    counted = decision_counts(merge(final), task) if final else None
    if counted is None:
        return np.ones(len(task.classes))
    fraction = np.minimum(counted.with_outcome / np.maximum(counted.decided, 1.0), 1.0)
    return np.where(counted.decided > 0, fraction, 1.0)


def _as_if_correct(pane: Pane, task: Task, expected: F64) -> Pane | None:
    """Return the decisions of a pane as if all outstanding ones were correct; None if they were not counted."""
    counted = decision_counts(pane, task)
    if counted is None:
        return None
    outstanding = np.maximum(expected * counted.decided - counted.with_outcome, 0.0)
    confusion = pane.parts["confusion"] + np.diag(outstanding).ravel()
    return Pane({"confusion": confusion, "outcomes": pane.parts["outcomes"] + outstanding.sum()})


def judge_rolling(
    objective: Objective,
    window: Window,
    steps: Steps,
    timezone: str,
    confidence: float,
    judge: JudgeOfPart,
) -> ObjectiveState:
    """Return the state of a rolling objective in a window: its first break, else the worst period that ends in it.

    Args:
        objective: A rolling objective.
        window: The window.
        steps: The five-minute windows from the earliest period on.
        timezone: The time zone in which days begin.
        confidence: Confidence of the intervals of a period.
        judge: Evaluates a part of a period.
    """
    states: list[ObjectiveState] = []
    for period, panes in _periods(objective, window, steps, timezone):
        state = judge(period, panes, confidence)
        if state is None:
            continue
        if state.value is not None and _is_wrong(objective, state.value):  # a bad minute of a good hour breaks nothing
            broken = _break(objective, period, panes, steps, confidence, judge)
            if broken is not None:
                return broken
        if steps.is_final(period.end):
            if state.state == "broken":  # one of many periods may be by chance
                state = judge(period, panes, confidence_of_looks(objective, confidence)) or state
            states.append(structs.replace(state, since=period.start, until=period.end))
    if states:
        return worst_state(objective, states)
    return structs.replace(unknown_state(objective), remarks=(facts.NoPeriodEnded(of_calls=objective.of_service),))


def _periods(
    objective: Objective, window: Window, steps: Steps, timezone: str
) -> Iterator[tuple[Window, Sequence[Pane]]]:
    """Yield the periods of a rolling objective that end in a window, with their panes; the last one may be open."""
    windows, first = steps.windows, 0
    for last, step in enumerate(windows):
        if step.end <= window.start:
            continue
        start = before(step.end, objective.window, timezone)
        while windows[first].start < start:
            first += 1
        if windows[0].start <= start:
            yield Window("", start, step.end), steps.panes[first : last + 1]


def _break(
    objective: Objective,
    period: Window,
    panes: Sequence[Pane],
    steps: Steps,
    confidence: float,
    judge: JudgeOfPart,
) -> ObjectiveState | None:
    """Return the part at the end of a period that shows the objective broken most clearly; None if none does."""
    confidence_of_look, days = confidence_of_looks(objective, confidence), has_day_blocks(period)
    states: list[ObjectiveState] = []
    for count in range(PARTS, 0, -1):
        first = len(panes) - math.ceil(count * len(panes) / PARTS)
        part = Window("", period.start + first * PANE, period.end)
        if has_day_blocks(part) != days:
            break  # without the differences between days, it would seem more certain than the period
        state = judge(part, panes[first:], confidence_of_look)
        if state is not None and state.state == "broken":
            until = period.end if steps.reached is None else min(period.end, steps.reached)
            states.append(structs.replace(state, since=part.start, until=until))
    return worst_state(objective, states) if states else None


def _blocks(panes: Sequence[Pane], window: Window, timezone: str) -> list[Pane]:
    """Merge consecutive five-minute panes of a period to blocks of time."""
    ends = [(block.end - window.start) // PANE for block in blocks_of_window(window, timezone)]
    return [merge(panes[first:end]) for first, end in pairwise([0, *ends])]


def _slice_states(
    objective: Objective,
    evaluation: Evaluation,
    task: Task | None,
    outcomes: WindowOutcomes,
    settings: PerformanceSettings,
    why: tuple[Fact, ...],
    baseline: Baseline | None,
) -> ObjectiveState:
    """Evaluate the slice of each value of a key; return the worst with the state of all."""
    states: dict[str, ObjectiveState] = {}
    slices = _slices(objective.key, evaluation, outcomes)
    none_of = {name: unreviewed(outcomes.unseen.get(name), task) for name in slices}
    for name, slice_performance in slices.items():
        metric = slice_performance.metrics.get(objective.metric)
        against = _against(objective, name, evaluation.reference, baseline, settings)
        states[name] = structs.replace(_state_in(objective, metric, against, settings, why, none_of[name]), slice=name)
    judged_states = {name: state for name, state in states.items() if state.rows >= objective.min_rows}
    few = len(states) - len(judged_states)
    if not judged_states:
        largest = max(states.values(), key=lambda state: state.rows, default=None)
        remark = no_slice_with_rows(objective, largest, of_calls=False)
        unknown, needed = unknown_state(objective), objective.min_rows
        return structs.replace(unknown, needed=needed, slice=objective.slice, few=few, remarks=why or (remark,))
    surer = replace(settings, confidence=1 - (1 - settings.confidence) / len(judged_states))
    reach = normal_quantile(surer.confidence) / normal_quantile(settings.confidence)
    reference = {name: _wider(metric, reach) for name, metric in evaluation.reference.items()}
    for name, state in judged_states.items():
        if (
            task is not None
            and state.value is not None
            and _is_wrong(objective, state.value)
            and name in outcomes.slices
        ):
            metrics = measured(name, outcomes, task, surer, has_day_blocks(evaluation.window), only=objective.metric)
            against = _against(objective, name, reference, baseline, surer)
            corrected = _state_in(objective, metrics.get(objective.metric), against, surer, why, none_of[name])
            judged_states[name] = structs.replace(corrected, slice=name)
    worst = worst_state(objective, list(judged_states.values()))
    unseen = {
        name: slice_performance.predictions or 0
        for name, slice_performance in slices.items()
        if slice_performance.rows < objective.min_rows
    }
    name = max(unseen, key=lambda name: unseen[name], default="")
    if worst.state == "met" and unseen.get(name, 0) >= objective.min_rows:
        known, needed = slices[name].rows, objective.min_rows
        remark = facts.FewPredictionsReviewed(rows=known, predictions=unseen[name], needed=needed)
        worst = structs.replace(states[name], state="inconclusive", needed=needed, remarks=why or (remark,))
    return with_slices(objective, worst, judged_states, few)


def no_slice_with_rows(objective: Objective, largest: ObjectiveState | None, *, of_calls: bool) -> Fact:
    """Return the remark that no slice has enough rows, or calls, to evaluate an objective."""
    key, metric = objective.key, objective.metric
    most = (largest.slice, largest.rows) if largest is not None and largest.rows else None
    return facts.NoSliceWithRows(key=key, metric=metric, min_rows=objective.min_rows, most=most, of_calls=of_calls)


def with_slices(
    objective: Objective, worst: ObjectiveState, states: Mapping[str, ObjectiveState], few: int
) -> ObjectiveState:
    """Return the worst slice of a key with the states of all slices; ``few``: the number with too few rows."""
    states_by_slice = {name: state.state for name, state in states.items()}
    remark = facts.SlicesOfKey(
        key=objective.key,
        states={state: list(states_by_slice.values()).count(state) for state in get_args(Judgement)},
        few=few,
        min_rows=objective.min_rows,
    )
    return structs.replace(worst, slices=states_by_slice, few=few, remarks=(*worst.remarks, remark))


def _slices(key: str, evaluation: Evaluation, outcomes: WindowOutcomes) -> dict[str, SlicePerformance]:
    """Return the slices of a key, including slices with predictions and without outcomes."""
    performance_by_slice = {
        name: SlicePerformance(0, {}, rows)
        for name, slice_performance in outcomes.slices.items()
        if (rows := int(sent_rows(slice_performance)[0])) > 0
    } | evaluation.performance_slices
    return {
        name: slice_performance
        for name, slice_performance in performance_by_slice.items()
        if name.partition("=")[0] == key
    }


def _is_wrong(objective: Objective, value: float) -> bool:
    """Return True if the value is on the wrong side of the limit, so that more rows cannot show that it is met."""
    return value < objective.limit if objective.upwards else value > objective.limit


def _wider(metric: MetricValue, reach: float) -> MetricValue:
    """Return a metric with both sides of its interval multiplied by ``reach``."""
    if metric.value is None or metric.low is None or metric.high is None:
        return metric
    low, high = (metric.value + (end - metric.value) * reach for end in (metric.low, metric.high))
    return structs.replace(metric, low=low, high=high)


def worst_state(objective: Objective, states: Sequence[ObjectiveState]) -> ObjectiveState:
    """Return the worst state, with the state of all: broken if one is broken, met if all are met."""
    verdicts = {state.state for state in states}
    state: Judgement = "broken" if "broken" in verdicts else "inconclusive" if "inconclusive" in verdicts else "met"
    return structs.replace(max(states, key=lambda objective_state: _badness(objective, objective_state)), state=state)


def _badness(objective: Objective, state: ObjectiveState) -> tuple[int, float]:
    """Return the sort key of a state: its verdict, broken first; then the end of the interval nearest to broken."""
    rank = {"met": 0, "inconclusive": 1, "broken": 2}[state.state]
    end = state.high if objective.upwards else state.low
    return rank, -math.inf if end is None else -end if objective.upwards else end


def _needed(objective: Objective, rows: int, value: float, limits: Interval, confidence: float) -> int | None:
    """Return the rows that would decide with 90 % power if the metric keeps its value; None at the limit itself."""
    distance, limit, reach = abs(value - objective.limit), objective.limit, normal_quantile(confidence)
    if distance <= _AT_LIMIT or not rows or limits.low is None or limits.high is None:
        return None
    if not objective.relative and _is_share(objective.metric) and 0 < limit < 1:
        needed = rows_to_decide(value, limit, confidence)
        if needed > rows:
            return needed
    side = value - limits.low if value > limit else limits.high - value
    error = side / reach * (reach + POWER)
    return max(rows + 1, math.ceil(rows * (error / distance) ** 2))


def rows_to_decide(share: float, limit: float, confidence: float) -> int:
    """Return the rows that separate a fraction from another limit, between 0 and 1, with 90 % power."""
    error = normal_quantile(confidence) * math.sqrt(limit * (1 - limit))
    error += POWER * math.sqrt(max(share * (1 - share), 0.0))
    needed = math.ceil((error / abs(share - limit)) ** 2)
    while power_of_share(needed, share, limit, confidence) < _TELLS:  # the above is the normal approximation
        # 0.002: relative step of the search
        needed += math.ceil(needed * 0.002)
    return needed


def _least_rows(objective: Objective, confidence: float) -> int | None:
    """Return the number of rows that prove a fraction above a limit if all of them are correct."""
    if objective.relative or not objective.upwards or not _is_share(objective.metric) or not 0 < objective.limit < 1:
        return None
    return math.ceil(math.log((1 - confidence) / 2) / math.log(objective.limit))


def _is_share(metric: str) -> bool:
    name = parse_name(metric)
    described = None if name is None else METRICS.get(name.base)
    return described is not None and described.share_of_rows


def rolling_steps(
    window: Window, objectives: Sequence[Objective], timezone: str, until: int, since: int
) -> list[Window] | None:
    """Return the consecutive five-minute windows that rolling objectives need, from the earliest period on.

    None if no objective is rolling. ``until``: later steps have no rows yet, ``since``: earlier steps are not stored
    separately; unix nanoseconds.
    """
    starts = [before(window.start + PANE, objective.window, timezone) for objective in objectives if objective.rolling]
    if not starts:
        return None
    first, last = max(min(starts), since + PANE - 1), min(window.end, until) + PANE - 1
    return [Window("5m", index, index + PANE) for index in range(first - first % PANE, last - last % PANE, PANE)]

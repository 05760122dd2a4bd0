"""Service level of a window and of its slices, and the objectives on it.

It does not depend on outcomes: an objective on calls is evaluated as soon as its window has closed. A limit for a
quantile of latency is a limit for the fraction of calls within it, so the needed rows are those of a fraction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from driftline.panes.pane import Pane, merge
from msgspec import structs
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue, ObjectiveState, ServiceLevel
from driftline_processor.core.fact import Fact
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES, Calls
from driftline_processor.core.windows.window import Window

from .objective import Objective
from .objective_states import (
    JudgeOfPart,
    decided,
    has_slices,
    judge_rolling,
    no_slice_with_rows,
    rows_to_decide,
    unknown_state,
    with_slices,
    worst_state,
)
from .settings import PerformanceSettings
from .window_outcomes import WindowOutcomes


def judge_service(
    evaluation: Evaluation, pane: Pane, outcomes: WindowOutcomes, settings: PerformanceSettings
) -> tuple[ObjectiveState, ...]:
    """Fill in the service level of a window, and return the states of the objectives on it.

    Args:
        evaluation: The evaluation of the window.
        pane: All rows of the window.
        outcomes: The rows of each slice, and the calls per five minutes for rolling objectives.
        settings: Settings of performance.
    """
    found = {name: calls for name, one in outcomes.slices.items() if (calls := Calls.of(one)) is not None}
    whole, confidence, shares = Calls.of(pane), settings.confidence, settings.shares
    if whole is not None:
        evaluation.service = whole.level(confidence, shares)
        evaluation.service_slices = {name: calls.level(confidence, shares) for name, calls in sorted(found.items())}
    states: list[ObjectiveState] = []
    for objective in settings.objectives:
        if not objective.of_service:
            continue
        if objective.rolling:
            if outcomes.calls is None:
                continue
            rolling = objective, evaluation.window, outcomes.calls, outcomes.timezone, settings.confidence
            state = judge_rolling(*rolling, judge_calls(objective, settings))
        elif objective.window not in ("", evaluation.window.name) or (objective.slice and not has_slices(evaluation)):
            continue
        elif objective.slice == objective.key != "":
            state = _slice_states(objective, evaluation, found, settings)
        else:
            calls = found.get(objective.slice) if objective.slice else whole
            state = structs.replace(_state(objective, calls, settings, _open(evaluation)), slice=objective.slice)
        patience = objective.patience(evaluation.window.name)
        lacking = state.state == "inconclusive" and state.needed
        states.append(structs.replace(state, alert_after=patience, reason="too_few_rows" if lacking else ""))
    return tuple(states)


def metric_of(level: ServiceLevel, name: str) -> MetricValue | None:
    """Return a metric of a service level; availability is the fraction of calls that did not fail."""
    if name != AVAILABILITY:
        return level.values.get(name)
    rate = level.values.get(ERROR_RATE)
    if rate is None or rate.value is None:
        return None
    low, high = (None if end is None else 1 - end for end in (rate.high, rate.low))
    return structs.replace(rate, value=1 - rate.value, low=low, high=high)


def _open(evaluation: Evaluation) -> tuple[Fact, ...]:
    return () if evaluation.closed else (facts.WindowOpenYet(),)


def judge_calls(objective: Objective, settings: PerformanceSettings) -> JudgeOfPart:
    """Return the function that evaluates the calls of a part of a period; parts without calls are skipped."""

    def judge(_: Window, panes: Sequence[Pane], confidence: float) -> ObjectiveState | None:
        calls = Calls.of(merge(panes))
        return None if calls is None else _state(objective, calls, replace(settings, confidence=confidence))

    return judge


def _state(
    objective: Objective, calls: Calls | None, settings: PerformanceSettings, why: tuple[Fact, ...] = ()
) -> ObjectiveState:
    """Evaluate the calls of a window, a period or a slice. ``why``: facts that defer the decision."""
    metric = objective.metric
    unknown = structs.replace(unknown_state(objective), limit=objective.limit)
    level = None if calls is None else calls.level(settings.confidence, settings.shares)
    measured = None if level is None else metric_of(level, metric)
    if calls is None or measured is None or measured.value is None:
        return structs.replace(unknown, remarks=why or (facts.NoCall(metric=metric, slice=objective.slice),))
    known = structs.replace(unknown, value=measured.value, low=measured.low, high=measured.high, rows=measured.rows)
    if (state := decided(known, objective, why)) is not None:
        return state
    needed = _needed(objective, calls, measured, settings.confidence)
    return structs.replace(known, needed=needed, remarks=why or (facts.RowsDecide(needed=needed),))


def _needed(objective: Objective, calls: Calls, measured: MetricValue, confidence: float) -> int | None:
    """Return the calls that would decide with 90 % power if the service stays as it is; None at the limit itself."""
    if objective.metric in LATENCIES:
        share, limit = calls.share_within(objective.limit), LATENCIES[objective.metric]
    else:
        share, limit = measured.value, objective.limit
    if share is None or math.isclose(share, limit, abs_tol=1e-12):
        return None
    if not 0 < limit < 1:  # a limit of 0: one failure breaks it, and no number of calls meets it
        return None
    if share in (0.0, 1.0):  # the number of identical calls that prove it
        needed = math.ceil(math.log((1 - confidence) / 2) / math.log(limit if share else 1 - limit))
    else:
        needed = rows_to_decide(share, limit, confidence)
    rows = measured.rows if measured.effective_rows is None else math.ceil(measured.effective_rows)
    return max(rows + 1, needed)


def _slice_states(
    objective: Objective, evaluation: Evaluation, slices: Mapping[str, Calls], settings: PerformanceSettings
) -> ObjectiveState:
    """Evaluate the slice of each value of a key; return the worst with the state of all.

    Those on the wrong side use Bonferroni-corrected intervals, as for other metrics.
    """
    own = {name: calls for name, calls in slices.items() if name.partition("=")[0] == objective.key}
    states = {
        name: structs.replace(_state(objective, calls, settings, _open(evaluation)), slice=name)
        for name, calls in own.items()
    }
    evaluated = {name: state for name, state in states.items() if state.rows >= objective.min_rows}
    few = len(states) - len(evaluated)
    if not evaluated:
        unknown = structs.replace(unknown_state(objective), limit=objective.limit)
        remark = no_slice_with_rows(objective, None, of_calls=True)
        return structs.replace(unknown, needed=objective.min_rows, slice=objective.slice, few=few, remarks=(remark,))
    surer = replace(settings, confidence=1 - (1 - settings.confidence) / len(evaluated))
    for name, state in evaluated.items():
        if state.state == "broken":
            evaluated[name] = structs.replace(_state(objective, own[name], surer), slice=name)
    return with_slices(objective, worst_state(objective, list(evaluated.values())), evaluated, few)

"""Objectives: is precision at least 0.95? Met, broken, or it cannot be told yet, and with how many rows it could.

The interval decides. Broken: all of it is on the wrong side; met: all of it is on the right side; else nobody can tell.
With 95 % intervals a model exactly at its objective is called broken in 2.5 of 100 windows, and met in as many. Proving
that precision is below 0.95 with 90 % power takes some 1,400 reviewed rows where it is 0.93 in truth, 260 at 0.90.

An objective over rolling hours looks at every hour that ends within the window: broken where one of them is, met where
all are. Hours that overlap are judged each on its own, so at the objective one of them is called broken more often than
in 2.5 of 100 windows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from driftline.pane import merge
from driftline.tables import Task

from driftline_processor.core.evaluation import Evaluation, Metric, ObjectiveState, Verdict, Window
from driftline_processor.core.window import PANE, before, parse

from .asked import Asked, Objective
from .intervals import Interval, difference, normal_quantile
from .known import Known
from .realized import realized
from .uncertainty import with_intervals

POWER = 1.2816
"""The normal quantile of 90 %: how likely so many rows tell, if the metric is what it seems to be."""

_WRITTEN = re.compile(
    r"(?P<metric>[^<>=]+?)\s*(?P<sign>>=|<=)\s*(?P<baseline>baseline\s*(?P<change>[+-]))?\s*(?P<number>\d[\d.eE]*|\d*\.\d+)"
    r"(?:\s+over\s+(?P<rolling>rolling\s+)?(?P<window>\d+(?:m|h|d|w|mo)))?"
)
_SHARES = ("accuracy", "precision", "recall", "specificity", "hit_rate", "ctr", "top_k_accuracy", "interval_coverage")


def read_objective(text: str) -> Objective:
    """Read an objective as one writes it: ``METRIC >= NUMBER [over [rolling] 1h]``.

    Raises ``ValueError`` with the rule and the fix.

    >>> read_objective("precision >= 0.95 over rolling 1h").rule
    'precision >= 0.95 over rolling 1h'
    >>> read_objective("roc_auc >= baseline - 0.02").least_change
    -0.02
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{text:.80}' is no objective; write METRIC >= NUMBER, as in 'precision >= 0.95', "
            "'precision >= 0.95 over rolling 1h' or 'roc_auc >= baseline - 0.02'"
        )
    number = float(match["number"])
    least = match["sign"] == ">="
    window = match["window"] or ""
    if window:
        parse(window)
    rolling = bool(match["rolling"])
    if match["baseline"]:
        number = -number if match["change"] == "-" else number
        ends = {"least_change": number} if least else {"most_change": number}
    else:
        ends = {"least": number} if least else {"most": number}
    return Objective(match["metric"], window=window, rolling=rolling, **ends)


def judge_objectives(
    evaluation: Evaluation, task: Task | None, known: Known, asked: Asked
) -> tuple[ObjectiveState, ...]:
    """Return the states of the objectives that concern a window, whose metrics are known by now."""
    found = []
    for objective in asked.objectives:
        if objective.rolling:
            if known.steps is not None and task is not None:
                found.append(_rolling(objective, evaluation, task, known, asked))
        elif objective.window in ("", evaluation.window.name):
            metric = evaluation.realized.get(objective.metric)
            why = "" if evaluation.maturity == "mature" else evaluation.immature or "the window is still open"
            found.append(_state(objective, metric, evaluation.reference, asked, why))
    return tuple(found)


def undecided(current: Evaluation, previous: Evaluation | None) -> tuple[ObjectiveState, ...]:
    """Return the objectives of a window with how many windows in a row cannot tell, up to this one."""
    earlier = {} if previous is None else {one.rule: one.undecided for one in previous.objectives}
    return tuple(
        replace(one, undecided=earlier.get(one.rule, 0) + 1 if one.state == "cannot_tell" and current.closed else 0)
        for one in current.objectives
    )


def _state(
    objective: Objective, metric: Metric | None, reference: Mapping[str, Metric], asked: Asked, why: str
) -> ObjectiveState:
    """Judge a metric. ``why``: it is not to be judged, yet."""
    rows = 0 if metric is None else metric.rows if metric.effective_rows is None else round(metric.effective_rows)
    unknown = ObjectiveState(objective.metric, objective.rule, "cannot_tell", None, None, None, rows)
    if metric is None or metric.value is None:
        needed = _least_rows(objective, asked.confidence)
        more = f"; {_about(needed)} would be the least to tell" if needed else ""
        return replace(unknown, needed=needed, sentence=why or f"no reviewed row tells of {objective.metric}{more}")
    value, limits, limit = metric.value, Interval(metric.low, metric.high, metric.interval), objective.limit
    if objective.relative:
        own = reference.get(objective.metric)
        if own is None or own.value is None:
            return replace(unknown, sentence=f"the baseline knows nothing of {objective.metric}")
        than = Interval(own.value, own.value, "") if own.low is None else Interval(own.low, own.high, own.interval)
        limits, value = difference(metric.value, limits, own.value, than), metric.value - own.value
    known = replace(unknown, value=value, low=limits.low, high=limits.high, limit=limit)
    if limits.low is None or limits.high is None:
        return replace(known, sentence=why or _said(known, "its interval is not known"))
    good, bad = (
        (limits.low >= limit, limits.high < limit) if objective.upwards else (limits.high <= limit, limits.low > limit)
    )
    state: Verdict = "cannot_tell" if why or not (good or bad) else "met" if good else "broken"
    if state != "cannot_tell" or why:
        return replace(known, state=state, sentence=_said(known, why))
    needed = _needed(objective, metric, rows, value, limits, asked.confidence)
    more = f"{_about(needed)} would tell" if needed else "it is too close for any number of rows"
    return replace(known, needed=needed, sentence=_said(known, more))


def _rolling(objective: Objective, evaluation: Evaluation, task: Task, known: Known, asked: Asked) -> ObjectiveState:
    """Judge every stretch that ends within the window; return the worst with what all of them come to."""
    assert known.steps is not None
    steps, panes = known.steps
    why = "" if evaluation.young else evaluation.immature  # too few outcomes; the young ones are not among the steps
    worst: ObjectiveState | None = None
    states: set[Verdict] = set()
    first = 0
    for last, step in enumerate(steps):
        if step.end <= evaluation.window.start:
            continue
        start = before(step.end, objective.window, known.timezone)
        while steps[first].start < start:
            first += 1
        if steps[0].start > start:
            continue
        pane = merge(panes[first : last + 1])
        metrics = realized(pane, task, asked)
        wanted = {objective.metric: metrics[objective.metric]} if objective.metric in metrics else {}
        bounded = with_intervals(wanted, pane, panes[first : last + 1], task, asked)
        found = replace(
            _state(objective, bounded.get(objective.metric), evaluation.reference, asked, why),
            since=start,
            until=step.end,
        )
        states.add(found.state)
        if worst is None or _badness(objective, found) > _badness(objective, worst):
            worst = found
    if worst is None:
        return ObjectiveState(
            *(objective.metric, objective.rule, "cannot_tell", None, None, None, 0),
            sentence="no such stretch has ended whose outcomes had their time, or its minutes are not kept any more",
        )
    state: Verdict = "broken" if "broken" in states else "cannot_tell" if "cannot_tell" in states else "met"
    return replace(worst, state=state)


def _badness(objective: Objective, one: ObjectiveState) -> tuple[int, float]:
    """Broken before undecided before met; within, the end of the interval that is nearest to being broken."""
    rank = {"met": 0, "cannot_tell": 1, "broken": 2}[one.state]
    end = one.high if objective.upwards else one.low
    return rank, -math.inf if end is None else -end if objective.upwards else end


def _needed(
    objective: Objective, metric: Metric, rows: int, value: float, limits: Interval, confidence: float
) -> int | None:
    """How many rows would tell with 90 % power, if the metric is what it seems to be; None where it is the limit."""
    apart, limit, reach = abs(value - objective.limit), objective.limit, normal_quantile(confidence)
    if apart <= 1e-12 or not rows or limits.low is None or limits.high is None:
        return None
    if metric.interval != "blocks" and not objective.relative and _is_share(objective.metric) and 0 < limit < 1:
        error = reach * math.sqrt(limit * (1 - limit)) + POWER * math.sqrt(max(value * (1 - value), 0.0))
        if (error / apart) ** 2 > rows:
            return math.ceil((error / apart) ** 2)
    side = value - limits.low if value > limit else limits.high - value
    error = side / reach * (reach + POWER)
    return max(rows + 1, math.ceil(rows * (error / apart) ** 2))


def _least_rows(objective: Objective, confidence: float) -> int | None:
    """How many rows, all of them right, prove that a share is above a limit."""
    if objective.relative or not objective.upwards or not _is_share(objective.metric) or not 0 < objective.limit < 1:
        return None
    return math.ceil(math.log((1 - confidence) / 2) / math.log(objective.limit))


def _is_share(metric: str) -> bool:
    return re.split(r"[@\[]", metric)[0] in _SHARES


def _said(one: ObjectiveState, more: str) -> str:
    value = "" if one.value is None else f"{one.value:+.4g}" if "= baseline " in one.rule else f"{one.value:.4g}"
    limits = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{value}{limits} on {one.rows:,} rows" + (f"; {more}" if more else "")


def _about(rows: int) -> str:
    """Rows in two digits: they are an estimate.

    >>> _about(1421), _about(78)
    ('about 1,400 rows', 'about 78 rows')
    """
    digits = 10 ** max(0, len(str(rows)) - 2)
    return f"about {round(rows / digits) * digits:,} rows"


def stretch(
    window: Window, objectives: Sequence[Objective], timezone: str, ripe: int, kept: int
) -> list[Window] | None:
    """Return five minutes after five minutes, from the earliest of which a stretch needs that ends within a window.

    None where no objective rolls. ``ripe``: later ones are not yet to be judged, ``kept``: from before they are no more
    told apart; unix nanoseconds.
    """
    starts = [before(window.start + PANE, one.window, timezone) for one in objectives if one.rolling]
    if not starts:
        return None
    first, last = max(min(starts), kept + PANE - 1), min(window.end + PANE - 1, ripe)
    return [Window("5m", at, at + PANE) for at in range(first - first % PANE, last - last % PANE, PANE)]

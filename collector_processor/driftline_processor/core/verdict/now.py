"""What the newest windows of a degraded model show, and what ends the degradation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.performance.objective import LEAST_ROWS
from driftline_processor.core.performance.service_objectives import metric_of
from driftline_processor.core.windows.window import DAY

from .comparisons import deciding_change
from .reading import Reading
from .roles import OF_CALLS_OR_OUTPUT
from .sign import Sign


class _Figure(NamedTuple):
    """The value of a metric in a window, and what it is compared with: the baseline's value, or an objective."""

    metric: str = ""
    value: float | None = None
    baseline: float | None = None
    rule: str = ""


def now_of(
    degraded: Reading,
    windows: Sequence[Evaluation],
    shorter: Sequence[Evaluation],
    *,
    healthy: int,
    left: int,
    clear_ends: bool,
    in_a_row: int,
) -> facts.Now:
    """Return what the newest window shows in which the degradation would show, and what ends it.

    Args:
        degraded: The newest window that shows the degradation.
        windows: The closed windows of its length since it began, the oldest first.
        shorter: Windows of shorter lengths that begin after these, the oldest first.
        healthy: Number of the newest windows that look healthy again.
        left: Number of further healthy windows that end it; 0 if only several days together do.
        clear_ends: Whether one clearly healthy window ends it, too.
        in_a_row: Number of the newest windows in a row that show it, if rows have no time.
    """
    sign = degraded.signs[0]
    newer = (one for one in windows if one.window.end >= degraded.evaluation.window.end)
    able = [degraded.evaluation, *(one for one in (*newer, *shorter) if _could_tell(degraded, one))]
    telling = ((one, figure) for one in reversed(able) if (figure := _figure(sign, one)) is not None)
    newest, figure = next(telling, (degraded.evaluation, _Figure()))
    window = newest.window
    is_shorter = any(one is newest for one in shorter)
    of_length = [one for one in shorter if one.window.name == window.name] if is_shorter else windows
    return facts.Now(
        *figure,
        start=window.start if window.end > window.start else None,
        end=window.end,
        waiting=sum(one.rows > 0 and one.window.end > window.end for one in of_length),
        healthy=0 if is_shorter else healthy,
        left=left,
        clear_ends=clear_ends,
        timezone=degraded.context.timezone,
        of_days=window.end - window.start >= DAY if is_shorter else degraded.of_days,
        in_a_row=in_a_row,
    )


def _could_tell(degraded: Reading, evaluation: Evaluation) -> bool:
    """Return True if a window has enough rows for a figure: :data:`LEAST_ROWS`, or half of the degraded one's."""
    of_calls = degraded.signs[0].reason in OF_CALLS_OR_OUTPUT
    rows, of_degraded = ((one.rows if of_calls else one.outcome_rows) for one in (evaluation, degraded.evaluation))
    return rows >= min(LEAST_ROWS, of_degraded / 2)


def _figure(sign: Sign, evaluation: Evaluation) -> _Figure | None:
    """Return the figure of a sign in a window, empty without a number; None if the window does not show the sign."""
    if sign.reason == "service" and not isinstance(sign.fact, facts.ObjectiveMissed):
        level = evaluation.service
        return None if level is None else _of_metric(sign.metric, metric_of(level, sign.metric))
    if sign.reason == "output":
        return _Figure() if evaluation.rows and evaluation.score is not None else None
    if sign.reason != "service" and not evaluation.has_mature_outcomes:
        return None
    if isinstance(sign.fact, facts.ObjectiveMissed):
        rule = sign.fact.rule
        states = (one for one in evaluation.objectives if one.rule == rule and one.value is not None)
        figures = (_Figure() if one.relative else _Figure(sign.metric, one.value, rule=rule) for one in states)
        return next(figures, None)
    if sign.reason == "slice_loss":
        return _Figure()
    decides = deciding_change(evaluation)
    metric = sign.metric if sign.reason in ("worse", "ranking") or decides is None else decides[0]
    return _of_metric(metric, evaluation.realized.get(metric), evaluation.reference.get(metric))


def _of_metric(metric: str, value: MetricValue | None, baseline: MetricValue | None = None) -> _Figure:
    if value is None or value.value is None:
        return _Figure()
    return _Figure(metric, value.value, None if baseline is None else baseline.value)

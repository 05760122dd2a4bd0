"""``estimated(pane, baseline) → metric → Estimate``: how right a model is where nobody knows, from sums alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

from driftline.baseline import Baseline
from driftline.expected import CLASSES, LOSS
from driftline.pane import Pane
from driftline.tables import Task

from driftline_processor.core.evaluation import Metric

from .binary import grid_of
from .bounds import half_width
from .learned import Learned, learned
from .result import DEVIATIONS, Estimate, Method, Point, limits

FEWEST = 30
"""Rows of a window, and outcomes that judge an estimate: with fewer, they say more of chance than of the model."""


def estimated(
    pane: Pane, baseline: Baseline, task: Task, span: int, realized: Mapping[str, Metric] | None = None
) -> dict[str, Estimate]:
    """Estimate every metric of a window; {} where the baseline has too few outcomes, or the window too few rows.

    ``pane``: with the parts of :mod:`driftline.expected`. ``baseline``: whose outcomes it is learned from. ``span``:
    the length of the window, nanoseconds; 0 where it is not known. ``realized``: what is known of it already.
    """
    if (task.kind, task.classes, task.positive_class) != (
        baseline.task.kind,
        baseline.task.classes,
        baseline.task.positive_class,
    ):
        return {}
    known = learned(baseline)
    rows = _rows(pane, task)
    if rows < FEWEST or known.rows < FEWEST:
        return {}
    points, cut = known.points(pane)
    labelled = known.labelled(pane, points, rows) if realized else {}
    made = _Made(known, cut, rows, span)
    return {name: made.estimate(name, one, (realized or {}).get(name), labelled) for name, one in points.items()}


class _Made:
    """What all estimates of a window have in common."""

    def __init__(self, known: Learned, cut: int, rows: int, span: int) -> None:
        self._known, self._cut, self._rows = known, cut, rows
        self._lengths, self._lasting = (span / length if length else 1.0 for length in (known.length, known.lasting))
        self._method: Method = "direct_loss" if known.task.kind == "regression" else "cbpe"

    def estimate(self, name: str, point: Point, realized: Metric | None, labelled: Mapping[str, Point]) -> Estimate:
        known, rows, lengths = self._known, self._rows, self._lengths
        reference = known.reference.get(name)
        value = None if reference is None else reference.value
        if point.value is None:
            return Estimate(None, None, None, None, None, None, None, rows, "panes", self._method, value)
        per_row = known.per_row(self._cut).get(name, (point.chance * rows, point.mix * rows))
        differ, off = known.differ(self._cut, name, per_row)
        time = off.over(self._lasting)
        error = math.sqrt(point.chance + point.learned + time)
        least, most = limits(name)
        width = half_width(point.chance + point.learned, off, self._lasting, DEVIATIONS)
        low: float | None = max(least, point.value - width)
        high: float | None = min(most, point.value + width)
        if point.unsure is not None:
            low = high = None
        lower = upper = alert = None
        if value is not None and known.has_bounds(name, self._cut, rows):
            width = half_width(sum(per_row) / rows + per_row[1] / known.rows + point.bias, differ, lengths)
            lower, upper = max(least, value - width), min(most, value + width)
            alert = not lower <= point.value <= upper
        made = (float(point.value), low, high, error, lower, upper, alert, rows)
        judged = _judged(labelled.get(name), realized, time)
        return Estimate(*made, "panes", self._method, value, *judged, unsure=point.unsure)


def _judged(labelled: Point | None, realized: Metric | None, time: float) -> tuple[float | None, float | None]:
    """How far the labelled rows are from what was expected of them, and the standard error of that."""
    if labelled is None or labelled.value is None or realized is None:
        return None, None
    if realized.value is None or realized.rows < FEWEST:
        return None, None
    return realized.value - labelled.value, math.sqrt(labelled.chance + labelled.learned + time)


def _rows(pane: Pane, task: Task) -> int:
    """How many rows the sums for estimates are of."""
    rows = pane.parts.get("rows")
    if rows is None or rows[1] <= 0:
        return 0
    if task.kind == "binary":
        grid = grid_of(pane, task)
        weight = 0.0 if grid is None else float(grid.sum())
    else:
        sums = pane.parts.get(CLASSES if task.kind == "multiclass" else LOSS)
        weight = 0.0 if sums is None else float(sums[0])
    return round(weight * float(rows[0] / rows[1]))

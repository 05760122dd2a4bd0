"""``estimated(pane, baseline) → metric → Estimate``: how right a model is where nobody knows, from sums alone."""

from __future__ import annotations

import math

from driftline.baseline import Baseline
from driftline.expected import CLASSES, LOSS
from driftline.pane import Pane
from driftline.tables import Task

from .binary import grid_of
from .bounds import Between, half_width
from .learned import Learned, learned
from .result import DEVIATIONS, Estimate, Method, Point, limits

FEWEST = 30
"""Rows of a window: below, an estimate says more of chance than of the model."""


def estimated(pane: Pane, baseline: Baseline, task: Task, span: int) -> dict[str, Estimate]:
    """Estimate every metric of a window; {} where the baseline has too few outcomes, or the window too few rows.

    ``pane``: with the parts of :mod:`driftline.expected`. ``baseline``: whose outcomes it is learned from. ``span``:
    the length of the window, nanoseconds; 0 where it is not known.
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
    method: Method = "direct_loss" if task.kind == "regression" else "cbpe"
    lengths = span / known.length if known.length else 1.0
    return {name: _estimate(name, one, rows, known, cut, lengths, method) for name, one in points.items()}


def _estimate(name: str, point: Point, rows: int, known: Learned, cut: int, lengths: float, method: Method) -> Estimate:
    reference = known.reference.get(name)
    value = None if reference is None else reference.value
    if point.value is None:
        return Estimate(None, None, None, None, None, None, None, rows, "panes", method, value)
    per_row = known.per_row(cut).get(name, point.chance * rows)
    differ, off = known.differ(cut, name, per_row)
    error = math.sqrt(point.chance + point.learned + _over(off, lengths))
    least, most = limits(name)
    low, high = max(least, point.value - DEVIATIONS * error), min(most, point.value + DEVIATIONS * error)
    lower = upper = alert = None
    if value is not None:
        width = half_width(per_row * (1 / rows + 1 / known.rows), differ, lengths)
        lower, upper = max(least, value - width), min(most, value + width)
        alert = not lower <= point.value <= upper
    made = (float(point.value), low, high, error, lower, upper, alert)
    return Estimate(*made, rows, "panes", method, value)


def _over(off: Between, lengths: float) -> float:
    return off.over(lengths) if off.stretches > 1 else 0.0


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

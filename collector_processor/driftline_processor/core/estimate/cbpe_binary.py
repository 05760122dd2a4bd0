"""Confidence-based performance estimation (CBPE) of a binary model: the expected confusion given its scores.

Each row is positive with the probability that rows with its score had in the reference, per bin of the fixed score
grid. All metrics follow from the weight of each bin by decided class, so rows, panes and exported histograms give the
same numbers. If the reference has no rows like those of a window, the estimate is marked as not comparable.

Source: NannyML's CBPE (Białek et al., "Estimating model performance under covariate shift without labels", 2024), with
weighted isotonic regression per bin instead of per row.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from driftline.baseline.sections.calibration import IsotonicSteps, ResampledCalibration, resample_calibration
from driftline.baseline.sections.estimation import GRID, OTHER
from driftline.panes.bins import SCORE_BINS, Index, score_centers
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import EstimateReason
from driftline_processor.core.metrics import METRICS, Estimation, metric_of

from .point import Point

LEAST_ALIKE = 0.2
"""Minimum fraction of a window's rows with counterparts in the reference; with fewer, they are not comparable."""

_NEAR = 64
"""Bins, half a logit: a score without a reference row within this distance has no counterpart."""


class ReferenceCells(Struct, frozen=True, eq=False):
    """The rows of a reference in cells of the score, in which rows of a window are compared with them.

    Cells contain three times as many reference rows each, from either end inwards, so a score beyond all but a few
    reference rows is compared with those few.

    Attributes:
        cell: int64 (SCORE_BINS,), the cell of each bin.
        rows: float64 (cells,), effective rows of each cell.
    """

    cell: I64
    rows: F64

    @classmethod
    def of(cls, reference: F64) -> ReferenceCells:
        """Cut the effective rows by score, float64 (SCORE_BINS,), into cells."""
        total = float(reference.sum())
        reached = np.cumsum(reference)
        middle = reached - reference / 2
        beyond = np.maximum(np.minimum(middle, total - middle), 0.0)
        around = np.pad(np.append(0.0, reached), (_NEAR, _NEAR + 1), mode="edge")
        beyond[around[2 * _NEAR + 1 :][:SCORE_BINS] - around[:SCORE_BINS] <= 0] = 0.0
        # 3.0: factor from a cell to the next one inwards: the outermost contains 3 - 1 = 2 rows of the reference, the
        # next six, and ten thousand rows have eight cells on either side
        cell = 2 * np.floor(np.log1p(beyond) / np.log(3.0)).astype(np.int64) + (middle > total / 2)
        return cls(cell, np.bincount(cell, reference).astype(np.float64, copy=False))

    def counterparts(self, window: F64) -> float:
        """Return the effective number of reference rows comparable with a window's rows (Kish); inf without rows.

        Args:
            window: float64 (SCORE_BINS,), effective rows by score.

        >>> reference, window = np.zeros((2, SCORE_BINS))
        >>> reference[1800:2300], window[1800:2300] = 10, 2
        >>> cells = ReferenceCells.of(reference)
        >>> round(cells.counterparts(window))
        5000
        >>> window[2600] = 100
        >>> round(cells.counterparts(window))
        119
        """
        of_window = np.bincount(self.cell, window)
        unlike = float((of_window**2 / np.maximum(self.rows, 1.0)).sum())
        return float(of_window.sum()) ** 2 / unlike if unlike > 0 else np.inf


class Rates(Struct, frozen=True, eq=False, dict=True):
    """Rates of positives by bin of the score.

    Attributes:
        rate: float64 (SCORE_BINS,), rate of each bin.
        resampled: Resampled and smooth rates.
        rows: float64 (SCORE_BINS,), (effective) rows of each bin.
        rarer: (Effective) rows of the rarer class.
    """

    rate: F64
    resampled: ResampledCalibration
    rows: F64
    rarer: float

    @cached_property
    def cells(self) -> ReferenceCells:
        """The rows in cells, which are the same for all windows."""
        return ReferenceCells.of(self.rows)


def rates_of(pane: Pane) -> Rates | None:
    """Estimate the rates of a pane with outcomes by weighted isotonic regression; None with fewer than 30 of a class.

    >>> negative, positive = np.zeros((2, SCORE_BINS))
    >>> negative[[2000, 2100]], positive[[2000, 2100]] = [60, 20], [20, 60]
    >>> found = rates_of(Pane({"score_negative": negative, "score_positive": positive}))
    >>> found.rate[[1999, 2000, 2050, 2100]].tolist()
    [0.25, 0.25, 0.25, 0.75]
    """
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None or (learned := IsotonicSteps.of(negative, positive)) is None:
        return None
    worth = weight_per_row(pane, "outcomes")
    sides = negative / worth, positive / worth
    return Rates(
        learned.rates(), resample_calibration(*sides), sides[0] + sides[1], float(min(side.sum() for side in sides))
    )


def weight_per_row(pane: Pane, part: str) -> float:
    """Return Σw² / Σw of ``rows`` or ``outcomes``, the weight of one independent row (Kish); 1 without rows."""
    sums = pane.parts.get(part)
    return 1.0 if sums is None or sums[1] <= 0 else float(sums[2] / sums[1])


def grid_of(pane: Pane, task: Task) -> F64 | None:
    """Return the scores of a pane by decision, float64 (3, SCORE_BINS), see :func:`expected`; None without scores."""
    positive = task.positive
    if positive is None or len(task.classes) != 2:
        return None
    parts = [pane.parts.get(f"{GRID}{name}") for name in (1 - positive, positive, OTHER)]
    if all(part is None for part in parts):
        return None
    return np.stack([np.zeros(SCORE_BINS) if part is None else part for part in parts])


def cut_of(grid: F64, usual: int) -> int:
    """Return the bin from which the model decides for the positive class: the one that agrees with most decisions.

    ``usual``: that bin in the reference; of equally good bins, the nearest to it is returned.

    >>> grid = np.zeros((3, 4098))
    >>> grid[0, [1000, 2000]], grid[1, [2100, 3000]] = 5, 5
    >>> [cut_of(grid, usual) for usual in (1500, 2049, 2500)]
    [2001, 2049, 2100]
    """
    below = np.concatenate([[0.0], np.cumsum(grid[0])])
    above = np.concatenate([np.cumsum(grid[1][::-1])[::-1], [0.0]])
    agree = below + above
    best = np.flatnonzero(agree >= agree.max() * (1 - 1e-12))
    return int(best[np.abs(best - usual).argmin()])


def enough_decided(metric: str, decided: F64) -> bool:
    """Return True if there are enough rows of each decision that a metric needs.

    Args:
        metric: Name of the metric.
        decided: float64 (2,), rows decided negative and positive.
    """
    # 10.0: minimum (effective) rows of a decision in the window, and comparable ones in the reference
    return all(decided[side] >= 10.0 for side in _estimation(metric).decisions)


def of_confusion(confusion: F64, task: Task) -> dict[str, Point]:
    """Return the metrics of an expected confusion, float64 (2, 2), actual × predicted in the order of the classes."""
    at = task.classes.index(task.positive_class)
    cells = confusion[np.ix_((1 - at, at), (1 - at, at))]
    return {name: Point(value) for name, (value, _) in _of_decisions(cells).items()}


def expected(grid: F64, rates: Rates, weight_per_row: float = 1.0) -> dict[str, Point]:
    """Return the expected value of each metric.

    ``grid``: float64 (3, SCORE_BINS), weight of rows decided negative, decided positive, and undecided (of which only
    the scores count). ``weight_per_row``: Σw² / Σw. Undefined values are None. ``chance`` is the variance over outcomes
    with the same probabilities, ``learned`` that over references of the same size. Both use the smooth curve: a step
    with few rows, all of one class, would have no variance.

    >>> from driftline_processor.core.estimate.cbpe_binary import rates_of
    >>> negative, positive = np.zeros((2, 4098))
    >>> negative[[2000, 2100]], positive[[2000, 2100]] = 300, 100
    >>> grid = np.zeros((3, 4098))
    >>> grid[0, 2000], grid[1, 2100] = 60, 40
    >>> known = rates_of(Pane({"score_negative": negative, "score_positive": positive}))
    >>> found = expected(grid, known)
    >>> found["accuracy"].value, found["precision"].value, round(found["roc_auc"].value, 6)
    (0.55, 0.25, 0.5)
    """
    rate = rates.resampled.smooth[rates.resampled.place]
    sure = _points(grid, rate, rates.resampled, weight_per_row)
    held = _filled_bins(grid)
    metrics = _metrics(grid[:, held], rates.rate[held], score_centers()[held])
    values = {name: metric.value for name, metric in metrics.items()}
    rows = grid / weight_per_row
    rarer = min(float((rows * rate).sum()), float((rows * (1 - rate)).sum()))
    unlike = rates.cells.counterparts(rows.sum(axis=0)) < LEAST_ALIKE * rates.rows.sum()
    decided = np.array([min(float(row.sum()), rates.cells.counterparts(row)) for row in rows[:2]])
    return {
        name: replace(
            sure[name], value=value, reason="not_comparable" if unlike else _too_few(name, rarer, rates.rarer, decided)
        )
        for name, value in values.items()
    }


def as_learned(grid: F64, rates: Rates, weight_per_row: float) -> dict[str, Point]:
    """Return the same by the step rates instead of the smooth curve."""
    return _points(grid, rates.rate, rates.resampled, weight_per_row)


def _too_few(metric: str, window: float, reference: float, decided: F64) -> EstimateReason | None:
    """Return the reason if an interval would not have its nominal coverage for lack of rows, else None.

    ``window``, ``reference``: rows of the rarer class. ``decided``: see :func:`enough_decided`.
    """
    of_window, of_reference = _estimation(metric).min_rows
    enough = window >= of_window and reference >= of_reference and enough_decided(metric, decided)
    return None if enough else "too_few_rows"


class _EstimatedValue(NamedTuple):
    """An estimated value and its slopes.

    Attributes:
        value: Estimated value; None if the metric is undefined.
        of_positive: Change of the value per additional positive of a cell: float64 that broadcasts to (3, SCORE_BINS).
        of_negative: Change of the value per additional negative of a cell, of the same shape.
    """

    value: float | None
    of_positive: F64
    of_negative: F64


def _metrics(grid: F64, rate: F64, score: F64) -> dict[str, _EstimatedValue]:
    """Return the expected metrics of weights, float64 (3, bins), with these rates of positives.

    ``rate``, ``score``: float64 (bins,), of each bin.
    """
    positive, negative = grid * rate, grid * (1 - rate)
    return {**_decided(positive, negative), **_scored(positive.sum(axis=0), negative.sum(axis=0), score)}


def _filled_bins(grid: F64) -> Index:
    """Return the bins with rows, a few hundred of thousands."""
    return np.flatnonzero(grid.any(axis=0))


def _points(
    grid: F64, rate: F64, resampled_calibration: ResampledCalibration, weight_per_row: float
) -> dict[str, Point]:
    """Return the points, with the variance from each metric's slope in the positives."""
    held = _filled_bins(grid)
    grid, rate, score = grid[:, held], rate[held], score_centers()[held]
    varies = weight_per_row * grid * rate * (1 - rate)
    metrics = _metrics(grid, rate, score)
    points = {name: Point(None) for name in metrics}
    known = [name for name, metric in metrics.items() if metric.value is not None]
    slope, row = np.empty((2, len(known), *grid.shape))  # of all metrics at once: a metric has a few hundred bins
    for index, name in enumerate(known):
        _, of_positive, of_negative = metrics[name]
        slope[index], row[index] = of_positive - of_negative, rate * of_positive + (1 - rate) * of_negative
    chances, mixes = ((variance * side**2).sum(axis=(1, 2)) for variance, side in ((varies, slope), (grid, row)))
    for index, (name, of_bins) in enumerate(zip(known, (grid * slope).sum(axis=1), strict=True)):
        learned, bias = resampled_calibration.off_by(of_bins, held)
        mix = float(mixes[index]) * weight_per_row
        points[name] = Point(metrics[name].value, float(chances[index]), learned, mix, bias)
    return points


def _estimation(metric: str) -> Estimation:
    definition = metric_of(metric)
    return Estimation() if definition is None or definition.estimate is None else definition.estimate


def _of_decisions(cells: F64) -> dict[str, tuple[float | None, F64]]:
    """Return the metrics of a confusion with their gradients: float64 (2, 2), actual by predicted, negative first."""
    estimated = ((name, metric.estimate) for name, metric in METRICS.items() if metric.estimate is not None)
    return {
        name: estimation.of_decisions(cells) for name, estimation in estimated if estimation.of_decisions is not None
    }


def _decided(positive: F64, negative: F64) -> dict[str, _EstimatedValue]:
    """Return metrics of decisions with their slopes; weights per bin decided negative, positive and undecided."""
    cells = np.stack([negative.sum(axis=1)[:2], positive.sum(axis=1)[:2]])
    return {
        name: _EstimatedValue(value, *(np.append(gradient[actual], 0.0)[:, np.newaxis] for actual in (1, 0)))
        for name, (value, gradient) in _of_decisions(cells).items()
    }


def _scored(p: F64, q: F64, score: F64) -> dict[str, _EstimatedValue]:
    """Return metrics of the scores, independent of decisions, from positives, negatives and score of each bin."""
    values = {}
    for name, metric in METRICS.items():
        if metric.estimate is not None and metric.estimate.of_scores is not None:
            slopes = metric.estimate.of_scores(p, q, score)
            if slopes is not None:
                values[name] = _EstimatedValue(*slopes)
    return values

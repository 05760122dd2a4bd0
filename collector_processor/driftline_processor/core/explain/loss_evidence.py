"""What the rows of a degraded window show about its cause: the loss that returns if inputs have their old distribution.

The labelled rows of the window are weighted so that an input has the distribution of the baseline over some cells. The
fall of the mean loss is what the input explains. Several inputs are weighted together by iterative proportional fitting
of their distributions.

Rows whose values the baseline hardly has get a weight near 0. Where the window has no rows of the baseline's values,
the loss is assumed to be that of the baseline: the new values explain it. An input that neither scores nor outcomes
depend on in the baseline explains nothing there.

The other direction must agree. Each row gets the loss that the baseline had at its value, and a new value its own: an
input explains at most the rise of their mean. If the rise is larger, rows with old values became worse.

Source: Deming and Stephan, "On a least squares adjustment of a sampled frequency table when the expected marginal
totals are known" (1940); Shimodaira, "Improving predictive inference under covariate shift" (2000).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.loss_cells import limited
from driftline.baseline.sections.section import block_columns
from driftline.panes.bins import SCORE_BINS, Bins, CategoryBins, Index, score_centers
from driftline.panes.pane import Pane
from driftline.tables.row_losses import RowLoss
from driftline.tables.table import F64, I64
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.drift.coarse_bins import coarsen, grid
from driftline_processor.core.evaluation import LossEvidence, LossPart, MetricValue
from driftline_processor.core.special_functions import expit
from driftline_processor.core.windows.window import DAY

FEWEST_ROWS = 100
"""Minimum labelled rows of a window."""

MOST_INPUTS = 12
"""Maximum number of inputs that are weighted, those that shifted most."""

SHIFTED = 0.05
"""Minimum total variation between an input's cells in the window and in the baseline to weight it."""

ROUNDS = 15
"""Rounds of proportional fitting; five leave differences of a hundredth for four correlated inputs."""

MOST_WEIGHT = 20.0
"""Limit of the weight of a row: a cell with a twentieth of its rows counts in full, a rarer one in part."""

ASSUMED_ROWS = 30.0
"""Rows with the assumed loss that are added to the weighted ones."""

RELEVANT, TIMES_CHANCE = 0.005, 3.0
"""Minimum fraction of the variance of scores, or of outcomes, that lies between the cells of an input in the baseline,
and how many times as much as by chance, which is the number of cells divided by that of the rows.
"""

METRICS: Mapping[RowLoss, str] = {"log_loss": "log_loss", "absolute_error": "mae", "error": "accuracy"}
"""Loss of a row → its metric; the first available one is used."""

NEW = 0.01
"""Maximum fraction of the baseline's rows in a cell whose values are new: the baseline does not show their loss."""

CUTS = (0.0015, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.9985)
"""Quantiles of the baseline between the cells of a number. Values grow fastest in the tails, so that their cells are
small: with deciles, half of the loss returned with an input that was spread 2.5 times as far, now all of it.
"""


class RowLosses(Struct, frozen=True, eq=False):
    """The rows of a window that have outcomes and features.

    Attributes:
        codes: Feature → the bin of each row, intp (n,), as :func:`driftline.panes.bins.assign` returns it.
        losses: The losses of each row, float64 (n,), NaN if unknown.
        weight: Weight of each row, float64 (n,); None = 1 each.
        time: Time of each prediction, unix nanoseconds, int64 (n,); None without times.
    """

    codes: Mapping[str, Index]
    losses: Mapping[RowLoss, F64]
    weight: F64 | None = None
    time: I64 | None = None


def no_rows() -> None:
    """Return None: the rows of the window are not available."""
    return


def loss_evidence(
    rows: RowLosses, baseline: Baseline, features: Collection[str], reference: Mapping[str, MetricValue]
) -> LossEvidence | None:
    """Return how much of the loss of a window returns with each input; None with too few rows or without a loss.

    Args:
        rows: The rows of the window.
        baseline: The baseline over whose bins rows have their codes.
        features: Features to weight.
        reference: Metrics of the baseline.
    """
    for name, metric in METRICS.items():
        was = reference.get(metric)
        if was is not None and was.value is not None and name in rows.losses:
            expected = 1 - was.value if metric == "accuracy" else was.value
            evidence = _evidence(rows, name, expected, baseline, features)
            if evidence is not None:
                return evidence
    return None


def _evidence(
    rows: RowLosses, loss: RowLoss, expected: float, baseline: Baseline, features: Collection[str]
) -> LossEvidence | None:
    values = rows.losses[loss]
    weight = np.ones(len(values)) if rows.weight is None else np.where(np.isnan(rows.weight), 1.0, rows.weight)
    usable = np.flatnonzero(np.isfinite(values) & (weight > 0))
    if len(usable) < FEWEST_ROWS:
        return None
    weights = weight[usable] / weight[usable].mean()
    labelled = _Labelled(loss, values[usable], weights, expected, _days(rows.time, usable))
    inputs = {name: found for name in features if (found := _input(name, rows, usable, labelled, baseline))}
    largest = sorted(inputs, key=lambda name: -inputs[name].moved)[:MOST_INPUTS]
    excess = LossPart(labelled.mean - expected, labelled.variance(labelled.loss - labelled.mean))
    rises = {name: _rises(name, rows, usable, labelled, inputs[name], baseline) for name in largest}
    most = {name: rises[name][1] for name in largest}
    returned = {name: labelled.returned([inputs[name]]) for name in largest}
    parts = {name: _at_most(part, most[name]) for name, part in returned.items()}
    overlapping = [name for name in largest if inputs[name].relevant or inputs[name].overlap >= 0.5]
    joint = LossPart(0.0, 0.0)
    if overlapping:
        of_all = sum(max(most[name], 0.0) for name in overlapping)
        joint = _at_most(labelled.returned([inputs[name] for name in overlapping]), of_all)
    together = max([joint, *parts.values()], key=lambda part: part.value)
    explained = [*(part.value for part in returned.values()), *(least for least, _ in rises.values())]
    return LossEvidence(float(len(usable)), loss, excess, parts, together, max([together.value, *explained]))


def _at_most(part: LossPart, most: float) -> LossPart:
    return part if part.value <= most else replace(part, value=most)


def _rises(
    name: str, rows: RowLosses, usable: Index, labelled: _Labelled, column: _Input, baseline: Baseline
) -> tuple[float, float]:
    """Return the rise of the loss if old values had the baseline's losses, and new ones its mean loss, or their own.

    0 and infinity if unknown.
    """
    part, losses = f"feature:{name}", baseline.extras.losses
    if losses is None or losses.by != labelled.by or part not in losses.by_part:
        return 0.0, inf
    of_part, over = losses.by_part[part], block_columns(baseline.bins)[part]
    weight, _, loss, _ = of_part.sums
    cell = of_part.cell_of_bin(over.size)[rows.codes[name][usable]]
    own, was = limited(losses.by, labelled.loss), float(loss.sum() / weight.sum())
    rise, excess = float(labelled.weight @ own) / len(own) - was, labelled.mean - labelled.expected
    if rise <= 0 or excess <= 0:
        return 0.0, inf
    is_old = (column.was[column.cell] >= NEW) & (weight[cell] > 0)
    old = np.where(is_old, loss[cell] / np.maximum(weight[cell], 1e-12), 0.0)
    least, most = (float(labelled.weight @ (old + np.where(is_old, 0.0, new))) / len(own) - was for new in (was, own))
    return least / rise * excess, most / rise * excess


def _days(time: I64 | None, usable: Index) -> I64 | None:
    """Return the index of the day of each row, int64 (n,); None with fewer than five days."""
    if time is None:
        return None
    days, index = np.unique(time[usable] // DAY, return_inverse=True)
    return index.astype(np.int64) if len(days) >= 5 else None


class _Input(Struct, frozen=True, eq=False):
    """An input of the labelled rows.

    Attributes:
        cell: Cell of each row, intp (n,).
        was: Fraction of the baseline's rows in each cell, float64 (cells,).
        moved: Total variation between the cells of the rows and of the baseline.
        overlap: Fraction of the baseline's rows in cells that have rows.
        relevant: Whether scores or outcomes depend on it in the baseline.
    """

    cell: Index
    was: F64
    moved: float
    overlap: float
    relevant: bool


def _input(name: str, rows: RowLosses, usable: Index, labelled: _Labelled, baseline: Baseline) -> _Input | None:
    """Return an input that shifted; None for others."""
    part, columns = f"feature:{name}", block_columns(baseline.bins)
    counts, codes = baseline.pane.parts.get(part), rows.codes.get(name)
    if counts is None or codes is None or part not in columns or not counts.any():
        return None
    cells = _cells(columns[part], counts)
    cell, was = cells[codes[usable]], coarsen(counts, cells)
    was = was / was.sum()
    now = np.bincount(cell, labelled.weight, minlength=len(was)) / len(cell)
    moved = float(np.abs(now - was).sum()) / 2
    if moved < SHIFTED:
        return None
    covered = float(np.minimum(now * MOST_WEIGHT, was).sum())
    return _Input(cell, was, moved, covered, _is_relevant(part, baseline))


def _cells(bins: Bins, counts: F64) -> I64:
    """Return the cell of each bin, then of missing and of invalid values: int64 (size + 2,)."""
    usable = counts[: bins.size]
    if isinstance(bins, CategoryBins) or not usable.any():
        return grid(bins, counts)
    middle = (np.cumsum(usable) - usable / 2) / usable.sum()
    _, dense = np.unique(np.searchsorted(CUTS, middle), return_inverse=True)
    last = int(dense.max()) + 1
    return np.concatenate([dense, [last, last]]).astype(np.int64)


def _is_relevant(part: str, baseline: Baseline) -> bool:
    """Return True if the mean score or outcome differs between the cells of an input, or its importance says so."""
    importance = baseline.extras.importance
    names = {baseline.raw_name(name) for name in baseline.bins.features}
    shares = None if importance is None else importance.shares(names)
    if shares is not None:
        return shares.get(baseline.raw_name(part.removeprefix("feature:")), 0.0) >= RELEVANT
    scores = baseline.extras.score_means
    means = None if scores is None else scores.by_part.get(part)
    if means is None:
        return True
    pairs = [(means.mean, means.rows)]
    if means.outcome is not None and means.labelled is not None:
        pairs.append((means.outcome, means.labelled))
    return any(_spread(mean, rows) for mean, rows in pairs)


def _spread(mean: F64, rows: F64) -> bool:
    """Return True if means of cells differ by more than :data:`RELEVANT` of the variance of one outcome."""
    filled = rows > 0
    if np.count_nonzero(filled) < 2:
        return False
    share, value = rows[filled] / rows[filled].sum(), mean[filled]
    middle = float(share @ value)
    between = float(share @ (value - middle) ** 2)
    variance = middle * (1 - middle) if 0 < middle < 1 else middle**2
    by_chance = np.count_nonzero(filled) / float(rows.sum())
    return between >= max(RELEVANT, TIMES_CHANCE * by_chance) * max(variance, 1e-12)


class _Labelled:
    """The labelled rows of a window, and the mean loss of the baseline."""

    def __init__(self, by: RowLoss, loss: F64, weight: F64, expected: float, day: I64 | None) -> None:
        self.by, self.loss, self.weight, self.expected, self.day = by, loss, weight, expected, day
        self.mean = float(weight @ loss) / len(loss)

    def returned(self, inputs: Sequence[_Input]) -> LossPart:
        """Return the fall of the mean loss if inputs have the distribution of the baseline."""
        n = len(self.loss)
        weight = self.weight.copy()
        for _ in range(ROUNDS if len(inputs) > 1 else 1):
            for column in inputs:
                now = np.bincount(column.cell, weight, minlength=len(column.was)) / n
                factor = np.where(now > 0, column.was / np.maximum(now, 1e-12), 1.0)
                weight = np.minimum(weight * factor[column.cell], MOST_WEIGHT * self.weight)
        total = float(weight.sum())
        mean = float(weight @ self.loss) / max(total, 1e-12)
        effective = total**2 / max(float(weight @ weight), 1e-12)
        assumed = self.expected if any(column.relevant for column in inputs) else self.mean
        kept = effective / (effective + ASSUMED_ROWS)
        back = kept * mean + (1 - kept) * assumed
        influence = (self.loss - self.mean) * self.weight - kept * n / max(total, 1e-12) * weight * (self.loss - mean)
        return LossPart(self.mean - back, self.variance(influence), kept)

    def variance(self, influence: F64) -> float:
        """Return the variance of a mean from the influence of each row, with how days differ."""
        n = len(influence)
        if self.day is None:
            return float(influence @ influence) / n**2
        sums = np.bincount(self.day, influence)
        return float(sums @ sums) / n**2 * len(sums) / (len(sums) - 1)


class Recalibration(NamedTuple):
    """Predictions after recalibration.

    Attributes:
        gain: The fall of the mean loss.
        skill: The fraction by which the loss is then below that of a constant.
        variance: Variance of the skill.
    """

    gain: float
    skill: float
    variance: float


def recalibrate(pane: Pane) -> Recalibration | None:
    """Recalibrate the scores of a binary model; None if they or the outcomes are unknown.

    Platt's method: a logistic regression of the outcome on the logit of the score, here over the bins of scores.

    Args:
        pane: Pane with outcomes.
    """
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None or not (negative[:SCORE_BINS].any() and positive[:SCORE_BINS].any()):
        return None
    rows = negative[:SCORE_BINS] + positive[:SCORE_BINS]
    filled = np.flatnonzero(rows)
    hits, rows = positive[filled], rows[filled]
    chance = np.clip(score_centers()[filled], 1e-7, 1 - 1e-7)
    columns = np.column_stack([np.ones(len(filled)), np.log(chance / (1 - chance))])
    fitted = np.array([0.0, 1.0])
    for _ in range(20):
        p = np.asarray(expit(columns @ fitted))
        information = (columns * (rows * p * (1 - p))[:, np.newaxis]).T @ columns + 1e-6 * np.eye(2)
        fitted = fitted + np.clip(np.linalg.solve(information, columns.T @ (hits - rows * p)), -1.0, 1.0)

    def mean(line: F64, power: int = 1) -> float:
        """Return a moment of the log loss at some log odds."""
        of_hits, of_others = np.logaddexp(0, -line) ** power, np.logaddexp(0, line) ** power
        return float(hits @ of_hits + (rows - hits) @ of_others) / float(rows.sum())

    rate = float(hits.sum() / rows.sum())
    constant = mean(np.full(len(filled), np.log(rate / (1 - rate))))
    line = columns @ fitted
    after = mean(line)
    variance = max(mean(line, 2) - after**2, 0.0) / float(rows.sum()) / constant**2
    return Recalibration(mean(columns[:, 1]) - after, 1 - after / constant, variance)


def add_evidence(parts: Sequence[LossEvidence]) -> LossEvidence:
    """Return the evidence of several windows together, each with the weight of its rows."""
    rows = sum(one.rows for one in parts)
    share = [one.rows / rows for one in parts]
    names = dict.fromkeys(name for one in parts for name in one.inputs)
    nothing = LossPart(0.0, 0.0)

    def mean(values: Sequence[LossPart]) -> LossPart:
        return LossPart(
            sum(part * one.value for part, one in zip(share, values, strict=True)),
            sum(part**2 * one.variance for part, one in zip(share, values, strict=True)),
            sum(part * one.covered for part, one in zip(share, values, strict=True)),
        )

    mix = parts[-1].mix
    mixes = [one.mix.part for one in parts if one.mix is not None]
    gains = [one.recalibrated for one in parts if one.recalibrated is not None]
    skills = [one.skill for one in parts if one.skill is not None]
    return LossEvidence(
        rows,
        parts[-1].loss,
        mean([one.excess for one in parts]),
        {name: mean([one.inputs.get(name, nothing) for one in parts]) for name in names},
        mean([one.together for one in parts]),
        sum(part * one.largest_part for part, one in zip(share, parts, strict=True)),
        sum(part * gain for part, gain in zip(share, gains, strict=True)) if len(gains) == len(parts) else None,
        mean(skills) if len(skills) == len(parts) else None,
        sum(one.rates for one in parts),
        sum(one.classes for one in parts),
        sum(one.scores for one in parts),
        None if mix is None or len(mixes) < len(parts) else replace(mix, part=mean(mixes)),
    )

"""Label shift: the share of positives that a window's scores tell, and whether it explains that they moved.

The scores of a window move for two reasons that labels would tell apart. Either the inputs moved, and each score means
what it meant (covariate shift: CBPE holds). Or one class became more frequent, each class as it was (label shift): then
each score means something else, and an estimate that goes by the old meaning is off.

Under label shift one number explains every distribution: the change of the share of positives, δ. At a score of which
the reference knows the rate r, the window is ``1 + δ h`` times as dense, ``h = (r - π) / (π (1 - π))``, where π is the
reference's share. Therefore

- δ is the one of greatest likelihood of the window's scores (Saerens, Latinne and Decaestecker, "Adjusting the outputs
  of a classifier to new a priori probabilities", 2002, by Newton's steps in place of EM; on calibrated scores, after
  Alexandari, Kundaje and Shrikumar, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift
  adaptation", ICML 2020);
- the scores re-mixed with the new share must fit those of the window;
- each feature must move as much as its own relation with the outcome says: its mean rate by δ times the share of the
  outcome's variance that the feature explains.

Under covariate shift the features that moved carry the whole shift of the score, and the others none of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.calibration import ResampledCalibration
from driftline.baseline.sections.scores import ScoreMeans
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import ClassShare, LabelShift, ShiftExplanation

from .cbpe_binary import Rates
from .point import DEVIATIONS

LEVEL = 0.01
"""Level of each test: windows without a shift show one as rarely (docs/data/estimates.md)."""

POSSIBLE = 0.1
"""Level from which on an interval allows for a label shift that is not certain. It is wider in a tenth of the windows
without one, and holds in those whose label shift is too small to be found."""

MATERIAL = 0.25
"""Part of the score's shift, or of its distance, that a distribution may be off without refuting label shift.

With enough rows every model of a shift is refuted by something too small to matter."""

CELLS = 20
"""Cells of scores, of equal weight in the reference, by which the re-mixed distribution is compared, where each expects
:data:`EXPECTED` rows: docs/data/constants.md has it with half and twice as many."""

EXPECTED = 10
"""Rows that a cell expects at least: twice Cochran's five (1954), so that chi-square holds at a hundredth, too."""

FEWEST_OF_CELL = 30.0
"""Labelled rows of the reference by which the rate of a feature's cell is known: to nine points, √(.25 / 30)."""

_STEPS = 40
"""The most of Newton's steps: of a concave function of one number right digits double with each, once it is near."""

_NEARER = 0.9
"""Part of the way to a limit that one step may go: at the limit itself a likelihood is zero."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it lie evenly between 0 and 1, in an order that is that of nothing else."""


class PriorShift(Struct, frozen=True, eq=False):
    """The shift of the share of positives, by the scores.

    Attributes:
        prior: Share of positives of the reference, by its rates.
        shift: δ, the window's share less that.
        sampling: Variance of δ by chance of the window's and the reference's scores, and between days.
        drawn: float64 (64,), δ by the resampled rates of the reference.
        drawn_prior: float64 (64,), the reference's share by the same rates.
    """

    prior: float
    shift: float
    sampling: float
    drawn: F64
    drawn_prior: F64

    @property
    def variance(self) -> float:
        """Return the variance of δ, that of the reference's rates included."""
        return self.sampling + float(np.var(self.drawn))

    @property
    def p_value(self) -> float:
        """Return the probability of a shift as large by chance, two-sided."""
        return math.erfc(abs(self.shift) / math.sqrt(2 * self.variance)) if self.variance > 0 else 1.0


def prior_shift(window: F64, rates: Rates, between: float = 0.0) -> PriorShift | None:
    """Estimate the shift of the share of positives; None where the scores of the reference tell nothing apart.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        rates: Rates of the reference.
        between: Variance of the share between stretches of time of the window's length.
    """
    resampled_rates = rates.again
    window_rows, was = (_by_place(resampled_rates, rows) for rows in (window, rates.rows))
    curves = np.vstack([resampled_rates.smooth, np.clip(resampled_rates.smooth + resampled_rates.off, 0.0, 1.0)])
    priors = curves @ was / was.sum()
    curve_variance = ((curves - priors[:, np.newaxis]) ** 2) @ was / was.sum()
    if window_rows.sum() <= 0 or curve_variance[0] <= 1e-9 or not ((priors > 0) & (priors < 1)).all():
        return None
    slopes = (curves - priors[:, np.newaxis]) / (priors * (1 - priors))[:, np.newaxis]
    shifts = _most_likely(slopes, window_rows, priors)
    ratio = 1 + shifts[0] * slopes[0]
    information = float(window_rows @ (slopes[0] / np.maximum(ratio, 1e-9)) ** 2)
    if information <= 0:
        return None
    # the reference's own scores are a sample, too: they move the place from which the window is measured
    of_reference = float(was @ slopes[0] ** 2) / float(was.sum()) ** 2 * (float(window_rows.sum()) / information) ** 2
    sampling = 1 / information + of_reference + between
    return PriorShift(float(priors[0]), float(shifts[0]), sampling, shifts[1:], priors[1:])


def _by_place(resampled_calibration: ResampledCalibration, rows: F64) -> F64:
    return np.bincount(resampled_calibration.place, rows, minlength=len(resampled_calibration.smooth)).astype(
        np.float64, copy=False
    )


def _most_likely(slopes: F64, rows: F64, priors: F64) -> F64:
    """Return δ of greatest likelihood by each of c curves: float64 (c,), of ``slopes`` (c, p) and ``rows`` (p,).

    The likelihood is concave in δ, so Newton's steps that stay within its limits find the one maximum.
    """
    filled = rows > 0
    h, n = slopes[:, filled], rows[filled]
    low, high = -priors, 1 - priors
    shifts = np.zeros(len(h))
    for _ in range(_STEPS):
        ratio = np.maximum(1 + shifts[:, np.newaxis] * h, 1e-9)
        gradient = (h / ratio) @ n
        curvature = (h / ratio) ** 2 @ n
        step = gradient / np.maximum(curvature, 1e-12)
        then = np.clip(shifts + step, shifts + _NEARER * (low - shifts), shifts + _NEARER * (high - shifts))
        if np.abs(then - shifts).max() < 1e-7:
            return then
        shifts = then
    return shifts


def remixed(rate: F64, prior: float, shift: float) -> F64:
    """Return the rates of positives by score once their share is ``prior + shift``: float64, as ``rate``.

    >>> remixed(np.array([0.0, 0.5, 1.0]), 0.5, 0.25).tolist()
    [0.0, 0.75, 1.0]
    """
    more, fewer = (prior + shift) / prior, (1 - prior - shift) / (1 - prior)
    weight = rate * more
    total = weight + (1 - rate) * fewer
    mixed: F64 = np.divide(weight, total, out=np.asarray(rate, np.float64).copy(), where=total > 0)
    return mixed


def remixed_rates(rates: Rates, shift: PriorShift) -> Rates:
    """Return the rates of a window whose share of positives has shifted; resampled with all that δ may be off by.

    The resampled rates of the reference are re-mixed each with its own δ, at a distance that the chance of the scores
    gives it: 64 evenly spread quantiles of a normal distribution.
    """
    from driftline_processor.core.special_functions import ndtri

    resampled_rates = rates.again
    many = len(shift.drawn)
    normal_draws = ndtri((np.arange(1, many + 1) * _GOLDEN) % 1)
    drawn_shifts = shift.drawn + math.sqrt(shift.sampling) * normal_draws / normal_draws.std()
    smooth = remixed(resampled_rates.smooth, shift.prior, shift.shift)
    curves = np.clip(resampled_rates.smooth + resampled_rates.off, 0.0, 1.0)
    remixed_curves = [
        remixed(curve, prior, float(np.clip(drawn_shift, -prior, 1 - prior)))
        for curve, prior, drawn_shift in zip(curves, shift.drawn_prior.tolist(), drawn_shifts.tolist(), strict=True)
    ]
    resampled = ResampledCalibration(resampled_rates.place, smooth, np.stack(remixed_curves) - smooth)
    return replace(rates, rate=remixed(rates.rate, shift.prior, shift.shift), again=resampled)


class ScoreFit(NamedTuple):
    """How well scores re-mixed with the new share fit those of the window."""

    p_value: float
    left: float
    """Part of the distance between window and reference that the new share leaves, 0 to 1."""


FITS = ScoreFit(1.0, 0.0)
"""Nothing is left: as many decisions as classes fit any new share."""


def score_fit(window: F64, rates: Rates, shift: PriorShift) -> ScoreFit:
    """Compare the window's scores with the reference's, re-mixed: chi-square over cells of equal weight.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        rates: Rates of the reference.
        shift: The shift of the share of positives.
    """
    from driftline_processor.core.special_functions import chdtrc

    resampled_rates = rates.again
    window_rows, was = (_by_place(resampled_rates, rows) for rows in (window, rates.rows))
    n, total = window_rows.sum(), was.sum()
    middle = (np.cumsum(was) - was / 2) / total
    many = int(max(3, min(CELLS, n // EXPECTED, total // EXPECTED)))
    cell = np.minimum((middle * many).astype(np.int64), many - 1)
    slope = (resampled_rates.smooth - shift.prior) / (shift.prior * (1 - shift.prior))
    window_cells, was_cells = (
        np.bincount(cell, rows_of_sample, minlength=many).astype(np.float64, copy=False)
        for rows_of_sample in (window_rows, was)
    )
    mixed = np.bincount(cell, was * np.maximum(1 + shift.shift * slope, 0.0), minlength=many)
    mixed *= total / max(float(mixed.sum()), 1e-12)
    left, unmixed_distance = (_distance(window_cells, shares / total, n, total) for shares in (mixed, was_cells))
    freedom = many - 2
    beyond = max(0.0, left - freedom) / max(unmixed_distance - freedom, 1e-12) if unmixed_distance > freedom else 0.0
    return ScoreFit(float(chdtrc(max(freedom, 1), left)), min(1.0, beyond))


def _distance(seen: F64, shares: F64, n: float, reference: float) -> float:
    expected = n * shares
    return float(((seen - expected) ** 2 / np.maximum(expected * (1 + n / reference), 1e-9)).sum())


class FeatureShift(NamedTuple):
    """What one feature says of the two explanations.

    Attributes:
        name: The feature.
        carried: Part of the score's shift that the feature's own move carries.
        due: Part that label shift would have it carry.
        off: Standard errors that ``carried`` is from ``due``.
        moved: Standard errors that ``carried`` is from 0, in the direction of the score.
    """

    name: str
    carried: float
    due: float
    off: float
    moved: float


class ScalarOutcome(Struct, frozen=True):
    """An outcome as one number: whether a row is positive, its value, or the likelihood of new shares of classes.

    Attributes:
        of_cells: Returns the mean of the outcome in each cell of a feature; None where the baseline does not know it.
        variance: Variance of the outcome in the reference.
        explained: Share of that variance that scores explain.
        shift: Move of its mean, if each outcome is as it was.
        within: Returns the variance of what a row adds to a feature's move less what is due, from the feature and the
            mean outcome of its cells; None: as ``shift`` is learned of all that scores say.
    """

    of_cells: Callable[[ScoreMeans], F64 | None]
    variance: float
    explained: float
    shift: float
    within: Callable[[ScoreMeans, F64], float] | None = None


class Move(NamedTuple):
    """How far a distribution moved in terms of the outcome.

    Attributes:
        carried: Shift of the mean outcome by the window's rows in each cell.
        due: What it would be, if each outcome is as it was.
        deviation: Standard error of ``carried``, while nothing moved.
        apart: Standard error of ``carried - due``.
    """

    carried: float
    due: float
    deviation: float
    apart: float


def feature_shifts(pane: Pane, baseline: Baseline, outcome: ScalarOutcome) -> list[FeatureShift]:
    """Return what each feature says; [] where the baseline does not know the outcomes by feature.

    Args:
        pane: Pane of the window.
        baseline: Baseline of the window.
        outcome: The outcome whose mean has shifted.
    """
    scores = baseline.extras.score_means
    if scores is None or outcome.shift == 0:
        return []
    explained_shift = outcome.shift * outcome.explained
    shifts = []
    for part, means in scores.by_part.items():
        name = part.removeprefix("feature:")
        if name == part or (move := move_of(pane, baseline, part, means, outcome)) is None:
            continue
        off = (move.carried - move.due) / move.apart
        moved = math.copysign(move.carried, move.carried * outcome.shift) / move.deviation
        shifts.append(FeatureShift(name, move.carried / explained_shift, move.due / explained_shift, off, moved))
    return shifts


def move_of(pane: Pane, baseline: Baseline, part: str, means: ScoreMeans, outcome: ScalarOutcome) -> Move | None:
    """Return how far a part of a window's pane moved; None where too little is known of it.

    Args:
        pane: Pane of the window.
        baseline: Baseline of the window.
        part: Name of the part, of a feature or of the score.
        means: What the baseline knows of its cells.
        outcome: The outcome.
    """
    now, rate = pane.parts.get(part), outcome.of_cells(means)
    if now is None or not now.any() or rate is None or means.labelled is None:
        return None
    worth, of_reference = _per_row(pane), _per_row(baseline.pane)
    has_rate = means.labelled / of_reference >= FEWEST_OF_CELL
    if np.count_nonzero(has_rate) < 2:
        return None
    counts = np.add.reduceat(now, np.append(means.first, len(now) - 2))
    nearest = _nearest(has_rate)
    was = np.bincount(nearest, means.rows / of_reference, minlength=len(has_rate))
    window_counts = np.bincount(nearest, counts / worth, minlength=len(has_rate))
    n, total = float(window_counts.sum()), float(was.sum())
    if n <= 0 or total <= 0:
        return None
    p = was / total
    labelled = float(means.labelled.sum()) / of_reference
    variance = float(p @ (rate - p @ rate) ** 2)
    # chance makes rates of cells differ, too: by about one row's variance for each cell beyond the first
    excess_variance = variance - outcome.variance * (np.count_nonzero(has_rate) - 1) / labelled
    share = float(max(excess_variance, 0.0)) / outcome.variance
    rows = 1 / n + 1 / total
    # 0.05: least part of a feature's variance that is its own: with none, any difference from what is due would be
    # certain
    unexplained = variance * max(1 - share / max(outcome.explained, 1e-12), 0.05)
    within = unexplained if outcome.within is None else outcome.within(means, rate)
    deviation, within_deviation = (
        math.sqrt(max(variance_of_row, 1e-12 * outcome.variance) * rows) for variance_of_row in (variance, within)
    )
    return Move(float((window_counts / n - p) @ rate), outcome.shift * share, deviation, within_deviation)


def _nearest(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> I64:
    """Return the nearest cell with a known rate for each cell; the last one, without a value, stands for itself."""
    cells = np.arange(len(known))
    enough = np.flatnonzero(known[:-1]) if known[:-1].any() else np.flatnonzero(known)
    nearest: I64 = enough[np.abs(cells[:, np.newaxis] - enough).argmin(axis=1)].astype(np.int64, copy=False)
    if known[-1]:
        nearest[-1] = cells[-1]
    return nearest


def _per_row(pane: Pane) -> float:
    rows = pane.parts.get("rows")
    return 1.0 if rows is None or rows[1] <= 0 else float(rows[2] / rows[1])


def explain_shift(
    window: F64, pane: Pane, baseline: Baseline, rates: Rates, between: float = 0.0
) -> tuple[LabelShift, PriorShift] | None:
    """Say which of the two explains that scores moved; None where their mean rate is well within chance.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        pane: Pane of the window.
        baseline: Baseline whose outcomes are known.
        rates: Rates of the reference.
        between: Variance of the share of positives between stretches of time of the window's length.
    """
    shift = prior_shift(window, rates, between)
    if shift is None or shift.p_value > POSSIBLE:
        return None
    fit = score_fit(window, rates, shift)
    features = feature_shifts(pane, baseline, _positives(rates, shift))
    explains, by = explanation(features, shift.p_value, fit)
    wide = DEVIATIONS * math.sqrt(shift.variance)
    now = shift.prior + shift.shift
    share = ClassShare(shift.prior, now, max(0.0, now - wide), min(1.0, now + wide))
    ends = share.was, share.now, share.low, share.high
    return LabelShift(explains, *ends, shift.p_value, fit.p_value, by), shift


def _positives(rates: Rates, shift: PriorShift) -> ScalarOutcome:
    chance = shift.prior * (1 - shift.prior)
    curve = rates.again.smooth[rates.again.place]
    explained = float(rates.rows @ (curve - shift.prior) ** 2) / float(rates.rows.sum()) / chance
    return ScalarOutcome(lambda means: means.outcome, chance, explained, shift.shift)


def explanation(
    features: Sequence[FeatureShift], p_value: float, fit: ScoreFit = FITS
) -> tuple[ShiftExplanation, tuple[str, ...]]:
    """Return what explains the scores, and the features that tell it.

    Args:
        features: What each feature says.
        p_value: Of the scores, while nothing shifted. What is not certain explains nothing.
        fit: How well re-mixed scores fit, where they could fit otherwise.
    """
    explains, by = _explanation(fit, features)
    return ("either" if p_value > LEVEL and explains != "inputs" else explains), by


def _explanation(fit: ScoreFit, features: Sequence[FeatureShift]) -> tuple[ShiftExplanation, tuple[str, ...]]:
    from driftline_processor.core.special_functions import chdtrc, ndtri

    beyond = -float(ndtri(LEVEL / max(len(features), 1)))
    carrying = sorted(features, key=lambda one: -abs(one.carried - one.due))
    refuting = [one for one in carrying if abs(one.off) > beyond and abs(one.carried - one.due) > MATERIAL]
    if refuting:
        return "inputs", tuple(one.name for one in refuting if one.carried > one.due) or (refuting[0].name,)
    if fit.p_value < LEVEL and fit.left > MATERIAL:
        return "inputs", ()
    alone = [feature for feature in features if feature.carried > 1 - MATERIAL]
    shown = [feature.name for feature in sorted(features, key=lambda one: -one.moved) if feature.moved > beyond]
    together = float(chdtrc(len(features), sum(feature.off**2 for feature in features))) if features else 1.0
    if len(shown) < 2 or alone or fit.p_value < LEVEL or together < LEVEL:
        return "either", tuple(one.name for one in alone)
    return "labels", tuple(shown)

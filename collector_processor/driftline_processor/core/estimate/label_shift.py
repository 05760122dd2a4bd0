"""Label shift: the fraction of positives implied by a window's scores, and whether it explains that they moved.

The scores of a window move for two reasons that only labels distinguish. Either the inputs moved, and each score means
the same as before (covariate shift: CBPE is valid). Or one class became more frequent, with each class distributed as
before (label shift): then scores have another meaning, and an estimate with the old one is biased.

Under label shift one number determines all distributions: the change δ of the fraction of positives. At a score with
rate r in the reference, the density of the window is ``1 + δ h`` times that of the reference, where π is the
reference's fraction and ``h = (r - π) / (π (1 - π))``. Therefore

- δ maximises the likelihood of the window's scores (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a
  classifier to new a priori probabilities", 2002, with Newton steps instead of EM; on calibrated scores, after
  Alexandari, Kundaje and Shrikumar, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift
  adaptation", ICML 2020);
- the scores remixed with the new fraction must fit those of the window;
- each feature must move according to its own relation with the outcome: its mean rate by δ times the fraction of the
  outcome's variance that the feature explains.

Under covariate shift the features that moved explain the whole shift of the score, and the others none of it.
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
"""Level of each test: the fraction of windows without a shift that show one (evidence/outcome_shift.json)."""

POSSIBLE = 0.1
"""P-value up to which an interval allows for an uncertain label shift. It is wider in a tenth of the windows without
one, and keeps its coverage in windows with a label shift that is too small to be detected.
"""

MATERIAL = 0.25
"""Part of the score's shift, or of its distance, by which a distribution may differ without refuting label shift.

With enough rows, negligible differences refute every model of a shift.
"""

CELLS = 20
"""Cells of scores, of equal weight in the reference, for comparing the remixed distribution, if each expects
:data:`EXPECTED` rows; evidence/constants.json has results with half and twice as many.
"""

EXPECTED = 10
"""Minimum expected rows of a cell: twice Cochran's five (1954), so that chi-square is valid at a level of 0.01, too."""

FEWEST_OF_CELL = 30.0
"""Minimum labelled reference rows for the rate of a feature's cell, whose standard error is then at most nine
percentage points, √(0.25 / 30).
"""

_STEPS = 40
"""Limit of Newton steps; near the maximum of a concave function, correct digits double with each step."""

_NEARER = 0.9
"""Maximum part of the distance to a limit per step; at the limit itself the likelihood is zero."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples modulo 1 are evenly distributed, in an order without a pattern."""


class PriorShift(Struct, frozen=True, eq=False):
    """The shift of the fraction of positives, by the scores.

    Attributes:
        prior: Fraction of positives of the reference, by its rates.
        shift: δ, the window's fraction less that of the reference.
        sampling: Variance of δ from the window's and the reference's scores, and between days.
        resampled: float64 (64,), δ by the resampled rates of the reference.
        drawn_prior: float64 (64,), the reference's fraction by the same rates.
    """

    prior: float
    shift: float
    sampling: float
    resampled: F64
    drawn_prior: F64

    @property
    def variance(self) -> float:
        """Variance of δ, including that of the reference's rates."""
        return self.sampling + float(np.var(self.resampled))

    @property
    def p_value(self) -> float:
        """Two-sided probability of a shift this large by chance."""
        return math.erfc(abs(self.shift) / math.sqrt(2 * self.variance)) if self.variance > 0 else 1.0


def prior_shift(window: F64, rates: Rates, between: float = 0.0) -> PriorShift | None:
    """Estimate the shift of the fraction of positives; None if the reference's scores do not separate the classes.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        rates: Rates of the reference.
        between: Variance of the fraction between periods of the window's length.
    """
    resampled_rates = rates.resampled
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
    # the reference's own scores are a sample with a sampling error, too
    of_reference = float(was @ slopes[0] ** 2) / float(was.sum()) ** 2 * (float(window_rows.sum()) / information) ** 2
    sampling = 1 / information + of_reference + between
    return PriorShift(float(priors[0]), float(shifts[0]), sampling, shifts[1:], priors[1:])


def _by_place(resampled_calibration: ResampledCalibration, rows: F64) -> F64:
    return np.bincount(resampled_calibration.place, rows, minlength=len(resampled_calibration.smooth)).astype(
        np.float64, copy=False
    )


def _most_likely(slopes: F64, rows: F64, priors: F64) -> F64:
    """Return the δ of maximum likelihood for each of c curves: float64 (c,), from ``slopes`` (c, p) and ``rows`` (p,).

    The likelihood is concave in δ, so Newton steps within the limits find its only maximum.
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
    """Return the rates of positives by score if their fraction is ``prior + shift``: float64, as ``rate``.

    >>> remixed(np.array([0.0, 0.5, 1.0]), 0.5, 0.25).tolist()
    [0.0, 0.75, 1.0]
    """
    more, fewer = (prior + shift) / prior, (1 - prior - shift) / (1 - prior)
    weight = rate * more
    total = weight + (1 - rate) * fewer
    mixed: F64 = np.divide(weight, total, out=np.asarray(rate, np.float64).copy(), where=total > 0)
    return mixed


def remixed_rates(rates: Rates, shift: PriorShift) -> Rates:
    """Return the rates of a window with a shifted fraction of positives, resampled with the uncertainty of δ.

    Each resampled curve of the reference is remixed with its own δ, plus the sampling error of the scores: 64 evenly
    spread quantiles of a normal distribution.
    """
    from driftline_processor.core.special_functions import ndtri

    resampled_rates = rates.resampled
    draws = len(shift.resampled)
    normal_draws = ndtri((np.arange(1, draws + 1) * _GOLDEN) % 1)
    drawn_shifts = shift.resampled + math.sqrt(shift.sampling) * normal_draws / normal_draws.std()
    smooth = remixed(resampled_rates.smooth, shift.prior, shift.shift)
    curves = np.clip(resampled_rates.smooth + resampled_rates.off, 0.0, 1.0)
    remixed_curves = [
        remixed(curve, prior, float(np.clip(drawn_shift, -prior, 1 - prior)))
        for curve, prior, drawn_shift in zip(curves, shift.drawn_prior.tolist(), drawn_shifts.tolist(), strict=True)
    ]
    resampled = ResampledCalibration(resampled_rates.place, smooth, np.stack(remixed_curves) - smooth)
    return replace(rates, rate=remixed(rates.rate, shift.prior, shift.shift), resampled=resampled)


class ScoreFit(NamedTuple):
    """Fit of the scores remixed with the new fraction to those of the window."""

    p_value: float
    residual: float
    """Part of the distance between window and reference that remains with the new fraction, 0 to 1."""


FITS = ScoreFit(1.0, 0.0)
"""Perfect fit: decisions of k classes fit any new fractions."""


def score_fit(window: F64, rates: Rates, shift: PriorShift) -> ScoreFit:
    """Compare the window's scores with the reference's, remixed: chi-square over cells of equal weight.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        rates: Rates of the reference.
        shift: The shift of the fraction of positives.
    """
    from driftline_processor.core.special_functions import chdtrc

    resampled_rates = rates.resampled
    window_rows, was = (_by_place(resampled_rates, rows) for rows in (window, rates.rows))
    n, total = window_rows.sum(), was.sum()
    middle = (np.cumsum(was) - was / 2) / total
    cell_count = int(max(3, min(CELLS, n // EXPECTED, total // EXPECTED)))
    cell = np.minimum((middle * cell_count).astype(np.int64), cell_count - 1)
    slope = (resampled_rates.smooth - shift.prior) / (shift.prior * (1 - shift.prior))
    window_cells, was_cells = (
        np.bincount(cell, rows_of_sample, minlength=cell_count).astype(np.float64, copy=False)
        for rows_of_sample in (window_rows, was)
    )
    mixed = np.bincount(cell, was * np.maximum(1 + shift.shift * slope, 0.0), minlength=cell_count)
    mixed *= total / max(float(mixed.sum()), 1e-12)
    left, unmixed_distance = (_distance(window_cells, shares / total, n, total) for shares in (mixed, was_cells))
    freedom = cell_count - 2
    beyond = max(0.0, left - freedom) / max(unmixed_distance - freedom, 1e-12) if unmixed_distance > freedom else 0.0
    return ScoreFit(float(chdtrc(max(freedom, 1), left)), min(1.0, beyond))


def _distance(seen: F64, shares: F64, n: float, reference: float) -> float:
    expected = n * shares
    return float(((seen - expected) ** 2 / np.maximum(expected * (1 + n / reference), 1e-9)).sum())


class FeatureShift(NamedTuple):
    """Evidence of one feature for or against label shift.

    Attributes:
        name: The feature.
        carried: Part of the score's shift that the feature's own move explains.
        due: Part that it would explain under label shift.
        off: Distance between ``carried`` and ``due`` in standard errors.
        standard_distance: Distance of ``carried`` from 0 in standard errors, in the direction of the score.
    """

    name: str
    carried: float
    due: float
    off: float
    standard_distance: float


class ScalarOutcome(Struct, frozen=True):
    """An outcome as one number: whether a row is positive, its value, or the likelihood of new class fractions.

    Attributes:
        of_cells: Function that returns the mean of the outcome in each cell of a feature; None if the baseline lacks
            it.
        variance: Variance of the outcome in the reference.
        explained: Fraction of that variance that scores explain.
        shift: Move of its mean under label shift.
        within: Function that returns the variance, per row, of a feature's move less the move that is due, from the
            feature and the mean outcome of its cells; None if ``shift`` is estimated from all scores.
    """

    of_cells: Callable[[ScoreMeans], F64 | None]
    variance: float
    explained: float
    shift: float
    within: Callable[[ScoreMeans, F64], float] | None = None


class Move(NamedTuple):
    """The move of a distribution in terms of the outcome.

    Attributes:
        carried: Shift of the mean outcome by the window's rows in each cell.
        due: The same under label shift.
        deviation: Standard error of ``carried`` without a move.
        standard_error: Standard error of ``carried - due``.
    """

    carried: float
    due: float
    deviation: float
    standard_error: float


def feature_shifts(pane: Pane, baseline: Baseline, outcome: ScalarOutcome) -> list[FeatureShift]:
    """Return the evidence of each feature; [] if the baseline does not have outcomes by feature.

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
        off = (move.carried - move.due) / move.standard_error
        moved = math.copysign(move.carried, move.carried * outcome.shift) / move.deviation
        shifts.append(FeatureShift(name, move.carried / explained_shift, move.due / explained_shift, off, moved))
    return shifts


def move_of(pane: Pane, baseline: Baseline, part: str, means: ScoreMeans, outcome: ScalarOutcome) -> Move | None:
    """Return the move of a part of a window's pane; None if there are too few rows with outcomes.

    Args:
        pane: Pane of the window.
        baseline: Baseline of the window.
        part: Name of the part, of a feature or of the score.
        means: Mean outcomes of its cells in the baseline.
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
    # sampling error makes rates of cells differ by about one row's variance per cell beyond the first
    excess_variance = variance - outcome.variance * (np.count_nonzero(has_rate) - 1) / labelled
    share = float(max(excess_variance, 0.0)) / outcome.variance
    rows = 1 / n + 1 / total
    # 0.05: minimum part of a feature's variance that the outcome does not explain; with 0, any difference from the
    # expected move would be significant
    unexplained = variance * max(1 - share / max(outcome.explained, 1e-12), 0.05)
    within = unexplained if outcome.within is None else outcome.within(means, rate)
    deviation, within_deviation = (
        math.sqrt(max(variance_of_row, 1e-12 * outcome.variance) * rows) for variance_of_row in (variance, within)
    )
    return Move(float((window_counts / n - p) @ rate), outcome.shift * share, deviation, within_deviation)


def _nearest(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> I64:
    """Return the nearest cell with a known rate for each cell; the last one, of missing values, stays if known."""
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
    """Return whether covariate or label shift explains that scores moved; None if they moved within chance.

    Args:
        window: float64 (SCORE_BINS,), effective rows of the window by score.
        pane: Pane of the window.
        baseline: Baseline with outcomes.
        rates: Rates of the reference.
        between: Variance of the fraction of positives between periods of the window's length.
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
    curve = rates.resampled.smooth[rates.resampled.place]
    explained = float(rates.rows @ (curve - shift.prior) ** 2) / float(rates.rows.sum()) / chance
    return ScalarOutcome(lambda means: means.outcome, chance, explained, shift.shift)


def explanation(
    features: Sequence[FeatureShift], p_value: float, fit: ScoreFit = FITS
) -> tuple[ShiftExplanation, tuple[str, ...]]:
    """Return what explains the scores, and the features that show it.

    Args:
        features: Evidence of each feature.
        p_value: P-value of the scores without a shift. A shift that is not significant explains nothing.
        fit: Fit of remixed scores, if they can be compared.
    """
    explains, by = _explanation(fit, features)
    return ("either" if p_value > LEVEL and explains != "inputs" else explains), by


def _explanation(fit: ScoreFit, features: Sequence[FeatureShift]) -> tuple[ShiftExplanation, tuple[str, ...]]:
    from driftline_processor.core.special_functions import chdtrc, ndtri

    beyond = -float(ndtri(LEVEL / max(len(features), 1)))
    carrying = sorted(features, key=lambda feature: -abs(feature.carried - feature.due))
    refuting = [
        feature for feature in carrying if abs(feature.off) > beyond and abs(feature.carried - feature.due) > MATERIAL
    ]
    if refuting:
        return "inputs", tuple(feature.name for feature in refuting if feature.carried > feature.due) or (
            refuting[0].name,
        )
    if fit.p_value < LEVEL and fit.residual > MATERIAL:
        return "inputs", ()
    alone = [feature for feature in features if feature.carried > 1 - MATERIAL]
    shown = [
        feature.name
        for feature in sorted(features, key=lambda feature: -feature.standard_distance)
        if feature.standard_distance > beyond
    ]
    together = float(chdtrc(len(features), sum(feature.off**2 for feature in features))) if features else 1.0
    if len(shown) < 2 or alone or fit.p_value < LEVEL or together < LEVEL:
        return "either", tuple(feature.name for feature in alone)
    return "labels", tuple(shown)

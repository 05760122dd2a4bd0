"""The error with which the principal components of the baseline reconstruct rows.

With the second moments of pairs of features, from the parts ``pairs`` and ``unpaired`` of a pane, and the check whether
missing values changed enough to move the error by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.pca import UNIT
from driftline.tables.table import F64, I64

from driftline_processor.core.evaluation import DriftContributor
from driftline_processor.core.special_functions import stdtr

from .method import JointMethod, JointResult, PanePair


def imputed(pane: Pane, features: int) -> F64 | None:
    """Return Σ w z z' / Σ w with missing values at 0, float64 (d, d) in thousandths; None if a pane has no pairs.

    >>> imputed(Pane({"pairs": np.array([2.0, 2.0, 1.0, 1.0, 5.0, 4.0, 5.0])}), 2).tolist()
    [[2.5, 2.0], [2.0, 2.5]]
    """
    part = pane.parts.get("pairs")
    if part is None or part[0] <= 0:
        return None
    mean: F64 = square(part[2 + features :], features) / part[0]
    return mean


@lru_cache(maxsize=64)
def _upper(features: int, above: int) -> tuple[I64, I64]:
    first, second = np.triu_indices(features, above)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def pairs_of(features: int) -> tuple[I64, I64]:
    """Return first and second feature of each pair, upper triangle by rows: int64 (d (d - 1) / 2,) each."""
    return _upper(features, 1)


def square(triangle: F64, features: int) -> F64:
    """Return the symmetric matrix of an upper triangle by rows: float64 (d, d).

    >>> square(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    matrix = np.zeros((features, features))
    upper = _upper(features, 0)
    matrix[upper] = triangle
    matrix.T[upper] = triangle
    return matrix


class Correlations(NamedTuple):
    """Pearson's r of the coordinates of all pairs, upper triangle by rows.

    Attributes:
        r: float64 (d (d - 1) / 2,), NaN for a constant.
        rows: float64 (d (d - 1) / 2,), (effective) rows with both features.
    """

    r: F64
    rows: F64


def correlations(pane: Pane, features: int) -> Correlations | None:
    """Return the correlation of every pair over the rows with both features; None if a pane has no pairs.

    >>> both = Pane({"pairs": np.array([3.0, 3.0, 6.0, 6.0, 14.0, 13.0, 14.0])})  # (1, 2), (2, 1), (3, 3)
    >>> correlations(both, 2).r.round(9).tolist()
    [0.5]
    """
    part = pane.parts.get("pairs")
    if part is None or part[0] <= 0:
        return None
    d = features
    products = square(part[2 + d :], d)
    unpaired = pane.parts.get("unpaired", np.zeros(3 * d * d)).reshape(3, d, d)
    # of feature a (row) over the rows that also have b (column)
    weight = part[0] - unpaired[0]
    usable = np.maximum(weight, 1e-12)
    mean = (part[2 : 2 + d, np.newaxis] - unpaired[1]) / usable
    squares = (np.diagonal(products)[:, np.newaxis] - unpaired[2]) / usable
    variance = squares - mean**2
    spread = variance * variance.T
    is_defined = (weight > 0) & (variance > 1e-9 * squares) & (variance.T > 1e-9 * squares.T)
    covariance = products / usable - mean * mean.T
    r = np.divide(
        covariance,
        np.sqrt(spread, where=is_defined, out=np.ones((d, d))),
        where=is_defined,
        out=np.full((d, d), np.nan),
    )
    upper = pairs_of(d)
    return Correlations(np.clip(r[upper], -1.0, 1.0), weight[upper] * float(part[0] / part[1]))


def missing_changes(sides: PanePair, was_rows: float, now_rows: float) -> tuple[DriftContributor, ...]:
    """Return features whose fraction of missing values changed significantly, if the changes together are too large.

    The largest change is first; empty if the errors can be compared. ``was_rows``, ``now_rows``: effective rows.
    """
    per_row = 1 / max(was_rows, 1.0) + 1 / max(now_rows, 1.0)
    names = sides.space.names
    was, now = sides.cached("missing", lambda: _shares(sides.reference, names)), _shares(sides.current, names)
    both = (was / max(now_rows, 1.0) + now / max(was_rows, 1.0)) / per_row  # the pooled fraction
    # 3.0: standard errors within which a fraction has not changed; the variance of the errors covers chance
    significant = np.abs(now - was) > 3.0 * np.sqrt(np.maximum(both * (1 - both), 0.0) * per_row)
    changes = [
        DriftContributor((names[index],), float(now[index] - was[index]), float(was[index]), float(now[index]))
        for index in np.flatnonzero(significant).tolist()
    ]
    # 0.05: times the root of the number of features is the limit of the summed changes. Simulated with 2 to 40 features
    # (independent, in pairs, of one factor; missing in one or in all): it moves the mean error by up to 0.05 standard
    # deviations, half the minimum effect.
    if sum(abs(change.value) for change in changes) <= 0.05 * math.sqrt(len(sides.space.names)):
        return ()
    return tuple(sorted(changes, key=lambda change: -abs(change.value)))


def _shares(pane: Pane, names: Sequence[str]) -> F64:
    """Return the fraction of rows without a usable value per feature; 1 for a feature without rows."""
    nothing = np.zeros(2)
    parts = [pane.parts.get(f"feature:{name}", nothing) for name in names]
    counts, end = np.concatenate(parts), np.cumsum([len(part) for part in parts])
    total = np.add.reduceat(counts, np.concatenate([[0], end[:-1]]))
    missing = counts[end - 2] + counts[end - 1]
    fractions: F64 = np.divide(missing, total, out=np.ones(len(parts)), where=total > 0)
    return fractions


FARTHEST = 1e3
"""Reported shift in standard deviations if the reference has no spread."""

CHOSEN = 3.0
"""Factor of the squared standard error of the reference's mean, because the components were fitted to its rows.
Simulated with 4 to 40 features and 500 to 5,000 rows: 1.1 to 3.1.
"""


class Errors(NamedTuple):
    """Mean and standard deviation of the error over (effective) ``rows``."""

    mean: float
    deviation: float
    rows: float


def errors_of(part: F64, alike: float = 1.0) -> Errors:
    """Return the errors in the part ``pca`` of a pane; ``alike``: design effect.

    >>> errors_of(np.array([2.0, 2.0, 3.0, 5.0]))  # errors of 1 and 2
    Errors(mean=1.5, deviation=0.5, rows=2.0)
    """
    weight, squared, total, squares = part.tolist()
    if weight <= 0:
        return Errors(math.nan, math.nan, 0.0)
    mean = total / weight
    return Errors(mean, math.sqrt(max(0.0, squares / weight - mean**2)), weight**2 / squared / alike)


def pca(reference: Errors, current: Errors) -> tuple[float, float, float]:
    """Return the shift of the mean error in the reference's standard deviations, its p-value, and its effect.

    Welch's t-test of two means; the effect is the shift less its sampling error. A row is reconstructed as well as the
    reference's if its features are correlated as they were, and worse otherwise.

    NannyML's ``DataReconstructionDriftCalculator`` uses the same mean of the same distance, with other components:
    values standardised by mean and standard deviation (here normal scores, which are robust to outliers), categories
    encoded by frequency (so that two with the same frequency are one; here each has a coordinate), and missing values
    imputed with the mean or the most frequent value. Drift is a mean beyond three standard deviations of the means of
    the reference's chunks, for any number of rows.

    Source: Jackson and Mudholkar, "Control procedures for residuals associated with principal component analysis",
    Technometrics 21 (1979).

    >>> shift, p, effect = pca(Errors(2.0, 0.5, 10_000), Errors(2.1, 0.5, 400))
    >>> round(shift, 3), round(p, 5), round(effect, 3)
    (0.2, 0.0001, 0.193)
    """
    was, now = (errors.deviation**2 / max(errors.rows - 1, 1.0) for errors in (reference, current))
    spread, distance = was + now, current.mean - reference.mean
    unit = reference.deviation
    if spread <= 0 or unit <= 0:
        return (0.0, 1.0, 0.0) if abs(distance) < 1e-9 else (math.copysign(FARTHEST, distance), 0.0, FARTHEST)
    freedom = spread**2 / (was**2 / max(reference.rows - 1, 1.0) + now**2 / max(current.rows - 1, 1.0))
    p = 2 * float(stdtr(freedom, -abs(distance) / math.sqrt(spread)))
    return distance / unit, min(p, 1.0), math.sqrt(max(0.0, distance**2 - spread)) / unit


def measure(sides: PanePair) -> JointResult | None:
    """Compare the mean error of a window with the reference's."""
    was, now = (pane.parts.get("pca") for pane in (sides.reference, sides.current))
    if was is None or now is None or was[0] <= 0 or now[0] <= 0:
        return None
    design_effect = float(
        np.max(sides.design_effect)
    )  # errors are sums of products, so the least certain product counts
    reference, current = errors_of(was, design_effect), errors_of(now, design_effect)
    missing = missing_changes(sides, reference.rows, current.rows)
    reference = held_out(reference, sides)
    shift, p, effect = pca(reference, current)
    rows = min(reference.rows, current.rows)
    return JointResult(
        value=shift,
        was=reference.mean,
        now=current.mean,
        p_value=p,
        effect=effect,
        rows=rows,
        contributors=_contributors(sides),
        missing=missing,
    )


def held_out(errors: Errors, sides: PanePair) -> Errors:
    """Return the reference's errors as they would be on rows to which the components were not fitted.

    On its own rows the error is slightly lower, and less informative about other rows than independent rows would be.
    """
    share = min(1.0, sides.fitted.rows / max(sides.reference.rows, 1))
    if share == 0 or errors.rows == 0 or errors.deviation == 0:
        return errors
    bias = share * sides.fitted.optimism
    # 0.1: relative error of the difference to other rows. Simulated with 9 to 40 features: 0.01 to 0.1; with 4 features
    # 0.26, which is 0.7 standard errors and covered by CHOSEN.
    variance = errors.deviation**2 / errors.rows * (1 + (CHOSEN - 1) * share) + (0.1 * bias) ** 2
    return Errors(errors.mean + bias, errors.deviation, errors.deviation**2 / variance)


def _contributors(sides: PanePair) -> tuple[DriftContributor, ...]:
    """Return the features whose own part of the squared error changed most, if panes have the moments of pairs."""
    current = imputed(sides.current, len(sides.space.names))
    was, left = sides.cached("pca", lambda: _reference_error(sides))
    if was is None or current is None:
        return ()
    now = _left_of(current, left)
    # 5: limit of named features, for the space of a sentence and a card
    order = np.argsort(-np.abs(now - was), kind="stable")[:5]
    names = sides.space.names
    return tuple(
        DriftContributor((names[at],), float(now[at] - was[at]), float(was[at]), float(now[at]))
        for at in order.tolist()
    )


def _reference_error(sides: PanePair) -> tuple[F64 | None, F64]:
    """Return the part of the error per feature in the reference, float64 (d,), and the residual projection."""
    left, moments = sides.space.rest.T @ sides.space.rest, imputed(sides.reference, len(sides.space.names))
    return None if moments is None else _left_of(moments, left), left


def _left_of(moments: F64, left: F64) -> F64:
    """Return the diagonal of ``left @ moments @ left`` in standard deviations, at least 0: float64 (d,)."""
    diagonal: F64 = np.maximum(((left @ moments) * left.T).sum(axis=1) / UNIT**2, 0.0)
    return diagonal


METHOD = JointMethod(
    name="pca",
    title="PCA reconstruction error",
    unit="standard deviations of the reference's errors",
    min_effect=0.1,
    minimum=-math.inf,
    maximum=math.inf,
    source="Jackson and Mudholkar (1979)",
    measure=measure,
)

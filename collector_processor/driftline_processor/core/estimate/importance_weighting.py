"""Importance-weighted estimation: the reference's labelled rows, weighted to match a window's rows.

A domain classifier estimates the density ratio of window and reference at each labelled row, which is its weight. It
needs rows of both, and no calibration of scores; it works for any metric of any task.

Source: Shimodaira, "Improving predictive inference under covariate shift by weighting the log-likelihood function"
(2000); Sugiyama, Krauledat and Müller, "Covariate shift adaptation by importance weighted cross validation" (2007).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from driftline.panes.bins import SCORE_BINS, Index, score_bin
from driftline.tables.table import F64, I64, Column, take_rows
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.drift.multivariate.classifier import FOLDS, Design, Points
from driftline_processor.core.evaluation import Estimate, EstimateReason
from driftline_processor.core.metrics import estimated_names
from driftline_processor.core.outcomes.sums import effective
from driftline_processor.core.performance.realized import from_rows
from driftline_processor.core.special_functions import expit

from .cbpe_binary import LEAST_ALIKE, ReferenceCells
from .point import limits

GROUPS = 20
"""Groups of the jackknife that estimates the variance of a weighted metric: the interval is 7 % longer than with a
known variance, and each group costs one more step of the regression.
"""

_STUDENT_QUANTILE = 2.0930240544083087
"""The 0.975 quantile of Student's t with GROUPS - 1 degrees of freedom, instead of the normal one."""

_NONE: tuple[float | None, float | None] = (None, None)

_RIDGE, _LEAST_RIDGE = 0.01, 2.0
"""Ridge penalty relative to the information on a coefficient, n p (1 - p) for columns with variance 1, and its minimum:
a coefficient shrinks by a hundredth, and by more with few rows.
"""

_STEPS = 30
"""Limit of Newton steps; without convergence by then, the sides are separated and coefficients would diverge."""

_MOST_ODDS = 20.0
"""Limit of the log odds: half a billion to one, if reference rows have no counterpart."""


class LabelledRows(Struct, frozen=True, eq=False):
    """Reference rows with a known outcome, in the form of :func:`~driftline.panes.outcome_sums.fold_outcomes`."""

    actual: Column
    scores: F64 | None = None
    predicted: Column | None = None
    weight: F64 | None = None


class Ratios(Struct, frozen=True, eq=False):
    """Density ratios of window and reference.

    Attributes:
        reference_ratios: float64 (n,), density ratio at each reference row.
        without: float64 (GROUPS, n), the same without one group of the rows of both samples.
        comparable_rows: Number of reference rows like the window's (:class:`.cbpe_binary.ReferenceCells`), the minimum
            over the odds and each coordinate.
    """

    reference_ratios: F64
    without: F64
    comparable_rows: float


def ratios(reference: Points, current: Points, rng: np.random.Generator) -> Ratios | None:
    """Return the density ratio of window and reference at each of n reference rows; None for too few rows.

    The ratio is estimated by a ridge logistic regression on coordinates, their squares, missing values, and products of
    pairs, on held-out rows of five folds. ``rng`` draws folds and products.
    """
    n, m = len(reference.z), len(current.z)
    if min(n, m) < 2 * FOLDS:
        return None
    columns = Design.of(reference, current, rng).columns
    side = np.concatenate([np.zeros(n), np.ones(m)])
    group = np.concatenate([np.arange(n) % GROUPS, np.arange(m) % GROUPS])
    fold = np.concatenate([rng.permutation(n) % FOLDS, rng.permutation(m) % FOLDS])
    odds, place = np.empty((1 + GROUPS, n)), np.empty(n + m, np.int64)
    for index in range(FOLDS):
        in_training = fold != index
        fitted = _logistic(columns[in_training], side[in_training], group[in_training])
        held_out = np.flatnonzero(fold[:n] == index)
        odds[:, held_out] = np.clip(fitted[:, 1:] @ columns[held_out].T + fitted[:, :1], -_MOST_ODDS, _MOST_ODDS)
        chosen = fold == index
        place[chosen] = score_bin(_probability(columns[chosen] @ fitted[0, 1:] + fitted[0, 0]))
    raw = np.exp(odds)
    raw *= n / raw.sum(axis=1, keepdims=True)
    z = np.concatenate([reference.z, current.z])
    places = [place, *(score_bin(_probability(in_training)) for in_training in z.T)]
    return Ratios(raw[0], raw[1:], min(_comparable_rows(place, n) for place in places))


def _comparable_rows(place: I64, n: int) -> float:
    of_reference, of_window = (
        np.bincount(cells, minlength=SCORE_BINS).astype(np.float64) for cells in (place[:n], place[n:])
    )
    return ReferenceCells.of(of_reference).counterparts(of_window)


def _probability(line: F64) -> F64:
    return np.asarray(expit(line), np.float64)


def _logistic(columns: F64, side: F64, group: I64) -> F64:
    """Fit a ridge logistic regression by iteratively reweighted least squares; the intercept comes first, unpenalised.

    Float64 (1 + GROUPS, p + 1): fitted to all rows, and without each group, by one Newton step.
    """
    x = np.column_stack([np.ones(len(columns)), columns])
    share = side.mean()
    # the same relative strength for any fraction of window rows
    ridge = np.full(x.shape[1], _RIDGE * len(x) * share * (1 - share) + _LEAST_RIDGE)
    ridge[0] = 1e-9
    coefficients = np.zeros(x.shape[1])
    coefficients[0] = math.log(share / (1 - share))
    information = np.diag(ridge)

    def likely(of: F64) -> float:
        line = x @ of
        return float(side @ line - np.logaddexp(0, line).sum() - ridge @ of**2 / 2)

    for _ in range(_STEPS):
        p = _probability(x @ coefficients)
        weight = np.maximum(p * (1 - p), 1e-6)
        information = (x * weight[:, np.newaxis]).T @ x
        step = np.linalg.solve(information + np.diag(ridge), x.T @ (side - p) - ridge * coefficients)
        now = likely(coefficients)
        while likely(coefficients + step) < now and np.abs(step).max() > 1e-9:
            step /= 2  # full steps may diverge if the samples hardly overlap
        coefficients += step
        if np.abs(step).max() < 1e-6:
            break
    wrong = x * (side - _probability(x @ coefficients))[:, np.newaxis]
    of_group = np.stack([wrong[group == index].sum(axis=0) for index in range(GROUPS)])
    fewer = information * ((GROUPS - 1) / GROUPS) + np.diag(ridge)
    return np.vstack([coefficients, coefficients - np.linalg.solve(fewer, of_group.T).T])


def estimate_by_weights(
    task: Task, labelled: LabelledRows, weights: Ratios, rows: int, beside: Mapping[str, Estimate]
) -> dict[str, Estimate]:
    """Estimate every metric of a window by weighted labelled rows; {} if too few of them are like its rows.

    Estimates have no interval if too many rows of the window have no counterpart, since the weighted rows do not
    represent them.

    ``labelled``: n rows of the reference. ``rows``: number of rows of the window. ``beside``: estimates from sums,
    whose bounds and references are used.
    """
    given_weight = 1.0 if labelled.weight is None else labelled.weight
    row_weights = weights.reference_ratios * given_weight
    worth = effective(row_weights.sum(), (row_weights**2).sum())
    # 50.0: minimum effective number (Kish) of labelled rows that represent the window, as in the rule for drift
    if worth < 50.0:
        return {}
    unlike = weights.comparable_rows < LEAST_ALIKE * len(row_weights)
    metric_values = _values(task, labelled, row_weights, np.arange(len(row_weights)))
    group = np.arange(len(row_weights)) % GROUPS
    kept_rows = [np.flatnonzero(group != index) for index in range(GROUPS)]
    fixed_weights_values, refit = (
        [_values(task, labelled, of[index] * given_weight, rest) for index, rest in enumerate(kept_rows)]
        for of in ([weights.reference_ratios] * GROUPS, weights.without)
    )
    estimates = {}
    for name, value in metric_values.items():
        learned, sampling_variance = _jackknife(name, refit), _jackknife(name, fixed_weights_values)
        if learned is None or sampling_variance is None:
            continue
        error = math.sqrt(learned + sampling_variance * worth / max(rows, 1))
        lowest, highest = limits(name)
        beyond = beside.get(name)
        lower, upper = (None, None) if beyond is None else (beyond.lower_bound, beyond.upper_bound)
        alert = None if unlike or lower is None or upper is None else not lower <= value <= upper
        ends = (
            _NONE
            if unlike
            else (max(lowest, value - _STUDENT_QUANTILE * error), min(highest, value + _STUDENT_QUANTILE * error))
        )
        reference = None if beyond is None else beyond.reference
        estimate_fields = (value, *ends, error, lower, upper, alert, rows)
        why: EstimateReason | None = "not_comparable" if unlike else None
        estimates[name] = Estimate(*estimate_fields, "rows", "importance_weighted", reference, reason=why)
    return estimates


def _jackknife(metric: str, without: Sequence[Mapping[str, float]]) -> float | None:
    """Return the variance of a metric from its values without each group; None if a group lacks the metric."""
    jackknife_values = np.array([values_of_group[metric] for values_of_group in without if metric in values_of_group])
    return None if len(jackknife_values) < GROUPS else (GROUPS - 1) * float(jackknife_values.var())


def _values(task: Task, labelled: LabelledRows, weights: F64, at: Index) -> dict[str, float]:
    names = estimated_names()
    metrics = from_rows(
        task,
        None if labelled.scores is None else labelled.scores[at],
        None if labelled.predicted is None else take_rows(labelled.predicted, at),
        take_rows(labelled.actual, at),
        weights[at],
    )
    return {name: metric.value for name, metric in metrics.items() if name in names and metric.value is not None}

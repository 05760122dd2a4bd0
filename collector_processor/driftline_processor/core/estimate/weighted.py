"""Importance-weighted estimation: what the reference's labelled rows would come to, were they as a window's rows are.

A domain classifier says of each labelled row how much more likely it is in the window than in the reference; by that it
counts. It needs rows of both, and no calibration of scores: any metric of any task.

Source: Shimodaira, "Improving predictive inference under covariate shift by weighting the log-likelihood function"
(2000); Sugiyama, Krauledat and Müller, "Covariate shift adaptation by importance weighted cross validation" (2007).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from driftline.bins import Index
from driftline.frames import taken
from driftline.tables import F64, Task

from driftline_processor.core.drift.multivariate.classifier import FOLDS, Design, Points
from driftline_processor.core.performance.known import Joined
from driftline_processor.core.performance.realized import from_rows

from .result import DEVIATIONS, Estimate, limits

LEAST_WORTH = 50.0
"""Effective rows (Kish): where fewer labelled rows are like those of the window, they say nothing of it."""

GROUPS = 20
"""Of the jackknife that tells how sure a weighted metric is."""

_RIDGE, _STEPS = 0.01, 8


def ratios(reference: Points, current: Points, rng: np.random.Generator) -> F64 | None:
    """Return how much more likely each reference row is in the window: float64 (n,), 1 on average; None of too few.

    By a ridge logistic regression on coordinates, their squares, what is missing, and products of pairs, of rows that
    it was not trained on (five folds). ``rng`` draws folds and products.
    """
    n, m = len(reference.z), len(current.z)
    if min(n, m) < 2 * FOLDS:
        return None
    columns = Design.of(reference, current, rng).columns
    side = np.concatenate([np.zeros(n), np.ones(m)])
    fold = np.concatenate([rng.permutation(n) % FOLDS, rng.permutation(m) % FOLDS])
    odds = np.empty(n)
    for at in range(FOLDS):
        own = fold != at
        coefficients = _logistic(columns[own], side[own])
        held = np.flatnonzero(fold[:n] == at)
        odds[held] = np.clip(columns[held] @ coefficients[1:] + coefficients[0], -20, 20)
    raw = np.exp(odds)
    weights: F64 = raw * (n / raw.sum())
    return weights


def _logistic(columns: F64, side: F64) -> F64:
    """Ridge logistic regression by iteratively reweighted least squares; the intercept first, and not shrunk."""
    x = np.column_stack([np.ones(len(columns)), columns])
    ridge = _RIDGE * len(x) * np.eye(x.shape[1])
    ridge[0, 0] = 1e-9
    share = side.mean()
    found = np.zeros(x.shape[1])
    found[0] = math.log(share / (1 - share))
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-6)
        step = np.linalg.solve((x * weight[:, np.newaxis]).T @ x + ridge, x.T @ (side - p) - ridge @ found)
        found += step
        if np.abs(step).max() < 1e-6:
            break
    return found


def weighted(
    task: Task, labelled: Joined, weights: F64, rows: int, beside: Mapping[str, Estimate]
) -> dict[str, Estimate]:
    """Estimate every metric of a window by weighted labelled rows; {} where too few of them are like its rows.

    ``labelled``: of the reference, ``weights``: float64 (n,), of each (:func:`ratios`). ``rows``: of the window.
    ``beside``: the estimates from sums, whose bounds and references are taken.
    """
    own = weights if labelled.weight is None else weights * labelled.weight
    worth = float(own.sum() ** 2 / (own**2).sum()) if own.any() else 0.0
    if worth < LEAST_WORTH:
        return {}
    whole = _values(task, labelled, own, np.arange(len(own)))
    group = np.arange(len(own)) % GROUPS
    without = [_values(task, labelled, own, np.flatnonzero(group != at)) for at in range(GROUPS)]
    found = {}
    for name, value in whole.items():
        others = np.array([one[name] for one in without if name in one])
        if len(others) < GROUPS:
            continue
        variance = (GROUPS - 1) / GROUPS * float(((others - others.mean()) ** 2).sum())
        error = math.sqrt(variance * (1 + worth / max(rows, 1)))
        least, most = limits(name)
        known = beside.get(name)
        lower, upper = (None, None) if known is None else (known.lower_bound, known.upper_bound)
        alert = None if lower is None or upper is None else not lower <= value <= upper
        ends = max(least, value - DEVIATIONS * error), min(most, value + DEVIATIONS * error)
        reference = None if known is None else known.reference
        made = (value, *ends, error, lower, upper, alert, rows)
        found[name] = Estimate(*made, "rows", "importance_weighted", reference)
    return found


_KNOWN = frozenset(("accuracy", "precision", "recall", "f1", "specificity", "balanced_accuracy", "roc_auc"))
_KNOWN |= {"average_precision", "log_loss", "brier", "actual_rate", "roc_auc_ovr", "mae", "rmse", "mape"}


def _values(task: Task, labelled: Joined, weights: F64, at: Index) -> dict[str, float]:
    found = from_rows(
        task,
        None if labelled.scores is None else labelled.scores[at],
        None if labelled.predicted is None else taken(labelled.predicted, at),
        taken(labelled.actual, at),
        weights[at],
    )
    return {name: one.value for name, one in found.items() if name in _KNOWN and one.value is not None}

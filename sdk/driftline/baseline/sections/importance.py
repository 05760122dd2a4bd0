"""The importance of features: given by the user, or measured by permutation of reference columns.

The permutation importance of a feature is the loss that shuffling its column adds, on rows that the model was not
trained on. Correlated features share their importance. Source: Breiman, "Random Forests", Machine Learning 45 (2001),
section 10; Fisher, Rudin and Dominici, "All Models are Wrong, but Many are Useful", JMLR 20 (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from driftline.inputs.dataframes import FrameLike, score_matrix
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, Column
from driftline.tables.task import Task

from .section import Section


@dataclass(frozen=True, slots=True)
class Importance(Section):
    """Feature → importance: finite, not negative, in any unit; only fractions of the sum are used.

    The importance of a text feature is stored under its own name, not under those of its descriptors.
    """

    by_feature: Mapping[str, float]

    @classmethod
    def given(cls, values: Any, features: Sequence[str]) -> Importance:
        """Return a given importance: a mapping of names to numbers, or n numbers in the order of the n features.

        A negative importance (a permutation that happened to help) becomes 0. Raises ``ValueError`` with the feature,
        the rule and the fix.

        >>> Importance.given(np.array([0.7, -0.01]), ["age", "plan"])
        Importance(by_feature={'age': 0.7, 'plan': 0.0})
        """
        pairs = list(values.items() if isinstance(values, Mapping) else _parallel(values, features))
        feature_names = set(features)
        for name, value in pairs:
            if str(name) not in feature_names:
                raise ValueError(f"importance: {name!r} is not a feature; the features are {', '.join(features)}")
            if not np.isfinite(float(value)):
                raise ValueError(
                    f"importance: {name!r} has the value {value}; leave the feature out if its importance is unknown"
                )
        return cls({str(name): max(0.0, float(value)) for name, value in pairs})

    def shares(self, names: Collection[str]) -> dict[str, float] | None:
        """Return the fraction of each of some features in their sum; None if the sum is 0.

        >>> Importance({"age": 3.0, "plan": 1.0, "id": 4.0}).shares(["age", "plan"])
        {'age': 0.75, 'plan': 0.25}
        """
        total = sum(self.by_feature.get(name, 0.0) for name in names)
        return {name: self.by_feature.get(name, 0.0) / total for name in names} if total > 0 else None

    def check(self) -> None:
        """Raise ``ValueError`` for a weight below 0."""
        if negative := [name for name, weight in self.by_feature.items() if weight < 0]:
            raise ValueError(f"the entry of {negative[0]!r} must not be negative")

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the importance of the exported features: it contains no values of them."""
        value_by_feature = {name: value for name, value in self.by_feature.items() if name in features.exported}
        return type(self)(value_by_feature) if value_by_feature else None


def _parallel(values: Any, features: Sequence[str]) -> Iterator[tuple[str, float]]:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if len(numbers) != len(features):
        raise ValueError(
            f"importance has {len(numbers)} numbers for {len(features)} features; pass a mapping of names to numbers"
        )
    return zip(features, numbers.tolist(), strict=True)


Predict = Callable[[Any], Any]
"""Function that returns one score, or k scores, per row of a frame that contains only the features."""

MOST_ROWS = 5_000
"""Rows that are predicted again for each feature and shuffle."""

REPEATS = 3
_SEED = 20_260_213


def permutation_importance(
    X: FrameLike, predict: Predict, features: Sequence[str], task: Task, actual: Column | None
) -> dict[str, float]:
    """Return feature → importance for n rows: the loss that shuffling its column adds.

    The loss is the Brier score (binary and multiclass) or the squared error. Without outcomes, it is the squared change
    of the predictions. Never negative. At most 5,000 rows, evenly chosen, with three shuffles each and a fixed seed.

    Raises ``ValueError``, with the fix, for rankings, for frames whose columns cannot be replaced, and if ``predict``
    does not return scores.

    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> truth = Column(numbers=3 * X[:, 0])
    >>> found = permutation_importance(X, lambda X: 3 * X[:, 0], ["f0", "f1"], Task("regression"), truth)
    >>> round(found["f0"]), found["f1"]
    (17, 0.0)
    """
    if task.ranks_items:
        raise ValueError(
            "predict: permutation importance is not supported for rankings; pass the importance of each feature "
            "with importance="
        )
    n = _rows(X)
    rows = np.arange(n) if n <= MOST_ROWS else np.linspace(0, n - 1, MOST_ROWS).astype(np.intp)
    frame = _selected(X, features, rows)
    before = scores_of(predict, frame, task)
    loss = _loss(before, task, None if actual is None else _target(task, actual)[rows])
    random = np.random.default_rng(_SEED)
    orders = [random.permutation(len(rows)) for _ in range(REPEATS)]
    base = loss(before)
    importances = {}
    for position, name in enumerate(features):
        rises = [loss(scores_of(predict, _shuffled(frame, name, position, order), task)) - base for order in orders]
        importances[name] = max(0.0, float(np.mean(rises)))
    return importances


def scores_of(predict: Predict, frame: FrameLike, task: Task) -> F64:
    """Return the scores of ``predict`` for a frame of features: float64 (n, k)."""
    try:
        scores = score_matrix(predict(frame))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"predict: does not return scores for these features ({error}); pass model.predict_proba"
        ) from error
    if not len(scores) or np.isnan(scores).all():
        raise ValueError(
            "predict: does not return numbers; pass a function that returns scores, such as model.predict_proba"
        )
    return task.shape_scores(scores)


def _target(task: Task, actual: Column) -> F64:
    """Return the actual values, float64 (n,): a number, or the index of a class; NaN if unknown."""
    if task.predicts_number:
        return actual_numbers(actual)
    codes = class_codes(actual, task.classes)
    assert codes is not None
    return np.where((codes >= 0) & (codes < len(task.classes)), codes, np.nan).astype(np.float64)


def _loss(before: F64, task: Task, truth: F64 | None) -> Callable[[F64], float]:
    labelled = None if truth is None else np.flatnonzero(~np.isnan(truth))
    if truth is None or labelled is None or not len(labelled):
        return lambda scores: float(np.mean(((scores - before) ** 2).sum(axis=1)))
    labels = truth[labelled, np.newaxis]
    if task.has_class_scores:
        labels = np.eye(len(task.classes))[truth[labelled].astype(np.intp)]
    elif task.has_threshold:
        labels = (labels == task.positive).astype(np.float64)
    return lambda scores: float(np.mean(((scores[labelled] - labels) ** 2).sum(axis=1)))


def _rows(X: FrameLike) -> int:
    if isinstance(X, Mapping):
        return len(next(iter(X.values()), ()))
    return len(X)


def _selected(X: FrameLike, features: Sequence[str], rows: NDArray[np.intp]) -> Any:
    """Return the features of some rows, in a frame of the same kind."""
    if isinstance(X, Mapping):
        return {name: _taken(X[name], rows) for name in features}
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return X[rows]
    if hasattr(X, "iloc"):  # pandas
        return X[list(features)].iloc[rows]
    if hasattr(X, "select") and hasattr(X, "columns"):  # polars and Arrow
        chosen = X.select(list(features))
        return chosen.take(rows) if hasattr(chosen, "take") else chosen[rows]
    raise ValueError(
        f"predict: the columns of a {type(X).__name__} cannot be shuffled; pass a DataFrame, a pyarrow Table, "
        "a dict of columns or a 2-D array, or pass importance="
    )


def _shuffled(frame: Any, name: str, position: int, order: NDArray[np.intp]) -> Any:
    """Return a frame with one column reordered."""
    if isinstance(frame, Mapping):
        return {**frame, name: _taken(frame[name], order)}
    if isinstance(frame, np.ndarray):
        moved = frame.copy()
        moved[:, position] = frame[order, position]
        return moved
    if hasattr(frame, "iloc"):
        moved = frame.copy(deep=False)
        moved[name] = frame[name].iloc[order].set_axis(frame.index)
        return moved
    if hasattr(frame, "with_columns"):
        return frame.with_columns(frame.get_column(name)[order])
    return frame.set_column(position, name, frame.column(name).take(order))


def _taken(values: Any, rows: NDArray[np.intp]) -> Any:
    if isinstance(values, list | tuple):
        return [values[row] for row in rows.tolist()]
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return values.take(rows) if hasattr(values, "take") else np.asarray(values)[rows]

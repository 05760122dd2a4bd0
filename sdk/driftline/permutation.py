"""How much a model leans on each feature: shuffle a column and see what becomes of the predictions.

Breiman, "Random Forests", Machine Learning 45 (2001), section 10; Fisher, Rudin and Dominici, "All Models are Wrong,
but Many are Useful", JMLR 20 (2019). On rows the model was not trained on. Two features that say the same share what
they count for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classes import class_codes
from .fold import actual_numbers
from .frames import FrameLike, score_matrix
from .scores import scores_for
from .tables import F64, Column, Task

Predict = Callable[[Any], Any]
"""Takes a frame of the features alone, and returns a score, or k of them, for each row."""

MOST_ROWS = 5_000
"""Rows that are predicted again for each feature and shuffle."""

REPEATS = 3
_SEED = 20_260_213


def permutation_importance(
    X: FrameLike, predict: Predict, features: Sequence[str], task: Task, actual: Column | None
) -> dict[str, float]:
    """Return feature → importance of n rows: what shuffling its column adds to the loss.

    The loss is the Brier score (binary and multiclass), or the squared error. Where no outcome is known it is how far
    the predictions themselves move, squared. Never negative. At most 5,000 rows, evenly chosen, three shuffles each,
    with a fixed seed.

    Raises ``ValueError``, with the fix, for rankings, for frames whose columns cannot be replaced, and where
    ``predict`` gives no scores.

    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> truth = Column(numbers=3 * X[:, 0])
    >>> found = permutation_importance(X, lambda X: 3 * X[:, 0], ["f0", "f1"], Task("regression"), truth)
    >>> round(found["f0"]), found["f1"]
    (17, 0.0)
    """
    if task.kind == "ranking":
        raise ValueError("predict: importance by permutation is not known for rankings; pass importance=")
    n = _rows(X)
    at = np.arange(n) if n <= MOST_ROWS else np.linspace(0, n - 1, MOST_ROWS).astype(np.intp)
    frame = _selected(X, features, at)
    before = scores_of(predict, frame, task)
    loss = _loss(before, task, None if actual is None else _target(task, actual)[at])
    random = np.random.default_rng(_SEED)
    orders = [random.permutation(len(at)) for _ in range(REPEATS)]
    base = loss(before)
    found = {}
    for position, name in enumerate(features):
        rises = [loss(scores_of(predict, _shuffled(frame, name, position, order), task)) - base for order in orders]
        found[name] = max(0.0, float(np.mean(rises)))
    return found


def scores_of(predict: Predict, frame: FrameLike, task: Task) -> F64:
    """Return what ``predict`` gives for a frame of features, as a table holds it: float64 (n, k)."""
    try:
        scores = score_matrix(predict(frame))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"predict: it gives no scores for these features ({error}); pass model.predict_proba"
        ) from error
    if not len(scores) or np.isnan(scores).all():
        raise ValueError("predict: it gives no numbers; pass what returns scores, such as model.predict_proba")
    return scores_for(task, scores)


def _target(task: Task, actual: Column) -> F64:
    """What was true, float64 (n,): a number, or the position of a class; NaN where it is not known."""
    if task.kind == "regression":
        return actual_numbers(actual)
    codes = class_codes(actual, task.classes)
    assert codes is not None
    return np.where((codes >= 0) & (codes < len(task.classes)), codes, np.nan).astype(np.float64)


def _loss(before: F64, task: Task, truth: F64 | None) -> Callable[[F64], float]:
    known = None if truth is None else np.flatnonzero(~np.isnan(truth))
    if truth is None or known is None or not len(known):
        return lambda scores: float(np.mean(((scores - before) ** 2).sum(axis=1)))
    if task.kind == "regression":
        wanted = truth[known, np.newaxis]
    elif task.kind == "binary":
        wanted = (truth[known, np.newaxis] == task.classes.index(task.positive_class)).astype(np.float64)
    else:
        wanted = np.eye(len(task.classes))[truth[known].astype(np.intp)]
    return lambda scores: float(np.mean(((scores[known] - wanted) ** 2).sum(axis=1)))


def _rows(X: FrameLike) -> int:
    if isinstance(X, Mapping):
        return len(next(iter(X.values()), ()))
    return len(X)


def _selected(X: FrameLike, features: Sequence[str], at: NDArray[np.intp]) -> Any:
    """The features of some rows, in a frame of the same kind."""
    if isinstance(X, Mapping):
        return {name: _taken(X[name], at) for name in features}
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return X[at]
    if hasattr(X, "iloc"):  # pandas
        return X[list(features)].iloc[at]
    if hasattr(X, "select") and hasattr(X, "columns"):  # polars and Arrow
        chosen = X.select(list(features))
        return chosen.take(at) if hasattr(chosen, "take") else chosen[at]
    raise ValueError(
        f"predict: the columns of a {type(X).__name__} cannot be shuffled; pass a DataFrame, a pyarrow Table, "
        "a dict of columns or a 2-D array, or importance="
    )


def _shuffled(frame: Any, name: str, position: int, order: NDArray[np.intp]) -> Any:
    """A frame with one column in another order."""
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


def _taken(values: Any, at: NDArray[np.intp]) -> Any:
    if isinstance(values, list | tuple):
        return [values[row] for row in at.tolist()]
    if hasattr(values, "iloc"):
        return values.iloc[at]
    return values.take(at) if hasattr(values, "take") else np.asarray(values)[at]

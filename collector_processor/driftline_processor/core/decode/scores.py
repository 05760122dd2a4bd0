"""What was given as score, scores or value, as the one matrix that a table holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables import F64, I64, Task

from .cells import Where

Scores = tuple[I64, list[tuple[Any, ...]]] | F64 | None
"""Codes (n,), -1 = missing, into lists of scalars; or a float64 matrix (n, k) from a columnar record."""

BINARY, MULTICLASS, REGRESSION, RANKING = "binary", "multiclass", "regression", "ranking"


@dataclass(frozen=True, slots=True)
class Given:
    """``score`` and ``value``: float64 (n,), or None where no row has one. ``ranked``: whether any row names items."""

    score: F64 | None
    scores: Scores
    value: F64 | None
    ranked: bool = False

    def lists(self) -> tuple[I64, list[tuple[Any, ...]]] | None:
        """Return the scores of plain rows; None where there are none, and of a columnar record."""
        return None if isinstance(self.scores, np.ndarray) else self.scores

    def at(self, rows: Where) -> Given:
        """Return some of the rows."""
        scores = self.scores
        if scores is not None:
            scores = scores[rows] if isinstance(scores, np.ndarray) else (scores[0][rows], scores[1])
        return Given(
            None if self.score is None else self.score[rows],
            scores,
            None if self.value is None else self.value[rows],
            self.ranked,
        )


def scores_of(task: Task, given: Given, rejected: Counter[str]) -> tuple[str, F64 | None]:
    """Return the kind of task, inferred where the sender named none, and the scores, float64 (n, k).

    Items are a ranking's, a value is a regression's (of declared quantiles several scores are), several scores are a
    multiclass model's, one score is a binary model's. Of a binary model's two scores the positive class's is kept, of a
    ranking's the first item's. Rows without a usable score are NaN; None where all are.
    """
    kind = task.kind or _infer(given)
    if kind == REGRESSION and task.quantiles:
        return kind, _matrix(given.scores, len(task.quantiles), rejected)
    if kind == REGRESSION:
        value = given.value
        if given.score is not None:
            value = given.score if value is None else np.where(np.isnan(value), given.score, value)
        return kind, _usable(value)
    if kind == MULTICLASS:
        return kind, _matrix(given.scores, len(task.classes), rejected)
    if kind == BINARY:
        score = given.score
        pairs = _matrix(given.scores, 2, rejected)
        if pairs is not None:
            positive = pairs[
                :, task.classes.index(task.positive_class) if task.positive_class in task.classes[:2] else 1
            ]
            score = positive if score is None else np.where(np.isnan(score), positive, score)
        return kind, _usable(score)
    if kind == RANKING:
        first, score = _first(given.scores), given.score
        return kind, _usable(
            score if first is None else first if score is None else np.where(np.isnan(first), score, first)
        )
    return kind, None


def _first(scores: Scores) -> F64 | None:
    """Return the first score of each row, NaN where there is none."""
    if scores is None:
        return None
    if isinstance(scores, np.ndarray):
        return scores[:, 0]
    codes, lists = scores
    firsts = [_number(numbers[0]) if numbers else np.nan for numbers in lists]
    return np.array([*firsts, np.nan])[codes]


def _infer(given: Given) -> str:
    if given.ranked:
        return RANKING
    if _any(given.value):
        return REGRESSION
    if given.scores is not None:
        return MULTICLASS
    return BINARY if _any(given.score) else ""


def _any(values: F64 | None) -> bool:
    return values is not None and not np.isnan(values).all()


def _usable(values: F64 | None) -> F64 | None:
    return values.reshape(-1, 1) if values is not None and _any(values) else None


def _matrix(scores: Scores, k: int, rejected: Counter[str]) -> F64 | None:
    """Return the scores of ``k`` classes (0: as many as the longest list has)."""
    wrong = f"wrong_length:{a.ML_PREDICTION_SCORES}"
    if scores is None:
        return None
    if isinstance(scores, np.ndarray):
        if k and scores.shape[1] != k:
            rejected[wrong] += len(scores)
            return None
        return scores
    codes, lists = scores
    used = np.unique(codes)
    used = used[used >= 0]
    if not len(used):
        return None
    k = k or max(len(lists[code]) for code in used)
    rows = np.full((len(lists) + 1, k), np.nan)  # the last row is where code -1 lands
    misfits = np.zeros(len(lists) + 1, np.bool_)
    for code in used.tolist():
        if len(lists[code]) == k:
            rows[code] = [_number(thing) for thing in lists[code]]
        else:
            misfits[code] = True
    if misfits[codes].any():
        rejected[wrong] += int(misfits[codes].sum())
    matrix = rows[codes]
    return None if np.isnan(matrix).all() else matrix


def _number(thing: Any) -> float:
    return float(thing) if isinstance(thing, int | float) else np.nan

"""Features of reference rows without outcomes that could be their outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from driftline.tables.classes import class_column
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, Column, is_present, length
from driftline.tables.task import Task

_OUTCOME_NAME = re.compile(r"actuals?|outcomes?|(class|true)?labels?|targets?|y(true|test)?|groundtruth|truth")
"""Names of outcomes, in lower case without marks."""

_SKILL = 0.01
"""Minimum part of the variance of a column that its score explains, so that it could be the outcome."""

_ERROR = 0.25
"""Maximum calibration error of the score, in standard deviations of the column: the score of an outcome is its mean at
that score. A feature that the model depends on is correlated with the score, but has another mean."""

_RANKS = 0.6
"""Minimum area under the ROC curve of a score that could predict a column, but is not a calibrated probability."""

_RANKS_OF_LEVEL = 0.55
"""The same for a score whose mean is the rate of the column: a weak model still has the level of its outcome."""

_AGREES = 0.05
"""Minimum Cohen's kappa of the predicted class and a column that could be the outcome."""

_LEVEL, _CORRELATION = 0.1, 0.3
"""Maximum relative difference of means, and minimum rank correlation, of a number and a predicted value that is biased
or shrunk. The unit must be that of the outcome, because the score is also correlated with the features."""

_SCALES: tuple[Callable[[F64], F64], ...] = (
    *(np.exp, np.expm1, np.exp2, lambda score: 10.0**score, np.square, np.log, np.log1p, np.log2, np.log10, np.sqrt),
    *(lambda score, factor=factor: score * factor for factor in (100.0, 1e3, 1e6, 0.01, 1e-3, 1e-6)),
)
"""Scales on which a model may predict, such as the logarithm of a price, or a price in thousands."""

_SCALED = 0.6
"""Minimum rank correlation of a column and a score of another scale. The score must also be calibrated on that scale,
because features are as strongly correlated, and the units of some are equal by chance."""

_MOST_STATES = 5
"""Maximum number of values of a column that has a state that is not final next to two outcomes, such as ``Current``
next to ``Fully Paid`` and ``Charged Off``."""

_FEWEST = 100


def is_outcome_name(name: str) -> bool:
    """Return whether outcomes often have this name; case and marks do not matter.

    >>> is_outcome_name("Ground_Truth"), is_outcome_name("is_late")
    (True, False)
    """
    return _OUTCOME_NAME.fullmatch(_plain(name)) is not None


def possible_outcomes(
    features: Mapping[str, Column], scores: F64 | None, task: Task, predicted: Column | None = None
) -> list[tuple[str, str]]:
    """Return the features that could be the outcome with the reason, the most likely one first.

    That is a column with the name of an outcome, or one that the score or the predicted class predicts: numbers,
    classes, or two values of any type, also next to a few states that are not final. Predicted columns are ordered by
    how well the score predicts them; a score that only ranks a column well, such as that of a model trained with class
    weights, or that is calibrated on another scale, comes after them.

    Args:
        features: Name → values of n rows.
        scores: float64 (n, k), in the order of the classes; None without any.
        task: The task of the model.
        predicted: The predicted classes of the rows; None without any.
    """
    found: list[tuple[bool, float, str, str]] = []
    for name, column in features.items():
        named = is_outcome_name(name) and not (_plain(name) == "y" and {"x", "X"} & {*features})
        what, error = _prediction_error(column, scores, task, predicted)
        if named or error < np.inf:
            why = "its name is that of an outcome" if named else what
            found.append((not named or error == np.inf, error, name, why))
    return [(name, why) for *_, name, why in sorted(found, key=lambda candidate: candidate[:2])]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _prediction_error(column: Column, scores: F64 | None, task: Task, predicted: Column | None) -> tuple[str, float]:
    """Return the description of a column, and how far it is from its prediction; infinite if it is not predicted."""
    n = length(column)
    known = is_present(column)
    if column.vectors is not None or int(known.sum()) < _FEWEST:
        return "", np.inf
    if task.predicts_number:
        if scores is None:
            return "", np.inf
        score, numbers = task.monitored_score(scores), actual_numbers(column)
        if not np.isfinite(numbers[known]).all():
            return "", np.inf
        known &= np.isfinite(score)
        return "the predicted value predicts it", _value_error(numbers[known], score[known])
    values = class_column(column)
    assert values.codes is not None
    classes = np.unique(values.codes[known])
    if len(classes) < 2:
        return "", np.inf
    if task.has_threshold and scores is not None:
        score = task.monitored_score(scores)
        known &= np.isfinite(score)
        codes, texts = values.codes[known], [values.categories[code] for code in classes]
        if len(classes) == 2:
            errors = [_score_error((codes == code).astype(float), score[known]) for code in classes]
            return f"its values are {texts[0]} and {texts[1]}, and the score predicts it", min(errors)
        if len(classes) > _MOST_STATES:
            return "", np.inf
        what = f"its values are {', '.join(texts[:-1])} and {texts[-1]}, and the score predicts two of them"
        return what, _state_error(codes, score[known])
    decided = predicted
    if decided is None and scores is not None and scores.shape[1] == len(task.classes):
        best = np.where(np.isfinite(scores), scores, -np.inf).argmax(axis=1)
        decided = Column(codes=best.astype(np.int32), categories=tuple(task.classes))
    if decided is None or length(decided) != n:
        return "", np.inf
    decided = class_column(decided)
    assert decided.codes is not None
    known &= decided.codes >= 0
    if not {values.categories[code] for code in classes} <= {*task.classes, *decided.categories} or not known.any():
        return "", np.inf
    places = {category: code for code, category in enumerate(decided.categories)}
    same = np.array([places.get(category, -2) for category in values.categories])[values.codes[known]]
    size = len(decided.categories) + 1
    fractions = [
        np.bincount(codes + 1, minlength=size)[1:] / len(same) for codes in (np.maximum(same, -1), decided.codes[known])
    ]
    correct, chance = float((same == decided.codes[known]).mean()), float(fractions[0] @ fractions[1])
    # a copy of the prediction is not an outcome
    return "the predicted class predicts it", 1 - correct if correct < 1 and correct - chance >= _AGREES * (
        1 - chance
    ) else np.inf


def _value_error(values: F64, score: F64) -> float:
    """Return how far a predicted value is from the values; infinite if it does not predict them.

    It is below 1 for a calibrated prediction, below 2 for one that is calibrated on another scale, and more for one
    that is biased or shrunk.
    """
    if (error := _unexplained(values, score)) < np.inf:
        return error
    if len(values) < _FEWEST or values.min() == values.max() or score.min() == score.max():
        return np.inf
    correlation = float(np.corrcoef(_ranks(values), _ranks(score))[0, 1])
    # a column that follows from the score is not an outcome
    if not _CORRELATION <= correlation < 1 - 1e-9:
        return np.inf
    if correlation >= _SCALED and (error := _unexplained_on_a_scale(values, score)) < np.inf:
        return 1 + error
    level = float(values.mean())
    # the means of numbers around zero, such as standardized features, are close without a common unit
    if abs(level) <= values.std() or abs(level - score.mean()) > _LEVEL * abs(level):
        return np.inf
    return 3 - correlation


def _unexplained_on_a_scale(values: F64, score: F64) -> float:
    with np.errstate(all="ignore"):
        scaled = [scale(score) for scale in _SCALES]
        return min((_unexplained(values, one) for one in scaled if np.isfinite(one).all()), default=np.inf)


def _state_error(codes: NDArray[np.integer], score: F64) -> float:
    """Return how far a score is from the probability of one of two outcomes; infinite if it predicts no two values.

    Rows with other values have no outcome yet. A category that the score depends on also separates scores, so the score
    must be a probability.
    """
    errors = []
    values, counts = np.unique(codes, return_counts=True)
    for pair in combinations(values[counts >= _FEWEST].tolist(), 2):
        rows = np.isin(codes, pair)
        errors += [_unexplained((codes[rows] == code).astype(float), score[rows]) for code in pair]
    return min(errors, default=np.inf)


def _ranks(values: F64) -> F64:
    """Return the ranks of values; equal values have their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: F64 = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _score_error(outcomes: F64, score: F64) -> float:
    """Return how far a score is from outcomes 0 and 1; infinite if it does not rank them.

    It is below 1 for a probability, below 2 for a score whose mean is the rate of the outcomes, below 3 for a
    probability of other base rates, as of a model trained with class weights, and more for other scores.
    """
    if (error := _unexplained(outcomes, score)) < np.inf:
        return error
    rate = float(outcomes.mean())
    rebased = _unexplained(outcomes, _at_base_rate(score, rate))
    if rebased < np.inf and not _same_level(rate, float(score.mean())):
        return 2 + rebased
    ranks = _ranks(score)
    ones = int(outcomes.sum())
    if len(outcomes) < _FEWEST or not 0 < ones < len(outcomes):
        return np.inf
    area = (float(ranks[outcomes == 1].sum()) - ones * (ones + 1) / 2) / (ones * (len(outcomes) - ones))
    # a column that follows from the score is not an outcome
    same_level = _same_level(rate, float(score.mean()))
    if not (_RANKS_OF_LEVEL if same_level else _RANKS) <= area < 1:
        return np.inf
    return (2 if same_level else 4) - area


def _same_level(rate: float, mean: float) -> bool:
    """Return True if the odds of two rates are within a factor of 2: a weak score has the level of its outcome."""
    return 0 < mean < 1 and 0.5 <= rate * (1 - mean) / (mean * (1 - rate)) <= 2


def _at_base_rate(score: F64, rate: float) -> F64:
    """Return probabilities whose log odds are shifted by a constant, so that their mean is a rate."""
    odds = np.clip(score, 1e-9, 1 - 1e-9)
    odds = np.log(odds / (1 - odds))
    low, high = -30.0, 30.0
    for _ in range(40):
        shift = (low + high) / 2
        low, high = (shift, high) if float((1 / (1 + np.exp(-odds - shift))).mean()) < rate else (low, shift)
    return np.asarray(1 / (1 + np.exp(-odds - low)), np.float64)


def _unexplained(values: F64, score: F64) -> float:
    """Return the fraction of the variance of values that a calibrated score does not explain.

    It is infinite if the score explains less than :data:`_SKILL`, or if the mean difference of values and score over
    groups of equal size is more than :data:`_ERROR` standard deviations of the values.
    """
    spread = float(values.std()) if len(values) >= _FEWEST else 0.0
    unexplained = float(np.mean((values - score) ** 2)) / spread**2 if spread > 0 else np.inf
    if unexplained > 1 - _SKILL:
        return np.inf
    order = np.argsort(score, kind="stable")
    groups = np.array_split(order, min(10, len(order) // 50))
    error = float(np.mean([abs(values[rows].mean() - score[rows].mean()) for rows in groups])) / spread
    return unexplained if error <= _ERROR else np.inf

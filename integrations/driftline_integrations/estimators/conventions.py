"""Conventions of estimators: how they are called, and whether a result is a score, a class or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.capture.absent import ABSENT
from driftline.outputs.output import are_class_scores
from driftline.tables.classes import class_text
from driftline.tables.task import Task

from .fitted import FittedEstimator, look, mark
from .samples import rows_of

CallArguments = Mapping[str, Any]
"""The arguments of a call by their names."""

_EXPLANATIONS = ("pred_leaf", "pred_contrib", "pred_contribs", "pred_interactions", "approx_contribs")
_MARGINS = ("raw_score", "output_margin")
_CONVENTIONS = {
    ("classifier", "predict"): "class",
    ("classifier", "predict_proba"): "probability",
    ("classifier", "predict_log_proba"): "log probability",
    ("classifier", "decision_function"): "margin",
    ("regressor", "predict"): "value",
    ("outlier_detector", "predict"): "class",
    ("outlier_detector", "decision_function"): "margin",
    ("clusterer", "predict"): "class",
}


def asks_for_explanation(call_arguments: CallArguments) -> bool:
    """Return True if a call requests leaves or contributions instead of predictions."""
    return any(call_arguments.get(flag) for flag in _EXPLANATIONS)


def asks_for_margins(call_arguments: CallArguments) -> bool:
    """Return True if a call requests values before the link function: logits, logs."""
    return any(call_arguments.get(flag) for flag in _MARGINS)


def conventional_reading(fitted: FittedEstimator, method: str, call_arguments: CallArguments) -> str:
    """Return the kind of a method's result, a key of ``READINGS``; "" if it is not a prediction."""
    if asks_for_explanation(call_arguments):
        return ""
    if asks_for_margins(call_arguments):
        return "margin" if fitted.kind == "classifier" else ""
    return _CONVENTIONS.get((fitted.kind, method), "")


def booster_reading(fitted: FittedEstimator, method: str, call_arguments: CallArguments) -> str:  # noqa: ARG001
    """Return the kind of a booster's result: that of its objective, unless the call requests something else."""
    if asks_for_explanation(call_arguments) or call_arguments.get("training"):
        return ""
    if asks_for_margins(call_arguments) or call_arguments.get("predict_type") == "margin":
        return "margin" if fitted.kind == "classifier" else ""
    return fitted.result_kind


@dataclass(frozen=True)
class EstimatorFamily:
    """The estimators of one library.

    Attributes:
        look: Describes a fitted estimator.
        reading: Returns the kind of a call's result, a key of ``READINGS`` or "".
        rows: Converts the samples for the SDK; ``ABSENT`` if they cannot be recorded.
        mark: Returns a value that changes with each fit: an object, compared by identity, or a tuple, compared by
            value.
    """

    look: Callable[[Any], FittedEstimator | None] = look
    reading: Callable[[FittedEstimator, str, CallArguments], str] = conventional_reading
    rows: Callable[[Any], Any] = rows_of
    mark: Callable[[Any], object] = mark


CONVENTIONAL = EstimatorFamily()


ScoreAndClass = tuple[Any, Any]
"""A score and a predicted class, each ``ABSENT`` if a result does not have it."""


def in_class_order(result: Any, fitted: FittedEstimator, task: Task) -> Any:
    """Return probabilities (n, k), a column per class of the estimator, in the order of the model's classes."""
    texts = fitted.texts
    if fitted.coded or texts == task.classes or getattr(result, "shape", ())[1:] != (len(texts),):
        return result
    return np.asarray(result)[:, [texts.index(text) for text in task.classes]]


def _class(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:
    if not fitted.coded:
        return ABSENT, result
    return ABSENT, np.array(task.classes)[np.asarray(result).reshape(-1).astype(np.intp)]


def _probability(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:
    """Return the probabilities; ``ABSENT`` if the task has other classes, as that of a decorated function may have."""
    return (in_class_order(result, fitted, task) if fitted.suits(task) else ABSENT), ABSENT


def _log_probability(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:
    return _probability(np.exp(result), fitted, task)


def _second_probability(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:  # noqa: ARG001
    """Return the score from the probability of class 1, as boosters return it."""
    return (result if task.positive_class == task.classes[1] else 1.0 - np.asarray(result)), ABSENT


def _margin(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:
    """Return the class of a margin, by its sign or by the greatest margin: a margin is not a probability."""
    margins, classes = np.asarray(result), np.array(task.classes if fitted.coded else fitted.classes)
    if fitted.kind == "outlier_detector":
        return ABSENT, np.where(margins < 0, -1, 1)
    if margins.ndim == 2 and margins.shape[1] == 1:
        margins = margins[:, 0]
    if margins.ndim == 1 and len(classes) == 2:
        return ABSENT, classes[(margins > 0).astype(np.intp)]
    if margins.ndim == 2 and margins.shape[1] == len(classes):
        return ABSENT, classes[margins.argmax(axis=1)]
    return ABSENT, ABSENT  # one against one: a column per pair


def _value(result: Any, fitted: FittedEstimator, task: Task) -> ScoreAndClass:  # noqa: ARG001 - every reading has this signature
    """Return a value per row; the first element of a tuple that also contains a deviation."""
    return result[0] if isinstance(result, tuple) and result else result, ABSENT


def single_result(score_and_class: ScoreAndClass, task: Task) -> float | str | None:
    """Return one row as a plain score or class, which is read immediately; an array costs 15 µs.

    >>> single_result((np.array([[0.75, 0.25]]), ABSENT), Task("binary", ("0", "1"), "1"))
    0.25
    """
    score, predicted = score_and_class
    if isinstance(score, np.ndarray) and (task.has_threshold or task.predicts_number):
        if score.shape == (1, 2) and (positive := task.positive) is not None:
            scores = score.tolist()[0]
            return scores[positive] if are_class_scores(scores) else None
        return float(score.item()) if score.size == 1 else None
    if score is ABSENT and isinstance(predicted, np.ndarray) and predicted.size == 1:
        return class_text(predicted.item()) or None
    return None


READINGS: dict[str, Callable[[Any, FittedEstimator, Task], ScoreAndClass]] = {
    "class": _class,
    "probability": _probability,
    "log probability": _log_probability,
    "probability of the second": _second_probability,
    "margin": _margin,
    "value": _value,
}
"""Kind of a result (a class per row, a probability per class, ...) → its reader."""

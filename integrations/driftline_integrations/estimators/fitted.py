"""The description of a fitted estimator: its task, its classes, the names of its features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from driftline.faults import FAULTS
from driftline.tables.classes import class_text
from driftline.tables.task import Task

_MOST_STEPS = 20
_DECIDE_OTHERWISE = frozenset(("SVC", "NuSVC", "FixedThresholdClassifier", "TunedThresholdClassifierCV"))
"""Classifiers of scikit-learn whose ``predict`` does not follow from their probabilities."""


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator.

    Attributes:
        kind: "classifier", "regressor", "outlier_detector" or "clusterer".
        classes: Classes in the order of the columns of ``predict_proba``.
        positive: Class whose probability is a binary score.
        names: Names of its features, if it was fitted on named ones.
        coded: True if its classes are only numbers from 0 on, which represent the classes of the model in their order.
        result_kind: Kind of the results of ``predict`` by default, if it depends on how the estimator was trained.
        decides_otherwise: True if ``predict`` is known not to return the class with the greatest probability.
    """

    kind: str
    task: str
    classes: tuple[Any, ...] = ()
    positive: Any = None
    names: tuple[str, ...] | None = None
    coded: bool = False
    result_kind: str = ""
    decides_otherwise: bool = False

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The classes as texts, in the order of the columns."""
        return tuple(map(class_text, self.classes))

    def suits(self, task: Task) -> bool:
        """Return True if the predictions can be read as predictions of this task."""
        if self.task != task.kind:
            return False
        if self.coded:
            return len(self.classes) == len(task.classes)
        return {*self.texts} == {*task.classes}


def fitted_booster(task: str, classes: int, names: tuple[str, ...] | None, result_kind: str) -> FittedEstimator:
    """Describe a booster of gradient-boosted trees, whose classes are numbers.

    Args:
        task: Task of the booster.
        classes: Number of its classes; 0 for a regression.
        names: Names of its features, if it was fitted on named ones.
        result_kind: Kind of the results, a key of ``READINGS``; "" if they are not predictions.
    """
    if not classes:
        return FittedEstimator("regressor", task, names=names, result_kind=result_kind)
    return FittedEstimator("classifier", task, tuple(range(classes)), None, names, coded=True, result_kind=result_kind)


def look(estimator: Any) -> FittedEstimator | None:
    """Describe an estimator that follows scikit-learn's conventions; None while it is not fitted.

    The positive class of two classes is the last one, as in scikit-learn; for an outlier detector, it is the outlier,
    -1. Raises ``TypeError`` for an estimator with several targets.
    """
    kind = _kind(estimator)
    names = _names(estimator)
    if kind == "outlier_detector":
        return FittedEstimator(kind, "binary", (1, -1), -1, names)
    if kind == "clusterer":
        clusters = _clusters(estimator)
        return FittedEstimator(kind, "multiclass", tuple(range(clusters)), None, names) if clusters else None
    if kind == "regressor":
        return FittedEstimator(kind, "regression", (), None, names)
    classes = _fitted_attribute(estimator, "classes_")
    if classes is None:
        return None
    has_arrays = isinstance(classes, list) and any(isinstance(array, np.ndarray | list) for array in classes)
    if has_arrays or _has_multilabel_targets(estimator):
        raise TypeError(
            f"{type(estimator).__name__} predicts {len(classes)} targets at once; record each as a separate model: "
            "with model.prediction(features=...) as p: p.score = ..."
        )
    class_values = tuple(np.asarray(classes).tolist())
    if not class_values:
        return None
    task, positive = ("binary", class_values[1]) if len(class_values) == 2 else ("multiclass", None)
    otherwise = type(last_step(estimator)).__name__ in _DECIDE_OTHERWISE
    return FittedEstimator("classifier", task, class_values, positive, names, decides_otherwise=otherwise)


def last_step(estimator: Any) -> Any:
    """Return the estimator that predicts: the last step of a pipeline, the best estimator of a search."""
    for _ in range(_MOST_STEPS):
        attributes = getattr(estimator, "__dict__", {})
        steps, best = attributes.get("steps"), attributes.get("best_estimator_")
        if best is not None:
            estimator = best
        elif isinstance(steps, list) and steps and hasattr(steps[-1], "__len__") and hasattr(steps[-1][-1], "predict"):
            estimator = steps[-1][-1]
        else:
            break
    return estimator


def mark(estimator: Any) -> object:
    """Return an object that a new fit replaces, so that the old description can be dropped."""
    attributes = getattr(last_step(estimator), "__dict__", {})
    return next((attributes[name] for name in ("_Booster", "_classes", "classes_") if name in attributes), None)


def _kind(estimator: Any) -> str:
    """Return the kind of an estimator by scikit-learn's tags, else by its attributes."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    kind = ""
    try:
        kind = str((tags() if tags is not None else None).estimator_type or "")  # type: ignore[union-attr]
    except Exception as fault:  # no tags: an older scikit-learn, or a user's class
        FAULTS.let_signals_pass(fault)
        kind = str(getattr(estimator, "_estimator_type", "") or "")
    if kind in ("classifier", "regressor", "outlier_detector", "clusterer"):
        return kind
    return "classifier" if hasattr(estimator, "predict_proba") or hasattr(estimator, "classes_") else "regressor"


def _fitted_attribute(estimator: Any, name: str) -> Any:
    """Return an attribute that only a fit creates; None if it is missing or raises."""
    try:
        return getattr(estimator, name, None)
    except Exception as fault:
        FAULTS.let_signals_pass(fault)
        return None


def _has_multilabel_targets(estimator: Any) -> bool:
    """Return True if the classes are labels of which a row can have several: their columns are not class scores."""
    binarizers = (_fitted_attribute(last_step(estimator), name) for name in ("label_binarizer_", "_label_binarizer"))
    return any(str(getattr(binarizer, "y_type_", "")).startswith("multilabel") for binarizer in binarizers)


def _clusters(estimator: Any) -> int:
    centers = _fitted_attribute(last_step(estimator), "cluster_centers_")
    return 0 if centers is None else len(centers)


def _names(estimator: Any) -> tuple[str, ...] | None:
    for attribute in ("feature_names_in_", "feature_names_", "feature_name_"):  # scikit-learn, CatBoost, LightGBM
        names = _fitted_attribute(estimator, attribute)
        if names is not None and len(names):
            return tuple(map(str, names))
    return None

"""XGBoost: its scikit-learn estimators, and ``xgboost.Booster`` itself."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from driftline_integrations.estimators.library import LibraryInstrumentation, booster_family, sklearn_family
from driftline_integrations.estimators.library import uninstrument as uninstrument
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

if TYPE_CHECKING:
    from driftline.model import Model

    from driftline_integrations.estimators.fitted import FittedEstimator

E = TypeVar("E")


def instrument(model: Model, estimator: E, **options: Any) -> E:
    """Record the predictions of an ``XGBClassifier``, an ``XGBRegressor`` or a ``Booster``.

    The classes of a booster are numbers. If the model has classes, number i is the class at index i. The positive class
    is the second.

    Args:
        model: Model that the predictions belong to.
        estimator: XGBoost estimator or booster.
        **options: Options of :func:`driftline_integrations.sklearn.instrument`.

    Returns:
        The estimator itself.

    Raises:
        ValueError: Model and estimator contradict each other.
        TypeError: The estimator cannot be recorded, as for scikit-learn.
    """
    return _XGBOOST.record(model, estimator, **options)


def _look(booster: Any) -> FittedEstimator | None:
    """Describe a booster from its own configuration: 50 µs, once."""
    from driftline_integrations.estimators.fitted import fitted_booster

    names = None if booster.feature_names is None else tuple(map(str, booster.feature_names))
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    family = objective.partition(":")[0]
    if family == "binary":
        return fitted_booster("binary", 2, names, _ANSWERS.get(objective, ""))
    if family == "multi":
        classes = int(learner["learner_model_param"]["num_class"])
        return fitted_booster("multiclass", classes, names, _ANSWERS.get(objective, ""))
    return fitted_booster("regression", 0, names, "value")


_ANSWERS = {
    "binary:logistic": "probability of the second",
    "binary:logitraw": "margin",
    "binary:hinge": "class",
    "multi:softprob": "probability",
    "multi:softmax": "class",
}


def _rows(data: Any) -> Any:
    """Return the rows. Of a ``DMatrix``, without categories: it has only their codes, which differ between matrices."""
    from xgboost import DMatrix

    from driftline_integrations.estimators.samples import rows_of, rows_of_matrix

    if not isinstance(data, DMatrix):
        return rows_of(data)
    types = data.feature_types or ["float"] * data.num_col()
    numbers = [index for index, kind in enumerate(types) if kind != "c"]
    feature_names = data.feature_names
    if feature_names is None:
        names = None if len(numbers) == len(types) else tuple(f"f{index}" for index in numbers)
    else:
        names = tuple(str(feature_names[index]) for index in numbers)
    return rows_of_matrix(data.num_row(), len(numbers), names, partial(_read, data, numbers))


def _read(data: Any, columns: list[int]) -> Any:
    from driftline_integrations.estimators.samples import dense_rows

    return dense_rows(data.get_data())[:, columns]


_XGBOOST = LibraryInstrumentation(
    "xgboost",
    [
        ("xgboost.sklearn", "XGBModel", sklearn_family),
        ("xgboost.core", "Booster", partial(booster_family, _look, _rows)),
    ],
)


class XGBoostInstrumentor(ProcessInstrumentor):
    """Record the predictions of every XGBoost model of the process, with names as in ``SklearnInstrumentor``."""

    library = _XGBOOST
    dependencies = ("xgboost >= 2.0", "xgboost-cpu >= 2.0")

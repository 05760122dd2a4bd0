"""XGBoost: its scikit-learn estimators, and ``xgboost.Booster`` itself."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from driftline.faults import FAULTS

from driftline_integrations.estimators.library import LibraryInstrumentation, sklearn_family
from driftline_integrations.estimators.library import uninstrument as uninstrument
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

if TYPE_CHECKING:
    from driftline.model import Model

    from driftline_integrations.estimators.conventions import CallArguments, EstimatorFamily
    from driftline_integrations.estimators.fitted import FittedEstimator

E = TypeVar("E")


def booster_family() -> EstimatorFamily:
    """Return the conventions of a ``Booster``: its objective determines the form of its results."""
    from driftline_integrations.estimators.conventions import EstimatorFamily

    return EstimatorFamily(_look, _reading, _rows)


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
    if "c" in (booster.feature_types or ()) and find_spec("pyarrow") is not None:
        import pyarrow  # noqa: F401 - half a second, now and not in the middle of somebody's request
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    family = objective.partition(":")[0]
    if family == "binary":
        return fitted_booster("binary", 2, names, objective)
    if family == "multi":
        return fitted_booster("multiclass", int(learner["learner_model_param"]["num_class"]), names, objective)
    return fitted_booster("regression", 0, names, objective)


_ANSWERS = {
    "binary:logistic": "probability of the second",
    "binary:logitraw": "margin",
    "binary:hinge": "class",
    "multi:softprob": "probability",
    "multi:softmax": "class",
}


def _reading(fitted: FittedEstimator, method: str, call_arguments: CallArguments) -> str:  # noqa: ARG001
    from driftline_integrations.estimators.conventions import asks_for_explanation, asks_for_margins

    if asks_for_explanation(call_arguments) or call_arguments.get("training"):
        return ""
    if asks_for_margins(call_arguments) or call_arguments.get("predict_type") == "margin":
        return "margin" if fitted.kind == "classifier" else ""
    return _ANSWERS.get(fitted.objective, "value" if fitted.kind == "regressor" else "")


def _rows(data: Any) -> Any:
    from xgboost import DMatrix

    from driftline_integrations.estimators.samples import rows_of, rows_of_matrix

    if not isinstance(data, DMatrix):
        return rows_of(data)
    names = None if data.feature_names is None else tuple(map(str, data.feature_names))
    read = partial(_read, data)
    return rows_of_matrix(data.num_row(), data.num_col(), names, read, partial(_categories, data))


def _read(data: Any) -> Any:
    from driftline_integrations.estimators.samples import dense_rows

    return dense_rows(data.get_data())


def _categories(data: Any) -> dict[int, Any]:
    """Return the categories of the codes of a matrix, if it has them: since XGBoost 3.1, and through pyarrow.

    Each matrix has its own codes: 0 is "pro" in a matrix with no other category.
    """
    if "c" not in (data.feature_types or ()) or not hasattr(data, "get_categories"):
        return {}
    try:
        table = data.get_categories(export_to_arrow=True).to_arrow()
    except ImportError:  # pyarrow is not there
        return {}
    except Exception as fault:  # an experimental call, says XGBoost
        FAULTS.swallow("categories", fault)
        return {}
    return {place: categories for place, (_, categories) in enumerate(table) if categories is not None}


_XGBOOST = LibraryInstrumentation(
    "xgboost", [("xgboost.sklearn", "XGBModel", sklearn_family), ("xgboost.core", "Booster", booster_family)]
)


class XGBoostInstrumentor(ProcessInstrumentor):
    """Record the predictions of every XGBoost model of the process, with names as in ``SklearnInstrumentor``."""

    library = _XGBOOST

"""CatBoost, whose estimators follow scikit-learn's conventions without its base classes."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from driftline_integrations.estimators.library import LibraryInstrumentation
from driftline_integrations.estimators.library import uninstrument as uninstrument
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

if TYPE_CHECKING:
    from driftline.model import Model

    from driftline_integrations.estimators.conventions import CallArguments, EstimatorFamily
    from driftline_integrations.estimators.fitted import FittedEstimator

E = TypeVar("E")


def catboost_family() -> EstimatorFamily:
    """Return the conventions of CatBoost's methods: samples or a ``Pool``, read by ``prediction_type``."""
    from driftline_integrations.estimators.conventions import EstimatorFamily

    return EstimatorFamily(_look, _reading, _rows, _mark)


def instrument(model: Model, estimator: E, **options: Any) -> E:
    """Record the predictions of a ``CatBoostClassifier`` or ``CatBoostRegressor``.

    Args:
        model: Model that the predictions belong to.
        estimator: CatBoost estimator.
        **options: Options of :func:`driftline_integrations.sklearn.instrument`.

    Returns:
        The estimator itself.

    Raises:
        ValueError: Model and estimator contradict each other.
        TypeError: The estimator cannot be recorded, as for scikit-learn.
    """
    return _CATBOOST.record(model, estimator, **options)


def _look(estimator: Any) -> FittedEstimator | None:
    """Describe an estimator; ``result_kind`` is its default type of prediction."""
    from driftline_integrations.estimators.fitted import look

    fitted = look(estimator) if estimator.is_fitted() else None
    parameter = inspect.signature(type(estimator).predict).parameters.get("prediction_type")
    return fitted and replace(fitted, result_kind=str(parameter.default if parameter else ""))


def _mark(estimator: Any) -> object:
    """Return the classes, because a new fit does not replace any object of the estimator."""
    classes = estimator.classes_ if estimator.is_fitted() else None
    return () if classes is None else tuple(map(str, classes))


_ANSWERS = {
    ("classifier", "Class"): "class",
    ("classifier", "Probability"): "probability",
    ("classifier", "MultiProbability"): "probability",
    ("classifier", "LogProbability"): "log probability",
    ("classifier", "RawFormulaVal"): "margin",
    ("regressor", "RawFormulaVal"): "value",
    ("regressor", "Exponent"): "value",
    ("regressor", "None"): "value",
    ("regressor", ""): "value",  # a ranker's predict has no such argument
}


def _reading(fitted: FittedEstimator, method: str, call_arguments: CallArguments) -> str:
    from driftline_integrations.estimators.conventions import conventional_reading

    if method != "predict":
        return conventional_reading(fitted, method, call_arguments)
    return _ANSWERS.get((fitted.kind, str(call_arguments.get("prediction_type") or fitted.result_kind)), "")


def _rows(data: Any) -> Any:
    """Return the rows; for a ``Pool`` only if all are numbers, because it does not return texts and categories."""
    from catboost import Pool

    from driftline_integrations.estimators.samples import rows_of, rows_of_matrix

    if not isinstance(data, Pool):
        return rows_of(data)
    numeric = not (data.get_cat_feature_indices() or data.get_text_feature_indices())
    names = tuple(map(str, data.get_feature_names())) if numeric else ()
    return rows_of_matrix(data.num_row(), len(names), names, data.get_features)


_CATBOOST = LibraryInstrumentation("catboost", [("catboost.core", "CatBoost", catboost_family)])


class CatBoostInstrumentor(ProcessInstrumentor):
    """Record the predictions of every CatBoost model of the process, with names as in ``SklearnInstrumentor``."""

    library = _CATBOOST
    dependencies = ("catboost >= 1.2.5",)

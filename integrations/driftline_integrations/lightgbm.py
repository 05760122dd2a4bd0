"""LightGBM: its scikit-learn estimators, and ``lightgbm.Booster`` itself."""

from __future__ import annotations

import os
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
    """Record the predictions of an ``LGBMClassifier``, an ``LGBMRegressor`` or a ``Booster``.

    The classes of a booster are numbers. If the model has classes, number i is the class at index i. The positive class
    is the second.

    Args:
        model: Model that the predictions belong to.
        estimator: LightGBM estimator or booster.
        **options: Options of :func:`driftline_integrations.sklearn.instrument`.

    Returns:
        The estimator itself.

    Raises:
        ValueError: Model and estimator contradict each other.
        TypeError: The estimator cannot be recorded, as for scikit-learn.
    """
    return _LIGHTGBM.record(model, estimator, **options)


def _look(booster: Any) -> FittedEstimator | None:
    """Describe a booster from its dumped first tree: 60 µs, once."""
    from driftline_integrations.estimators.fitted import fitted_booster

    description = booster.dump_model(num_iteration=1)
    objective = str(description.get("objective", "")).partition(" ")[0]
    names = tuple(map(str, booster.feature_name()))
    if objective == "binary":
        return fitted_booster("binary", 2, names, "probability of the second")
    if objective in ("multiclass", "multiclassova"):  # one against all: the scores of a row do not sum to 1
        kind = "probability" if objective == "multiclass" else "margin"
        return fitted_booster("multiclass", int(description["num_class"]), names, kind)
    return fitted_booster("regression", 0, names, "value")


def _rows(data: Any) -> Any:
    """Return the rows; ``ABSENT`` if the booster reads a file itself."""
    from driftline.capture.absent import ABSENT

    from driftline_integrations.estimators.samples import rows_of

    return ABSENT if isinstance(data, str | os.PathLike) else rows_of(data)


_LIGHTGBM = LibraryInstrumentation(
    "lightgbm",
    [
        ("lightgbm.sklearn", "LGBMModel", sklearn_family),
        ("lightgbm.basic", "Booster", partial(booster_family, _look, _rows)),
    ],
)


class LightGBMInstrumentor(ProcessInstrumentor):
    """Record the predictions of every LightGBM model of the process, with names as in ``SklearnInstrumentor``."""

    library = _LIGHTGBM
    dependencies = ("lightgbm >= 4.3",)

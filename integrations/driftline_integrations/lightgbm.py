"""LightGBM: its scikit-learn estimators, and ``lightgbm.Booster`` itself."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from . import providers
from .everywhere import Everywhere
from .instrumentor import BaseInstrumentor
from .sklearn import conventional
from .sklearn import uninstrument as uninstrument

if TYPE_CHECKING:
    from driftline.model import Model

    from .family import Family, Given
    from .fitted import Fitted

E = TypeVar("E")


def boosters() -> Family:
    """Return how a ``Booster`` is asked: its objective says what it answers."""
    from .family import Family

    return Family(_look, _reading, _rows)


def instrument(model: Model, estimator: E, **options: Any) -> E:
    """Record what an ``LGBMClassifier``, an ``LGBMRegressor`` or a ``Booster`` predicts; return the same object.

    The options, and what is raised, are those of ``driftline_integrations.sklearn.instrument``. A booster knows its
    classes by numbers: they stand for those of the model in its order, else are the classes; the positive class is
    the second.
    """
    from lightgbm import Booster

    from . import estimators

    family = boosters() if isinstance(estimator, Booster) else conventional()
    estimators.instrument(model, estimator, library="lightgbm", family=family, **options)
    return estimator


def _look(booster: Any) -> Fitted | None:
    """Describe a booster by the description of its first tree: 60 µs, once."""
    from .fitted import Fitted

    told = booster.dump_model(num_iteration=1)
    objective = str(told.get("objective", "")).partition(" ")[0]
    names = tuple(map(str, booster.feature_name()))
    if objective == "binary":
        return Fitted("classifier", "binary", (0, 1), None, names, coded=True, objective=objective)
    if objective in ("multiclass", "multiclassova"):
        classes = tuple(range(int(told["num_class"])))
        return Fitted("classifier", "multiclass", classes, None, names, coded=True, objective=objective)
    return Fitted("regressor", "regression", names=names, objective=objective)


def _reading(fitted: Fitted, method: str, given: Given) -> str:  # noqa: ARG001
    from .family import asks_for_margins, explains

    if explains(given):
        return ""
    if asks_for_margins(given):
        return "margin" if fitted.kind == "classifier" else ""
    return {"binary": "probability of the second", "multiclass": "probability"}.get(fitted.task, "value")


def _rows(data: Any) -> Any:
    """Return the rows; there are none where the booster reads a file itself."""
    from driftline.prediction import ABSENT

    from .samples import rows_of

    return ABSENT if isinstance(data, str | os.PathLike) else rows_of(data)


_LIGHTGBM = Everywhere(
    "lightgbm", [("lightgbm.sklearn", "LGBMModel", conventional), ("lightgbm.basic", "Booster", boosters)]
)


class LightGBMInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Record what every LightGBM model of the process predicts, by the name that ``SklearnInstrumentor`` gives."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed for this to do anything."""
        return ("lightgbm >= 4.3",)

    def _instrument(self, **kwargs: Any) -> None:
        providers.take(self, kwargs)
        _LIGHTGBM.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        providers.forget(self)
        _LIGHTGBM.uninstrument()

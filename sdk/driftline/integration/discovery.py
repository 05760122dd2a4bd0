"""Find the integration that knows an object, by entry point, so that nothing unused is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

GROUP = "driftline_integration"


def integration_for(target: Any) -> Callable[..., Any]:
    """Return the function that instruments an object: ``(model, target, **options) -> target``.

    It is the entry point named as the top-level package of the object's type, or of the nearest base that has one: so
    an ``xgboost.XGBClassifier`` is XGBoost's, and an estimator of somebody's own is scikit-learn's. Raises
    ``TypeError`` where there is none.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    for base in type(target).__mro__:
        point = known.get(base.__module__.partition(".")[0])
        if point is not None:
            found: Callable[..., Any] = point.load()
            return found
    raise TypeError(
        f"instrument() knows no {type(target).__module__}.{type(target).__qualname__}; it knows objects of "
        f"{', '.join(sorted(known))}; decorate the function that predicts instead: @model.predict"
    )

"""Find the integration of an object by entry point; no other integration is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

GROUP = "driftline_integration"


def integration_for(target: Any) -> Callable[..., Any]:
    """Return the function that instruments an object.

    The entry point has the name of the top-level package of the object's type, or of its nearest base with an entry
    point. So ``xgboost.XGBClassifier`` belongs to XGBoost, and an estimator of a user to scikit-learn.

    Args:
        target: Object to instrument.

    Returns:
        Function ``(model, target, **options) -> target``.

    Raises:
        TypeError: No entry point fits the object.
    """
    entry_points_by_name = {point.name: point for point in entry_points(group=GROUP)}
    for base in type(target).__mro__:
        point = entry_points_by_name.get(base.__module__.partition(".")[0])
        if point is not None:
            integration: Callable[..., Any] = point.load()
            return integration
    raise TypeError(
        f"instrument() does not support {type(target).__module__}.{type(target).__qualname__}; it supports objects of "
        f"{', '.join(sorted(entry_points_by_name))}; decorate the function that predicts instead: @model.predict"
    )

"""Who asks: a service, or a library that asks its own estimators on the way.

A prediction is a call that comes from outside: no frame above it belongs to a library of estimators or explanations,
or to a call that is recorded already. What scikit-learn does inside ``fit``, cross-validation, a search, ``score``,
a scorer, ``permutation_importance``, a pipeline or a forest has its own frames above it, in its worker threads and
processes as well, where a context variable would be lost; and in functions that were imported before us, which
wrapping would miss. A frame costs 55 ns, and a call from inside ends at the first.
"""

from __future__ import annotations

from types import FrameType

_LIBRARIES = frozenset(("sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "shap", "lime"))
"""Top-level packages that call estimators on the way; the last two ask about rows that nobody sent, to explain one."""
_THOROUGHFARE = frozenset(("sklearn.utils.parallel", "sklearn.utils._available_if"))
"""Modules that only pass on a call of whoever uses them, such as a batch job with scikit-learn's own ``delayed``."""
WRAPPER = "driftline_integrations.methods"
"""The module of the wrappers: its frame means that an estimator is being asked, or fitted, already."""

_inside: dict[str, bool] = {}
_MOST_NAMES = 10_000


def comes_from_outside(frame: FrameType | None) -> bool:
    """Say whether a call whose caller is ``frame`` is one of a service."""
    while frame is not None:
        name = frame.f_globals.get("__name__")
        inside = _inside.get(name) if name.__class__ is str else False
        if inside is None:
            inside = _learn(str(name))
        if inside:
            return False
        frame = frame.f_back
    return True


def of_a_library(module: str) -> bool:
    """Say whether a module belongs to one of the libraries that call estimators on the way."""
    return module.partition(".")[0] in _LIBRARIES


def _learn(name: str) -> bool:
    if len(_inside) >= _MOST_NAMES:  # modules whose names change with every call
        _inside.clear()
    inside = _inside[name] = name == WRAPPER or (of_a_library(name) and name not in _THOROUGHFARE)
    return inside

"""Instrumentation of a whole library: every class derived from its base classes, now or later.

Nothing is imported: a library that is already imported is wrapped immediately, any other library when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from driftline.faults import FAULTS

from driftline_integrations.instrumentation.hooks import ImportHooks

if TYPE_CHECKING:
    from driftline.model import Model

    from .conventions import EstimatorFamily
    from .fitted import FittedEstimator

E = TypeVar("E")

Root = tuple[str, str, Callable[[], "EstimatorFamily"]]
"""``(module, class, family)`` of a library: the base class of its estimators, and their conventions."""

_INIT_SUBCLASS = "__init_subclass__"


class LibraryInstrumentation:
    """One library, by its name."""

    def __init__(self, name: str, roots: Sequence[Root]) -> None:
        self._name = name
        self._roots = roots
        self._imports = ImportHooks(*((home, partial(self._wrap_root, kind, family)) for home, kind, family in roots))
        self._births: list[tuple[type, Any]] = []

    def record(
        self,
        model: Model,
        estimator: E,
        *,
        methods: Sequence[str] | None = None,
        id: str = "",
        time: str = "",
        span_features: bool | None = None,
    ) -> E:
        """Record the predictions of one estimator; see :func:`driftline_integrations.sklearn.instrument`."""
        from . import calls

        only = calls.PREDICTING if methods is None else (methods,) if isinstance(methods, str) else methods
        options: dict[str, Any] = {"id_field": id, "time_field": time, "span_features": span_features}
        family = self._family_of(estimator)
        calls.watch(estimator, calls.WatchedEstimator(model, family=family, library=self._name, only=only, **options))
        return estimator

    def _family_of(self, estimator: object) -> EstimatorFamily:
        """Return the family of an estimator's base class; the first one for an estimator without a base class."""
        for home, kind, family in self._roots:
            root = getattr(sys.modules.get(home), kind, None)
            if isinstance(root, type) and isinstance(estimator, root):
                return family()
        return self._roots[0][2]()

    def instrument(self) -> None:
        """Record the predictions of every estimator of the library."""
        self._imports.await_all()

    def uninstrument(self) -> None:
        """Restore every attribute, and stop recording, also of estimators named through this library."""
        from driftline_integrations.instrumentation.methods import restore_methods

        from .calls import forget_library

        self._imports.active = False
        forget_library(self._name)
        while self._births:
            root, original = self._births.pop()
            if original is None:
                delattr(root, _INIT_SUBCLASS)
            else:
                setattr(root, _INIT_SUBCLASS, original)
        restore_methods(self._name)

    def _wrap_root(self, kind: str, family: Callable[[], EstimatorFamily], module: Any) -> None:
        self._wrap(getattr(module, kind), family())

    def _wrap(self, root: type, family: EstimatorFamily) -> None:
        from .calls import wrap_estimator_methods

        for kind in _subclasses(root):
            wrap_estimator_methods(kind, family, self._name)
        original = root.__dict__.get(_INIT_SUBCLASS)

        def born(kind: Any, /, **kwargs: Any) -> None:
            if original is None:
                super(root, kind).__init_subclass__(**kwargs)  # type: ignore[arg-type]
            else:
                original.__get__(None, kind)(**kwargs)
            try:
                wrap_estimator_methods(kind, family, self._name)
            except Exception as fault:  # user code defines a class
                FAULTS.swallow("instrument", fault)

        setattr(root, _INIT_SUBCLASS, classmethod(born))
        self._births.append((root, original))


def _subclasses(root: type) -> Iterator[type]:
    """Yield a class and all its subclasses, each once."""
    subclasses, waiting = {root}, [root]
    while waiting:
        kind = waiting.pop()
        yield kind
        children: set[type] = set(kind.__subclasses__()) - subclasses
        subclasses |= children
        waiting.extend(children)


def sklearn_family() -> EstimatorFamily:
    """Return the family of scikit-learn's conventions; imports numpy."""
    from .conventions import CONVENTIONAL

    return CONVENTIONAL


def booster_family(look: Callable[[Any], FittedEstimator | None], rows: Callable[[Any], Any]) -> EstimatorFamily:
    """Return the family of a library's ``Booster``, whose objective determines the form of its results."""
    from .conventions import EstimatorFamily, booster_reading

    return EstimatorFamily(look, booster_reading, rows)


def uninstrument(estimator: Any) -> None:
    """Stop recording an estimator.

    Args:
        estimator: Estimator that was passed to ``instrument``.
    """
    from . import calls

    calls.uninstrument(estimator)

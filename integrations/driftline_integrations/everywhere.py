"""A library as a whole: every class that it, or anybody else, derives from its roots, now or later.

Nothing is imported: a library that is imported already is wrapped at once, another one when somebody imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS

from .imports import Imports

if TYPE_CHECKING:
    from .family import Family

Root = tuple[str, str, Callable[[], "Family"]]
"""``(module, class, family)``: what estimators of a library derive from, and how they are asked."""

_INIT_SUBCLASS = "__init_subclass__"


class Everywhere:
    """One library, by its name."""

    def __init__(self, name: str, roots: Sequence[Root]) -> None:
        self._name = name
        self._imports = Imports(*((home, partial(self._wrap_root, kind, family)) for home, kind, family in roots))
        self._births: list[tuple[type, Any]] = []

    def instrument(self) -> None:
        """Record what every estimator of the library predicts."""
        self._imports.await_all()

    def uninstrument(self) -> None:
        """Put every attribute back, and record nothing any more, not even what somebody named through this library."""
        from .estimators import forget
        from .methods import restore

        self._imports.wanted = False
        forget(self._name)
        while self._births:
            root, original = self._births.pop()
            if original is None:
                delattr(root, _INIT_SUBCLASS)
            else:
                setattr(root, _INIT_SUBCLASS, original)
        restore(self._name)

    def _wrap_root(self, kind: str, family: Callable[[], Family], module: Any) -> None:
        self._wrap(getattr(module, kind), family())

    def _wrap(self, root: type, family: Family) -> None:
        from .estimators import wrap_for

        for kind in _family(root):
            wrap_for(kind, family, self._name)
        original = root.__dict__.get(_INIT_SUBCLASS)

        def born(kind: Any, /, **kwargs: Any) -> None:
            if original is None:
                super(root, kind).__init_subclass__(**kwargs)  # type: ignore[arg-type]
            else:
                original.__get__(None, kind)(**kwargs)
            try:
                wrap_for(kind, family, self._name)
            except Exception as fault:  # somebody defines a class
                FAULTS.swallow("instrument", fault)

        setattr(root, _INIT_SUBCLASS, classmethod(born))
        self._births.append((root, original))


def _family(root: type) -> Iterator[type]:
    """Yield a class and all that derive from it, each once."""
    seen, waiting = {root}, [root]
    while waiting:
        kind = waiting.pop()
        yield kind
        children: set[type] = set(kind.__subclasses__()) - seen
        seen |= children
        waiting.extend(children)

"""A library as a whole: every class that it, or anybody else, derives from its roots, now or later.

Nothing is imported: a library that is imported already is wrapped at once, another one when somebody imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import wrapt
from driftline.faults import FAULTS

if TYPE_CHECKING:
    from .family import Family

Root = tuple[str, str, Callable[[], "Family"]]
"""``(module, class, family)``: what estimators of a library derive from, and how they are asked."""

_INIT_SUBCLASS = "__init_subclass__"


class Everywhere:
    """One library, by its name."""

    def __init__(self, name: str, roots: Sequence[Root]) -> None:
        self._name = name
        self._roots = roots
        self._wanted = False
        self._hooked = False
        self._births: list[tuple[type, Any]] = []

    def instrument(self) -> None:
        """Record what every estimator of the library predicts."""
        self._wanted = True
        for root in self._roots:
            if not self._hooked:  # such hooks cannot be taken back; they ask whether they are wanted
                wrapt.register_post_import_hook(self._hook(root), root[0])
            elif root[0] in sys.modules:
                self._hook(root)(sys.modules[root[0]])
        self._hooked = True

    def uninstrument(self) -> None:
        """Put every attribute back, and record nothing any more, not even what somebody named through this library."""
        from .estimators import forget
        from .methods import restore

        self._wanted = False
        forget(self._name)
        while self._births:
            root, original = self._births.pop()
            if original is None:
                delattr(root, _INIT_SUBCLASS)
            else:
                setattr(root, _INIT_SUBCLASS, original)
        restore(self._name)

    def _hook(self, root: Root) -> Callable[[Any], None]:
        def wrap(module: Any) -> None:
            try:
                if self._wanted:
                    self._wrap(getattr(module, root[1]), root[2]())
            except Exception as fault:  # somebody imports it: a version of the library that we do not know
                FAULTS.swallow("instrument", fault)

        return wrap

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

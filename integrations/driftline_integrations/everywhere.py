"""A library as a whole: every class that it, or anybody else, derives from its roots, now or later.

Nothing is imported: a library that is imported already is wrapped at once, another one when somebody imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import wrapt

from . import methods
from .outermost import of_a_library

_INIT_SUBCLASS = "__init_subclass__"


class Everywhere:
    """One library. ``owner``: its name; ``roots``: ``(module, class)`` of what its estimators derive from."""

    def __init__(self, owner: str, roots: Sequence[tuple[str, str]]) -> None:
        self.owner = owner
        self._roots = roots
        self._wanted = False
        self._hooked = False
        self._births: list[tuple[type, Any]] = []

    def instrument(self) -> None:
        """Record what every estimator of the library predicts."""
        self._wanted = True
        if self._hooked:  # such hooks cannot be taken back; they ask whether they are wanted
            for module, name in self._roots:
                self._wrap_imported(module, name)
            return
        self._hooked = True
        for module, name in self._roots:
            wrapt.register_post_import_hook(self._hook(name), module)

    def uninstrument(self) -> None:
        """Put every attribute back."""
        self._wanted = False
        while self._births:
            root, original = self._births.pop()
            if original is None:
                delattr(root, _INIT_SUBCLASS)
            else:
                setattr(root, _INIT_SUBCLASS, original)
        methods.restore(self.owner)

    def _hook(self, name: str) -> Callable[[Any], None]:
        def wrap(module: Any) -> None:
            if self._wanted:
                self._wrap(getattr(module, name))

        return wrap

    def _wrap_imported(self, module: str, name: str) -> None:
        if module in sys.modules:
            self._wrap(getattr(sys.modules[module], name))

    def _wrap(self, root: type) -> None:
        for kind in _family(root):
            self._wrap_class(kind)
        self._attend_births(root)

    def _attend_births(self, root: type) -> None:
        original = root.__dict__.get(_INIT_SUBCLASS)

        def born(kind: Any, /, **kwargs: Any) -> None:
            if original is None:
                super(root, kind).__init_subclass__(**kwargs)  # type: ignore[arg-type]
            else:
                original.__get__(None, kind)(**kwargs)
            self._wrap_class(kind)

        setattr(root, _INIT_SUBCLASS, classmethod(born))
        self._births.append((root, original))

    def _wrap_class(self, kind: type) -> None:
        from .estimators import PREDICTING, TRAINING, call

        for base in kind.__mro__[:-1]:
            methods.wrap(base, PREDICTING, call, self.owner)
            if not of_a_library(base.__module__):
                methods.wrap(base, TRAINING, call, self.owner)


def _family(root: type) -> Iterator[type]:
    """Yield a class and all that derive from it, each once."""
    seen, waiting = {root}, [root]
    while waiting:
        kind = waiting.pop()
        yield kind
        children: set[type] = set(kind.__subclasses__()) - seen
        seen |= children
        waiting.extend(children)

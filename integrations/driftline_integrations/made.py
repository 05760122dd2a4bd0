"""Applications as they are made: told of each one from then on, until nobody wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import wrapt
from driftline.faults import FAULTS


class Made:
    """Wraps ``__init__`` of some classes. ``told``: called with each object that one of them has made."""

    def __init__(self, told: Callable[[Any], None]) -> None:
        self._told = told
        self._wrappers: list[tuple[type, Any]] = []
        self._wanted = False

    def attend(self, owners: Iterable[type]) -> None:
        """Tell of every object that these classes make."""
        self._wanted = True
        for owner in owners:
            wrapper = wrapt.wrap_function_wrapper(owner, "__init__", self._made)
            self._wrappers.append((owner, wrapper))

    def leave(self) -> None:
        """Take the wrappers off; one that somebody else has wrapped since stays, and tells nobody."""
        self._wanted = False
        outermost = [(owner, wrapper) for owner, wrapper in self._wrappers if owner.__dict__["__init__"] is wrapper]
        for owner, wrapper in outermost:
            owner.__init__ = wrapper.__wrapped__  # type: ignore[misc]
        self._wrappers.clear()

    def _made(self, wrapped: Callable[..., None], made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wrapped(*args, **kwargs)
        try:
            if self._wanted:
                self._told(made)
        except Exception as fault:  # somebody makes an application
            FAULTS.swallow("instrument", fault)

"""Hooks that run when a module is imported, or when a class makes an object.

Nothing is imported here. wrapt's import hooks cannot be removed, so each asks whether it is still wanted.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import wrapt
from driftline.faults import FAULTS

Hook = tuple[str, Callable[[Any], None]]
"""A module's name, and what is called with the module."""


class ImportHooks:
    """Some hooks. ``active``: whether they do anything."""

    def __init__(self, *hooks: Hook) -> None:
        self.active = False
        self._hooks = [(home, self._guarded(hook)) for home, hook in hooks]
        self._waiting = False

    def await_all(self) -> None:
        """Call each hook: now where its module is imported already, else when somebody imports it."""
        self.active = True
        for home, hook in self._hooks:
            if not self._waiting:
                wrapt.register_post_import_hook(hook, home)
            elif home in sys.modules:
                hook(sys.modules[home])
        self._waiting = True

    def _guarded(self, hook: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(module: Any) -> None:
            try:
                if self.active:
                    hook(module)
            except Exception as fault:  # somebody imports it: a version of the library that we do not know
                FAULTS.swallow("instrument", fault)

        return guarded


class ConstructorHook:
    """Wraps the methods by which some classes make their objects.

    Args:
        told: Called with each that one of them made.
        births: Those methods; ``__setstate__`` is where an object comes from that is unpickled.
    """

    def __init__(self, callback: Callable[[Any], None], births: Iterable[str] = ("__init__",)) -> None:
        self._callback = callback
        self._births = tuple(births)
        self._wrapped: list[tuple[type, str, Any, Any]] = []
        self._active = False

    def attend(self, owners: Iterable[type]) -> None:
        """Tell of every object that these classes make."""
        self._active = True
        for owner in owners:
            for birth in self._births:
                born = self._born(getattr(owner, birth))
                self._wrapped.append((owner, birth, owner.__dict__.get(birth), born))
                setattr(owner, birth, born)

    def leave(self) -> None:
        """Put the classes back as they were; what somebody else has wrapped since stays, and tells nobody."""
        self._active = False
        while self._wrapped:
            owner, birth, plain, born = self._wrapped.pop()
            if owner.__dict__.get(birth) is born:
                delattr(owner, birth) if plain is None else setattr(owner, birth, plain)

    def _born(self, birth: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(birth)
        def born(instance: Any, /, *args: Any, **kwargs: Any) -> None:
            birth(instance, *args, **kwargs)
            try:
                if self._active:
                    self._callback(instance)
            except Exception as fault:  # it is somebody's constructor
                FAULTS.swallow("instrument", fault)

        return born

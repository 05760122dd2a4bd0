"""Hooks that run when a module is imported, or when a class creates an object.

Nothing is imported here. wrapt's import hooks cannot be removed, so each checks whether it is still active.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import wrapt
from driftline.faults import FAULTS

Hook = tuple[str, Callable[[Any], None]]
"""A module's name, and the function that is called with the module."""


class ImportHooks:
    """A set of import hooks. ``active``: whether they do anything."""

    def __init__(self, *hooks: Hook) -> None:
        self.active = False
        self._hooks = [(home, self._guarded(hook)) for home, hook in hooks]
        self._waiting = False

    def await_all(self) -> None:
        """Call each hook: now if its module is imported, else when it is imported."""
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
    """Wraps the methods by which some classes create their objects.

    Args:
        callback: Called with each created object.
        constructors: Names of those methods; ``__setstate__`` creates unpickled objects.
    """

    def __init__(self, callback: Callable[[Any], None], constructors: Iterable[str] = ("__init__",)) -> None:
        self._callback = callback
        self._constructors = tuple(constructors)
        self._wrapped: list[tuple[type, str, Any, Any]] = []
        self._active = False

    def attend(self, owners: Iterable[type]) -> None:
        """Wrap the methods of these classes."""
        self._active = True
        for owner in owners:
            for constructor in self._constructors:
                wrapped = self._wrap(getattr(owner, constructor))
                self._wrapped.append((owner, constructor, owner.__dict__.get(constructor), wrapped))
                setattr(owner, constructor, wrapped)

    def leave(self) -> None:
        """Restore the classes; methods that another library has wrapped since stay, and do nothing."""
        self._active = False
        while self._wrapped:
            owner, constructor, plain, wrapped = self._wrapped.pop()
            if owner.__dict__.get(constructor) is wrapped:
                delattr(owner, constructor) if plain is None else setattr(owner, constructor, plain)

    def _wrap(self, constructor: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(constructor)
        def wrapped(instance: Any, /, *args: Any, **kwargs: Any) -> None:
            constructor(instance, *args, **kwargs)
            try:
                if self._active:
                    self._callback(instance)
            except Exception as fault:  # it is somebody's constructor
                FAULTS.swallow("instrument", fault)

        return wrapped

"""The living pipelines and call plans of a process, and listeners for new ones."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LiveObjects(Generic[T]):
    """Objects that live for as long as somebody else needs them.

    ``listeners``: called with each one that is made from now on.
    """

    def __init__(self) -> None:
        self._objects: weakref.WeakSet[T] = weakref.WeakSet()
        self.listeners: list[Callable[[T], object]] = []

    def add(self, target: T) -> None:
        """Remember one."""
        self._objects.add(target)
        for listener in self.listeners:
            listener(target)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects))

"""Values by the identity of an object, without a mark on the object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import ref

V = TypeVar("V")


class IdentityMap(Generic[V]):
    """Values by the identity of an object, because some objects cannot be hashed; removed together with the object.

    >>> watched, estimator = IdentityMap[str](), {0.5}
    >>> watched.set(estimator, "churn")
    >>> watched.get(estimator), watched.get({0.5})
    ('churn', None)
    >>> del estimator
    >>> len(watched)
    0
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[ref[Any], V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, target: object) -> bool:
        return id(target) in self._entries

    def set(self, target: Any, value: V) -> None:
        """Set the value of an object. Raises ``TypeError`` if the object does not allow weak references."""
        key, entries = id(target), self._entries
        entries[key] = ref(target, lambda _: entries.pop(key, None)), value

    def get(self, target: Any) -> V | None:
        """Return the value of an object; None if there is none."""
        entry = self._entries.get(id(target))
        return None if entry is None else entry[1]

    def forget(self, target: Any) -> None:
        """Remove an object."""
        self._entries.pop(id(target), None)

    def values(self) -> list[V]:
        """Return all values."""
        return [value for _, value in list(self._entries.values())]

    def drop(self, unwanted: Callable[[V], bool]) -> None:
        """Remove every object whose value is ``unwanted``."""
        for key, (_, value) in list(self._entries.items()):
            if unwanted(value):
                self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all objects."""
        self._entries.clear()

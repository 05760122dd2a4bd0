"""A value that may be None and has to be there."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


def unwrap(value: _T | None) -> _T:
    """Return a value that is not None."""
    assert value is not None
    return value


def of_type(value: object, kind: type[_T]) -> _T:
    """Return a value that is of a type."""
    assert isinstance(value, kind), value
    return value

"""dict and every other mapping (TypedDict, MappingProxyType, a request's parameters): one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .row import Row, clean

if TYPE_CHECKING:
    from . import Reader


def reader(kind: type) -> Reader | None:
    """Return the reader of mappings, if it is one."""
    return read if issubclass(kind, Mapping) else None


def read(value: Mapping[str, Any]) -> Row:
    """Keep names and values."""
    return tuple(value), clean(tuple(value.values()))

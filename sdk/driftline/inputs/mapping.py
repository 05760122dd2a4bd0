"""dict and every other mapping (TypedDict, MappingProxyType, a request's parameters): one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from driftline.unrecorded import TOO_LARGE

from .batch import Unrecorded
from .row import MOST_VALUES, Row, clean

if TYPE_CHECKING:
    from . import Reader


def reader(kind: type) -> Reader | None:
    """Return the reader of mappings, if it is one."""
    return read if issubclass(kind, Mapping) else None


def read(value: Mapping[str, Any]) -> Row | Unrecorded:
    """Keep names and values."""
    if len(value) > MOST_VALUES:
        return Unrecorded(TOO_LARGE, f"a row has at most {MOST_VALUES:,} features")
    return tuple(value), clean(tuple(value.values()))

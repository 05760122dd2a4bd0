"""Mappings, and objects with declared fields (dataclasses, pydantic models, named tuples): one row each.

Mappings are dict and all others (TypedDict, MappingProxyType, a request's parameters).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from driftline.loss_counters import TOO_LARGE

from .batch import Unrecorded
from .row import MOST_VALUES, Row

if TYPE_CHECKING:
    from .batch import Reader


def reader(kind: type) -> Reader | None:
    """Return a reader of the type's fields, if it declares any.

    For a pydantic model that allows extra fields, these are features too. Computed fields are not, because they were
    not part of the input, and the caller would wait for their code.
    """
    names = fields(kind)
    get = _values(names)
    if isinstance(getattr(kind, "model_fields", None), dict) and hasattr(kind, "model_extra"):
        return _with_extra(names, get)
    return (lambda value: (names, get(value))) if names else None


def _values(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return the function that reads the values of an object's fields."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


def _with_extra(names: tuple[str, ...], get: Callable[[Any], tuple[Any, ...]]) -> Reader:
    def read(value: Any) -> Row | Unrecorded:
        extra = value.model_extra
        if not extra:
            return names, get(value)
        if len(names) + len(extra) > MOST_VALUES:
            return Unrecorded(TOO_LARGE, f"a row has at most {MOST_VALUES:,} features")
        return (*names, *extra), (*get(value), *extra.values())

    return read


def fields(kind: type) -> tuple[str, ...]:
    """Return the declared field names of a type; () if there are none."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    declared: Any = getattr(kind, "model_fields", None)  # pydantic
    if isinstance(declared, dict):
        return tuple(declared)
    declared = getattr(kind, "_fields", None)  # a named tuple
    if isinstance(declared, tuple) and issubclass(kind, tuple):
        return declared
    declared = getattr(kind, "__struct_fields__", None)  # msgspec
    if isinstance(declared, tuple):
        return declared
    declared = getattr(kind, "__attrs_attrs__", None)
    if declared is not None:
        return tuple(field.name for field in declared)
    return ()


def mapping_reader(kind: type) -> Reader | None:
    """Return the reader if the type is a mapping."""
    return read_mapping if issubclass(kind, Mapping) else None


def read_mapping(value: Mapping[str, Any]) -> Row | Unrecorded:
    """Read a mapping as one row."""
    if len(value) > MOST_VALUES:
        return Unrecorded(TOO_LARGE, f"a row has at most {MOST_VALUES:,} features")
    return tuple(value), tuple(value.values())

"""Objects with declared fields, one row each: dataclasses, pydantic models, named tuples, attrs and msgspec classes."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .row import clean

if TYPE_CHECKING:
    from . import Reader


def reader(kind: type) -> Reader | None:
    """Return a reader of the type's fields, if it declares any."""
    names = fields(kind)
    if not names:
        return None
    get = attrgetter(*names)
    if len(names) == 1:
        return lambda value: (names, clean((get(value),)))
    return lambda value: (names, clean(get(value)))


def fields(kind: type) -> tuple[str, ...]:
    """Return the declared field names of a type; none where it declares none."""
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

"""Create JSON values of objects from a declared shape per class; the same shapes create the JSON schema.

A shape is a list of keys: names of attributes, as ``"value low high"``, and :class:`Key`. Types, lists, dicts
and null follow from the annotations of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from driftline_processor.present.wording import iso_time

Convert = Callable[[Any], Any]
Shape = str | Sequence["str | Key"]


class Key(Struct, frozen=True):
    """One key of a JSON object.

    Attributes:
        name: The key.
        attribute: Attribute of the value; None = the attribute of the key's name, "" = the object itself.
        by: Converts the attribute to the value.
        type: Type of the value if it is not the attribute's.
        part: Part of the document that includes the key; if the part is not requested, the key is null.
        optional: Whether the key may be absent, so that it can be added later.
        keys: Keys of a nested object that is created from the same object.
    """

    name: str
    attribute: str | None = None
    by: Convert | None = None
    type: Any = None
    part: str = ""
    optional: bool = False
    keys: tuple[str | Key, ...] = ()


def or_null(name: str, attribute: str | None = None) -> Key:
    """Declare a text that is null if empty."""
    return Key(name, attribute, by=lambda text: text or None, type=str | None)


def time_of(name: str, attribute: str | None = None) -> Key:
    """Declare a time from unix nanoseconds."""
    return Key(name, attribute, iso_time, str)


def time_or_null(name: str) -> Key:
    """Declare a time from unix nanoseconds; null without a time or for row counts from 0."""
    return Key(name, by=lambda time: iso_time(time) if time else None, type=str | None)


def time_at(name: str, attribute: str | None = None) -> Key:
    """Declare a time; null if unknown."""
    return Key(name, attribute, lambda time: None if time is None else iso_time(time), str | None)


def computed(name: str, by: Convert, type: Any) -> Key:
    """Declare a value that is computed from the object."""
    return Key(name, "", by, type)


def array(name: str, type: Any, asked: str = "") -> Key:
    """Declare a numpy array as lists of numbers."""
    return Key(
        name,
        by=lambda values: None if values is None else values.tolist(),
        type=type,
        part=asked,
        optional=bool(asked),
    )


def group(name: str, *keys: str | Key) -> Key:
    """Declare a nested object whose keys are attributes of the same object."""
    return Key(name, "", keys=keys)


class Shapes:
    """Shapes by class. ``of``: class → shape."""

    def __init__(self, shapes: Mapping[type, Shape]) -> None:
        self.of = shapes
        self.writer: Callable[..., Convert] = cache(self._writer)
        """(class, requested parts) → function that returns the JSON values of an object."""

    def _writer(self, kind: type, asked: frozenset[str] = frozenset()) -> Convert:
        # One generated expression: a loop over the keys takes 1.7 times as long.
        expressions = _Expressions(self, asked)
        write: Convert = eval(f"lambda one: {expressions.of_keys(kind, self.of[kind])}", expressions.functions)
        return write

    def with_more(self, shapes: Mapping[type, Shape]) -> Shapes:
        """Return these shapes extended by others that use them."""
        return Shapes({**self.of, **shapes})

    def holds(self, kind: Any) -> bool:
        """Return True if a type is a class with a shape."""
        return isinstance(kind, type) and kind in self.of

    def type_of(self, kind: type, key: Key) -> Any:
        """Return the type of a key's value, as the class annotates it."""
        name = key.attribute or key.name
        if key.type is not None:
            return key.type
        attribute = getattr(kind, name, None)
        return _types_of(attribute.fget)["return"] if isinstance(attribute, property) else _types_of(kind)[name]


_types_of = cache(get_type_hints)


def keys_of(shape: Shape) -> Iterator[Key]:
    """Return the keys of a shape, in order."""
    for part in (shape,) if isinstance(shape, str) else shape:
        yield from map(Key, part.split()) if isinstance(part, str) else (part,)


class _Expressions:
    """Generates the expressions that create JSON. ``functions``: the functions that they call, by name."""

    def __init__(self, shapes: Shapes, asked: frozenset[str]) -> None:
        self.functions: dict[str, Convert] = {}
        self._shapes, self._parts, self._values = shapes, asked, count()

    def of_keys(self, kind: type, keys: Shape) -> str:
        made = (key for key in keys_of(keys) if not key.optional or key.part in self._parts)
        items = (f"{key.name!r}: {self._of_key(kind, key)}" for key in made)
        return f"{{{', '.join(items)}}}"

    def _of_key(self, kind: type, key: Key) -> str:
        if key.part and key.part not in self._parts:
            return "None"
        if key.keys:
            return self.of_keys(kind, key.keys)
        text = f"one.{key.name if key.attribute is None else key.attribute}".rstrip(".")
        return self._of_value(self._shapes.type_of(kind, key), text if key.by is None else self._call(key.by, text))

    def _of_value(self, hint: Any, text: str) -> str:
        """Return the expression that converts ``text``, of a type, to JSON; ``text`` itself if it already is JSON."""
        if self._shapes.holds(hint):
            return self._call(self._shapes.writer(hint, self._parts), text)
        origin, inner, value = get_origin(hint), get_args(hint), f"value{next(self._values)}"
        if origin in (Union, UnionType) and len(inner) == 2 and NoneType in inner:
            one = self._of_value(next(part for part in inner if part is not NoneType), value)
            return text if one == value else f"(None if ({value} := {text}) is None else {one})"
        if origin is dict:
            one = self._of_value(inner[1], value)
            return text if one == value else f"{{name: {one} for name, {value} in {text}.items()}}"
        if origin in (tuple, list):
            one = self._of_value(inner[0], value)
            return f"list({text})" if one == value else f"[{one} for {value} in {text}]"
        return text

    def _call(self, function: Convert, text: str) -> str:
        name = f"function{len(self.functions)}"
        self.functions[name] = function
        return f"{name}({text})"

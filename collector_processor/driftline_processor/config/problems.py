"""Convert pydantic's errors to sentences with the key, the rule and the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from driftline_processor.core.nearest_names import nearest

from .actions import ActionKeys, action_kind
from .business import BusinessSource, business_source
from .exporters import ExporterKeys, exporter_kind
from .receivers import ReceiverKeys, receiver_kind
from .section import Problem

_OF_NAME: dict[Any, Callable[[str], Any]] = {
    ActionKeys: action_kind,
    ExporterKeys: exporter_kind,
    BusinessSource: business_source,
    ReceiverKeys: receiver_kind,
}
"""Section → explanation of how an entry's name determines its keys."""


def problem_of(error: ErrorDetails, root: type[BaseModel]) -> Problem:
    """Return the problem of a pydantic error."""
    path = ".".join(part for part in error["loc"] if isinstance(part, str) and part != "[key]")
    if path.startswith("business."):
        path = path.replace(".sources.", ".")
    path = path.replace("receivers.named.", "receivers.")
    return Problem(path, _rule(error, root))


def without(tree: Any, path: tuple[int | str, ...]) -> Any:
    """Return a copy of ``tree`` without the entry at ``path``; for a list item, without the list.

    If the entry was removed before, its neighbours stay.

    >>> without({"a": {"b": 1, "c": 2}}, ("a", "b"))
    {'a': {'c': 2}}
    >>> without({"a": {"c": 2}}, ("a", "b", "d"))
    {'a': {'c': 2}}
    """
    if not path or not isinstance(tree, dict) or path[0] not in tree:
        return tree
    first, rest = path[0], path[1:]
    if rest and isinstance(tree[first], dict) and (rest[0] in tree[first] or len(rest) > 1):
        return {**tree, first: without(tree[first], rest)}
    return {key: value for key, value in tree.items() if key != first}


def _bounds(context: Mapping[str, Any]) -> Iterator[str]:
    """Yield the violated bound of a number as a fix.

    >>> list(_bounds({"ge": 1})), list(_bounds({"le": 3}))
    (['1 or more'], ['3 or less'])
    """
    if "ge" in context:
        yield f"{context['ge']} or more"
    if "le" in context:
        yield f"{context['le']} or less"


def _rule(error: ErrorDetails, root: type[BaseModel]) -> str:
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    shown_value = (
        "nothing" if value is None else f"'{value}'" if isinstance(value, (str, int, float)) else f"{value!r:.60}"
    )
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown_key(str(error["loc"][-1]), _keys_at(error["loc"][:-1], root))
    if kind == "literal_error":
        return f"{shown_value} is not allowed; use {context['expected']}"
    if kind in ("list_type", "tuple_type"):
        advice = f"[{value}]" if isinstance(value, (str, int, float)) else "a list in brackets"
        return f"{shown_value} is not a list; use {advice}"
    if kind.startswith(("float_", "int_")):
        return f"{shown_value} is not a number"
    if kind.startswith("bool_"):
        return f"{shown_value} must be true or false"
    if kind in ("greater_than_equal", "less_than_equal", "finite_number"):
        of_share = kind == "finite_number" or (context.get("ge", 0) == 0 and context.get("le", 1) == 1)
        fix = "a number from 0 to 1" if of_share else " or ".join(_bounds(context))
        return f"{shown_value} is out of range; use {fix}"
    fixed = {
        "missing": "is missing and has no default",
        "model_type": f"{shown_value} is not a mapping of keys to values; indent the keys below it, "
        "or put them in braces",
        "dict_type": f"{shown_value} is not a mapping of keys to values; indent the keys below it, "
        "or put them in braces",
        "string_too_short": "is empty; set a value or remove the key",
        "string_type": f"{shown_value} is not a string; put it in quotes",
    }
    return fixed.get(kind, error["msg"])


def _unknown_key(key: str, known_keys: list[str]) -> str:
    suggestion = nearest(key, known_keys, most=1)
    hint = f"did you mean '{suggestion[0]}'?" if suggestion else f"the keys are {', '.join(known_keys)}"
    return f"there is no such key; {hint}"


def _keys_at(path: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Return the keys that the section at ``path`` may contain."""
    section: Any = root
    for part in path:
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[str(part)].annotation
        section = _OF_NAME[section](str(part)) if section in _OF_NAME else section
        if get_origin(section) is UnionType:
            section = get_args(section)[0]
    return [name for name in section.model_fields if name not in ("named", "sources")]

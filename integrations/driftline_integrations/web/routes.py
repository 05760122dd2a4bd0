"""Routes that predict: the sources of features, id, score and class in a request and its response.

Code and the TOML file share the declarative ``Route``. ``route_plan.py`` converts it to a plan for one model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from driftline.outputs.output import UnreadResult, describe
from driftline.tables.text import short_record
from opentelemetry import baggage

if TYPE_CHECKING:
    from opentelemetry.context import Context

SLICE_LENGTH = 64
"""Maximum characters of a header or baggage value: clients set it, and a slice has few values."""
_BODY_BYTES = 1 << 20
_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"))
_REQUEST = ("body", "path", "query", "header", "baggage")
FIELDS = ("", "body", "path", "query")
"""Sources whose values have names to which privacy rules apply."""
_KINDS: Mapping[str, tuple[str, ...]] = {
    "features": ("body", "path", "query"),
    "id": (*_REQUEST, "response"),
    "slices": _REQUEST,
    "score": ("response",),
    "predicted": ("response",),
}
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class Route:
    """The sources of a prediction in a request and its JSON response.

    Args:
        features: "body" (the JSON body); "body:order.items" (a part of it; a list is a batch); "path" or "query" (all
            parameters); "path:rooms" (one parameter). Several sources are merged into one row.
        id: Field of the features (for a batch: of each row), or "header:x-order", "path:order", "query:order",
            "body:meta.id" or "response:id".
        time: Field of the features (for a batch: of each row) that is the time of the prediction, as text in ISO 8601
            or as seconds since 1970. Default: when the request arrived.
        score: Path in the JSON response, such as "result.probability". Without ``score`` and ``predicted``, the
            response itself is read. A list on the path means one value per row.
        predicted: Path in the JSON response, as for ``score``.
        slices: Field of the features, or "header:x-region", "baggage:tier", "query:channel", by name of the slice.
            Privacy rules for the field and for the name apply.
        span_features: Put features on sampled spans. Default: ``DRIFTLINE_SPAN_FEATURES``.
        limit: Maximum bytes; larger requests and responses are not read.
    """

    features: str | Sequence[str] = "body"
    id: str = ""
    time: str = ""
    score: str = ""
    predicted: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)
    span_features: bool | None = None
    limit: int = _BODY_BYTES

    __repr__ = short_record


_EXPECTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "features": ((str, list, tuple), "a string or a list of strings"),
    "id": ((str,), "a string"),
    "time": ((str,), "a string"),
    "score": ((str,), "a string"),
    "predicted": ((str,), "a string"),
    "slices": ((Mapping,), "a table of name = string"),
    "span_features": ((bool, type(None)), "true or false"),
    "limit": ((int,), "a number of bytes"),
}


def parse_route(given: Route | Mapping[str, Any], key: str) -> Route:
    """Return a route from a mapping, as in TOML and keyword arguments.

    Args:
        given: Route, or its fields as a mapping.
        key: Name of the route in error messages.

    Raises:
        ValueError: A key, or the type of its value, is not valid.

    >>> parse_route({"score": "probability"}, "routes.'POST /predict'").score
    'probability'
    """
    if not isinstance(given, Route | Mapping):
        raise ValueError(f"{key}: a route must be a Route(...) or a table, not {describe(given).text}")
    for name, value in (vars(given) if isinstance(given, Route) else given).items():
        if name not in _EXPECTED:
            raise ValueError(f"{key}.{name}: unknown key; a route has the keys {', '.join(_EXPECTED)}")
        kinds, expected = _EXPECTED[name]
        right = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
        if not right or (isinstance(value, list | tuple) and not all(isinstance(text, str) for text in value)):
            raise ValueError(f"{key}.{name}: must be {expected}, not {value!r}")
        kind, colon, rest = value.partition(":") if name == "time" else ("", "", "")
        if colon and kind in (*_REQUEST, "response"):
            raise ValueError(
                f"{key}.time: {value!r} is not a field of the features; use {rest.rpartition('.')[2]!r} if they have it"
            )
        for text_key, text in value.items() if name == "slices" else ():
            if not isinstance(text, str):
                raise ValueError(f"{key}.slices.{text_key}: must be a string such as 'header:x-region', not {text!r}")
    return given if isinstance(given, Route) else Route(**given)


def feature_sources(route: Route) -> tuple[str, ...]:
    """Return the sources of a route's features."""
    return (route.features,) if isinstance(route.features, str) else tuple(route.features)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of one value.

    Attributes:
        kind: "" for a field of the features.
        parts: Path within the source.
    """

    kind: str
    parts: tuple[str, ...]


def parse_source(text: str, argument: str, key: str) -> Source:
    """Read ``kind:a.b``. Raises ``ValueError``, with the fix, for a kind that ``argument`` does not support.

    >>> parse_source("header:x-region", "slices", "slices.region")
    Source(kind='header', parts=('x-region',))
    """
    kinds = _KINDS[argument]
    kind, colon, rest = text.partition(":")
    if not colon:
        if argument == "features":
            kind, rest = text, ""
        else:
            kind, rest = ("response" if kinds == ("response",) else ""), text
    if kind not in kinds and not (kind == "" and argument in ("id", "slices")):
        raise ValueError(f"{key}: {text!r} is not one of {', '.join(kinds)}; use {kinds[0]!r} or '{kinds[0]}:name'")
    if kind in ("header", "baggage"):
        return Source(kind, (rest.strip().lower() if kind == "header" else rest.strip(),))
    return Source(kind, tuple(part for part in rest.split(".") if part))


def parse_method_and_path(text: str, key: str) -> tuple[str, str]:
    """Read ``"POST /predict"`` as method and path. Raises ``ValueError`` with the fix.

    >>> parse_method_and_path("post /predict", "routes")
    ('POST', '/predict')
    """
    method, _, path = text.strip().partition(" ")
    method, path = method.upper(), path.strip()
    if method not in _METHODS or not path.startswith("/"):
        raise ValueError(f"{key}: {text!r} is not a method and a path; use a form such as 'POST /predict'")
    return method, path


class MissingValue(LookupError):  # noqa: N818 - what a place is, not an error of the program
    """A path does not exist. ``args``: description of the value that was found instead, and its keys."""


def follow_path(value: Any, parts: Sequence[str]) -> Any:
    """Follow names through JSON; for a list, in each of its elements, unless the name is a number.

    >>> follow_path({"results": [{"p": 0.2}, {"p": 0.9}]}, ("results", "p"))
    [0.2, 0.9]
    """
    for i, part in enumerate(parts):
        if isinstance(value, list):
            if part.isdigit():
                if int(part) >= len(value):
                    raise MissingValue(f"{describe(value).text} without [{part}]", ())
                value = value[int(part)]
                continue
            return [follow_path(element, parts[i:]) for element in value]
        if not isinstance(value, Mapping) or part not in value:
            description = describe(value)
            raise MissingValue(f"{description.text} without {part!r}", description.fields)
        value = value[part]
    return value


def response_selector(source: Source | None) -> Callable[[Any], Any] | None:
    """Return the function that finds a value in a JSON response, or describes what it found instead."""
    if source is None:
        return None
    parts = source.parts

    def select(response: Any) -> Any:
        if response.__class__ is UnreadResult:
            return response
        try:
            return follow_path(response, parts)
        except MissingValue as missing:
            return UnreadResult(*missing.args)

    return select


@dataclass(slots=True)
class RequestParts:
    """The parts of a request that are read.

    Attributes:
        header: Returns the value of a header by its lower-case name, "" for none.
    """

    header: Callable[[str], str]
    path: Mapping[str, Any]
    query: bytes
    body: Any = None
    context: Context | None = None
    """Context of the baggage: the request may be over when it is read."""


def parse_parameter(text: Any) -> Any:
    """Return a parameter of a path or query: a number if it is one in JSON, so "02134" stays a text.

    >>> parse_parameter("17.5"), parse_parameter("02134"), parse_parameter("true")
    (17.5, '02134', True)
    """
    if not isinstance(text, str):
        return text
    if _JSON_NUMBER.fullmatch(text) and len(text) <= SLICE_LENGTH:
        return json.loads(text)
    return {"true": True, "false": False}.get(text, text)


def read_source(source: Source, request_parts: RequestParts, read: Callable[[Any], Any] = parse_parameter) -> Any:
    """Return the value of a source in a request; raises ``MissingValue`` if it does not exist.

    ``read``: reads a parameter of a path or query. An id stays the text that it is: "1e5" and "17.50" are not numbers.
    """
    kind, parts = source.kind, source.parts
    if kind == "body":
        return follow_path(request_parts.body, parts) if parts else request_parts.body
    if kind == "header":
        return request_parts.header(parts[0])[:SLICE_LENGTH] or None
    if kind == "baggage":
        value = baggage.get_baggage(parts[0], request_parts.context)
        return None if value is None else str(value)[:SLICE_LENGTH]
    values: Mapping[str, Any] = (
        request_parts.path if kind == "path" else dict(parse_qsl(request_parts.query.decode("latin-1")))
    )
    values = {name: read(text) for name, text in values.items()}
    return follow_path(values, parts) if parts else values

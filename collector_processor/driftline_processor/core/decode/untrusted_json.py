"""Read untrusted JSON: nesting and number of values are checked before parsing.

Arrow's parser crashes the process at some 12,000 brackets, which are 88 bytes when compressed, and ten bytes of
brackets become a kilobyte of Python objects. So brackets and commas are counted first, in one pass over the bytes.
A line ``null`` also crashes Arrow's parser, if its block begins with it.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH: Final = 100
"""Maximum nesting of objects and lists, as in protobuf; an outcome needs three."""

MAX_VALUES: Final = 4_000_000
"""Maximum values of one document, enough for outcomes in the largest document."""

_BLOCK = 1 << 22
"""Bytes per block, 4 MiB, so that copies of a large document remain small."""

_QUOTE, _OPEN, _CLOSE, _COMMA, _COLON = 1, 2, 3, 4, 5
"""Codes of the structural characters (RFC 8259, section 2)."""

_SIGNS = {b'"': _QUOTE, b"[": _OPEN, b"{": _OPEN, b"]": _CLOSE, b"}": _CLOSE, b",": _COMMA, b":": _COLON}
_KIND = np.zeros(256, np.uint8)
"""The code of each byte, 0 for other characters."""

for _sign, _kind in _SIGNS.items():
    _KIND[ord(_sign)] = _kind
_OTHERS = bytes(code for code in range(256) if _KIND[code] in (0, _COLON))
_STEP = np.array([0, 0, 1, -1, 0, 0], np.int64)
"""Change of depth per code: an opening bracket 1, a closing one -1."""


class TooLarge(Exception):  # noqa: N818 - what the answer says
    """The body exceeds the maximum size; the message contains the limit."""


class UnreadableJson(ValueError):  # noqa: N818 - the state of a text, and the sentence its sender reads
    """A text that is not JSON, or exceeds the limits."""


class TooManyValues(UnreadableJson):
    """A text with too many values."""


class Shape(NamedTuple):
    """The nesting depth of a JSON text and an upper bound of its values."""

    depth: int
    values: int


def shape_of(data: bytes) -> Shape:
    """Count brackets and commas outside of strings; never less than a parser sees, even in invalid JSON.

    >>> shape_of(b'{"a": [1, 2, {"b": "]]]"}]}')
    Shape(depth=3, values=6)
    """
    depth = deepest = values = 0
    within = 0
    for kind in _kinds(data):
        quotes = kind == _QUOTE
        inside = (np.cumsum(quotes) + within) & 1
        within = (within + int(quotes.sum())) & 1
        plain = kind[(inside == 0) & ~quotes]
        steps = np.cumsum(_STEP[plain])
        if len(steps):
            # An unmatched closing bracket stops every parser, so the depth may restart at 0 after it.
            level = depth + steps
            level -= np.minimum(np.minimum.accumulate(level), 0)
            deepest, depth = max(deepest, int(level.max())), int(level[-1])
            values += int((plain != _CLOSE).sum())
    return Shape(deepest, values + 1 if data else 0)


def distinct_keys(data: bytes) -> int:
    """Count the distinct keys of all objects, at any depth.

    >>> distinct_keys(b'{"a": 1, "b": {"c": ":"}}' + b'{"a": 2}')
    3
    """
    data = _without_escapes(data)
    kind = _KIND[np.frombuffer(data, np.uint8)]
    at = np.flatnonzero(kind)
    kind = kind[at]
    plain = (np.cumsum(kind == _QUOTE) & 1 == 0) | (kind == _QUOTE)
    at, kind = at[plain], kind[plain]
    colons = np.flatnonzero(kind == _COLON)
    colons = colons[colons >= 2]
    begin, end = at[colons - 2] + 1, at[colons - 1]
    return len({data[first:last] for first, last in zip(begin.tolist(), end.tolist(), strict=True)})


def list_items(data: bytes, most: int) -> list[bytes]:
    """Return the text of each item of a list, unparsed, so that one that is not JSON costs no other item.

    Raises :class:`UnreadableJson` for another text, or for more than ``most`` items.

    >>> list_items(b'[{"a": [1, 2]}, NaN, "],["]', 3)
    [b'{"a": [1, 2]}', b' NaN', b' "],["']
    """
    data = data.strip()
    kind = _KIND[np.frombuffer(_without_escapes(data), np.uint8)]
    at = np.flatnonzero(kind)
    kind = kind[at]
    quotes = kind == _QUOTE
    plain = ~quotes & (np.cumsum(quotes, dtype=np.int32) & 1 == 0)
    at, kind = at[plain], kind[plain]
    depth = np.cumsum(_STEP[kind], dtype=np.int32)
    if data[:1] != b"[" or data[-1:] != b"]" or depth[-1:].tolist() != [0] or (depth[:-1] < 1).any():
        raise UnreadableJson("it is not a list")
    bounds = [0, *at[(kind == _COMMA) & (depth == 1)].tolist(), len(data) - 1]
    if len(bounds) - 1 > most:
        raise TooManyValues(f"it contains {len(bounds) - 1:,} items; the maximum is {most:,}")
    items = [data[begin + 1 : end] for begin, end in pairwise(bounds)]
    return items if len(items) > 1 or items[0].strip() else []


def _without_escapes(data: bytes) -> bytes:
    """Replace escaped quotes, which do not end a string, and escaped backslashes, which do not escape."""
    return data.replace(rb"\\", b"\0\0").replace(rb"\"", b"\0\1") if b"\\" in data else data


def _kinds(data: bytes) -> list[NDArray[np.uint8]]:
    data = _without_escapes(data)
    blocks = (data[index : index + _BLOCK].translate(None, _OTHERS) for index in range(0, len(data), _BLOCK))
    return [_KIND[np.frombuffer(block, np.uint8)] for block in blocks if block]


_MAY_BEGIN_NULL = np.frombuffer(b"n \t\xef", np.uint8)
_NULL_LINE = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?[ \t]*null")


def has_null_line(data: bytes) -> bool:
    r"""Return True if a line begins with ``null``; Arrow must not read it.

    >>> has_null_line(b'{"a": null}\n'), has_null_line(b'{"a": 1}\n null\n')
    (False, True)
    """
    if b"null" not in data:
        return False
    # missing values are nulls, so the pattern, which is slower than Arrow, is for lines that begin as it does
    characters = np.frombuffer(data, np.uint8)
    starts = np.append(0, np.flatnonzero((characters == ord("\n")) | (characters == ord("\r"))) + 1)
    first = characters[starts[starts < len(characters)]]
    return bool(np.isin(first, _MAY_BEGIN_NULL).any()) and _NULL_LINE.search(data) is not None


def check_json(data: bytes, most: int = MAX_VALUES) -> None:
    """Raise :class:`UnreadableJson` for too deep nesting, :class:`TooManyValues` for too many values.

    >>> check_json(b"[" * 101)
    Traceback (most recent call last):
    ...
    driftline_processor.core.decode.untrusted_json.UnreadableJson: it has 101 levels of nesting; the maximum is 100
    """
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH and len(data) <= most:
        return
    shape = shape_of(data)
    if shape.depth > MAX_DEPTH:
        raise UnreadableJson(f"it has {shape.depth:,} levels of nesting; the maximum is {MAX_DEPTH}")
    if shape.values > most:
        raise TooManyValues(f"it contains {shape.values:,} values; the maximum is {most:,}")


def load_json(data: bytes, most: int = MAX_VALUES) -> Any:
    """Parse JSON in UTF-8. Raises :class:`UnreadableJson` with the reason.

    >>> load_json(b'{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    check_json(data, most)
    try:
        return json.loads(data.decode("utf-8-sig"), parse_int=_read_integer)
    except (ValueError, RecursionError) as error:
        raise UnreadableJson(str(error) or "it is nested too deeply") from None


def _read_integer(digits: str) -> float:
    """Parse an integer; one of thousands of digits, which Python rejects, becomes infinite and is rejected alone."""
    return int(digits) if len(digits) <= 1000 else float(digits)

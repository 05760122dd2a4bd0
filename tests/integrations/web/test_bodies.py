"""Bodies are read as Python reads JSON, whoever reads them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from driftline_integrations.web.route_plan import parse_json
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


def read(parser: Any, body: bytes) -> str:
    """Return what a parser makes of a body, types and all; "refused" where it raises."""
    try:
        return repr(parser(body))
    except Exception:
        return "refused"


@pytest.mark.slow
@given(VALUES, st.booleans())
def test_what_is_json_is_read_as_python_does(value: Any, ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    assert read(parse_json, body) == read(json.loads, body)


@given(st.binary(max_size=40) | st.text('[]{}",:0123456789.eE+-truefalsn \n\\u', max_size=40).map(str.encode))
def test_what_is_no_json_is_refused_as_python_does(body: bytes) -> None:
    assert read(parse_json, body) == read(json.loads, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "b": 2, "a": 3}',
        b"[1e400, -1e400, -0, -0.0, 1E2, 123456789012345678901234567890]",
        b'"\\ud800"',
        b"\xef\xbb\xbf[1]",
        "[1]".encode("utf-16"),
        b"[" * 500 + b"]" * 500,
        b"",
        b"[1] 2",
    ],
    ids=["twice", "numbers", "surrogate", "mark", "utf-16", "deep", "empty", "more"],
)
def test_oddities_are_read_as_python_does(body: bytes) -> None:
    assert read(parse_json, body) == read(json.loads, body)


def test_what_is_no_number_is_one_in_python() -> None:
    assert math.isnan(parse_json(b"NaN"))

"""Strangers' JSON: depth and values are known before anything parses it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from driftline_processor.core.decode import untrusted_json
from driftline_processor.core.decode.untrusted_json import (
    MAX_DEPTH,
    TooManyValues,
    UnreadableJson,
    distinct_keys,
    load_json,
    shape_of,
)
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.sampled_from('ab"\\[]{},:é\n'), max_size=6)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def keys(value: Any) -> set[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set(value if isinstance(value, dict) else ()).union(*map(keys, inner))


def scalars(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 1 if inner is None else 1 + sum(map(scalars, inner))


@given(DOCUMENTS, st.sampled_from([3, 1 << 22]), st.booleans())
def test_the_shape_of_json_is_that_of_what_it_says(document: Any, block: int, ascii_only: bool) -> None:
    data = json.dumps(document, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(untrusted_json, "_BLOCK", block)
        shape = shape_of(data)
    assert shape.depth == depth(document)
    assert shape.values >= scalars(document) - 1  # the empty list is one value, and so is a list of one
    assert load_json(data) == document
    assert distinct_keys(data) == len({json.dumps(key, ensure_ascii=ascii_only) for key in keys(document)})


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'["\\"",', b'{"a\\\\":[', b"[\n"])
def test_what_nests_too_deeply_is_refused_however_it_is_written(opening: bytes) -> None:
    with pytest.raises(UnreadableJson, match="levels of nesting; the maximum is 100"):
        load_json(opening * (MAX_DEPTH + 1))


def test_brackets_in_a_text_nest_nothing() -> None:
    assert load_json(json.dumps(["[" * 1000]).encode()) == ["[" * 1000]


def test_more_values_than_are_read_are_refused_before_they_are_made() -> None:
    assert len(load_json(b"[" + b"[]," * 10 + b"1]", 30)) == 11
    with pytest.raises(TooManyValues, match=re.escape("it contains 202 values; the maximum is 100")):
        load_json(b"[" + b"[]," * 100 + b"1]", 100)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", "[1]".encode("utf-16"), b"[1]]"])
def test_what_is_no_json_in_utf_8_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableJson):
        load_json(data)


def test_a_whole_number_of_thousands_of_digits_is_infinite() -> None:
    assert load_json(b"9" * 100_000) == float("inf")

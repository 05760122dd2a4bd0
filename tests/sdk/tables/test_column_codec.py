"""One column ↔ one byte string; the different values of whole numbers are numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.column_codec import ColumnError, decode, encode, encode_column, strings, texts
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import Column, Text
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

NAN = float("nan")


def kind(data: bytes) -> str:
    return chr(data[-1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1.0, -128.0]), "b"),
        (np.array([1.0, 128.0]), "h"),
        (np.array([1.0, 40_000.0]), "i"),
        (np.array([1.0, 2.0**31]), "f"),
        (np.array([1.0, 2.0**31 + 1]), "d"),
        (np.array([0.5, NAN, np.inf]), "f"),
        (np.array([0.1]), "d"),
        (np.array([1e300]), "d"),
        (np.array([NAN, 1.0]), "f"),
        (np.array([0.1], np.float32), "f"),
        (np.array([[0.1, 0.9], [0.3, 0.7]]), "d"),
        (np.array([2**63 - 1, -(2**63)]), "q"),
        (np.array([2**64 - 1], np.uint64), "d"),
        (np.array([7], np.uint8), "b"),
        (np.array([True, False]), "?"),
        (np.zeros(2, "V16"), "v"),
        (np.zeros(0), "f"),
    ],
)
def test_an_array_takes_the_narrowest_kind_that_loses_nothing(values: np.ndarray, expected: str) -> None:
    data = encode_column(values)

    assert kind(data) == expected
    decoded = decode(data, len(values))
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, values)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=2, max_side=7), elements=st.floats()))
def test_numbers_come_back_equal(values: np.ndarray) -> None:
    decoded = decode(encode_column(values), len(values))

    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded.reshape(values.shape), values)


@given(st.lists(st.text(), max_size=9))
def test_texts_come_back_equal(values: list[str]) -> None:
    decoded = decode(encode_column(texts(values)), len(values))

    assert isinstance(decoded, Text)
    assert strings(decoded) == values


@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.floats(allow_nan=False)), min_size=1, max_size=9))
def test_a_mixed_column_comes_back_equal(values: list[str | float | None]) -> None:
    labels = tuple(value for value in values if isinstance(value, str))
    codes = np.array([labels.index(v) if isinstance(v, str) else -1 for v in values], np.int32)
    numbers = np.array([v if isinstance(v, float) else NAN for v in values])

    decoded = decode(encode_column(Column(numbers, codes, labels)), len(values))

    if isinstance(decoded, np.ndarray):
        decoded = Column(decoded.astype(np.float64))
    assert isinstance(decoded, Column)
    back: list[str | float | None] = [None] * len(values)
    for i in range(len(values)):
        if decoded.codes is not None and decoded.codes[i] >= 0:
            back[i] = decoded.categories[decoded.codes[i]]
        elif decoded.numbers is not None and not np.isnan(decoded.numbers[i]):
            back[i] = float(decoded.numbers[i])
    assert back == values


@pytest.mark.parametrize(("labels", "width"), [(3, 1), (255, 1), (256, 2), (65_536, 4)])
def test_codes_are_as_wide_as_the_number_of_labels_needs(labels: int, width: int) -> None:
    codes = np.array([labels - 1, -1, 0], np.int32)

    data = encode_column(Column(codes=codes, categories=tuple(str(i) for i in range(labels))))

    assert data[-2] == width
    decoded = decode(data, 3)
    assert isinstance(decoded, Column)
    assert decoded.codes is not None
    assert decoded.codes.tolist() == codes.tolist()
    assert decoded.categories[-1] == str(labels - 1)


def test_numbers_ids_and_offsets_are_aligned_views_on_the_bytes() -> None:
    for column in (np.array([0.1, 0.2]), np.array([b"\1" * 16, b"\2" * 16], "V16")):
        data = encode_column(column)
        decoded = decode(data, 2)
        assert isinstance(decoded, np.ndarray)
        assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))
        assert decoded.flags.aligned


def test_a_map_of_columns_is_encoded_by_name() -> None:
    assert encode({"a": np.array([1.0]), "b": texts(["x"])}) == {"a": b"\x01b", "b": b"\0\0\0\0\1\0\0\0xs"}


def test_a_lone_surrogate_is_sent_as_a_question_mark() -> None:
    assert strings(texts(["a\ud800"])) == ["a?"]


def test_what_is_no_column_is_refused_by_the_sender() -> None:
    with pytest.raises(TypeError, match="a column of <U1 cannot be sent"):
        encode_column(np.array(["a"]))
    with pytest.raises(ValueError, match="a Column requires numbers or category codes"):
        encode_column(Column())


CATEGORIES = encode_column(Column(codes=np.array([0, 1], np.int32), categories=("é", "b")))


@pytest.mark.parametrize(
    ("data", "n", "reason"),
    [
        (b"", 1, "column_length"),
        (b"d", 1, "column_length"),
        (b"\0" * 15 + b"d", 2, "column_length"),
        (b"\0" * 8 + b"d", 0, "column_length"),
        (b"\0\0?", 0, "column_length"),
        (b"\0" * 24 + b"v", 2, "column_length"),
        (b"\0" * 8 + b"z", 1, "column_kind"),
        (b"c", 1, "column_length"),
        (CATEGORIES, 3, "column_offsets"),
        (CATEGORIES, 2**62, "column_length"),
        (CATEGORIES[:-2] + b"\3c", 2, "column_codes"),
        (b"\3" + CATEGORIES[1:], 2, "column_codes"),
        (CATEGORIES[:-7] + b"\xff" + CATEGORIES[-6:], 2, "column_utf8"),
        (CATEGORIES[:6] + b"\1" + CATEGORIES[7:], 2, "column_utf8"),
        (b"m", 1, "column_length"),
        (b"\0\0\0\0s", 1, "column_length"),
        (b"\1\0\0\0\1\0\0\0xs", 1, "column_offsets"),
        (b"\0\0\0\0\2\0\0\0xs", 1, "column_offsets"),
        (b"\0\0\0\0\2\0\0\0\1\0\0\0xs", 2, "column_offsets"),
        (b"\0\0\0\0\1\0\0\0\xffs", 1, "column_utf8"),
    ],
)
def test_bytes_that_are_no_column_are_refused_with_a_fixed_reason(data: bytes, n: int, reason: str) -> None:
    with pytest.raises(ColumnError) as error:
        decode(data, n)

    assert error.value.reason == reason


@given(st.binary(max_size=60), st.sampled_from(b"dfqihb?scmv"), st.integers(0, 9))
def test_any_bytes_are_a_column_or_refused(body: bytes, last: int, n: int) -> None:
    try:
        decoded = decode(body + bytes([last]), n)
    except ColumnError:
        return
    if isinstance(decoded, Text):
        assert len(strings(decoded)) == n
    elif isinstance(decoded, Column):
        assert decoded.codes is not None
        assert len(decoded.codes) == n
        assert n == 0 or decoded.codes.max() < len(decoded.categories)
    else:
        assert len(decoded) == n


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_the_different_values_are_those_of_numpy(dtype: type[np.integer], values: list[int]) -> None:
    some = np.array(values, np.int64).astype(dtype)
    found = sorted_distinct(some)
    assert found.dtype == dtype
    assert np.array_equal(found, np.unique(some))

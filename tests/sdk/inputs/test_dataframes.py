"""Whatever holds columns is read by what it can do."""

from __future__ import annotations

import decimal
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.capture.signature import column_named
from driftline.inputs.dataframes import column_names, column_of, columns_of, is_time, score_matrix
from driftline.outcomes import fields_of
from driftline.outputs.output import describe
from driftline.tables.table import Column, concatenate, length


def spelled(column: Column) -> list[object]:
    """The values of a column as Python has them: a number, a text or None."""
    n = length(column)
    numbers = np.full(n, np.nan) if column.numbers is None else column.numbers
    codes = np.full(n, -1) if column.codes is None else column.codes
    return [
        column.categories[code] if code >= 0 else None if np.isnan(number) else float(number)
        for number, code in zip(numbers.tolist(), codes.tolist(), strict=True)
    ]


MIXED = [1, 2.5, True, "a", None, float("nan"), "b", "a", 10**400, decimal.Decimal("0.5"), b"bytes", np.float32(2)]
MIXED_READ = [1.0, 2.5, 1.0, "a", None, None, "b", "a", float("inf"), 0.5, "bytes", 2.0]


@pytest.mark.parametrize("values", [MIXED, tuple(MIXED), np.array(MIXED, dtype=object), pd.Series(MIXED, dtype=object)])
def test_values_of_any_kind_become_numbers_texts_or_missing(values: Any) -> None:
    assert spelled(column_of(values)) == MIXED_READ


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (np.array([1, 2], np.uint8), [1.0, 2.0]),
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([1.5, np.nan], np.float32), [1.5, None]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array([b"b", b"a"]), ["b", "a"]),
        (np.array([], object), []),
        (np.ma.masked_array([1.0, 2.0], mask=[False, True]), [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), [1.0, None]),
        (pd.Series([True, None], dtype="boolean"), [1.0, None]),
        (pd.Series(["x", None], dtype="string"), ["x", None]),
        (pd.Series(["x", None, "y"], dtype="category"), ["x", None, "y"]),
        (pd.Series([7, None, 8], dtype="category"), [7.0, None, 8.0]),
        (pa.array(["x", None]), ["x", None]),
        (pa.chunked_array([[1, None], [3]]), [1.0, None, 3.0]),
        (pa.array(["x", None, "x"]).dictionary_encode(), ["x", None, "x"]),
        (pa.array([True, None]), [1.0, None]),
        (np.array(["1970-01-01T00:00:02", "NaT"], "datetime64[ns]"), [2.0, None]),
        (np.array([1500], "timedelta64[ms]"), [1.5]),
        ([datetime(1970, 1, 1, 0, 1), None, date(1970, 1, 2)], [60.0, None, 86400.0]),
        (pd.Series([pd.Timestamp(60, unit="s"), pd.NaT], dtype=object), [60.0, None]),
        (range(3), [0.0, 1.0, 2.0]),
    ],
)
def test_columns_of_every_library_read_the_same(values: Any, read: list[object]) -> None:
    assert spelled(column_of(values)) == read


def test_a_column_has_one_dimension_or_is_one_of_vectors() -> None:
    assert column_of(np.array([[3.0, 4.0]])).numbers == [5.0]
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        column_of(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(2, 4097\)"):
        column_of(np.zeros((2, 4097)))


@pytest.mark.parametrize(
    "frame",
    [
        {"a": [1.0, 2.0], "b": ["x", "y"]},
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}, index=[5, 5]),
        pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}),
        np.array([(1.0, "x"), (2.0, "y")], dtype=[("a", float), ("b", "U1")]),
    ],
)
def test_frames_of_every_library_have_the_same_columns(frame: Any) -> None:
    assert {name: spelled(column_of(values)) for name, values in columns_of(frame).items()} == {
        "a": [1.0, 2.0],
        "b": ["x", "y"],
    }


def test_a_frame_of_a_library_that_only_indexes_by_name_is_read_too() -> None:
    class Frame:
        """As polars: ``columns`` and ``frame[name]``, no ``iloc``."""

        columns = ("a",)

        def __getitem__(self, name: str) -> Any:
            return pa.array([1.0, None])

    assert spelled(column_of(columns_of(Frame())["a"])) == [1.0, None]


def test_columns_of_an_array_are_called_by_the_names_given() -> None:
    assert list(columns_of(np.zeros((1, 2)), ["a", "b"])) == ["a", "b"]
    with pytest.raises(ValueError, match=r"2 columns.*1 names"):
        columns_of(np.zeros((1, 2)), ["a"])


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame(np.zeros((1, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="there are two columns named 'a'; rename one"):
        columns_of(frame)


def test_what_holds_no_columns_is_refused_with_what_would() -> None:
    with pytest.raises(ValueError, match="DataFrame"):
        columns_of([1, 2, 3])


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.date_range("2026-01-01", periods=2)),
        pd.Series(pd.date_range("2026-01-01", periods=2, tz="Europe/Berlin")),
        pa.array([1], pa.timestamp("us")),
        pa.array([1], pa.date32()),
    ],
)
def test_points_in_time_are_recognised(values: Any) -> None:
    assert is_time(values)


def test_numbers_are_no_points_in_time() -> None:
    assert not is_time(np.zeros(2))
    assert not is_time([1, 2])
    assert not is_time(pa.array([1]))


@pytest.mark.parametrize(
    ("values", "matrix"),
    [
        ([0.1, 0.2], [[0.1], [0.2]]),
        ([[0.1, 0.9]], [[0.1, 0.9]]),
        ([np.array([0.1, 0.9]), np.array([0.2, 0.8])], [[0.1, 0.9], [0.2, 0.8]]),
        (pd.DataFrame({"a": [0.1], "b": [0.9]}), [[0.1, 0.9]]),
        (pd.Series([0.5]), [[0.5]]),
        ([0.5, None], [[0.5], [np.nan]]),
    ],
)
def test_scores_become_a_matrix(values: Any, matrix: list[list[float]]) -> None:
    assert score_matrix(values) == pytest.approx(np.array(matrix), nan_ok=True)


def test_scores_have_at_most_two_dimensions() -> None:
    with pytest.raises(ValueError, match="scores must have one or two dimensions"):
        score_matrix(np.zeros((2, 2, 2)))


def test_columns_join_with_their_labels() -> None:
    joined = concatenate([column_of(["a", "b"]), column_of([1.0, None]), column_of(["b", "c"])])
    assert spelled(joined) == ["a", "b", 1.0, None, "b", "c"]


def test_the_columns_of_a_frame_are_named_and_never_spelled_out() -> None:
    data = {"id": ["A-1"], "age": [31]}
    for frame in (pd.DataFrame(data), pa.table(data), pa.RecordBatch.from_pydict(data)):
        assert column_names(frame) == ("id", "age")
        assert describe(frame).fields == ("id", "age")
        assert column_named(frame, "id") == "id"
        assert column_named(frame, "A-1") == ""


def test_outcomes_are_read_from_an_arrow_table() -> None:
    table = pa.table({"id": ["A-1", "A-2"], "actual": [1, 0]})
    assert list(fields_of(table)) == [{"id": "A-1", "actual": 1}, {"id": "A-2", "actual": 0}]

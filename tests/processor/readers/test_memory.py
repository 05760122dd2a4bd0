"""Tables of every library as columns of Arrow: what a type becomes, and what cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline_processor.readers.arrow_columns import NUMBER
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.memory import read_table

from tests.support.facts import Facts, lacking


def test_the_columns_of_a_pandas_frame_keep_their_values() -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None], "Int64"),
            "plan": pd.Categorical(["a", "b"]),
            "month": pd.period_range("2026-01", periods=2, freq="M"),
            "band": pd.cut([1, 9], 2),
            "sparse": pd.arrays.SparseArray([0.0, 1.0]),
            "mixed": [1, "x"],
            7: [True, None],
        },
        index=[5, 6],
    )
    read = read_table(frame, "current")
    assert read.table.column_names == ["whole", "plan", "month", "band", "sparse", "mixed", "7"]
    assert [read.table[name].to_pylist() for name in ("whole", "plan", "month", "sparse", "mixed", "7")] == [
        [1, None],
        ["a", "b"],
        ["2026-01", "2026-02"],
        [0.0, 1.0],
        [f"{NUMBER}1", "x"],
        [True, None],
    ]
    assert read.table["band"].to_pylist() == [str(band) for band in frame["band"]]
    assert (set(read.mixed), read.library) == ({"mixed"}, "pandas")


def test_a_polars_frame_is_read_as_it_is() -> None:
    frame = pl.DataFrame({"plan": pl.Series(["a", None], dtype=pl.Categorical), "amount": [1.5, None]})
    read = read_table(frame, "current")
    assert [read.table[name].to_pylist() for name in ("plan", "amount")] == [["a", None], [1.5, None]]
    assert read.library == "polars"


class _Interchanged:
    """A table that offers nothing but the interchange protocol of dataframes."""

    def __dataframe__(self, **options: Any) -> Any:
        return pa.table({"age": [31, 45]}).__dataframe__(**options)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"age": [31, 45]}),
        pa.record_batch({"age": [31, 45]}),
        {"age": np.array([31, 45])},
        _Interchanged(),
    ],
)
def test_whatever_holds_columns_is_a_table(table: object) -> None:
    assert read_table(table, "current").table.to_pydict() == {"age": [31, 45]}


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        (pl.DataFrame({"big": pl.Series([1], dtype=pl.Int128)}), ("current:", "'big'")),
        (pd.DataFrame({"age": [31, 45], "big": [1, 2**70]}), ("current:", "'big'", "64 bits")),
        ({"age": [31, 45], "big": [1, -(2**70)]}, ("current:", "'big'", "64 bits")),
        (pd.Series([1]), ("current:", "DataFrame")),
        ({"a": [1], "b": [1, 2]}, ("current:",)),
        (17, ("current:", "DataFrame")),
    ],
)
def test_what_cannot_be_read_is_said(table: object, facts: Facts) -> None:
    with pytest.raises(BadInput) as raised:
        read_table(table, "current")
    assert lacking(str(raised.value), *facts) == []

"""Times outside the years of 64-bit nanoseconds, 1677 to 2262, have the same seconds in every library."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.inputs.column import read_column
from driftline.inputs.row import clean, seconds
from driftline.tables.timestamps import instant, instants
from hypothesis import given
from hypothesis import strategies as st

COLUMNS: dict[str, Callable[[list[datetime]], Any]] = {
    "pandas objects": lambda values: pd.Series(values, dtype=object),
    "pandas [us]": lambda values: pd.Series(values).astype("datetime64[us]"),
    "pandas [s], UTC": lambda values: pd.Series(values).astype("datetime64[s]").dt.tz_localize("UTC"),
    "pandas index": lambda values: pd.Index(pd.Series(values).astype("datetime64[ms]")),
    "pandas with pyarrow": lambda values: pd.Series(pd.array(values, dtype="timestamp[us][pyarrow]")),
    "polars Date": lambda values: pl.Series(values).cast(pl.Date),
    "polars ms": lambda values: pl.Series(values).cast(pl.Datetime("ms")),
    "pyarrow date32": lambda values: pa.array([value.date() for value in values]),
    "pyarrow s": lambda values: pa.chunked_array([pa.array(values, pa.timestamp("s"))]),
    "numpy D": lambda values: np.array(values, "datetime64[D]"),
    "numpy us": lambda values: np.array(values, "datetime64[us]"),
    "a list": list,
}


@pytest.mark.parametrize("library", COLUMNS)
@pytest.mark.parametrize("day", [date(1, 1, 1), date(1600, 2, 29), date(2026, 11, 20), date(2300, 1, 1), date.max])
def test_a_day_has_the_same_seconds_in_every_library(library: str, day: date) -> None:
    time = datetime(day.year, day.month, day.day)
    right = time.replace(tzinfo=UTC).timestamp()

    assert np.asarray(read_column(COLUMNS[library]([time, time]))).tolist() == [right, right]


@pytest.mark.parametrize("duration", [timedelta(days=400 * 365), timedelta(days=-400 * 365, microseconds=1500)])
def test_a_duration_has_the_same_seconds_in_every_library(duration: timedelta) -> None:
    columns: list[Any] = [
        [duration],
        np.array([duration], "timedelta64[us]"),
        pd.Series([duration]).astype("timedelta64[us]"),
        pl.Series([duration]),
        pa.array([duration], pa.duration("us")),
    ]

    assert [np.asarray(read_column(column)).tolist() for column in columns] == [[duration.total_seconds()]] * 5


@given(st.datetimes(), st.sampled_from(["us", "ms", "s", "h", "D"]))
def test_a_numpy_time_has_the_seconds_of_its_datetime(time: datetime, unit: str) -> None:
    value = np.array(time, "datetime64[us]").astype(f"datetime64[{unit}]")[()]
    right = value.astype("datetime64[us]").item().replace(tzinfo=UTC).timestamp()

    assert seconds(value) == pytest.approx(right, rel=1e-15, abs=0.0)
    assert np.asarray(read_column(np.array([value]))).tolist() == [seconds(value)]


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (np.timedelta64(2, "Y"), 2 * 365.2425 * 86400),
        (np.timedelta64(-1500, "ms"), -1.5),
        (np.datetime64("1969-12-31T23:59:58.5"), -1.5),
        (np.datetime64(1_500_000_000_000, "ps"), 1.5),
    ],
)
def test_any_unit_of_numpy_can_be_read(value: Any, right: float) -> None:
    assert clean((value,)) == (right,)


@pytest.mark.parametrize("far", [np.datetime64("9999-12-31"), np.datetime64("0001-01-01T00:00", "us"), date.max])
def test_a_far_time_is_not_the_time_of_a_prediction(far: Any) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        instant(far)
    assert instants(np.array([seconds(far)])).tolist() == [0]


def test_a_near_time_keeps_its_nanoseconds() -> None:
    assert instant(np.datetime64("2026-11-20T08:00:00.123456789")) == 1795161600123456789
    assert instant(np.datetime64("1969-12-31T23:59:59.999999999")) == -1

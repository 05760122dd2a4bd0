"""Points in time, however they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline_processor.readers.times import read_times

EXPECTED = 1_767_312_000_500_000_000  # 2026-01-02T00:00:00.5Z


def read(values: list[Any], kind: pa.DataType | None = None) -> tuple[list[int | None], str]:
    times = read_times(pa.chunked_array([pa.array(values, kind)]))
    return [int(v) if ok else None for v, ok in zip(times.values, times.readable, strict=True)], times.unit


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T00:00:00.5Z",
        "2026-01-02 00:00:00.500",
        "2026-01-02T01:00:00.5+01:00",
        "2026-01-01T19:00:00.500000-0500",
        "2026-01-02 05:30:00.5+05:30",
        " 2026-01-02T00:00:00.500000000Z ",
        "1767312000.5",
        "1767312000500",
    ],
)
def test_texts(text: str) -> None:
    assert read([text])[0] == [EXPECTED]


def test_texts_of_several_kinds_in_one_column_and_those_that_are_none() -> None:
    values = ["2026-01-02", "2026-01-02T00:00Z", "2026-02-30", "2026-13-01", "9999-01-01", "", None, "soon", "2026"]
    midnight = 1_767_312_000 * 10**9
    assert read(values)[0] == [midnight, midnight, None, None, None, None, None, None, 2026 * 10**9]


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (10**3, "ms"), (10**6, "us"), (10**9, "ns")])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
def test_unix_times_tell_their_unit_by_their_size(factor: int, unit: str, kind: pa.DataType) -> None:
    seconds = 1_767_312_000
    written = pa.array([seconds * factor, (seconds + 1) * factor, None]).cast(kind, safe=False)
    assert read(written.to_pylist(), kind) == ([seconds * 10**9, (seconds + 1) * 10**9, None], unit)


def test_a_stray_number_is_unreadable_and_changes_no_unit() -> None:
    values = [1_767_312_000.0, 1_767_312_001.0, 1e300, float("nan"), float("-inf")]
    assert read(values) == ([1_767_312_000 * 10**9, 1_767_312_001 * 10**9, None, None, None], "s")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_and_dates(unit: str) -> None:
    moments = np.array(["2026-01-02"], dtype=f"datetime64[{unit}]")
    assert read_times(pa.chunked_array([pa.array(moments)])).values.tolist() == [1_767_312_000 * 10**9]
    days = pa.chunked_array([pa.array(np.array(["2026-01-02"], dtype="datetime64[D]"))])
    assert read_times(days).values.tolist() == [1_767_312_000 * 10**9]


def test_a_timestamp_beyond_nanoseconds_is_unreadable() -> None:
    moments = pa.chunked_array([pa.array([253_402_300_799, 0], pa.timestamp("s"))])
    assert read_times(moments).readable.tolist() == [False, True]


def test_booleans_are_no_times() -> None:
    assert read([True, False])[0] == [None, None]

"""Dates as people write them: every format in every reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.memory import Rows, read_table
from driftline_processor.readers.number_format import PLAIN_NUMBERS, NumberFormat
from driftline_processor.readers.sources import open_source
from driftline_processor.readers.times import read_times

TIMES = [datetime(2026, 1, 5) + timedelta(days=n, hours=n % 24, minutes=7) for n in range(40)]
FORMATS = (
    *("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M:%S UTC"),
    *("%Y%m%dT%H%M%SZ", "%d-%b-%Y %H:%M", "%b %d, %Y %I:%M %p", "%d.%m.%Y %H:%M", "%m-%d-%y %H:%M:%S"),
    *("%a, %d %b %Y %H:%M:%S GMT", "%d/%b/%Y:%H:%M:%S +0000", "%B %d, %Y %H:%M"),
    *("%a %b %d %H:%M:%S %Y", "%a %b %e %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y", "%b %d %H:%M:%S GMT %Y"),
)


def _parquet(frame: pd.DataFrame, path: Path) -> Rows:
    frame.to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def _csv(frame: pd.DataFrame, path: Path) -> Rows:
    frame.to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


def _ndjson(frame: pd.DataFrame, path: Path) -> Rows:
    frame.to_json(path.with_suffix(".ndjson"), orient="records", lines=True)
    return path.with_suffix(".ndjson")


def _sqlite(frame: pd.DataFrame, path: Path) -> Rows:
    with sqlite3.connect(path.with_suffix(".db")) as database:
        frame.to_sql("rows", database, index=False)
    database.close()
    return path.with_suffix(".db")


def _frame(frame: pd.DataFrame, _: Path) -> Rows:
    return read_table(frame, "rows")


READERS = (_parquet, _csv, _ndjson, _sqlite, _frame)


def read(rows: Rows, numbers: NumberFormat = PLAIN_NUMBERS) -> tuple[list[object], list[str]]:
    said: list[str] = []
    source = open_source(rows, (), said.append, numbers)
    return source.column("at").to_pylist(), said


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_format_is_found_and_named(written: str, reader: Callable[[pd.DataFrame, Path], Rows], tmp_path: Path) -> None:
    frame = pd.DataFrame({"at": [time.strftime(written) for time in TIMES], "a": 1.5})
    values, said = read(reader(frame, tmp_path / "rows"))
    assert values == TIMES
    named = written.replace("%B", "%b").replace("%e", "%d").replace(" +0000", " %z")
    assert [sentence for sentence in said if f"at: read as times, --date-format '{named}'" in sentence] or (
        " " not in named and said
    )


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_order_that_the_values_do_not_decide_needs_the_option(
    reader: Callable[[pd.DataFrame, Path], Rows], tmp_path: Path
) -> None:
    rows = reader(pd.DataFrame({"at": ["02/01/2026", "03/01/2026"] * 30, "a": 1.5}), tmp_path / "rows")
    values, said = read(rows)
    assert values[0] == "02/01/2026"
    assert said[0].endswith("use --date-format %m/%d/%Y or --date-format %d/%m/%Y")
    for date_format, first in (("%m/%d/%Y", datetime(2026, 2, 1)), ("%d/%m/%Y", datetime(2026, 1, 2))):
        assert read(rows, NumberFormat.of("", "", date_format))[0][0] == first


def test_two_columns_have_two_formats(tmp_path: Path) -> None:
    frame = pd.DataFrame({f: [time.strftime(f) for time in TIMES] for f in ("%m/%d/%Y", "%d.%m.%Y")})
    source = open_source(_csv(frame, tmp_path / "rows"), (), lambda _: None, NumberFormat.of("", "", "%d.%m.%Y"))
    days = [time.replace(hour=0, minute=0) for time in TIMES]
    assert source.column("%m/%d/%Y").to_pylist() == source.column("%d.%m.%Y").to_pylist() == days


@pytest.mark.parametrize(
    ("written", "date_format", "time"),
    [
        ("01-Jan-26 12.00.00.000000 AM", "%d-%b-%y %I.%M.%S %p", datetime(2026, 1, 1)),
        ("13-JAN-26 01.30.05.250000 PM", "%d-%b-%y %I.%M.%S %p", datetime(2026, 1, 13, 13, 30, 5, 250_000)),
        ("13.01.2026 10.30.05,25", "%d.%m.%Y %H.%M.%S", datetime(2026, 1, 13, 10, 30, 5, 250_000)),
        ("2026-01-01 00:00:00,123", "%Y-%m-%d %H:%M:%S", datetime(2026, 1, 1, 0, 0, 0, 123_000)),
        ("2026-01-01T00:00:00,123Z", "%Y-%m-%dT%H:%M:%SZ", datetime(2026, 1, 1, 0, 0, 0, 123_000)),
        ("2026-01-01T02:00:00,5+02:00", "%Y-%m-%dT%H:%M:%S%z", datetime(2026, 1, 1, 0, 0, 0, 500_000)),
        ("01/13/2026 10:30:05,5", "%m/%d/%Y %H:%M:%S", datetime(2026, 1, 13, 10, 30, 5, 500_000)),
    ],
)
def test_points_and_commas_of_times_are_read(written: str, date_format: str, time: datetime, tmp_path: Path) -> None:
    values, said = read(_csv(pd.DataFrame({"at": [written] * 20, "a": 1.5}), tmp_path / "rows"))
    assert values == [time] * 20
    option = f"'{date_format}'" if " " in date_format else date_format
    assert said[0].endswith(f"at: read as times, --date-format {option}")


def test_fractions_and_strays_are_kept_and_counted(tmp_path: Path) -> None:
    values = ["2026/02/01 00:50:00.25", "unknown", *["2026/02/13 01:00:00"] * 18]
    read_values, said = read(_csv(pd.DataFrame({"at": values, "a": 1}), tmp_path / "rows"))
    assert read_values[:2] == [datetime(2026, 2, 1, 0, 50, 0, 250_000), None]
    assert said[-1].endswith("at: 1 value without a time, treated as missing, such as 'unknown'")


def test_words_and_codes_stay_texts(tmp_path: Path) -> None:
    for values in (["20261301", "20260201"], ["a-b-2026", "c"], ["10.12.13.14", "10.1.1.1"], ["1/2", "3/4"]):
        assert read(_frame(pd.DataFrame({"at": values * 30}), tmp_path))[0] == values * 30


@pytest.mark.parametrize("values", [[20260201, 20260202], [46054, 46055], [46054.0, 46055.0]])
def test_dates_as_numbers_are_times(values: list[float]) -> None:
    read_days = read_times(pa.chunked_array([pa.array([*values, None])]))
    assert read_days.values.astype("datetime64[ns]").astype("datetime64[D]").astype(str).tolist()[:2] == [
        "2026-02-01",
        "2026-02-02",
    ]
    assert read_days.readable.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("date_format", "wrong"),
    [
        ("%d/%m/%Y", "30/02/2026"),
        ("%m/%d/%Y %I:%M %p", "02/29/2026 09:00 AM"),
        ("%d-%b-%Y", "31-Apr-2026"),
        ("%Y%m%dT%H%M%SZ", "20260231T000000Z"),
        ("%Y-%m-%d", "2026-02-30"),
        ("%d.%m.%Y %H:%M %z", "31.06.2026 23:30 -0500"),
    ],
)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("option", [False, True])
def test_a_day_that_does_not_exist_is_missing_and_counted(
    date_format: str, wrong: str, reader: Callable[[pd.DataFrame, Path], Rows], option: bool, tmp_path: Path
) -> None:
    written = [wrong, *(time.strftime(date_format.replace("%z", "+0000")) for time in TIMES[:30])]
    rows = reader(pd.DataFrame({"at": written, "a": 1.5}), tmp_path / "rows")
    numbers = NumberFormat.of("", "", date_format) if option else PLAIN_NUMBERS
    said: list[str] = []
    source = open_source(rows, (), said.append, numbers)
    times = read_times(source.column("at"))
    assert times.readable.tolist() == [False, *[True] * (len(written) - 1)]
    assert [sentence for sentence in said if repr(wrong) in sentence and "1 value without a time" in sentence] or (
        date_format == "%Y-%m-%d"  # ISO 8601 is counted where times are used
    )


@pytest.mark.parametrize(
    "written",
    ["[%d/%b/%Y:%H:%M:%S %z]", "%a %b %d %H:%M:%S %z %Y", "on %d of %B, %Y, %H:%M:%S (%z)", "%z %Y-%m-%d %H:%M:%S.%f"],
)
def test_a_zone_is_read_anywhere_in_a_format(written: str, tmp_path: Path) -> None:
    """Also where the day in the zone is another one than in UTC."""
    zoned = [time.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=-11))) for time in TIMES]
    rows = _csv(pd.DataFrame({"at": [time.strftime(written) for time in zoned], "a": 1.5}), tmp_path / "rows")
    assert read(rows, NumberFormat.of("", "", written)) == (TIMES, [])


@pytest.mark.parametrize("written", ["%G-W%V-%u", "%Y-%m-%d %H:%M %Z", "%d/%m %H:%M", "%H:%M", "%s", "%Y-W%W", "%Q"])
def test_a_format_that_does_not_determine_a_time_is_refused(written: str) -> None:
    with pytest.raises(BadInput, match=rf"--date-format: '{written}' does not determine a time; it needs the year"):
        NumberFormat.of("", "", written)


@pytest.mark.parametrize("written", ["%Y%m%d%H%M%S", "%Y%m%d%H%M"])
@pytest.mark.parametrize("kind", [int, float, str])
def test_dates_with_a_time_of_day_without_marks_are_times(written: str, kind: type, tmp_path: Path) -> None:
    values = [kind(time.strftime(written)) for time in TIMES]
    source = open_source(_frame(pd.DataFrame({"at": values, "a": 1.5}), tmp_path), (), lambda _: None)
    times = read_times(source.column("at"))
    assert times.values.astype("datetime64[ns]").tolist() == pd.DatetimeIndex(TIMES).as_unit("ns").asi8.tolist()
    assert times.readable.all()


@pytest.mark.parametrize(
    "values", [[20260201246000] * 3, [20260201002925, 5], [20260201002925.5] * 3, [202602012460] * 3]
)
def test_numbers_that_are_no_dates_are_unix_times(values: list[float]) -> None:
    assert read_times(pa.chunked_array([pa.array(values)])).unit != ""


@pytest.mark.parametrize("written", ["%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%m%d", "%y%m%d%H%M", "%d%m%Y"])
@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_option_reads_whole_numbers(
    written: str, kind: type, reader: Callable[[pd.DataFrame, Path], Rows], tmp_path: Path
) -> None:
    """Also without the zero at the beginning: 05012026 is the integer 5012026. Other numbers stay."""
    times = [datetime.strptime(time.strftime(written), written) for time in TIMES]
    at = [kind(time.strftime(written)) for time in TIMES]
    frame = pd.DataFrame(
        {"at": at, "age": [20 + n for n in range(40)], "price": [1_000_000 + 999 * n for n in range(40)]}
    )
    source = open_source(reader(frame, tmp_path / "rows"), (), lambda _: None, NumberFormat.of("", "", written))
    assert source.column("at").to_pylist() == times
    assert source.column("age").to_pylist() == frame.age.tolist()
    assert source.column("price").to_pylist() == frame.price.tolist()


def test_whole_numbers_that_the_option_does_not_read_are_counted(tmp_path: Path) -> None:
    values = [20260230000000, *(int(time.strftime("%Y%m%d%H%M%S")) for time in TIMES)]
    rows = _csv(pd.DataFrame({"at": values, "a": 1}), tmp_path / "rows")
    read_values, said = read(rows, NumberFormat.of("", "", "%Y%m%d%H%M%S"))
    assert read_values == [None, *TIMES]
    assert said == [f"{rows}: at: 1 value without a time, treated as missing, such as '20260230000000'"]


@pytest.mark.parametrize("date_format", ["%Y", "%d/%m/%Y", "%H%M %Y"])
def test_other_formats_read_no_numbers(date_format: str, tmp_path: Path) -> None:
    rows = _csv(pd.DataFrame({"at": range(1_900, 2_100), "a": 1}), tmp_path / "rows")
    assert read(rows, NumberFormat.of("", "", date_format)) == ([*range(1_900, 2_100)], [])


def test_a_date_key_that_does_not_exist_is_missing() -> None:
    keys = pa.chunked_array([pa.array([20260230, *[20260201 + day for day in range(20)]])])
    assert read_times(keys).readable.tolist() == [False, *[True] * 20]

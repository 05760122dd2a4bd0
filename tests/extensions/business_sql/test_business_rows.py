"""Rows of a query as points of a business series: every bad row costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from driftline_extensions.business_sql.queries import BusinessRows, business_rows, query_digest
from driftline_processor.core.business import BusinessPoint

DAY = 86_400 * 10**9
NOW = 20_000 * DAY + DAY // 2
"""2024-10-04T12:00:00Z."""
QUERY = query_digest("SELECT")


def rows_of(
    *rows: Sequence[object],
    columns: Sequence[str] = ("time", "value"),
    zone: str = "UTC",
    oldest: int = 0,
    period: int | None = 0,
    spacing: int = 0,
) -> BusinessRows:
    return business_rows("revenue", QUERY, columns, rows, ZoneInfo(zone), NOW, oldest, period, spacing)


def values(found: BusinessRows) -> list[tuple[int, float]]:
    return [(one.time, one.value) for one in found.points]


@pytest.mark.parametrize(
    "written",
    [
        "2024-10-01",
        "2024-10-01 00:00:00",
        "2024-10-01T00:00:00Z",
        "2024-10-01T02:00:00+02:00",
        date(2024, 10, 1),
        datetime(2024, 10, 1),
        datetime(2024, 10, 1, tzinfo=UTC),
        1_727_740_800,
        1_727_740_800_000,
        1_727_740_800.0,
        Decimal(1_727_740_800),
        Decimal("1727740800.0"),
    ],
)
def test_times_are_read_however_a_database_writes_them(written: object) -> None:
    assert values(rows_of((written, 3))) == [(19_997 * DAY, 3.0)]


@pytest.mark.parametrize("written", ["2024-10-01 02:00", datetime(2024, 10, 1, 2)])
def test_a_time_without_a_zone_is_of_the_zone_that_is_configured(written: object) -> None:
    assert values(rows_of((written, 3), zone="Europe/Amsterdam")) == [(19_997 * DAY, 3.0)]


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        ((None, 1), "bad_time", "time is NULL"),
        (("yesterday", 1), "bad_time", "time is 'yesterday'"),
        ((True, 1), "bad_time", "time is 'True'"),
        ((b"2024", 1), "bad_time", "time is 'b'2024''"),
        ((Decimal("NaN"), 1), "bad_time", "time is 'Decimal('NaN')'"),
        ((Decimal("sNaN"), 1), "bad_time", "time is 'Decimal('sNaN')'"),
        ((Decimal("1E+100000000"), 1), "bad_time", "time is 'Decimal('1E+100000000')'"),
        ((1e300, 1), "bad_time", "time is '1e+300'"),
        (("9999-12-31", 1), "bad_time", "time is '9999-12-31'"),
        ((-5, 1), "bad_time", "time is '-5'"),
        ((float("nan"), 1), "bad_time", "time is 'nan'"),
        (("1969-12-31", 1), "time_out_of_range", "time is before 1970 (time '1969-12-31')"),
        (("2024-10-04T12:00:01Z", 1), "time_out_of_range", "time is in the future (time '2024-10-04T12:00:01Z')"),
        (("2024-10-01", None), "bad_point", "value is NULL (time '2024-10-01')"),
        (("2024-10-01", "12.5"), "bad_point", "value is '12.5' (time '2024-10-01')"),
        (("2024-10-01", True), "bad_point", "value is 'True' (time '2024-10-01')"),
        (("2024-10-01", float("nan")), "bad_point", "value is 'nan' (time '2024-10-01')"),
        (("2024-10-01", float("-inf")), "bad_point", "value is '-inf' (time '2024-10-01')"),
        (("2024-10-01", Decimal("sNaN")), "bad_point", "value is 'Decimal('sNaN')' (time '2024-10-01')"),
        (("2024-10-01", "a\x1b[31m\u202eb"), "bad_point", "value is 'a·[31m·b' (time '2024-10-01')"),
        (("2024-10-01", "x" * 10**6), "bad_point", f"value is '{'x' * 59}…' (time '2024-10-01')"),
    ],
)
def test_a_bad_row_is_named_and_its_neighbours_are_kept(row: Sequence[object], reason: str, words: str) -> None:
    found = rows_of(("2024-10-01", 1), row, ("2024-10-03", 3))
    assert values(found) == [(19_997 * DAY, 1.0), (19_999 * DAY, 3.0)]
    assert [(one.reason, one.words) for one in found.refused] == [(reason, words)]


def test_a_value_beyond_a_float_is_refused() -> None:
    assert [one.reason for one in rows_of(("2024-10-01", 10**400)).refused] == ["bad_point"]


def test_the_same_bad_row_is_known_again_and_another_is_not() -> None:
    first, again, other = (rows_of(row).refused[0].digest for row in ((None, 1), (None, 1), (None, 2)))
    assert first == again != other


def test_other_columns_tell_rows_of_one_time_apart_whatever_their_order() -> None:
    rows = [("2024-10-01", 1, "NL", None), ("2024-10-01", 2, "BE", None)]
    found = rows_of(*rows, columns=("Time", "VALUE", "country", "shop"))
    turned = rows_of(*[(r[3], r[2], r[1], r[0]) for r in rows], columns=("shop", "country", "value", "time"))
    assert [one.value for one in found.points] == [1.0, 2.0]
    assert {one.stream for one in found.points} == {one.stream for one in turned.points}
    assert all(one.stream.startswith(QUERY) and len(one.stream) == 16 for one in found.points)


def test_rows_that_nothing_tells_apart_are_counted_and_the_last_stays() -> None:
    found = rows_of(("2024-10-01", 1), ("2024-10-01", 2))
    assert values(found) == [(19_997 * DAY, 2.0)]
    assert [one.reason for one in found.refused] == ["repeated_row"]


def test_a_weight_is_how_many_things_a_value_is_the_mean_of() -> None:
    found = rows_of(
        ("2024-10-01", 2, 5), ("2024-10-02", 2, 0), ("2024-10-03", 2, None), columns=("time", "value", "weight")
    )
    assert [one.weight for one in found.points] == [5.0]
    assert [one.words.partition(" (")[0] for one in found.refused] == ["weight is '0'", "weight is NULL"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("day", "value"), "its columns are day, value; one of them must be named 'time', as in 'SELECT ... AS time'"),
        (
            ("time", "total"),
            "its columns are time, total; one of them must be named 'value', as in 'SELECT ... AS value'",
        ),
        ((), "its columns are none"),
        (("time", "value", "Value"), "give each column a different name"),
    ],
)
def test_columns_that_are_missing_are_named(columns: Sequence[str], said: str) -> None:
    with pytest.raises(ValueError, match="its columns are") as raised:
        rows_of(columns=columns)
    assert str(raised.value).startswith(said) or str(raised.value).endswith(said)


def test_a_row_whose_period_is_not_over_waits() -> None:
    days = [(f"2024-10-0{day}", day) for day in (1, 2, 3, 4)]
    assert [value for _, value in values(rows_of(*days, period=None))] == [1.0, 2.0, 3.0]
    assert [value for _, value in values(rows_of(days[-1], period=None, spacing=DAY))] == []
    assert [value for _, value in values(rows_of(*days, period=0))] == [1.0, 2.0, 3.0, 4.0]
    assert rows_of(*days, period=None).until == 19_999 * DAY


def test_rows_of_before_what_is_kept_are_left_out_and_not_refused() -> None:
    found = rows_of(("2024-10-01", 1), ("2024-10-03", 3), oldest=19_998 * DAY)
    assert (values(found), found.refused) == ([(19_999 * DAY, 3.0)], [])


def test_whether_times_ascend_is_known() -> None:
    assert rows_of(("2024-10-01", 1), ("2024-10-01", 1), ("2024-10-02", 1)).ordered
    assert not rows_of(("2024-10-02", 1), ("2024-10-01", 1)).ordered


def test_a_point_is_what_the_store_gives_back() -> None:
    (point,) = rows_of(("2024-10-01", 7)).points
    assert point == BusinessPoint("revenue", point.stream, 19_997 * DAY, 7.0, 1.0)

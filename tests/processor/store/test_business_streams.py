"""Cumulative streams of business series: increases, resets, repeats, restarts, and how many may be known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.core.business import Aggregation, BusinessKeys, CumulativePoint
from driftline_processor.maintenance.erasure import ErasureOrder, forget_model
from driftline_processor.store.business_streams import SILENT, BusinessStreams, forget_streams
from driftline_processor.store.database import Connection, Store, number

LISTENED = 10**18
"""When the processor began to listen."""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    store = Store(tmp_path)
    yield store.connect(lasting=True)
    store.close()


def streams(connection: Connection, aggregation: Aggregation = "sum", most: int = 100) -> BusinessStreams:
    declared = {"revenue": BusinessKeys("revenue", "shop", "EUR", aggregation)}
    return BusinessStreams(connection, declared, LISTENED, most)


def at(
    second: int, total: float, stream: bytes = b"s", begin: int = 0, count: float | None = None, process: bytes = b"p"
) -> CumulativePoint:
    """Return a point some seconds after the processor began to listen, of a process that began then or ``begin``."""
    return CumulativePoint("revenue", process, stream, LISTENED + begin, LISTENED + second * 10**9, total, count)


def added(known: BusinessStreams, *points: CumulativePoint, now: int = LISTENED) -> list[float | str | None]:
    """Return what points add: the sum of a window that holds nothing else."""
    taken = [known.take(point, now) for point in points]
    return [one if isinstance(one, str) or one is None else one.value * one.weight for one in taken]


def test_only_what_is_new_counts_at_the_time_before_its_end(connection: Connection) -> None:
    known = streams(connection)
    assert added(known, at(60, 10), at(120, 25), at(180, 25)) == [10.0, 15.0, 0.0]
    point = known.take(at(240, 30), LISTENED)
    assert not isinstance(point, str)
    assert point is not None
    assert (point.time, point.value, point.weight) == (LISTENED + 240 * 10**9 - 1, 5.0, 1.0)


def test_a_total_that_fell_was_reset(connection: Connection) -> None:
    assert added(streams(connection), at(60, 10), at(120, 4), at(180, 6)) == [10.0, 4.0, 2.0]


def test_points_that_come_again_or_late_add_nothing_and_nothing_is_lost(connection: Connection) -> None:
    known = streams(connection)
    assert added(known, at(60, 10), at(180, 30), at(120, 20), at(180, 30), at(240, 31)) == [
        *(10.0, 20.0),
        *("point_seen", "point_seen"),
        1.0,
    ]


def test_a_histogram_adds_its_mean_weighted_by_its_count(connection: Connection) -> None:
    known = streams(connection, "mean")
    points = [known.take(at(60 * at_, total, count=count), LISTENED) for at_, total, count in ((1, 8, 4), (2, 14, 6))]
    assert [(one.value, one.weight) for one in points if one and not isinstance(one, str)] == [(2.0, 4.0), (3.0, 2.0)]


@pytest.mark.parametrize(("aggregation", "nothing"), [("mean", None), ("sum", 0.0)])
def test_nothing_counted_is_a_sum_of_0_and_no_mean(
    connection: Connection, aggregation: Aggregation, nothing: float | None
) -> None:
    assert added(streams(connection, aggregation), at(60, 8, count=4), at(120, 8, count=4)) == [8.0, nothing]


def test_a_histogram_of_which_the_count_fell_was_reset(connection: Connection) -> None:
    assert added(streams(connection), at(60, 8, count=4), at(120, 9, count=3)) == [8.0, 9.0]


def test_what_was_counted_before_anybody_listened_is_only_the_base(connection: Connection) -> None:
    day_before = -86_400 * 10**9
    known = streams(connection)
    assert added(known, at(60, 1_000, begin=day_before), at(120, 1_003, begin=day_before)) == [None, 3.0]
    unknown = CumulativePoint("revenue", b"q", b"t", 0, LISTENED + 1, 500.0)
    assert known.take(unknown, LISTENED) is None


def test_the_first_sale_of_a_country_counts_where_its_process_was_heard_before(connection: Connection) -> None:
    day_before = -86_400 * 10**9
    known = streams(connection)
    first = [at(60, 1_000, b"NL", day_before), at(60, 70, b"BE", day_before)]
    assert added(known, *first, at(120, 5, b"NZ", day_before)) == [None, None, 5.0]


def test_a_restart_neither_loses_nor_doubles(connection: Connection) -> None:
    known = streams(connection)
    assert added(known, at(60, 10)) == [10.0]
    known.write(connection)
    assert added(known, at(120, 25)) == [15.0]  # never stored: its transaction failed
    again = streams(connection)
    assert added(again, at(60, 10), at(120, 25), at(180, 26)) == ["point_seen", 15.0, 1.0]
    again.write(connection)
    assert number(connection, "SELECT count(*) FROM business_streams") == 1
    assert added(streams(connection), at(240, 29)) == [3.0]


def test_too_many_streams_are_refused_until_one_is_silent(connection: Connection) -> None:
    known = streams(connection, most=2)
    assert added(known, at(60, 1, b"a"), at(60, 1, b"b"), at(60, 1, b"c")) == [1.0, 1.0, "too_many_streams"]
    later = LISTENED + SILENT + 1
    begin = 90 * 10**9
    assert added(known, at(120, 3, b"a"), now=later) == [2.0]
    assert added(known, at(121, 7, b"d", begin), at(121, 7, b"e", begin), now=later) == [7.0, "too_many_streams"]
    known.write(connection)
    assert number(connection, "SELECT count(*) FROM business_streams") == 2


def test_a_stream_that_was_forgotten_does_not_count_twice(connection: Connection) -> None:
    known = streams(connection)
    assert added(known, at(60, 10)) == [10.0]
    known.write(connection)
    forget_streams(connection, "received < ?", LISTENED + 1)
    again = streams(connection)
    assert added(again, at(120, 12), at(180, 13)) == [None, 1.0]


def test_who_forgets_a_model_forgets_its_streams(connection: Connection) -> None:
    known = streams(connection)
    known.take(at(60, 10), LISTENED)
    known.write(connection)
    forget_model(connection, ErasureOrder("shop", "model"), 1)
    assert number(connection, "SELECT count(*) FROM business_streams") == 0
    assert added(streams(connection), at(120, 12)) == [None]

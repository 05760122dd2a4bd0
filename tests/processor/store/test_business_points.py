"""Points of business series in the store: restated, over restarts, and deleted with their model."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.core.business import BusinessKeys, BusinessPoint, BusinessReading
from driftline_processor.maintenance.erasure import ErasureOrder, forget_model
from driftline_processor.store import business_points
from driftline_processor.store.business_points import BusinessPoints, forget_old_points
from driftline_processor.store.database import Connection, Store, number

DECLARED = {"conversion": BusinessKeys("conversion", "shop", "1", "mean")}


def put(points: BusinessPoints, connection: Connection, *said: BusinessPoint) -> None:
    points.write(connection, said)
    points.take(said)


def at(time: int, value: float, name: str = "conversion", stream: bytes = b"s") -> BusinessPoint:
    return BusinessPoint(name, stream, time, value)


def test_a_value_that_is_sent_again_replaces_the_one_before_also_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect(lasting=True)
    points = BusinessPoints(connection, DECLARED)
    put(points, connection, at(1, 0.5), at(2, 0.6), at(1, 0.55))
    put(points, connection, at(2, 0.7), at(2, 0.1, stream=b"t"))
    (before,) = points.of("shop")
    assert before.value.tolist() == [0.55, 0.7, 0.1]
    store.close()
    again = Store(tmp_path)
    (after,) = BusinessPoints(again.connect(lasting=True), DECLARED).of("shop")
    assert sorted(after.value.tolist()) == [0.1, 0.55, 0.7]
    again.close()


def test_a_series_is_the_same_object_until_it_changes(store: Store) -> None:
    connection = store.connect(lasting=True)
    points = BusinessPoints(connection, DECLARED)
    put(points, connection, at(1, 0.5))
    known = points.of("shop")
    assert points.of("shop") == known
    put(points, connection, at(2, 0.5))
    assert points.of("shop") != known
    assert points.of("other") == ()


def test_points_that_nobody_declared_are_not_kept(store: Store) -> None:
    connection = store.connect(lasting=True)
    put(BusinessPoints(connection, DECLARED), connection, at(1, 0.5, "revenue"))
    assert number(connection, "SELECT count(*) FROM business") == 0


def test_the_oldest_go_where_there_are_too_many_or_they_are_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_points, "MOST_POINTS", 10)
    store = Store(tmp_path)
    connection = store.connect(lasting=True)
    points = BusinessPoints(connection, DECLARED)
    put(points, connection, *(at(time, 1.0) for time in range(11)))
    (found,) = points.of("shop")
    assert found.time.tolist() == list(range(2, 11))
    forget_old_points(connection, 9)
    assert number(connection, "SELECT count(*) FROM business") == 2
    store.close()


def test_a_sender_of_ever_more_streams_fills_neither_disk_nor_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_points, "MOST_POINTS", 10)
    store = Store(tmp_path)
    connection = store.connect(lasting=True)
    declared = {**DECLARED, "revenue": BusinessKeys("revenue", "shop", "", "sum")}
    points = BusinessPoints(connection, declared)
    put(points, connection, *(at(5, 1.0, stream=bytes([number])) for number in range(25)), at(1, 1.0, "revenue"))
    taken: list[int] = []
    monkeypatch.setattr(BusinessPoints, "take", lambda _, of: taken.append(len([*of])))
    BusinessPoints(connection, declared)
    assert taken == [10 + 1]
    forget_old_points(connection, 0)
    assert number_of(connection, "conversion") == 10
    assert number_of(connection, "revenue") == 1
    store.close()


def number_of(connection: Connection, name: str) -> int | None:
    return number(connection, f"SELECT count(*) FROM business WHERE name = '{name}'")


def test_who_forgets_a_model_forgets_its_series(store: Store) -> None:
    connection = store.connect(lasting=True)
    put(BusinessPoints(connection, DECLARED), connection, at(1, 0.5))
    forget_model(connection, ErasureOrder("shop", "model", ("7",)), 1)
    assert number(connection, "SELECT count(*) FROM business") == 1
    forget_model(connection, ErasureOrder("shop", "model"), 1)
    assert number(connection, "SELECT count(*) FROM business") == 0


def test_how_far_a_query_was_read_is_stored_with_its_points_and_another_query_takes_their_place(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect(lasting=True)
    points = BusinessPoints(connection, DECLARED)
    old, new = b"%_old__1", b"new____2"
    for query, until in ((old, 3), (old, 5), (new, 4)):
        said = [at(until, until / 10, stream=query + bytes(8)), at(7, 0.7, stream=b"metric__" + bytes(8))]
        reading = BusinessReading("conversion", query, until)
        points.write(connection, said, [reading])
        points.take(said, [reading])
        assert points.reading("conversion") == reading
    store.close()
    again = Store(tmp_path)
    known = BusinessPoints(again.connect(lasting=True), DECLARED)
    again.close()
    for one in (points, known):
        (series,) = one.of("shop")
        assert (series.time.tolist(), one.reading("conversion")) == ([4, 7], BusinessReading("conversion", new, 4))


def test_points_that_are_stored_as_they_are_have_not_changed(store: Store) -> None:
    connection = store.connect(lasting=True)
    points = BusinessPoints(connection, DECLARED)
    put(points, connection, at(1, 0.5), at(2, 0.6))
    other = [at(2, 0.7), at(3, 0.6), at(1, 0.5, stream=b"t"), at(1, 0.5)._replace(weight=2.0), at(1, 0.5, "revenue")]
    assert points.changed([at(1, 0.5), *other, at(2, 0.6)]) == other
    assert points.spacing("conversion") == 1

"""A file of outcomes in parts: each counts once, and whoever sends can ask where to go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.ingest.deduplication import UPLOADS_KEPT

from tests.support.facts import lacking
from tests.support.state_fixtures import StateWithRoutes
from tests.support.state_rows import DAY, Clock


@pytest.fixture
def running(tmp_path: Path, clock: Clock) -> Iterator[StateWithRoutes]:
    running = StateWithRoutes(tmp_path, clock)
    yield running
    running.state.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_part_that_was_acknowledged_counts_once_also_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    first = StateWithRoutes(tmp_path, clock)
    answer = first.part(0, "id,actual\na,1\nb,0\n")
    assert answer.json() == {"accepted": 2, "rejected": [], "upload": "labels", "part": 0, "again": False}
    first.state.stop()

    clock.now += DAY  # longer than any digest of a request is remembered
    second = StateWithRoutes(tmp_path, clock)
    again = second.part(0, "id,actual\na,1\nb,0\n")
    assert again.json() == {"accepted": 2, "rejected": [], "upload": "labels", "part": 0, "again": True}
    assert second.rows("SELECT id FROM outcomes") == [("a",), ("b",)]
    second.state.stop()


@pytest.mark.slow
def test_parts_come_in_any_order_and_the_first_that_is_missing_is_next(running: StateWithRoutes) -> None:
    assert running.upload() == {"error": "no part of this upload has arrived; begin with ?part=0"}
    running.part(2, "id,actual\nc,1\n")
    running.part(0, "id,actual\na,1\nb,\n,1\n")
    assert running.upload() == {
        "upload": "labels",
        "parts": 2,
        "next": 1,
        "accepted": 2,
        "rejected": 2,
        "received": "2024-10-04T12:00:00Z",
        "parts_with_rejected": [0],
    }
    running.part(1, "id,actual\nb,1\n")
    assert running.upload()["next"] == 3
    assert running.upload("another") == running.upload("labels/1")


def test_a_part_of_which_nothing_can_be_used_has_come_all_the_same(running: StateWithRoutes) -> None:
    answer = running.part(0, "id,actual\n,1\n")
    assert answer.json()["rejected"] == [{"index": 0, "reason": "id is missing"}]
    assert (running.upload()["next"], running.upload()["rejected"]) == (1, 1)
    assert running.part(0, "id,actual\n,1\n").json()["rejected"] == answer.json()["rejected"]
    assert [value for (name, _), value in running.health.counters.snapshot().items() if "rejected" in name] == [1.0]


def test_a_part_with_other_bytes_is_refused_and_takes_nothing(running: StateWithRoutes) -> None:
    running.part(0, "id,actual\na,1\n")
    answer = running.part(0, "id,actual\nb,1\n")
    assert (answer.status_code, "use a different upload name" in answer.json()["error"]) == (409, True)
    assert running.rows("SELECT id FROM outcomes") == [("a",)]


def test_equal_parts_of_one_upload_and_of_two_are_parts_of_their_own(running: StateWithRoutes) -> None:
    for number, upload in ((0, "labels"), (1, "labels"), (0, "others")):
        assert not running.part(number, "id,actual\na,1\n", upload).json()["again"]
    assert running.rows("SELECT count(*)::INT AS n FROM outcomes") == [(3,)]


@pytest.mark.parametrize("query", ["upload=a", "part=0", "upload=&part=0", "upload=a&part=-1", "upload=a&part=1.5"])
def test_a_part_is_named_by_both_its_upload_and_its_number(running: StateWithRoutes, query: str) -> None:
    headers = {"content-type": "text/csv"}
    answer = running.client.post(f"/v1/outcomes?model=m&{query}", content="id,actual\na,1\n", headers=headers)
    assert answer.status_code == 400
    assert lacking(answer.json()["error"], "upload=NAME&part=0") == []


@pytest.mark.slow
def test_an_upload_is_forgotten_a_month_after_its_last_part(running: StateWithRoutes, clock: Clock) -> None:
    running.part(0, "id,actual\na,1\n")
    clock.now += UPLOADS_KEPT // 2
    running.part(1, "id,actual\nb,1\n")
    clock.now += UPLOADS_KEPT // 2 + 1
    running.part(0, "id,actual\na,1\n", "others")
    assert running.upload()["parts"] == 2
    clock.now += UPLOADS_KEPT // 2
    running.part(1, "id,actual\na,1\n", "others")
    running.state.tidy_now()
    assert "error" in running.upload()
    assert running.rows("SELECT DISTINCT upload FROM uploads") == [("others",)]

"""Who reads rows, sets a baseline, sends outcomes or deletes data is in the audit log, with the name of the log-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.config.model import Model
from driftline_processor.state import State
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.privacy_markers import found_on_disk
from tests.support.state_rows import NOON, Clock, Opened, baseline, config, outcomes, predictions

ROWS = 6


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(config(tmp_path / "state", churn=Model(subject="customer")), clock=Clock(NOON + 10**9))
    opened.start()
    ids = [f"id-{number}" for number in range(ROWS)]
    table = predictions(ids, NOON, model="churn", features={"customer": ["anna", *["bob"] * (ROWS - 1)]})
    Opened(opened).send(table, outcomes(ids, [0] * ROWS, model="churn"))
    opened.settle()
    yield opened
    opened.stop()


def trail(state: State, kind: str) -> list[tuple[str, str, str, int | None]]:
    entries, _ = state.audit_log.entries(kinds=[kind])
    return [(entry.by, entry.how, entry.words, entry.count) for entry in reversed(entries)]


@pytest.mark.slow
def test_rows_are_read_by_somebody(state: State) -> None:
    client = TestClient(app_of(state), headers={"x-person": "bob"})
    assert client.get("/models/churn/predictions?id=id-1").status_code == 200
    wrong = client.get("/api/v1/models/churn/mispredictions").json()["rows"]
    label = client.get("/api/v1/models/churn/label-next?limit=3").json()["rows"]
    snapshot = client.get("/v1/snapshots/churn?since=2024-01-01T00:00:00Z&until=2034-01-01T00:00:00Z")
    assert snapshot.status_code == 200
    assert client.get("/unknown-outcomes").status_code == 200
    told = client.get("/api/v1/models/churn/outcomes?id=id-1").json()["outcomes"]
    assert trail(state, "rows_read") == [
        ("bob", "token", "rows of the predictions page were read", 2),
        ("bob", "token", "rows of mispredictions were read", len(wrong)),
        ("bob", "token", "rows of the label queue were read", len(label)),
        ("bob", "token", "rows of a snapshot were read", ROWS),
        ("bob", "token", "rows of the page of unknown outcomes were read", 0),
        ("bob", "token", "rows of the outcomes of an id were read", len(told)),
    ]


@pytest.mark.slow
def test_a_baseline_is_pushed_and_replaced_by_somebody(state: State) -> None:
    client = TestClient(app_of(state), headers={"x-person": "bob"})
    first, second = (baseline([0.1, 0.9] * rows, {"age": list(range(2 * rows))}, model="churn") for rows in (20, 30))
    for one in (first, second):
        assert client.put("/v1/baselines/churn", content=one.to_json()).status_code == 200
    assert [(by, words) for by, _, words, _ in trail(state, "baseline_set")] == [
        ("bob", "a baseline was pushed"),
        ("bob", "a baseline was replaced by a pushed one"),
    ]
    entries, _ = state.audit_log.entries(kinds=["baseline_set"])
    assert entries[0].why == f"digest {second.digest}, before: {first.digest}"


@pytest.mark.slow
def test_a_baseline_of_a_service_is_recorded_once(state: State) -> None:
    sent = baseline([0.1, 0.9] * 20, {"age": list(range(40))}, model="churn").to_json()
    for _ in range(2):
        Opened(state).send(baselines=[sent])
    assert trail(state, "baseline_set") == [("", "", "a service sent a baseline", None)]


@pytest.mark.slow
def test_outcomes_by_hand_are_counted_by_sender(state: State) -> None:
    client = TestClient(app_of(state), headers={"x-person": "bob"})
    for count in (3, 4):
        sent = [{"id": f"id-{number}", "actual": 1} for number in range(count)]
        assert client.post("/v1/outcomes?model=churn", json={"outcomes": sent}).json()["accepted"] == count
    state.audit_log.close()  # writes the sum of the minute
    assert trail(state, "outcomes_sent") == [
        ("bob", "token", "outcomes were sent", 3),
        ("bob", "token", "outcomes were sent", 4),
    ]


@pytest.mark.slow
def test_the_trail_of_a_deletion_matches_a_request_only_with_the_key(state: State, tmp_path: Path) -> None:
    client = TestClient(app_of(state), headers={"x-person": "bob"})
    assert client.delete("/v1/predictions?model=churn&subject=anna").status_code == 200
    (ordered,), _ = state.audit_log.entries(kinds=["erasure_ordered"])
    (ended,), _ = state.audit_log.entries(kinds=["erased"])
    assert (ordered.by, ordered.words, ordered.subject) == ("bob", "the rows of 1 data subject", "subject")
    assert ordered.digests == (state.audit_log.digest("anna"),)
    assert (ended.by, ended.subject, ended.words, ended.count) == (
        *("bob", f"entry {ordered.sequence}", "1 prediction and 1 outcome were deleted"),
        2,
    )
    assert found_on_disk(tmp_path, "anna") == found_on_disk(tmp_path, "id-0") == []
    assert found_on_disk(tmp_path, "id-1") != []


@pytest.mark.slow
def test_the_head_is_a_metric_that_changes_every_ten_minutes(state: State) -> None:
    client = TestClient(app_of(state))

    def shown() -> list[str]:
        return [line for line in client.get("/metrics").text.splitlines() if line.startswith("driftline_audit")]

    state.audit("decided", words="a")
    head = state.audit_log.head
    first = [
        f"driftline_audit_entries {float(head.sequence)}",
        f'driftline_audit_head{{driftline_audit_hash="{head.hash}"}} {float(head.sequence)}',
    ]
    assert shown() == first
    state.audit("decided", words="b")
    assert shown() == [f"driftline_audit_entries {float(head.sequence + 1)}", first[1]]

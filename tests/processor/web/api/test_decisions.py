"""Decisions over HTTP: who, what and why, and nothing without a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.governance.decisions import Decision, DecisionKind, DecisionStore
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of, flights

PATH = "/api/v1/models/flights/decisions"


def client(store: Store) -> TestClient:
    kept = DecisionStore(store.connect(lasting=True), store.unreadable, AuditLog(store))

    def decide(model: str, version: str, kind: DecisionKind, by: str, why: str) -> Decision:
        return kept.record(model, version, kind, by, why, 5)

    return TestClient(app_of(FakeView([flights()], decisions=kept, decide=decide)))


def test_a_decision_is_kept_with_who_and_why(store: Store) -> None:
    asked = client(store)
    said = {"kind": "retirement", "by": " ann ", "why": "it is old", "version": "winter"}
    made = asked.post(PATH, data=said)
    assert made.status_code == 200
    (kept,) = asked.get(PATH).json()["decisions"]
    assert {**kept, "warning": None} == made.json()
    assert (kept["kind"], kept["by"], kept["why"], kept["version"]) == ("retirement", "ann", "it is old", "winter")


def test_a_version_that_nobody_has_seen_is_kept_with_a_warning_that_names_the_nearest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    said = {"kind": "retirement", "by": "ann", "why": "it is old", "version": "wintre"}
    made = client(store).post(PATH, data=said).json()
    store.close()
    assert made["version"] == "wintre"
    assert made["warning"] == "there are no predictions of version 'wintre' of flights; did you mean 'winter'?"


@pytest.mark.parametrize(
    ("path", "form", "status", "said"),
    [
        (PATH, {"kind": "retirement", "by": "bob", "why": "x"}, 403, "'bob' is not who logged in"),
        (PATH, {"kind": "retirement", "by": "ann"}, 400, "why: add the reason"),
        (PATH, {"kind": "retirment", "by": "ann", "why": "x"}, 400, "did you mean 'retirement'?"),
        (PATH, {"kind": "retirement", "by": "ann", "why": "x" * 501}, 400, "why: has more than 500 characters"),
        (PATH.replace("flights", "none"), {"kind": "retirement", "by": "a", "why": "x"}, 404, "no model 'none'"),
    ],
)
def test_what_lacks_something_is_not_kept(
    store: Store, path: str, form: dict[str, str], status: int, said: str
) -> None:
    asked = client(store)
    answer = asked.post(path, data=form)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert asked.get(PATH).json() == {"decisions": []}


def test_while_the_storage_fails_the_answer_says_to_try_again(tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise StorageOutage("the disk is full")

    store = Store(tmp_path)
    kept = DecisionStore(store.connect(lasting=True), store.unreadable, AuditLog(store))
    app = app_of(FakeView([flights()], decisions=kept, decide=fails))
    answer = TestClient(app).post(PATH, data={"kind": "retirement", "by": "ann", "why": "x"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    store.close()

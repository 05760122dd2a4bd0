"""Annotations over HTTP: notes and deployments are marks on the timeline of their model."""

from __future__ import annotations

import pytest
from driftline_processor.governance.decisions import Decision, DecisionKind, DecisionStore
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of, flights

PATH = "/v1/annotations"
JULY = "2013-07-04T12:00:00Z"
NOTE = {"model": "flights", "text": "new <prices>", "by": "ann", "time": JULY}


@pytest.fixture
def client(store: Store) -> TestClient:
    kept = DecisionStore(store.connect(lasting=True), store.unreadable, AuditLog(store))

    def decide(model: str, version: str, kind: DecisionKind, by: str, why: str, time: int | None = None) -> Decision:
        return kept.record(model, version, kind, by, why, 5 if time is None else time)

    return TestClient(app_of(FakeView([flights()], decisions=kept, decide=decide)))


@pytest.mark.parametrize("as_json", [True, False])
def test_a_note_is_kept_at_its_time_and_drawn(client: TestClient, as_json: bool) -> None:
    answer = client.post(PATH, json=NOTE) if as_json else client.post(PATH, data=NOTE)
    assert answer.status_code == 201
    (kept,) = client.get("/api/v1/models/flights/decisions").json()["decisions"]
    assert kept == answer.json()
    assert (kept["kind"], kept["time"], kept["by"], kept["why"]) == ("note", JULY, "ann", "new <prices>")
    page = client.get("/models/flights").text
    assert "new &lt;prices&gt;" in page
    assert "new <prices>" not in page


@pytest.mark.parametrize("path", [PATH, "/v1/silences", "/api/v1/models/flights/decisions"])
@pytest.mark.parametrize("body", [b"[" * 3_000, b'{"a":' * 1_200 + b"1" + b"}" * 1_200, b"9" * 5_000, b"\xff", b"[]"])
def test_a_body_that_is_not_an_object_of_texts_is_refused(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"].startswith("the body ")) == (400, True)


def test_a_deployment_of_another_range_is_not_drawn(client: TestClient) -> None:
    client.post(PATH, json={**NOTE, "kind": "deployment", "text": "v9", "time": "2012-01-01T00:00:00Z"})
    assert ">v9<" not in client.get("/models/flights").text


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"by": "bob"}, 403, "'bob' is not who logged in"),
        ({"text": ""}, 400, "text: add what happened"),
        ({"tme": "2026-01-01"}, 400, "'tme' is not a field; did you mean 'time'?"),
        ({"model": "fligths"}, 404, "did you mean 'flights'?"),
        ({"kind": "deploymnet"}, 400, "did you mean 'deployment'?"),
        ({"time": "yesterday"}, 400, "time"),
        ({"text": "x" * 501}, 400, "text: has more than 500 characters"),
    ],
)
def test_what_lacks_something_is_not_kept(client: TestClient, fields: dict[str, str], status: int, said: str) -> None:
    answer = client.post(PATH, json=NOTE | fields)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True)
    assert client.get("/api/v1/models/flights/decisions").json()["decisions"] == []


@pytest.mark.parametrize("body", ["[1]", "{", '{"model": 5}'])
def test_a_body_that_is_no_object_of_texts_is_refused(client: TestClient, body: str) -> None:
    answer = client.post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_browser_returns_to_its_page(client: TestClient) -> None:
    headers = {"accept": "text/html", "referer": "http://testserver/models/flights?window=1d"}
    answer = client.post(PATH, data=NOTE, headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/flights?window=1d")

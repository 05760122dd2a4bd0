"""The application around the pages: health, headers, errors, outcomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driftline_processor.health import Health
from driftline_processor.queries.state_snapshot import StateSnapshot
from markupsafe import escape
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of, many

Browse = Callable[[FakeView], TestClient]


def test_readyz_and_healthz_name_what_is_wrong_and_only_readyz_fails() -> None:
    health = Health()
    client = TestClient(app_of(FakeView(), health=health))
    for path in ("/readyz", "/healthz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": []})
    health.report("storage", "the disk is full")
    problem = {"name": "storage", "message": "the disk is full", "ready": False}
    for path, status in (("/readyz", 503), ("/healthz", 200)):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (status, {"ready": False, "problems": [problem]})
    health.clear("storage")
    assert client.get("/readyz").json() == {"ready": True, "problems": []}


def test_a_watched_problem_is_asked_for_at_each_look_and_need_not_cost_readiness() -> None:
    health, waiting = Health(), [0]
    health.watch("windows", lambda: f"{waiting[0]} windows wait" if waiting[0] else None, ready=True)
    client = TestClient(app_of(FakeView(), health=health))
    assert client.get("/readyz").json() == {"ready": True, "problems": []}
    waiting[0] = 12
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "problems": [{"name": "windows", "message": "12 windows wait", "ready": True}],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["/", "/models/flights", "/metrics", "/api/v1/models", "/static/driftline.js", "/no"]
)
def test_every_answer_forbids_scripts_and_frames_of_others(browse: Browse, address: str) -> None:
    headers = browse(many()).get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("address", ["/", "/models/flights", "/metrics", "/api/v1/models", "/healthz", "/readyz"])
def test_only_the_outcome_api_takes_anything_but_get(browse: Browse, address: str) -> None:
    client = browse(many())
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, address)
        assert answer.status_code == 405
        assert answer.json() == {"error": "Method Not Allowed"}
    assert client.head(address).status_code == 200


def test_outcomes_are_taken_on_the_port_of_the_pages(browse: Browse) -> None:
    body = {"model": "flights", "outcomes": [{"id": 17, "actual": 1}]}
    assert browse(many()).post("/v1/outcomes", json=body).json() == {"accepted": 1, "rejected": []}


def test_a_failing_view_is_a_sentence_and_not_a_trace() -> None:
    class Broken(FakeView):
        @property
        def snapshot(self) -> StateSnapshot:
            raise RuntimeError("secret")

    client = TestClient(app_of(Broken()), raise_server_exceptions=False)
    page = client.get("/")
    assert page.status_code == 500
    assert "this page failed; see the processor&#39;s log" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/api/v1/models").json() == {"error": "this page failed; see the processor's log"}


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/models/nobody?", 404, "no model 'nobody' has sent predictions; / lists all models"),
        ("/nowhere?", 404, "there is nothing at /nowhere; start at /"),
        ("/models/flights?at=noon&", 400, "at must be a time, as in ?at=2026-03-01T00:00:00Z"),
    ],
)
def test_a_failure_keeps_its_status_and_its_sentence_in_every_form(
    browse: Browse, address: str, status: int, sentence: str
) -> None:
    client = browse(many())
    told, line, shown = (client.get(f"{address}format={form}") for form in ("json", "csv", "pdf"))
    assert [one.status_code for one in (told, line, shown)] == [status] * 3
    assert told.json() == {"error": sentence}
    assert (line.headers["content-type"], line.text) == ("text/plain; charset=utf-8", f"{sentence}\n")
    assert shown.headers["content-type"].startswith("text/html")
    assert str(escape(sentence)) in shown.text


def test_a_form_or_a_table_that_there_is_not_is_told(browse: Browse) -> None:
    client = browse(many())
    answer = client.get("/?format=pdf")
    assert (answer.status_code, "format=pdf is not supported; use html, csv or json" in answer.text) == (400, True)
    answer = client.get("/?format=csv&table=none")
    assert (answer.status_code, answer.text) == (404, "this page has no table 'none'; it has models\n")


def test_an_internal_failure_is_json_where_json_was_asked_for() -> None:
    class Broken(FakeView):
        @property
        def snapshot(self) -> StateSnapshot:
            raise RuntimeError("secret")

    client = TestClient(app_of(Broken()), raise_server_exceptions=False)
    answer = client.get("/?format=json")
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "this page failed; see the processor's log"},
    )


@pytest.mark.parametrize("address", ["/models", "/models/"])
def test_the_models_are_listed_on_the_first_page(browse: Browse, address: str) -> None:
    answer = browse(many()).get(address)
    assert (answer.status_code, answer.url.path) == (200, "/")

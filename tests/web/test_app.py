"""The application around the pages: health, headers, errors, outcomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driftline_processor.runtime.health import Health
from driftline_processor.runtime.view import ModelView, View
from driftline_processor.web.app import create_app
from starlette.testclient import TestClient

from .conftest import accept
from .fake_view import FakeView, many

Browse = Callable[[View], TestClient]


def test_healthz_answers_while_the_process_lives(browse: Browse) -> None:
    assert browse(FakeView()).get("/healthz").text == "ok\n"


def test_readyz_says_what_is_waited_for() -> None:
    health = Health()
    client = TestClient(create_app(FakeView(), accept, health))
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}
    health.waits_for("state", "the state is being opened")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["the state is being opened"]}


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
        def models(self) -> list[ModelView]:
            raise RuntimeError("secret")

    client = TestClient(create_app(Broken(), accept, Health()), raise_server_exceptions=False)
    page = client.get("/")
    assert page.status_code == 500
    assert "this page failed; the processor&#39;s log says why" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/api/v1/models").json() == {"error": "this page failed; the processor's log says why"}

"""The search over all models."""

from __future__ import annotations

from collections.abc import Callable

from driftline.tables.table import ModelKey
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, flights, fraud, many
from tests.support.html_page import page

Browse = Callable[[FakeView], TestClient]


def kinds(browse: Browse, query: str) -> list[tuple[str, str]]:
    hits = browse(many()).get(f"/search?q={query}&format=json").json()["hits"]
    return [(hit["kind"], hit["name"]) for hit in hits]


def test_it_finds_models_features_metrics_and_incidents_by_all_of_their_words(browse: Browse) -> None:
    assert ("model", "flights") in kinds(browse, "fLiGh")
    assert ("feature", "temp") in kinds(browse, "temp")
    assert ("metric", "log loss") in kinds(browse, "log+loss")
    assert {kind for kind, _ in kinds(browse, "flights")} >= {"model", "incident"}
    assert kinds(browse, "log+nothing") == []
    assert kinds(browse, "") == []


def test_each_hit_leads_to_a_page(browse: Browse) -> None:
    client = browse(many())
    hits = client.get("/search?q=e&format=json").json()["hits"]
    assert {hit["kind"] for hit in hits} >= {"model", "feature", "metric"}
    assert {client.get(hit["address"].partition("#")[0]).status_code for hit in hits} == {200}


def test_a_single_hit_is_opened_and_several_are_listed(browse: Browse) -> None:
    client = browse(FakeView([flights(), fraud()]))
    answer = client.get("/search?q=fraud+v7", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/fraud")
    assert client.get("/search?q=e", follow_redirects=False).status_code == 200
    assert "Nothing" not in page(client, "/search?q=e").text


def test_without_a_hit_the_page_says_so(browse: Browse) -> None:
    assert "matches “nobody”" in page(browse(many()), "/search?q=nobody").text


def test_a_name_from_the_wire_stays_on_this_host(browse: Browse) -> None:
    model = flights()
    model.key = ModelKey("//evil.example/\r\nx", "", "")
    hits = browse(FakeView([model])).get("/search?q=evil&format=json").json()["hits"]
    assert hits[0]["address"].startswith("/models/%2F%2Fevil.example%2F")

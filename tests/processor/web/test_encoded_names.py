"""Names that hold slashes, or that are the end of an address: each page and each answer is that of its model."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.present.names import handle
from driftline_processor.web.encoded_names import SLASH, routed_path
from driftline_processor.web.place import TABS, Place, feature_page
from msgspec.structs import replace
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.support.fake_view import FakeView, app_of, price

Browse = Callable[[FakeView], TestClient]

NAMES = ["a/drift", "a/report", "a/data", "a/features/x", "a/evaluations", "features/", "/", "a%2Fb", "drift"]


def named(name: str, feature: str = "area") -> FakeView:
    """Return a model of this name beside the one named ``a``, with one feature."""
    other, model = price(), price()
    other.key, model.key = ModelKey("a", "", ""), ModelKey(name, "", "")
    for windows in model.windows.values():
        for window in windows:
            known = next(iter(window.features.values()))
            window.features = {feature: replace(known, name=feature)}
    return FakeView([other, model])


@pytest.mark.parametrize("name", NAMES)
def test_each_page_of_a_model_is_reached_whatever_its_name_holds(browse: Browse, name: str) -> None:
    client, place = browse(named(name)), Place(name)
    for end, title in TABS.items():
        if end in ("incidents", "predictions"):
            continue  # their JSON names no model
        answer = client.get(place.address(end, format="json"))
        assert (answer.status_code, answer.json()["model"], title) == (200, name, title)
    assert client.get(place.address("report")).headers["content-type"].startswith("text/html")
    for end in ("", "/evaluations", "/versions"):
        assert client.get(f"/api/v1/models/{quote(name, safe='')}{end}").json()["model"] == name


@pytest.mark.parametrize("feature", ["sensor/data", "x/drift", "features/", "/", "drift", "report", "a/features/b"])
def test_each_feature_has_its_page_whatever_its_name(browse: Browse, feature: str) -> None:
    answer = browse(named("m", feature)).get(Place("m").address(feature_page(feature), format="json"))
    assert (answer.status_code, answer.json()["model"], answer.json()["feature"]) == (200, "m", feature)


def test_a_slash_that_nobody_encoded_is_part_of_a_name(browse: Browse) -> None:
    client = browse(named("a/b"))
    assert client.get("/models/a/b/drift?format=json").json()["model"] == "a/b"
    assert client.get("/api/v1/models/a/b/evaluations").json()["model"] == "a/b"


def test_without_the_path_as_it_came_the_decoded_one_is_routed() -> None:
    app = app_of(named("a/b"))

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await app({name: value for name, value in scope.items() if name != "raw_path"}, receive, send)

    client = TestClient(bare)
    assert client.get("/models/a%2Fb/drift?format=json").json()["model"] == "a/b"
    assert client.get("/models/a%2Fb").status_code == 200


def test_a_path_that_is_not_the_one_that_came_is_left_as_it_is() -> None:
    assert routed_path({"path": "/models/a/b", "raw_path": b"/proxy/models/a%2Fb"}) == "/models/a/b"
    assert routed_path({"path": "/static/a/b", "raw_path": b"/static/a%2fb"}) == "/static/a/b"
    assert routed_path({"path": "/models/a/b/c", "raw_path": b"/models/a%2fb/c?x=%2F"}) == f"/models/a{SLASH}b/c"


def test_what_is_not_there_is_told_with_its_slashes(browse: Browse) -> None:
    client = browse(named("m"))
    assert client.get("/models/x%2Fdrift?format=json").json() == {
        "error": "no model 'x/drift' has sent data; / lists all models"
    }
    assert client.get("/api/v1/models/x%2Fversions").json()["error"].startswith("no model 'x/versions' has sent data")


def test_a_name_that_cannot_be_encoded_is_a_question_mark_in_every_form(browse: Browse) -> None:
    client = browse(named("a\ud800b"))
    assert [one["model"] for one in client.get("/api/v1/models").json()["models"]] == ["a", "a?b"]
    assert sorted(one["model"] for one in client.get("/?format=json").json()["models"]) == ["a", "a?b"]
    place = Place(handle("a\ud800b"))
    for end in TABS:
        answer = client.get(f"{place.address(end)}?format=json")
        assert (answer.status_code, answer.json()["model"]) == (200, "a?b")

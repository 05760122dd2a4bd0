"""Silences over HTTP and on the pages: who, until when and why, and who ends them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.approvals import Awaiting, awaiting
from tests.support.facts import Facts, lacking
from tests.support.html_page import page
from tests.support.paths import ROOT

PATH = "/v1/silences"
FORM = {"model": "late", "policy": "health", "for": "8h", "why": "a new <i>feed"}


def client(there: Awaiting) -> TestClient:
    return TestClient(there.app, base_url="http://127.0.0.1", headers={"x-person": "<b>ann</b>"})


@pytest.mark.parametrize("address", ["/incidents", "/models/late", "/models/late/incidents"])
def test_an_alert_is_silenced_and_the_silence_ended_on_each_page_that_shows_it(tmp_path: Path, address: str) -> None:
    with awaiting(tmp_path) as there:
        asked, back = client(there), {"accept": "text/html", "referer": f"http://127.0.0.1{address}"}
        assert 'action="/v1/silences"' in asked.get(address).text
        answer = asked.post(PATH, data=FORM, headers=back, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, address)
        text, shown = asked.get(address).text, page(asked, address).text
        assert "&lt;b&gt;ann" in text
        assert "<b>ann" not in text
        assert lacking(shown, "silenced until", "<b>ann</b>", "a new <i>feed") == []
        assert 'action="/v1/silences"' not in text
        (end,) = set(re.findall(r'action="(/v1/silences/\w+/end)"', text))
        answer = asked.post(end, headers=back, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, address)
        assert "silenced until" not in page(asked, address).text


def test_a_silence_is_listed_until_it_ends_and_its_alert_stays_open(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked = client(there)
        made = asked.post(PATH, json=FORM | {"policy": ""})
        assert made.status_code == 201
        assert asked.get(PATH).json()["silences"] == [made.json()] == asked.get(f"{PATH}?model=late").json()["silences"]
        assert asked.get(f"{PATH}?model=other").json()["silences"] == []
        assert [one["open"] for one in asked.get("/api/v1/alerts").json()["alerts"]] == [True]
        ended = asked.request("DELETE", f"{PATH}/{made.json()['id']}", headers={"x-person": "bob"})
        assert (ended.status_code, ended.json()["ended_by"]) == (200, "bob")
        assert asked.get(PATH).json()["silences"] == []
    written = (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8").split("## `GET /v1/silences`")[1]
    assert {*re.findall(r'"([a-z_]+)": ', written.split("\n## ")[0])} - {"silences"} >= {*made.json()}


@pytest.mark.parametrize(
    ("fields", "status", "facts"),
    [
        ({"by": "bob"}, 403, ("'bob' is not who logged in",)),
        ({"why": ""}, 400, ("why: add the reason",)),
        ({"for": ""}, 400, ("for: add how long",)),
        ({"for": "8"}, 400, ("for:", "no unit")),
        ({"for": "91d"}, 400, ("for:", "90d")),
        ({"for": "0s"}, 400, ("for:", "90d")),
        ({"model": "laet"}, 404, ("did you mean 'late'?",)),
        ({"policy": "helth"}, 400, ("did you mean 'health'?",)),
        ({"environment": "prod"}, 400, ("environment", "'prod'")),
    ],
)
def test_what_lacks_something_silences_nothing(
    tmp_path: Path, fields: dict[str, str], status: int, facts: Facts
) -> None:
    with awaiting(tmp_path) as there:
        answer = client(there).post(PATH, data=FORM | fields)
        assert there.watch.silences.all == ()
    assert answer.status_code == status
    assert lacking(answer.json()["error"], *facts) == []


def test_a_silence_that_nobody_set_cannot_be_ended(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        answer = client(there).request("DELETE", f"{PATH}/july")
    assert (answer.status_code, "configuration" in answer.json()["error"]) == (404, True)

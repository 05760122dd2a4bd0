"""The page Predictions: one by its id, the most wrong, what to label next, and the way to each trace."""

from __future__ import annotations

import csv

import pytest
from driftline_processor.core.evaluation import SlicePerformance
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.web.pages import predictions
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_rows import SPAN, TRACE, FakeHistory, FakeKept, fake_rows
from tests.support.fake_view import FakeView, app_of, flights
from tests.support.html_page import page
from tests.support.state_rows import DAY, HOUR, NOON, Opened, outcomes
from tests.support.state_rows import predictions as rows_of

JAEGER = Links("http://jaeger.example.com/trace/{trace_id}?uiFind={span_id}")
MONTH = "/models/flights/predictions?window=1mo&at=2013-06-02"


def client_of(links: Links = JAEGER) -> TestClient:
    model = flights()
    for evaluation in model.windows["1mo"]:
        evaluation.performance_slices = {
            name: SlicePerformance(rows, {}) for name, rows in (("origin=JFK", 900), ("origin=EWR", 1800))
        }
    app = app_of(
        FakeView([model]),
        rows=fake_rows(),
        links=links,
    )
    return TestClient(app)


def test_each_wrong_prediction_leads_to_itself_and_to_its_trace_in_a_new_tab() -> None:
    body = client_of().get(MONTH).text
    assert body.count('target="_blank" rel="noopener noreferrer"') == 5
    assert f'<a href="http://jaeger.example.com/trace/{TRACE}?uiFind={SPAN}" target="_blank"' in body
    assert 'aria-label="trace of UA-1, opens in a new tab"' in body
    assert 'id="row-UA-1"' in body
    assert "predictions?window=1mo&amp;at=2013-06-02&amp;id=UA-1" in body
    section = body.partition('id="row-UA-0"')[2].partition("</tr>")[0]
    assert "not sampled" in section


def test_a_trace_is_told_by_its_id_where_nobody_said_where_traces_are() -> None:
    body = client_of(NO_LINKS).get(MONTH).text
    assert "_blank" not in body
    assert f"<code>{TRACE}</code>" in body


def test_as_many_are_shown_as_are_asked_for() -> None:
    client = client_of()
    assert len(client.get(f"{MONTH}&format=json").json()["predictions"]) == 10
    assert len(client.get(f"{MONTH}&limit=15&format=json").json()["predictions"]) == 15
    assert client.get(f"{MONTH}&limit=101").status_code == 400
    assert "limit=100" in " ".join(page(client, MONTH).links)
    first = next(csv.DictReader(client.get(f"{MONTH}&format=csv").text.splitlines()))
    assert (first["id"], first["actual"], first["trace_id"]) == ("UA-0", "1", "")


def test_a_slice_is_chosen_by_a_chip_and_survives_in_every_link() -> None:
    client = client_of()
    chips = [link for link in page(client, MONTH).links if link.endswith("#mispredictions")]
    assert ["EWR" in one for one in chips] == [True, False]  # the one with most rows first
    within = page(client, chips[0].partition("#")[0])
    assert "where origin is EWR" in within.text
    assert all("slice=origin%3DEWR" in link for link in within.links if "&id=" in link)
    assert all("slice=origin%3DEWR" in link for link in within.links if link.startswith("/models/flights/drift"))
    again = [link for link in within.links if link.endswith("#mispredictions")]
    assert "slice=" not in again[0]  # the chosen one is let go
    assert "slice=origin%3DJFK" in again[1]
    assert "slice=origin%3DEWR" not in again[1]  # no row has two values of a key


def test_all_that_is_known_of_an_id_is_shown() -> None:
    client = client_of()
    found = page(client, f"{MONTH}&id=UA-5")
    for said in ("predicted 0", "score 0.0202", "origin EWR", "temp 81.5", "wind_speed missing", "carrier UA"):
        assert said in found.text
    assert any(link.startswith("/models/flights/features/temp?window=1mo&at=2013-06-02") for link in found.links)
    told = found.text.partition("Outcomes time")[2]
    assert told.index("no: a later outcome replaces it") < told.index("for winter")
    answer = client.get(f"{MONTH}&id=UA-5&format=json").json()
    assert [(one["actual"], one["counts"]) for one in answer["outcomes"]] == [("1", False), ("0", True)]
    assert {one["feature"]: one["value"] for one in answer["features"]} == {
        "temp": 81.5,
        "carrier": "UA",
        "wind_speed": None,
    }


def test_an_id_that_nobody_knows_stays_text() -> None:
    found = client_of().get(f"{MONTH}&id=%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "No prediction and no outcome with this id is stored" in found
    assert "<script>alert" not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found


def test_what_to_label_next_says_why_and_has_a_file_to_fill_in() -> None:
    client = client_of()
    found = page(client, MONTH)
    assert "208 predictions of this window have no outcome" in found.text
    assert 'id="label-B6-0"' in client.get(MONTH).text
    files = [link for link in found.links if "/label-next?" in link]
    assert [link.partition("limit=")[2] for link in files] == ["100&format=csv", "1000&format=csv"]
    sheet = client.get(files[0]).text.splitlines()
    assert sheet[0] == "id,prediction_time,weight,actual"
    assert len(sheet) == 11


def test_of_very_many_rows_those_to_label_are_chosen_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "QUICK", 100)
    client = client_of()
    waits = page(client, MONTH)
    assert "B6-0" not in waits.text
    (ask,) = (link for link in waits.links if link.endswith("#label-next"))
    assert "B6-0" in page(client, ask.partition("#")[0]).text


def test_outcomes_that_wait_are_named_with_their_age() -> None:
    client = client_of()
    section = client.get(MONTH).text.partition('<section id="waiting">')[2].partition("</section>")[0]
    assert "12 outcomes wait " in section
    assert 'id="waiting-DL-1"' in section
    assert '<time datetime="2013-12-30T17:00:00Z" data-ago>' in section


@pytest.mark.slow
def test_the_store_is_read_by_id_and_by_what_waits(state: Opened) -> None:
    state.send(
        rows_of(["a"], NOON, [0.9], features={"age": [41.0], "country": ["NL"]}, trace_id=bytes(range(16))),
        rows_of(["a"], NOON + DAY, [0.2], version="2"),
        outcomes(["a"], [0], NOON + HOUR),
        outcomes(["lost"], [1], NOON + HOUR),
    )
    state.state.settle()
    told = state.state
    client = TestClient(app_of(told, lambda: NOON))
    answer = client.get("/models/churn/predictions?version=1&id=a&format=json").json()
    assert [(one["version"], one["score"], one["trace_id"]) for one in answer["predictions"]] == [
        ("2", 0.2, None),
        ("1", 0.9, bytes(range(16)).hex()),
    ]
    assert {one["feature"]: one["value"] for one in answer["features"]} == {"age": 41.0, "country": "NL"}
    assert [(one["actual"], one["counts"]) for one in answer["outcomes"]] == [("0", True)]
    window = client.get("/models/churn/predictions?version=1&window=1d&format=json").json()
    assert [one["id"] for one in window["predictions"]] == ["a"]
    assert [one["id"] for one in window["waiting"]] == ["lost"]
    assert client.get("/models/churn/predictions?version=1&id=lost").text.count("waits for its prediction") == 1


def test_a_model_without_windows_is_still_searched() -> None:
    bare = replace(flights(), windows={})
    app = app_of(FakeView([bare]), rows={"predictions": FakeKept(), "history": FakeHistory()})
    client = TestClient(app)
    assert "No window has been evaluated yet" in page(client, "/models/flights/predictions").text
    assert "score 0.0202" in page(client, "/models/flights/predictions?id=UA-5").text

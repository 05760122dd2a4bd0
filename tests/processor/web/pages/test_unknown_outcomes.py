"""The page of outcomes that name a model of which no prediction has come."""

from __future__ import annotations

import csv

import pytest
from driftline_processor.maintenance.erasure import ErasureOrder
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.html_page import page
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Opened, outcomes, predictions

PATH = "/unknown-outcomes"


def client_of(state: Opened) -> TestClient:
    state.state.settle()
    told = state.state
    return TestClient(app_of(told, lambda: NOON))


@pytest.fixture
def state(open_state: Open) -> Opened:
    found = open_state()
    found.send(
        predictions(["a"], NOON),
        outcomes(["a", "waits"], ["1", "0"]),
        outcomes(["b", "c"], ["1", 0.5], model="chrun"),
        outcomes(["=1+1"], ["<script>alert(1)</script>"], model="<b>x</b>", environment="prod"),
        outcomes(["d"], [""], model="chrun", retracted=True),
    )
    return found


def listed(client: TestClient, query: str = "") -> list[tuple[str, str]]:
    rows = client.get(f"{PATH}?format=json{query}").json()["outcomes"]
    return [(row["model"], row["id"]) for row in rows]


def test_outcomes_of_unknown_models_are_told_with_the_model_that_could_be_meant(state: Opened) -> None:
    rows = client_of(state).get(f"{PATH}?format=json").json()["outcomes"]
    assert [(row["model"], row["id"], row["actual"], row["suggestion"]) for row in rows] == [
        ("chrun", "b", "1", "did you mean 'churn'?"),
        ("chrun", "c", "0.5", "did you mean 'churn'?"),
        ("<b>x</b>", "=1+1", "<script>alert(1)</script>", None),
        ("chrun", "d", None, "did you mean 'churn'?"),
    ]
    assert [row["retracted"] for row in rows] == [False, False, False, True]
    assert {row["received"] for row in rows} == {"2024-10-04T12:00:00Z"}


def test_home_leads_to_them_and_names_from_elsewhere_stay_text(state: Opened) -> None:
    client = client_of(state)
    assert page(client, "/").links.count(PATH) == 2, "two names are unknown"
    body = client.get(PATH).text
    assert "<script>alert" not in body
    assert "<b>x</b>" not in body
    told = page(client, PATH).text
    assert "did you mean 'churn'?" in told
    assert "retracted" in told
    cells = list(csv.reader(client.get(f"{PATH}?format=csv").text.splitlines()))
    assert cells[3][:3] == ["<b>x</b>", "", "'=1+1"]


def test_a_name_and_a_number_choose(state: Opened) -> None:
    client = client_of(state)
    assert listed(client, "&model=chrun&limit=2") == [("chrun", "b"), ("chrun", "c")]
    assert listed(client, "&model=churn") == [], "this model is known: its outcome waits on its own page"
    assert any("limit=1000" in link for link in page(client, f"{PATH}?limit=1").links)
    assert not any("limit=1000" in link for link in page(client, PATH).links)
    assert client.get(f"{PATH}?limit=1001").status_code == 400


@pytest.mark.slow
def test_what_is_deleted_or_has_its_model_by_now_is_gone(state: Opened) -> None:
    state.state.erase(ErasureOrder("chrun", "id", ("b",)))
    client = client_of(state)
    assert listed(client) == [("chrun", "c"), ("<b>x</b>", "=1+1"), ("chrun", "d")]
    state.send(predictions(["elsewhere"], NOON + HOUR, model="chrun"))
    assert listed(client_of(state)) == [("<b>x</b>", "=1+1")]
    state.state.erase(ErasureOrder("<b>x</b>", "model"))
    client = client_of(state)
    assert listed(client) == []
    assert PATH not in page(client, "/").links

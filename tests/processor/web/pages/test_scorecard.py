"""The pages of scorecards: of a model and of all, as HTML, CSV and JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.fake_view import NOW, FakeView, flights, many
from tests.support.fleet import HOSTILE, fleet, governed
from tests.support.html_page import Page, page


def test_the_scorecard_of_a_model_says_each_grade_in_a_word_and_why(tmp_path: Path) -> None:
    with governed(tmp_path, [flights()]) as (app, decided):
        decided.record("flights", "", "retraining", "<b>ann</b>", "summer <i>came</i>", NOW)
        client = TestClient(app)
        text = page(client, "/models/flights/scorecard").text
        found = client.get("/models/flights/scorecard?format=json").json()
    assert "Scorecard 3 October 2013 to 1 January 2014" in text
    assert "objectives not set No objective is set." in text
    assert "retraining approved <b>ann</b> summer <i>came</i>" in text
    assert {line["subject"]: line["grade"] for line in found["lines"]}["verdict"] == "watch"
    assert found["decisions"][0] | {"time": ""} == {
        **{"time": "", "version": "", "kind": "retraining"},
        **{"by": "<b>ann</b>", "why": "summer <i>came</i>"},
    }


def test_the_period_is_a_quarter_or_days_and_anything_else_is_one_sentence(tmp_path: Path) -> None:
    with governed(tmp_path, many().known) as (app, _):
        client = TestClient(app)
        quarter = client.get("/scorecard?quarter=2013Q3&format=json").json()
        refused = client.get("/scorecard?quarter=%3Cscript%3E")
        both = client.get("/models/flights/scorecard?quarter=2013Q3&from=2013-01-01&format=json")
    assert (quarter["period"], quarter["from"], quarter["to"]) == (
        *("2013Q3", "2013-07-01T00:00:00Z", "2013-10-01T00:00:00Z"),
    )
    assert refused.status_code == 400
    assert "<script>" not in refused.text
    assert "is not a quarter; use for example 2026Q3" in Page(refused.text).text
    assert both.status_code == 400


def test_fifty_models_with_hostile_names_are_one_table_by_tier(tmp_path: Path) -> None:
    with governed(tmp_path, fleet(50)) as (app, _):
        client = TestClient(app)
        answer = client.get("/scorecard")
        rows = list(csv.DictReader(io.StringIO(client.get("/scorecard?format=csv").text)))
        chosen = client.get("/scorecard?tier=1&team=payments&format=json").json()["models"]
    assert "<script>alert" not in answer.text
    assert "<b>ads" not in answer.text
    assert len(rows) == 50
    assert [row["tier"] for row in rows] == sorted((row["tier"] for row in rows), key=lambda tier: tier or "9")
    assert {row["model"] for row in rows} >= {"'=1+1", HOSTILE[0]}
    assert {(row["tier"], row["owner"]) for row in chosen} == {(1, "payments")}


@pytest.mark.parametrize("address", ["/scorecard", "/scorecard?tier=1", "/scorecard?format=csv"])
def test_without_a_model_there_is_nothing_to_grade(tmp_path: Path, address: str) -> None:
    with governed(tmp_path, []) as (app, _):
        answer = TestClient(app).get(address)
    assert answer.status_code == 200


def test_a_feature_that_is_called_scorecard_has_its_own_page(tmp_path: Path) -> None:
    with governed(tmp_path, FakeView([flights()]).known) as (app, _):
        answer = TestClient(app).get("/models/flights/features/scorecard")
    assert answer.status_code == 404
    assert "scorecard" in answer.text

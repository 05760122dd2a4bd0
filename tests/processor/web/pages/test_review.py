"""The page of a review, and the file to print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from starlette.testclient import TestClient

from tests.support.browser import CHROMIUM
from tests.support.fake_view import NOW
from tests.support.fleet import HOSTILE, fleet, governed
from tests.support.html_page import Page


def test_a_review_names_all_models_by_tier_with_trend_reasons_and_money(tmp_path: Path) -> None:
    with governed(tmp_path, fleet(20)) as (app, decided):
        decided.record("model-000", "7", "retirement", "ann", "it is old", NOW - 86_400 * 10**9)
        client = TestClient(app)
        text = Page(client.get("/review").text).text
        tables = client.get("/review?format=json").json()
    assert "Review of 3 October 2013 to 1 January 2014" in text
    assert text.index("Tier 1") < text.index("Tier 2") < text.index("Tier 3") < text.index("No tier")
    assert "lost compared with the baselines: EUR" in text
    assert "retired, version 7 ann it is old" in text
    assert [one["decision"] for one in tables["decisions"]] == ["retired, version 7"]
    assert len(tables["models"]) == len(tables["trends"]) == 20
    assert {"model", "since", "lasted_seconds", "taken_by"} <= tables["incidents"][0].keys()


def test_the_file_needs_no_server_and_runs_nothing(tmp_path: Path) -> None:
    with governed(tmp_path, fleet(20)) as (app, _):
        answer = TestClient(app).get("/api/v1/review?quarter=2013Q4")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert not re.search(r"<script|<link|<form| href=| src=", answer.text)
    assert "<b>ads" not in answer.text
    assert HOSTILE[1] in Page(answer.text).text


def test_what_is_no_period_is_refused(tmp_path: Path) -> None:
    with governed(tmp_path, []) as (app, _):
        client = TestClient(app)
        assert client.get("/api/v1/review?quarter=2013").status_code == 400
        assert client.get("/review").status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium")
def test_fifty_models_fit_on_twenty_pages_of_a4(tmp_path: Path) -> None:
    with governed(tmp_path, fleet(50)) as (app, _):
        written = TestClient(app).get("/api/v1/review").text
    file = tmp_path / "review.html"
    file.write_text(written, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(file.as_uri())
        printed = page.pdf(format="A4")
        browser.close()
    assert 2 <= len(re.findall(rb"/Type /Page\b", printed)) <= 20

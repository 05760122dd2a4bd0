"""The pages over the real state: a prediction, its outcome over HTTP, and what is then said everywhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import load
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State
from httpx2 import Response
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.html_page import page as page_of
from tests.support.paths import ROOT
from tests.support.state_rows import MIDNIGHT, MINUTE, predictions_by_minute

ROWS = 400


def baseline() -> Baseline:
    rng = np.random.default_rng(8)
    age = rng.normal(40, 5, 5000)
    actual = (rng.random(5000) < age / 100).astype(float)
    return Baseline.from_frame(
        {"age": age}, score=age / 100, actual=actual, model="churn", version="v1", task="binary", classes=["0", "1"]
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[State, TestClient]]:
    """Pages over a state whose only model got 400 predictions, 30 years older than the baseline, and no outcome."""
    configuration = tmp_path / "driftline.yaml"
    configuration.write_text(f"storage: {{directory: {tmp_path / 'data'}}}\nmodels: {{churn: {{windows: [1h]}}}}\n")
    state = State(load(configuration), clock=lambda: MIDNIGHT + ROWS * MINUTE)
    state.start()
    table = predictions_by_minute(ROWS, 30.0)
    state.offer(Request(b"1" * 16, [table], ["batch"], baselines=[baseline().to_json()])).result(60)
    yield state, TestClient(app_of(state, lambda: MIDNIGHT))
    state.stop()


@pytest.mark.slow
def test_an_outcome_over_http_is_on_every_page(running: tuple[State, TestClient]) -> None:
    state, client = running
    body = "id,actual,time\n" + "".join(f"id-{row},{row % 2},2026-11-20T20:00:00Z\n" for row in range(ROWS))
    answer = client.post("/v1/outcomes?model=churn", content=body, headers={"content-type": "text/csv"})
    assert answer.json() == {"accepted": ROWS, "rejected": []}
    state.settle()

    (model,) = client.get("/api/v1/models").json()["models"]
    assert (model["rows"], model["outcomes"], model["pending"]) == (ROWS, ROWS, 0)
    windows = client.get("/api/v1/models/churn/evaluations").json()["windows"]
    assert sum(window["outcomes"]["rows"] for window in windows) == ROWS
    assert windows[0]["performance"]["realized"]["accuracy"]["value"] == 0.5

    at = "?window=1h&at=2026-11-20T01:30:00Z"
    for page in ("", "/performance", "/drift", "/data", "/predictions", "/versions", "/features/age"):
        answer = client.get(f"/models/churn{page}{at}")
        assert answer.status_code == 200
        assert "20 November 2026, 01:00 to 02:00" in answer.text
    assert "1 of 1 features drifts" in client.get(f"/models/churn{at}").text
    assert "log loss" in client.get(f"/models/churn/performance{at}").text
    assert "100 % of 60 predictions" in page_of(client, f"/models/churn/data{at}").text
    (age,) = client.get(f"/models/churn/drift{at}&format=json").json()["features"]
    assert (age["feature"], age["state"], age["size"]) == ("age", "drift", "large")

    names = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert {
        "driftline_predictions",
        "driftline_drift_status",
        "driftline_performance_value",
        "driftline_outcome_coverage_ratio",
    } <= names


@pytest.mark.slow
def test_what_was_said_of_an_id_and_what_was_believed_before(running: tuple[State, TestClient]) -> None:
    state, _ = running
    client = TestClient(
        app_of(state, lambda: MIDNIGHT),
        raise_server_exceptions=False,
    )
    for hour, actual in ((7, "1"), (8, "0")):
        said = {"id": "id-5", "actual": actual, "time": f"2026-11-20T0{hour}:00:00Z", "value": 2.5}
        client.post("/v1/outcomes", json={"model": "churn", "outcomes": [said]})
    state.settle()

    told = client.get("/api/v1/models/churn/outcomes?id=id-5").json()
    assert told["id"] == "id-5"
    assert [(one["actual"], one["value"], one["retracted"]) for one in told["outcomes"]] == [
        ("1", 2.5, False),
        ("0", 2.5, False),
    ]
    assert [one["belongs_to"][0]["counts"] for one in told["outcomes"]] == [False, True]
    assert told["outcomes"][0]["belongs_to"][0]["time"] == "2026-11-20T00:05:00Z"
    assert client.get("/api/v1/models/churn/outcomes").status_code == 400
    assert client.get("/api/v1/models/nobody/outcomes?id=1").status_code == 404

    path = "/api/v1/models/churn/evaluations?window=1h&as_of="
    now = client.get(path + "2026-11-20T23:00:00Z").json()
    assert now["as_of"] == "2026-11-20T23:00:00Z"
    assert [one["start"] for one in now["windows"]][:2] == ["2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z"]
    assert now["windows"][0]["believed"] == "2026-11-20T06:40:00Z"
    assert client.get(path + "2026-11-20T06:00:00Z").json()["windows"] == []
    assert client.get(path + "soon").json()["error"] == "as_of must be a time, as in ?as_of=2026-03-01T00:00:00Z"


def addresses_in(answer: Response) -> set[str]:
    """Return the addresses of this processor that a page or a JSON answer lists."""
    content = answer.headers.get("content-type", "")
    if content.startswith("text/html"):
        found = page_links(answer.text)
    elif content.startswith("application/json"):
        found = re.findall(r'"((?:http://testserver)?/[^"\s]*)"', answer.text)
    else:
        found = []
    joined = (urljoin(str(answer.url), link).partition("#")[0] for link in found)
    return {link for link in joined if link.startswith("http://testserver/")}


def page_links(html: str) -> list[str]:
    return re.findall(r'(?:href|src|hx-get|data-href)="([^"#][^"]*)"', unescape(html))


@pytest.mark.slow
def test_every_address_that_a_page_or_the_api_lists_answers(running: tuple[State, TestClient]) -> None:
    state, client = running
    for model in ("chrun", "<b>x</b>", "."):
        body = json.dumps([{"id": "a", "actual": 1}])
        client.post("/v1/outcomes", params={"model": model}, content=body)
    client.post("/v1/outcomes?model=churn", content='[{"id": "id-1", "actual": 1}, {"id": "nowhere", "actual": 1}]')
    state.settle()
    # every address without a parameter, each page with a parameter of its own, and whatever these list
    documented = re.findall(r"\| `GET (/[^`{]*)` \|", (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8"))
    waiting = {f"http://testserver{path}" for path in (*documented, "/", "/unknown-outcomes?model=chrun")}
    visited: Counter[tuple[str, tuple[str, ...]]] = Counter()
    failed = {}
    seen = set(waiting)
    while waiting:
        address = waiting.pop()
        parts = urlsplit(address)
        kind = (parts.path, tuple(sorted(parse_qs(parts.query))))
        visited[kind] += 1
        if visited[kind] > 2:  # further windows and categories of the same page
            continue
        answer = client.get(address, follow_redirects=True)
        if answer.status_code >= 500 or (answer.status_code == 404 and parts.path not in documented):
            failed[address] = answer.status_code
        new = addresses_in(answer) - seen
        seen |= new
        waiting |= new
    assert failed == {}
    assert ("/unknown-outcomes", ("model",)) in visited
    assert len(visited) > 40

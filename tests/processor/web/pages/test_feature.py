"""The page of a feature: what it says, how it was over time, and where it leads."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.values import Keep
from driftline_processor.core.evaluation import Cause, Explanation, SliceDrift
from driftline_processor.present.links import Links
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of, flights, many, ns
from tests.support.html_page import Page, page
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, predictions

Browse = Callable[[FakeView], TestClient]

JULY = "?window=1mo&at=2013-07-01"
TEMP = "/models/flights/features/temp" + JULY
TRACE = bytes(range(16))
MIDNIGHT = NOON - 12 * HOUR


def test_the_first_line_says_state_size_since_importance_and_what_it_carries(browse: Browse) -> None:
    model = flights()
    assert model.baseline is not None
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.explanation = Explanation((Cause(("temp",), "", 0.9, score_shift=0.4),), "", 0.24, 0.14)
    known = replace(model.baseline, importance={"dewp": 0.6, "temp": 0.4})
    text = page(browse(FakeView([replace(model, baseline=known)])), TEMP).text
    line = "Drift, large · since 1 March 2013 · importance 2nd of 2, 40 % · carries 40 % of the score's shift."
    assert line in text


def test_a_number_is_a_fan_over_time_beside_its_distribution(browse: Browse) -> None:
    html = browse(many()).get(TEMP).text
    assert html.count('class="fan-was"') == 2
    assert 'aria-label="temp over time: median, ' in html
    assert "July 2013: temp median 80" in html or "July 2013: temp median 79" in html
    (bars,) = re.findall(r'class="now" d="([^"]*)"', html)
    assert bars.count("M") == 12
    assert html.count('path class="was"') == 1


def test_a_category_is_stacked_shares_over_time(browse: Browse) -> None:
    html = browse(many()).get("/models/flights/features/carrier" + JULY).text
    assert 'aria-label="carrier over time: ' in html
    assert html.count('class="fan-was"') == 0
    assert re.search(r"July 2013: UA 1\d", html)


def test_windows_of_the_charts_lead_to_the_feature_in_them(browse: Browse) -> None:
    client = browse(many())
    links = [one for one in page(client, TEMP).links if "/features/temp" in one and "at=2013-08-01" in one]
    assert links
    assert page(client, links[0]).text.count("August 2013 compared with the baseline") == 1


def test_statistics_are_folded_and_in_words(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.features["temp"] = structs.replace(
        july.features["temp"], design_effect=12.5, detectable_change=0.2, alike=(1, 9), blocks=(0.01, 0.2)
    )
    html = browse(FakeView([model])).get(TEMP).text
    before, folded = html.split('<details class="card" id="how">')
    assert "&lt; 0.0001" not in before[before.index('id="feature"') :]
    text = Page(folded.partition("</details>")[0].partition("</summary>")[2]).text
    for said in (
        "Kolmogorov-Smirnov (decisive)",
        "< 0.0001",
        "12.5 rows count as one",
        "0.2 standard deviations of the baseline",
        "1 of the 9 windows of the baseline differs",
        ": 0.4 → 2 %",
    ):
        assert said in text


def test_features_lead_to_the_one_before_and_after_by_rank(browse: Browse) -> None:
    found = page(browse(many()), "/models/flights/features/dewp" + JULY)
    steps = [link.partition("?")[0] for link in found.links if link.endswith("?window=1mo&at=2013-07-01")]
    steps = [link for link in steps if "/features/" in link and not link.endswith("/dewp")]
    assert steps == ["/models/flights/features/temp", "/models/flights/features/wind_speed"]
    assert "2 of 9" in found.text
    assert "‹" not in page(browse(many()), TEMP).text.partition("1 of 9")[0].partition("all features")[2]


def test_slices_say_where_the_feature_drifts(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.slices = {
        "origin=EWR": SliceDrift(700, "ok", "", 9, 0.0, {}, None, None),
        "origin=JFK": SliceDrift(900, "drift", "", 9, 1 / 9, {"temp": july.features["temp"]}, None, None),
    }
    text = page(browse(FakeView([model])), TEMP).text
    told = text[text.index("By slice") :]
    assert told.index("origin=JFK drift, large") < told.index("origin=EWR no drift of this feature")


def test_the_table_of_windows_is_csv_and_json_too(browse: Browse) -> None:
    client = browse(many())
    lines = client.get(TEMP + "&format=csv").text.splitlines()
    assert lines[0] == "start,end,state,size,value,p_value,psi,missing,invalid,rows,open_ends,p5,p25,p50,p75,p95"
    assert len(lines) == 11
    july = next(
        row for row in client.get(TEMP + "&format=json").json()["windows"] if row["start"] == "2013-07-01T00:00:00Z"
    )
    assert july["p5"] < july["p50"] < july["p95"]
    assert july["p50"] == pytest.approx(80, abs=9)  # the cells are nine degrees wide


def test_what_no_window_has_is_a_page_with_a_sentence(browse: Browse) -> None:
    found = page(browse(many()), "/models/flights/features/nothing", 404)
    assert "no feature 'nothing' has arrived" in found.text


def test_a_window_without_the_feature_still_shows_the_others(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    del july.features["temp"]
    found = page(browse(FakeView([model])), TEMP)
    assert "No value of this feature arrived in July 2013" in found.text
    assert "Over time" in found.text


@pytest.fixture
def filled(open_state: Open, clock: Clock) -> Opened:
    clock.now = MIDNIGHT + 3 * DAY
    state = open_state(churn=Model(windows=("1d",)))
    rng = np.random.default_rng(3)
    made = baseline(np.full(2_000, 0.5).tolist(), {"amount": rng.normal(40, 5, 2_000).tolist()}, version="1")
    state.send(baselines=[made.to_json()])
    for day, mean in enumerate((40, 300)):
        times = (MIDNIGHT + day * DAY + np.arange(400) * 200 * 10**9).tolist()
        ids = [f"{day}-<{row}>" for row in range(400)]
        values = rng.normal(mean, 5, 400).tolist()
        state.send(predictions(ids, times, features={"amount": values}, trace_id=TRACE))
    state.view()
    return state


def served(state: Opened) -> TestClient:
    told, links = state.state, Links("http://jaeger.example.com/trace/{trace_id}")
    return TestClient(app_of(told, lambda: NOON, links=links))


def test_a_window_beyond_the_bins_has_an_axis_of_its_own_and_names_the_rows(filled: Opened) -> None:
    client = served(filled)
    last = {"at": str((MIDNIGHT + DAY) // 10**9)}
    html = client.get("/models/churn/features/amount", params=last).text
    assert "the axis covers both" in html
    assert re.search(r"<title>[\d.]+ – [\d.]+: baseline 0\u00a0%, window [1-9]", html)
    found = Page(html)
    assert f"http://jaeger.example.com/trace/{TRACE.hex()}" in found.links
    assert "1-<" in found.text
    named = next(link for link in found.links if "/predictions?" in link and "id=1-" in link)
    assert "at=" in named, "the window stays chosen"
    told = client.get("/models/churn/features/amount", params={**last, "format": "json"}).json()
    assert len(told["outside"]) == 10
    assert {row["trace_id"] for row in told["outside"]} == {TRACE.hex()}
    quiet = client.get("/models/churn/features/amount", params={"at": str(MIDNIGHT // 10**9)}).text
    assert "the axis covers both" not in quiet


@pytest.mark.slow
def test_the_fan_of_a_state_is_from_its_panes(filled: Opened) -> None:
    rows = served(filled).get("/models/churn/features/amount?format=json").json()["windows"]
    assert [row["invalid"] for row in rows] == [0.0, 0.0]  # drawings do not tell it
    assert rows[0]["p50"] == pytest.approx(40, abs=1)
    assert 256 <= rows[1]["p50"] <= 320  # evenly from 256 on, up to the greatest of the rows that are kept
    assert [row["open_ends"] for row in rows] == ["", ""]


@pytest.mark.slow
def test_a_window_that_is_not_read_yet_is_hatched_and_never_drawn_clipped(
    filled: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "/models/churn/features/amount?at=" + str(MIDNIGHT // 10**9)
    monkeypatch.setattr("driftline_processor.queries.feature_history.MOST_PARTS", 0)
    filled.send(predictions(["more"], MIDNIGHT + 2 * DAY, features={"amount": [41.0]}))
    filled.view()
    client = served(filled)
    first = client.get(address).text
    table = client.get(address + "&format=json").json()["windows"]
    assert "1 hatched window is not loaded yet" in first
    assert [row["p50"] is None for row in table] == [False, False, False]
    later = client.get(address).text
    assert "not read yet" not in later
    assert client.get(address).text == later


def test_without_kept_rows_what_lies_beyond_the_bins_is_at_least_so_much(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 3 * DAY
    state = open_state(churn=Model(windows=("1d",), keep_features=Keep(0)))
    rng = np.random.default_rng(3)
    made = baseline(np.full(2_000, 0.5).tolist(), {"temp": rng.normal(40, 5, 2_000).tolist()}, version="1")
    state.send(baselines=[made.to_json()])
    times = (MIDNIGHT + np.arange(400) * 200 * 10**9).tolist()
    state.send(predictions([str(at) for at in range(400)], times, features={"temp": [72.0, 100.0] * 200}))
    state.view()
    client = served(state)
    row = client.get("/models/churn/features/temp?format=json").json()["windows"][0]
    assert [row[level] for level in ("p5", "p50", "p95")] == [64, 64, 64]
    assert row["open_ends"] == "p5 ≥ p25 ≥ p50 ≥ p75 ≥ p95 ≥"
    html = client.get("/models/churn/features/temp").text
    assert "temp median at least 64" in html
    assert 'class="gap open-end"' in html
    assert "above 64" in html
    assert "≥ 64: baseline" in html
    axes = re.findall(r'text-anchor="(?:end|middle)">(\d+)</text>', html[: html.index('id="outside"')])
    assert max(map(int, axes)) <= 80, "no axis goes on to 128"


def test_where_no_feature_is_kept_the_page_says_how_to_keep_some(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 3 * DAY
    state = open_state(churn=Model(windows=("1d",), keep_features=Keep(0)))
    made = baseline([0.5] * 2_000, {"amount": [1.0, 2.0] * 1_000}, version="1")
    state.send(baselines=[made.to_json()])
    state.send(predictions([str(row) for row in range(40)], MIDNIGHT, features={"amount": [1.0] * 40}))
    state.view()
    text = page(served(state), "/models/churn/features/amount").text
    assert "set models.churn.keep_features to sample:5000" in text

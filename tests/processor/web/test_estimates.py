"""The page of a model whose estimate was wrong says so, and what every estimate assumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline_processor.config.model import Model
from driftline_processor.state import State
from starlette.testclient import TestClient

from tests.support.estimated_models import build, frame
from tests.support.fake_view import app_of
from tests.support.state_rows import HOUR, NOON, Clock, Opened, config, outcomes, predictions


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Six hours: labels come for the first five, and a third of them are not what the scores say any more."""
    clock = Clock(NOON + 8 * HOUR)
    path: Path = tmp_path_factory.mktemp("state")
    state = State(config(path, churn=Model(windows=("1h",))), clock=clock)
    state.start_storing()
    opened, rng = Opened(state), np.random.default_rng(1)
    opened.send(baselines=[build("binary").to_json()])
    for hour in range(6):
        rows = frame("binary", 400, 100 + hour)
        ids = [f"{hour}-{at}" for at in range(400)]
        times = (NOON + hour * HOUR + np.sort(rng.integers(0, HOUR, 400))).tolist()
        opened.send(predictions(ids, times, rows["score"].tolist(), features={"age": rows["age"].tolist()}))
        if hour < 5:
            actual = rows["actual"].to_numpy()
            came = np.where(rng.random(400) < 0.33, 1 - actual, actual)
            opened.send(outcomes(ids, came.tolist(), NOON + (hour + 1) * HOUR))
    opened.view()
    yield TestClient(app_of(state, clock))
    state.stop()


@pytest.mark.slow
def test_the_page_says_what_an_estimate_assumes_and_that_it_failed(client: TestClient) -> None:
    page = client.get("/models/churn/performance?window=1h").text
    section = page[page.index('<section id="estimated">') :]
    assert "An estimate <strong>assumes P(y|x) unchanged</strong>" in section
    assert 'class="bad" id="estimate-record">Do not rely on the estimate: estimates of ROC AUC were wrong' in section
    assert section.count('class="chart"') >= 3


def test_the_api_and_the_scrape_page_say_the_same(client: TestClient) -> None:
    window = client.get("/api/v1/models/churn/evaluations?window=1h").json()["windows"][-2]
    estimated = window["performance"]["estimated"]["accuracy"]
    assert estimated["record"]["state"] == "failed"
    assert estimated["record"]["missed"] >= 2
    assert estimated["error"] < -0.1
    lines = client.get("/metrics").text.splitlines()
    of_accuracy = [line for line in lines if 'driftline_performance_metric="accuracy"' in line]
    assert any(line.startswith("driftline_estimate_value{") for line in of_accuracy)
    assert any(line.startswith("driftline_performance_reference{") for line in of_accuracy)
    assert any(line.startswith("driftline_estimate_status{") and 'state="failed"' in line for line in of_accuracy)

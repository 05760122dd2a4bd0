"""Versions side by side, over the real state: in the API, on the page, in metrics and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline_processor.cli.commands import app
from driftline_processor.config.model import Model
from driftline_processor.config.schema import load
from driftline_processor.state import State
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.fake_view import app_of
from tests.support.serve import serve
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

ROWS = 3_000
SECOND = 10**9


def tables() -> list[PredictionTable | OutcomeTable]:
    """A champion that is wrong in 20 %, a shadow of the same requests in 27 %, a canary of its own in 20 %."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, ROWS)
    told: list[PredictionTable | OutcomeTable] = []
    for version, wrong, prefix in (("1", 0.2, ""), ("2", 0.27, ""), ("3", 0.2, "own-")):
        score = np.where((rng.random(ROWS) < wrong) ^ (truth == 1), 0.8, 0.1)
        rows = ROWS if version != "3" else 500
        ids = [f"{prefix}{row}" for row in range(rows)]
        times = [NOON + row * SECOND // 4 for row in range(rows)]
        told.append(predictions(ids, times, score[:rows].tolist(), version=version))
        if version != "2":
            told.append(outcomes(ids, truth[:rows].tolist()))
    return told


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    said = {"champion": "1", "shadow": ["2"], "canary": "3"}
    churn = Model.model_validate({"versions": said})
    opened = State(config(tmp_path_factory.mktemp("state"), churn=churn), clock=Clock(NOON))
    opened.start_storing()
    Opened(opened).send(*tables())
    opened.settle()
    yield opened
    opened.stop()


@pytest.fixture
def client(state: State) -> TestClient:
    return TestClient(app_of(state, lambda: NOON))


def test_the_api_says_who_is_worse_and_by_how_much(client: TestClient) -> None:
    answer = client.get("/api/v1/models/churn/versions").json()
    assert (answer["model"], answer["champion"]) == ("churn", "1")
    told = {one["challenger"]["version"]: one for one in answer["challengers"]}
    assert (told["2"]["role"], told["2"]["verdict"], told["2"]["pairs"]) == ("shadow", "worse", ROWS)
    error = told["2"]["comparisons"]["error"]
    assert 0 < error["low"] < error["difference"] < error["high"]
    assert error["difference"] == pytest.approx(error["challenger"] - error["champion"], abs=1e-12)
    assert (told["3"]["role"], told["3"]["verdict"], told["3"]["pairs"]) == ("canary", "inconclusive", 0)
    assert told["3"]["comparisons"]["error"]["paired"] is False
    assert told["3"]["champion"]["rows"] < ROWS  # of the five minutes in which the canary was there, too
    assert told["2"]["champion"]["metrics"]["roc_auc"]["value"] > told["2"]["challenger"]["metrics"]["roc_auc"]["value"]


def test_a_model_of_one_version_has_no_challengers(tmp_path: Path) -> None:
    opened = State(config(tmp_path), clock=Clock(NOON))
    opened.start_storing()
    Opened(opened).send(predictions(["a"]))
    opened.settle()
    client = TestClient(app_of(opened, lambda: NOON))
    answer = client.get("/api/v1/models/churn/versions").json()
    assert (answer["champion"], answer["challengers"]) == (None, [])
    assert 'id="versions"' not in client.get("/models/churn/versions").text
    opened.stop()


def test_the_page_of_each_version_shows_all_of_them(client: TestClient) -> None:
    for version in ("1", "2", "3"):
        page = client.get(f"/models/churn/versions?version={version}").text
        assert "version 2 is worse than version 1: error rate" in page
        assert "version 3 cannot be distinguished from version 1 yet" in page
        assert '<span class="badge state-drift">worse</span>' in page
        assert "not tested" in page


def test_metrics_have_the_verdict_and_the_interval_once_for_each_challenger(client: TestClient) -> None:
    samples = [
        sample
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("driftline_version_")
    ]
    states = {
        (one.labels["ml_model_version"], one.labels["driftline_state"])
        for one in samples
        if "driftline_state" in one.labels
    }
    assert states == {("2", "worse"), ("3", "inconclusive")}
    values = {one.name: one.value for one in samples if one.labels["ml_model_version"] == "2"}
    assert 0 < values["driftline_version_difference_low"] < values["driftline_version_difference"]
    assert all(one.labels["driftline_version_champion"] == "1" for one in samples)
    assert len(samples) == 8


def test_the_command_prints_the_same(client: TestClient) -> None:
    with serve(client.app) as url:
        told = CliRunner().invoke(app, ["versions", "--model", "churn", "--url", url])
    assert told.exit_code == 0
    assert "version 2 is worse than version 1: error rate" in told.stdout
    assert "canary 3" in told.stdout
    assert "inconclusive" in told.stdout


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "{champion: '1', shadow: ['1']}",
            "'1' is the champion and is also listed as another kind of version; remove one of the two",
        ),
        ("{shadow: ['2'], canary: ['2']}", "'2' is listed twice; list each version once"),
        ("{since: yesterday}", "'yesterday' is not a time"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, said: str, problem: str) -> None:
    from driftline_processor.config.schema import validate_file

    file = tmp_path / "driftline.yaml"
    file.write_text(f"models: {{churn: {{versions: {said}}}}}\n")
    assert any("models.churn.versions" in one and problem in one for one in [*map(str, validate_file(file))])
    file.write_text("models: {churn: {versions: {champion: 1, shadow: 2, since: 2026-11-01}}}\n")
    assert load(file).models["churn"].versions.named.role("2") == "shadow"

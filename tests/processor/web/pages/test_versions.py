"""The page Versions, and versions side by side over the real state: API, page, metrics and terminal."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.table import ModelKey, OutcomeTable, PredictionTable
from driftline_processor.cli.commands import app
from driftline_processor.config.model import Model
from driftline_processor.config.schema import load
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.queries.model_view import ModelView
from driftline_processor.state import State
from msgspec import structs
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, app_of, flights, many
from tests.support.html_page import page
from tests.support.serve import serve
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

Browse = Callable[[FakeView], TestClient]

AT = "/models/flights/versions?version=winter&window=1mo&at=2013-07-04"


def summer() -> ModelView:
    """A version of the flights with a third of the rows, a better log loss, and no feature ``origin``."""

    def other(one: Evaluation) -> Evaluation:
        loss = one.realized.get("log_loss")
        metrics = {} if loss is None else {"log_loss": MetricValue(0.4, 900, "panes", 0.0, 0.38, 0.42)}
        features = {name: drift for name, drift in one.features.items() if name != "origin"}
        return structs.replace(one, key=key, rows=one.rows // 2, realized=metrics, features=features)

    model, key = flights(), ModelKey("flights", "summer", "demo")
    windows = {name: [other(one) for one in known] for name, known in model.windows.items()}
    return replace(model, key=key, windows=windows, rows=20_000, first=model.first + 86_400 * 10**9)


def both() -> FakeView:
    winter = flights()
    for one in winter.windows["1mo"]:
        if "log_loss" in one.realized:
            one.realized["log_loss"] = MetricValue(0.6, 1000, "panes", 0.0, 0.57, 0.63)
    return FakeView([winter, summer()])


def test_each_version_has_its_share_of_the_traffic_of_the_window(browse: Browse) -> None:
    client = browse(both())
    rows = list(csv.DictReader(client.get(f"{AT}&format=csv").text.splitlines()))
    assert [(row["version"], row["rows"], row["baseline"]) for row in rows] == [
        ("winter", "56965", "event"),
        ("summer", "20000", "event"),
    ]
    assert [round(float(row["traffic_share"]), 3) for row in rows] == [0.667, 0.333]
    found = page(client, AT)
    assert any(link.startswith("/models/flights/versions?version=summer&") for link in found.links)


def test_two_versions_are_compared_in_the_same_window(browse: Browse) -> None:
    client = browse(both())
    answer = client.get(f"{AT}&compare=version:summer&format=json").json()
    (loss,) = (one for one in answer["metrics"] if one["metric"] == "log_loss")
    assert (loss["left"], loss["right"], loss["intervals_apart"]) == (0.6, 0.4, True)
    assert loss["difference"] == pytest.approx(-0.2)
    features = answer["features"]
    assert features[0]["feature"] == "origin"  # what one side alone has comes first
    assert (features[0]["right_state"], features[0]["left_state"]) == (None, "ok")
    text = page(client, f"{AT}&compare=version:summer").text
    assert "winter : 5,348 predictions" in text
    assert "summer : 2,674 predictions" in text
    assert "log loss lower is better 0.6 0.57 to 0.63 0.4 0.38 to 0.42 −0.2 separate" in text


def test_two_windows_are_compared_sorted_by_how_far_features_moved(browse: Browse) -> None:
    client = browse(FakeView([flights()]))
    answer = client.get(f"{AT}&compare=at:2013-03-05&format=json").json()
    moved = [abs(one["right_psi"] - one["left_psi"]) for one in answer["features"]]
    assert moved == sorted(moved, reverse=True)
    assert answer["features"][0]["feature"] in ("temp", "dewp")
    body = client.get(f"{AT}&compare=at:2013-03-05").text
    assert "July 2013" in body
    assert "March 2013" in body
    assert 'id="compared-scores"' in body


def test_scores_in_different_cells_are_drawn_apart(browse: Browse) -> None:
    view = both()
    for one in view.known[1].windows["1mo"]:
        assert one.score is not None
        one.score = structs.replace(
            one.score, cells=("< 0.5", "≥ 0.5"), was=np.array([0.5, 0.5]), now=np.array([0.4, 0.6])
        )
    body = browse(view).get(f"{AT}&compare=version:summer").text
    assert "The two baselines have different bins" in body
    assert body.count('class="chart"') == 2


def test_what_to_compare_with_is_chosen_from_a_list_that_keeps_the_place(browse: Browse) -> None:
    body = browse(both()).get(f"{AT}&slice=origin%3DEWR").text
    form = body.partition('<section id="compare">')[2].partition("</form>")[0]
    for field in ('name="window" value="1mo"', 'name="slice" value="origin=EWR"', 'name="at" value="2013-07-01T'):
        assert field in form
    assert '<option value="version:summer">summer</option>' in form
    assert form.count('<option value="at:') == 9
    assert "2013-07-01" not in form.partition("<select")[2]  # not with itself


@pytest.mark.parametrize(
    ("compare", "status", "facts"),
    [
        ("summer", 400, ("version:VERSION", "at:TIME")),
        ("at:soon", 400, ("compare=at:",)),
        ("version:autumn", 404, ("&#39;autumn&#39",)),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(browse: Browse, compare: str, status: int, facts: Facts) -> None:
    answer = browse(both()).get(f"{AT}&compare={compare}")
    assert answer.status_code == status
    assert lacking(answer.text, *facts) == []


def test_of_a_moment_without_a_window_the_nearest_is_compared_and_said_once(browse: Browse) -> None:
    client, asked = browse(both()), f"{AT}&compare=at:2020-01-01"
    text, answer = page(client, asked).text, client.get(f"{asked}&format=json").json()
    said = "No window with predictions contains 1 January 2020; the nearest is December 2013."
    assert text.count(said) == 1
    assert (answer["compared_instead"], answer["instead"]) == (said, None)
    assert client.get(f"{AT}&compare=at:2013-03-05&format=json").json()["compared_instead"] is None


def test_a_model_of_one_version_and_one_window_has_nothing_to_compare(browse: Browse) -> None:
    text = page(browse(many()), "/models/animals/versions").text
    assert "nothing to compare yet" in text


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


@pytest.mark.slow
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
    assert load(file).models["churn"].versions.names.role("2") == "shadow"

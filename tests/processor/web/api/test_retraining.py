"""Training runs and whether the next one pays, over the real state: in the API, in the terminal, over a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.cli.commands import app as commands
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking
from tests.support.retrained_model import Retrained, retrained
from tests.support.serve import serve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retrained]:
    with retrained(tmp_path_factory.mktemp("retrained")) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(model: Retrained) -> Iterator[str]:
    with serve(model.app) as address:
        yield address


def asked(model: Retrained, query: str = "value=0.5") -> dict[str, Any]:
    answer = TestClient(model.app).get(f"/api/v1/models/churn/retraining?{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_api_lists_runs_with_what_they_brought(model: Retrained) -> None:
    answer = TestClient(model.app).get("/api/v1/models/churn/training-runs").json()

    (run,) = answer["training_runs"]
    assert (answer["loss"], run["version"], run["environment"], run["cost"], run["seconds"]) == (
        *("accuracy", "2", "training"),
        *(40.0, 7200.0),
    )
    assert (run["outcomes_before"], run["outcomes_after"], run["reason"]) == (1600, 800, None)
    before, after, reference = (run[f"loss_{name}"] for name in ("before", "after", "reference"))
    assert run["recovered_share"] == pytest.approx((after - before) / (reference - before))
    assert 0.55 < run["recovered_share"] < 0.8


def test_the_answer_is_the_product_of_its_factors(model: Retrained) -> None:
    answer = asked(model, "value=0.5&horizon=2w")

    loss, share = answer["loss"], answer["recovered_share"]
    worth = 0.5 * answer["predictions"] * share["value"]
    assert (answer["version"], answer["answer"], answer["predictions"]) == ("2", "retrain", 800.0 * 14)
    assert (share["source"], share["runs"]) == ("past runs", 1)
    assert answer["cost"] == {"amount": 40.0, "currency": "EUR", "source": "past runs", "runs": 1}
    assert answer["gain"] == {
        name: pytest.approx(loss[of] * worth)
        for name, of in (("value", "degradation"), ("low", "low"), ("high", "high"))
    }
    assert answer["break_even_loss"] == pytest.approx(40.0 / worth)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("value=0.5&cost=1e6", "wait"),
        ("value=0.5&cost=750", "inconclusive"),
        ("", "inconclusive"),
        ("value=0.5&predictions=0", "wait"),
        ("value=0.5&recovered=0", "wait"),
        ("value=0.5&version=1", "retrain"),
        ("value=0.5&metric=log_loss", "retrain"),
        ("value=1e15&predictions=1e15&cost=1e15", "retrain"),
    ],
)
def test_what_is_said_wins_over_what_is_known(model: Retrained, query: str, answer: str) -> None:
    assert asked(model, query)["answer"] == answer


@pytest.mark.parametrize(
    ("query", "status", "facts"),
    [
        ("value=cheap", 400, ("1e+15", "value=0.25")),
        ("cost=nan", 400, ("?cost=120",)),
        ("recovered=1.5", 400, ("recovered must be a number from 0 to 1",)),
        ("horizon=soon", 400, ("horizon must be a number of hours, days or weeks",)),
        ("horizon=0d", 400, ("horizon must be a number",)),
        ("metric=roc_auc", 400, ("cost_per_prediction",)),
        ("currency=" + "x" * 99, 400, ("currency must be a short text",)),
        ("window=3h", 404, ("'3h' is not a window of this model; it has 1d",)),
        ("version=9", 404, ("has no version '9'",)),
    ],
)
def test_what_cannot_be_meant_is_answered_with_the_rule(
    model: Retrained, query: str, status: int, facts: Facts
) -> None:
    answer = TestClient(model.app).get(f"/api/v1/models/churn/retraining?{query}")

    assert answer.status_code == status
    assert lacking(answer.json()["error"], *facts) == []


def test_a_model_that_nobody_has_seen_is_not_found_with_the_nearest_name(model: Retrained) -> None:
    answer = TestClient(model.app).get("/api/v1/models/chrn/retraining")

    assert answer.status_code == 404
    assert "churn" in answer.json()["error"]


@pytest.mark.parametrize(("more", "code", "first"), [([], 0, "Retrain:"), (["--cost", "1e6"], 10, "Wait:")])
def test_the_command_says_the_answer_first_and_exits_with_it(url: str, more: list[str], code: int, first: str) -> None:
    done = CliRunner().invoke(
        commands, ["retrain-check", "--model", "churn", "--url", url, "--value", "0.5", "--horizon", "60d", *more]
    )

    assert done.exit_code == code, done.output
    assert done.output.startswith(first)
    assert "  48,000 predictions are expected in 60 days.\n" in done.output


def test_the_command_cannot_tell_without_the_worth_of_the_loss(url: str) -> None:
    done = CliRunner().invoke(commands, ["retrain-check", "--model", "churn", "--url", url, "--json"])

    assert done.exit_code == 11
    assert "(value)" in json.loads(done.stdout)["sentence"]


def test_a_price_sheet_prices_what_past_runs_used(url: str, tmp_path: Path) -> None:
    sheet = tmp_path / "prices.yaml"
    sheet.write_text("currency: USD\ncpu_hour: 3\nmachine_hour: 1\n")
    command = ["retrain-check", "--model", "churn", "--url", url, "--value", "0.5", "--json"]
    done = CliRunner().invoke(commands, [*command, "--price-sheet", str(sheet)])
    sheet.write_text("gpu_hour: 3\n")
    unpriced = CliRunner().invoke(commands, [*command, "--price-sheet", str(sheet)])

    assert json.loads(done.stdout)["cost"] == {"amount": 5.0, "currency": "USD", "source": "price sheet", "runs": 1}
    assert "a training run costs 5.00 USD (median; number of past runs: 1)" in done.stderr
    assert (unpriced.exit_code, "it has no price for any recorded training run of churn" in unpriced.stderr) == (
        2,
        True,
    )


def test_a_processor_that_is_not_there_is_bad_input() -> None:
    done = CliRunner().invoke(commands, ["retrain-check", "--model", "churn", "--url", "http://127.0.0.1:1"])

    assert done.exit_code == 2
    assert "no response from http://127.0.0.1:1" in done.output


def test_the_page_of_versions_shows_past_runs_with_cost_and_gain(model: Retrained) -> None:
    client = TestClient(model.app)
    page = client.get("/models/churn/versions").text
    table = client.get("/models/churn/versions?format=csv&table=training_runs")

    section = page[page.index('id="retraining"') : page.index('id="compare"')]
    assert "40 EUR" in section
    assert "validation_loss 0.25" in section
    assert re.search(r"68\.1\s%", section)
    assert table.status_code == 200
    assert table.text.splitlines()[1].startswith("run-1.9,2,2024-10-05T21:36:00Z,7200")


def test_a_hostile_run_is_text_on_the_page(model: Retrained) -> None:
    hostile: dict[str, Any] = {"driftline.training.result.value.<img src=x>": 1.0, "error.type": "<b>"}
    model.train(2.5, "<script>alert(1)</script>", **hostile)
    page = TestClient(model.app).get("/models/churn/versions").text

    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "failed: &lt;b&gt;" in page

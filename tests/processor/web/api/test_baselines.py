"""`/v1/baselines`: put, get, of production; and `driftline baseline push` and `build --from-production` over it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.cli.commands import app as commands
from driftline_processor.config.schema import load
from driftline_processor.core import facts
from driftline_processor.ingest.transaction import Request
from driftline_processor.present.sentences import clause
from driftline_processor.state import State
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking
from tests.support.fake_view import app_of
from tests.support.serve import serve
from tests.support.state_rows import MIDNIGHT, MINUTE, predictions_by_minute

ROWS = 400
UNDATED = clause(facts.RepeatsUnknown(season=None, least=0))


def baseline(model: str = "churn", version: str = "v1", shift: float = 0.0) -> Baseline:
    age = np.random.default_rng(8).normal(40 + shift, 5, 2_000)
    frame = {"age": age}
    return Baseline.from_frame(frame, score=age / 100, model=model, version=version, task="binary", classes=["0", "1"])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    configuration = tmp_path / "driftline.yaml"
    baseline("named").save(tmp_path / "named.json")
    configuration.write_text(
        f"storage: {{directory: {tmp_path / 'data'}}}\n"
        f"models: {{named: {{baseline: {tmp_path / 'named.json'}}}, churn: {{windows: [1h]}}}}\n"
    )
    state = State(load(configuration), clock=lambda: MIDNIGHT + ROWS * MINUTE)
    state.start()
    yield state
    state.stop()


def pages(state: State) -> Any:
    return app_of(state, lambda: MIDNIGHT)


@pytest.fixture
def client(state: State) -> TestClient:
    return TestClient(pages(state))


@pytest.mark.parametrize(("model", "version"), [("churn", "v1"), ("churn", ""), ("a/b c", "1/2"), ("модель", "ß?#")])
def test_what_was_put_is_got(client: TestClient, model: str, version: str) -> None:
    sent = baseline(model, version)
    path = f"/v1/baselines/{quote(model, safe='')}" + (f"/{quote(version, safe='')}" if version else "")
    answer = client.put(path, content=sent.to_json())
    assert (answer.status_code, answer.json()) == (
        200,
        {"model": model, "version": version, "digest": sent.digest, "rows": 2_000, "features": 1},
    )
    got = client.get(path)
    assert got.headers["content-type"] == "application/json"
    assert Baseline.from_json(got.text).digest == sent.digest


def test_it_may_be_packed(client: TestClient) -> None:
    packed = gzip.compress(baseline().to_json().encode())
    answer = client.put("/v1/baselines/churn/v1", content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "content", "status", "facts"),
    [
        ("/v1/baselines/churn/v1", "oops", 400, ("baseline: this is not JSON (",)),
        ("/v1/baselines/churn/v1", b"\xff\xfe", 400, ("JSON", "UTF-8", "'driftline")),
        ("/v1/baselines/churn/v2", None, 400, ("v1", "v2", "'driftline")),
        ("/v1/baselines/a/b/c", None, 404, ("/v1/baselines/{model}/{version}",)),
        ("/v1/baselines/", None, 404, ("/v1/baselines/{model}/{version}",)),
    ],
)
def test_what_cannot_be_put_is_refused_in_a_sentence(
    client: TestClient, path: str, content: str | bytes | None, status: int, facts: Facts
) -> None:
    answer = client.put(path, content=baseline().to_json() if content is None else content)
    assert answer.status_code == status
    assert lacking(answer.json()["error"], *facts) == []


def test_the_configuration_wins(client: TestClient) -> None:
    answer = client.put("/v1/baselines/named/v1", content=baseline("named", shift=1.0).to_json())
    assert answer.status_code == 409
    assert lacking(answer.json()["error"], "driftline.yaml", "named") == []


def test_what_is_not_there(client: TestClient) -> None:
    for path, status, sentence in (
        (
            "/v1/baselines/churn/v9",
            404,
            "churn v9 has no baseline; send one to this address, or set it in driftline.yaml",
        ),
        ("/v1/baselines/churn/v9?since=2026-01-01", 400, "until must be a time, as in ?until=2026-03-01T"),
        ("/v1/baselines/churn/v9?since=x&until=2026-01-01", 400, "since must be a time, as in ?since=2026-03-01T"),
        (
            "/v1/baselines/churn/v9?since=2026-01-01&until=2026-02-01",
            404,
            "no rows of churn v9 were counted in the bins",
        ),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)


@pytest.mark.slow
def test_page_api_and_json_say_whose_baseline_it_is(state: State, client: TestClient) -> None:
    client.put("/v1/baselines/churn/v0", content=baseline(version="v0").to_json())
    state.offer(Request(b"1" * 16, [predictions_by_minute(ROWS, 0.0)], ["batch"])).result(60)
    state.settle()
    assert "baseline that was pushed, 2,000 rows, <strong>of version v0</strong>" in client.get("/models/churn").text
    model = client.get("/api/v1/models").json()["models"][0]
    assert (model["baseline"]["source"], model["baseline"]["other_version"]) == ("push", "v0")
    window = client.get("/api/v1/models/churn/evaluations").json()["windows"][0]
    assert window["baseline"] == {"version": "v0", "is_own": False, "compared": UNDATED, "left_out": []}


def test_a_baseline_without_a_version_is_marked_as_that_of_any_version(state: State, client: TestClient) -> None:
    assert client.put("/v1/baselines/churn", content=baseline(version="").to_json()).status_code == 200
    state.offer(Request(b"1" * 16, [predictions_by_minute(ROWS, 0.0)], ["batch"])).result(60)
    state.settle()
    assert "baseline that was pushed, 2,000 rows, <strong>of any version</strong>" in client.get("/models/churn").text
    model = client.get("/api/v1/models").json()["models"][0]
    assert model["version"] == "v1"
    assert (model["baseline"]["is_own"], model["baseline"]["other_version"]) == (False, None)
    window = client.get("/api/v1/models/churn/evaluations").json()["windows"][0]
    assert window["baseline"] == {"version": "", "is_own": False, "compared": UNDATED, "left_out": []}
    client.put("/v1/baselines/churn/v1", content=baseline().to_json())
    state.publish()
    model = client.get("/api/v1/models").json()["models"][0]
    assert (model["baseline"]["is_own"], model["baseline"]["other_version"]) == (True, None)


@pytest.mark.slow
def test_the_commands_push_and_build_from_production(state: State, tmp_path: Path) -> None:
    baseline().save(tmp_path / "b.json")
    now = datetime.fromtimestamp(MIDNIGHT / 10**9, UTC)
    later = datetime.fromtimestamp(MIDNIGHT / 10**9 + 3_600, UTC)

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(commands, ["baseline", *map(str, arguments)])

    with serve(pages(state)) as url:
        pushed = run("push", tmp_path / "b.json", "--url", url, "--version", "v1")
        assert (pushed.exit_code, pushed.stdout) == (
            0,
            f"churn version v1 will be compared with these 2,000 rows from now on; digest {baseline().digest}\n",
        )
        state.offer(Request(b"1" * 16, [predictions_by_minute(ROWS, 0.0)], ["batch"])).result(60)
        options = ("--since", now.isoformat(), "--until", later.isoformat(), "--url", url, "-o", tmp_path / "p.json")
        built = run("build", "--from-production", "churn", "--version", "v1", "--environment", "prod", *options)
        assert built.exit_code == 0, built.stderr
        assert Baseline.load(tmp_path / "p.json").pane.rows == 60
        nothing = run("build", "--from-production", "risk", *options)
        assert (nothing.exit_code, nothing.stderr.startswith(f"driftline: {url}: no rows of risk (no version)")) == (
            2,
            True,
        )
        wrong = run("build", tmp_path / "rows.csv", "--from-production", "churn", *options)
        assert wrong.stderr == (
            "driftline: --from-production does not accept files: it reads from the processor at --url\n"
        )
    silent = run("push", tmp_path / "b.json", "--url", "127.0.0.1:1")
    assert (silent.exit_code, silent.stderr) == (
        2,
        "driftline: no response from http://127.0.0.1:1; start 'driftline up', "
        "or use --url with the URL of a running one\n",
    )

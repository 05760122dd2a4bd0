"""DELETE /v1/predictions and `driftline forget`, over the real state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app as commands
from driftline_processor.config.model import Model
from driftline_processor.state import State
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking
from tests.support.fake_view import app_of
from tests.support.privacy_markers import MARK, found_on_disk
from tests.support.serve import serve
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions
from tests.support.waiting import wait_until


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Opened]:
    """A model with a subject and one without, both with rows of the marked."""
    opened = State(config(tmp_path / "state", churn=Model(subject="customer")), clock=Clock())
    opened.start()
    state = Opened(opened)
    for model in ("churn", "fraud"):
        table = predictions([MARK, "b"], NOON, model=model, features={"customer": ["anna", "bob"]})
        state.send(table, outcomes([MARK, "b"], [1, 0], model=model))
    opened.settle()
    yield state
    opened.stop()


def pages(state: Opened) -> TestClient:
    return TestClient(app_of(state.state))


@pytest.mark.slow
def test_an_id_is_deleted_of_the_model_that_is_named(state: Opened, tmp_path: Path) -> None:
    client = pages(state)
    answer = client.delete("/v1/predictions", params={"model": "churn", "id": MARK})
    assert (answer.status_code, answer.json()) == (200, {"predictions": 1, "outcomes": 1, "joined": 1})
    assert state.rows("SELECT id, model FROM predictions JOIN models USING (series) ORDER BY ALL") == [
        (MARK, "fraud"),
        ("b", "churn"),
        ("b", "fraud"),
    ]
    assert client.delete(f"/v1/predictions?model=fraud&id=b&id={MARK}").json()["predictions"] == 2
    assert found_on_disk(tmp_path) == []


@pytest.mark.slow
def test_a_subject_is_deleted_where_the_model_has_one(state: Opened, tmp_path: Path) -> None:
    client = pages(state)
    answer = client.delete("/v1/predictions?model=churn&subject=anna")
    assert answer.json() == {"predictions": 1, "outcomes": 1, "joined": 1}
    refused = client.delete("/v1/predictions?model=fraud&subject=anna")
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(
        "models.fraud.subject is not set; set it in driftline.yaml to the feature or slice"
    )
    assert found_on_disk(tmp_path, "anna") != []  # of the model that nobody asked about


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "facts"),
    [
        ("id=a", ("model=NAME",)),
        ("model=churn", ("id=…", "subject=…")),
        ("model=churn&id=%20", ("id=…", "subject=…")),
        ("model=churn&id=a&subject=b", ("id=…", "subject=…")),
        ("model=churn&id=a&versoin=1", ("'versoin'",)),
        ("model=churn" + "&id=a" * 1001, ("1001 values", "1000")),
    ],
)
def test_what_is_not_said_clearly_deletes_nothing(state: Opened, query: str, facts: Facts) -> None:
    answer = pages(state).delete(f"/v1/predictions?{query}")
    assert answer.status_code == 400
    assert lacking(answer.json()["error"], *facts) == []
    assert state.rows("SELECT count(*)::INT AS n FROM predictions") == [(4,)]


@pytest.mark.slow
def test_a_model_is_deleted_with_all_that_is_known_of_it(state: Opened, tmp_path: Path) -> None:
    client = pages(state)
    answer = client.delete("/v1/models", params={"model": "fraud"})
    assert (answer.status_code, answer.json()) == (200, {"predictions": 2, "outcomes": 2, "joined": 2})
    assert [one["model"] for one in client.get("/api/v1/models").json()["models"]] == ["churn"]
    assert client.delete("/v1/models", params={"model": "fraud"}).status_code == 404
    assert client.delete("/v1/models").json() == {"error": "the model is missing; add ?model=NAME"}
    unknown = client.delete("/v1/models?model=churn&id=a")
    assert unknown.json() == {
        "error": "'id' is not a parameter of this address; available: model, version, environment"
    }
    tables = [name for (name,) in state.rows("SELECT table_name FROM duckdb_tables()")]
    holding = [name for name in tables if state.rows(f"FROM {name} t WHERE t::VARCHAR LIKE '%fraud%'")]
    assert (holding, found_on_disk(tmp_path / "state" / "log", "fraud")) == (["audit"], [])
    assert [(one.kind, one.by, one.subject, one.words) for one in state.state.audit_log.entries("fraud")[0]] == [
        ("erased", "ann", "entry 1", "2 predictions and 2 outcomes were deleted"),
        ("erasure_ordered", "ann", "model", "all data of the model"),
    ]
    state.send(predictions(["new"], NOON, model="fraud"), outcomes(["new"], [1], model="fraud"))
    wait_until(lambda: [view.outcomes for view in state.state.publish().models if view.key.model == "fraud"] == [1])


@pytest.mark.slow
def test_the_command_says_what_it_deleted(state: Opened, tmp_path: Path) -> None:
    with serve(app_of(state.state)) as url:

        def forget(*arguments: str) -> tuple[int, str]:
            result = CliRunner().invoke(commands, ["forget", "--url", url, *arguments])
            return result.exit_code, result.output

        done = "2 predictions and 2 outcomes of fraud were deleted, also from the disk\n"
        assert forget("--model", "fraud", "--id", MARK, "--id", "b") == (0, done)
        assert forget("--model", "churn", "--subject", "anna")[0] == 0
        code, said = forget("--model", "fraud", "--subject", "anna")
        assert (code, "models.fraud.subject is not set" in said) == (2, True)
        assert forget("--model", "fraud", "--subject", "a", "--id", "b")[0] == 2
        code, said = forget("--model", "fraud", "--environment", "")
        assert (code, "--environment is empty" in said) == (2, True)
        code, said = forget("--model", "fraud", "--version", "2")
        assert (code, "there is no data of fraud 2; GET /api/v1/models lists all models" in said) == (2, True)
        done = "0 predictions and 0 outcomes of fraud were deleted, also from the disk; no data of fraud is left"
        assert forget("--model", "fraud") == (0, f"{done}\n")
        assert forget("--model", "fraud")[0] == 2
        assert [view.key.model for view in state.state.publish().models] == ["churn"]
    assert found_on_disk(tmp_path) == found_on_disk(tmp_path, "anna") == []


@pytest.mark.slow
def test_a_deletion_that_cannot_be_finished_says_so_and_is_finished_later(
    state: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(state.state._store, "rewrite", full)
        answer = pages(state).delete(f"/v1/predictions?model=churn&id={MARK}")
    assert (answer.status_code, "No space left on device; Driftline retries" in answer.json()["error"]) == (503, True)
    assert found_on_disk(tmp_path) != []
    pages(state).delete(f"/v1/predictions?model=fraud&id={MARK}")
    assert found_on_disk(tmp_path) == []


@pytest.mark.slow
def test_an_order_that_cannot_be_written_down_is_said_to_delete_nothing(
    state: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("driftline_processor.maintenance.erasure.os.fsync", full)
        answer = pages(state).delete(f"/v1/predictions?model=churn&id={MARK}")
    assert answer.status_code == 503
    assert "No space left on device" in answer.json()["error"]
    assert "storage.directory" in answer.json()["error"]
    assert not list((tmp_path / "state").glob("erase.*"))
    assert pages(state).delete(f"/v1/predictions?model=churn&id={MARK}").json()["predictions"] == 1

"""``driftline snapshot``: what is kept, as a file to train on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from driftline.tables.ranked_items import items_of
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.cli.commands import app
from driftline_processor.config.model import Model
from driftline_processor.config.values import Keep
from driftline_processor.state import State
from driftline_processor.web.api.snapshots import SAID
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.fake_view import app_of
from tests.support.running_service import running, url
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, config, outcomes, predictions

ALL = Model(keep_features=Keep(None), slices=("region",))
CHURN = ModelKey("churn")


def write(state: Opened, path: Path, labelled: bool = False, key: ModelKey = CHURN) -> list[dict[str, object]]:
    state.state.settle()
    assert state.state.queries.exports.write(path, key, NOON - 10 * DAY, NOON + 10 * DAY, labelled) is not None
    return list(pq.read_table(path).to_pylist())


def fill(state: Opened) -> None:
    features: dict[str, Sequence[object]] = {"age": [31, 40, None], "plan": ["pro", None, "free"]}
    state.send(
        predictions(
            ["a", "b", "c"],
            [NOON, NOON, NOON + DAY],
            [0.9, 0.2, 0.6],
            features=features,
            slices={"region": ["n", "s", None]},
        )
    )
    state.send(outcomes(["a", "c"], [1, 0], NOON + 2 * DAY))


@pytest.mark.slow
def test_features_predictions_and_outcomes_stand_in_one_row(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    fill(state)
    rows = write(state, tmp_path / "rows.parquet")
    assert [
        (row["id"], row["age"], row["plan"], row["score"], row["predicted"], row["actual"], row["slice.region"])
        for row in rows
    ] == [
        ("a", 31.0, "pro", 0.9, "1", "1", "n"),
        ("b", 40.0, None, 0.2, "0", None, "s"),
        ("c", None, "free", 0.6, "1", "0", None),
    ]
    assert [row["weight"] for row in rows] == [1.0, 1.0, 1.0]
    told = json.loads(pq.read_schema(tmp_path / "rows.parquet").metadata[b"driftline"])
    assert told == {"model": "churn", "task": "binary", "classes": ["0", "1"], "positive_class": "1"}
    assert [row["id"] for row in write(state, tmp_path / "labelled.parquet", labelled=True)] == ["a", "c"]


@pytest.mark.slow
def test_a_sample_is_even_also_before_it_is_tidied(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=Model(keep_features=Keep(40)))
    for first in range(0, 400, 50):
        ids = [str(i) for i in range(first, first + 50)]
        state.send(predictions(ids, features={"x": [float(i) for i in ids]}))
    held = len(state.rows("SELECT prediction FROM kept"))
    rows = write(state, tmp_path / "rows.parquet")
    assert held > len(rows) == 40
    assert [row["weight"] for row in rows] == [10.0] * 40
    state = open_state(churn=ALL)
    assert [row["weight"] for row in write(state, tmp_path / "all.parquet")] == [400 / held] * held


@pytest.mark.slow
def test_a_sample_says_what_each_row_stands_for(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=Model(keep_features=Keep(5)))
    state.send(predictions([str(i) for i in range(40)], features={"x": list(range(40))}))
    state.state.tidy_now()
    rows = write(state, tmp_path / "rows.parquet")
    assert [row["weight"] for row in rows] == [8.0] * 5


def test_a_feature_with_the_name_of_a_part_keeps_it(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    state.send(predictions(["a"], scores=[0.7], features={"score": [12.0]}))
    [row] = write(state, tmp_path / "rows.parquet")
    assert (row["score"], row["prediction_score"]) == (12.0, 0.7)


@pytest.mark.slow
def test_versions_with_other_features_and_classes_share_a_file(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    three = Task("multiclass", ("a", "b", "c"))
    state.send(predictions(["1"], scores=[[0.1, 0.2, 0.7]], task=three, features={"x": [1]}))
    state.send(predictions(["2"], scores=[[0.5, 0.3, 0.2]], task=three, version="2", features={"x": ["one"], "y": [2]}))
    rows = write(state, tmp_path / "rows.parquet")
    assert [(row["version"], row["x"], row["y"], row["score.c"]) for row in rows] == [
        ("1", "1", None, 0.7),
        ("2", "one", 2.0, 0.2),
    ]
    assert [row["version"] for row in write(state, tmp_path / "one.parquet", key=ModelKey("churn", "2"))] == ["2"]


def test_a_model_that_keeps_no_features_has_rows_without(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=Model(keep_features=Keep(0)))
    fill(state)
    rows = write(state, tmp_path / "rows.parquet")
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert "age" not in rows[0]


def test_quantiles_are_columns_and_the_middle_one_is_the_score(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    task = Task("regression", quantiles=(0.1, 0.5, 0.9))
    state.send(predictions(["a"], scores=[[1.0, 2.0, 4.0]], task=task, features={"x": [1]}))
    state.send(outcomes(["a"], [12.5]))
    [row] = write(state, tmp_path / "rows.parquet")
    assert [row[name] for name in ("score", "score.0.1", "score.0.5", "score.0.9", "actual")] == [
        2.0,
        1.0,
        2.0,
        4.0,
        12.5,
    ]
    found = state.state.queries.mispredictions.worst(ModelKey("churn", "1"), NOON - DAY, NOON + DAY, 10, {})
    assert (found.wrong, found.outcomes) == (1, 1)


@pytest.mark.slow
def test_a_ranking_has_its_items_and_what_was_clicked(open_state: Open, tmp_path: Path) -> None:
    state = open_state(feed=Model())
    shown = [
        (("x", "y", "z", "w"), (0.9, 0.5, np.nan, 0.1)),
        (("x", "y"), None),
        (("z", "x"), None),
        (("y",), None),
        ((), None),
    ]
    table = predictions(["a", "b", "c", "d", "e"], [*range(NOON, NOON + 5)], model="feed", task=Task("ranking"))
    state.send(replace(table, items=items_of(shown)))
    for id, actual in (("a", '{"y": 2.5, "q": 4, "z": 1}'), ("b", 0), ("c", 1), ("e", '["x"]')):
        state.send(outcomes([id], [actual], model="feed"))
    rows = write(state, tmp_path / "rows.parquet", key=ModelKey("feed"))
    assert [
        tuple(row[name] for name in ("id", "items", "item_scores", "clicked", "gains", "missed_gains", "actual"))
        for row in rows
    ] == [
        ("a", ["x", "y", "z", "w"], [0.9, 0.5, None, 0.1], ["y", "z"], [0.0, 2.5, 1.0, 0.0], [4.0], "1"),
        ("b", ["x", "y"], [None, None], [], [0.0, 0.0], [], "0"),
        ("c", ["z", "x"], [None, None], None, None, None, "1"),
        ("d", ["y"], [None], None, None, None, None),
        ("e", [], [], [], [], [1.0], "0"),
    ]
    assert "items" not in pq.read_schema(written(open_state, tmp_path)).names


def written(open_state: Open, tmp_path: Path) -> Path:
    state = open_state(churn=ALL)
    fill(state)
    write(state, tmp_path / "churn.parquet")
    return tmp_path / "churn.parquet"


def test_a_regression_has_numbers(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    state.send(predictions(["a", "b"], scores=[3.5, 4.0], task=Task("regression"), features={"x": [1, 2]}))
    state.send(outcomes(["a", "b"], [3.25, "4.5"]))
    assert [row["actual"] for row in write(state, tmp_path / "rows.parquet")] == [3.25, 4.5]


@pytest.mark.slow
def test_the_route_answers_with_the_file_or_a_sentence(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=ALL)
    fill(state)
    state.state.settle()
    web = app_of(state.state)
    client = TestClient(web)
    span = {"since": "2024-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    answer = client.get("/v1/snapshots/churn", params=span)
    (tmp_path / "rows.parquet").write_bytes(answer.content)
    assert json.loads(answer.headers[SAID]) == {"rows": 3, "labelled": 2, "features": 2, "renamed": []}
    assert len(pq.read_table(tmp_path / "rows.parquet")) == 3
    assert client.get("/v1/snapshots/nobody", params=span).status_code == 404
    for flag, rows in (("1", 2), ("true", 2), ("True", 2), ("0", 3), ("False", 3), ("", 3)):
        selected = client.get("/v1/snapshots/churn", params={**span, "labelled": flag})
        assert json.loads(selected.headers[SAID])["rows"] == rows, flag
    refused = client.get("/v1/snapshots/churn", params={**span, "labelled": "yes"})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "labelled must be true or false, as in ?labelled=true",
    )
    assert "since must be a time" in client.get("/v1/snapshots/churn").json()["error"]


@pytest.mark.slow
def test_the_command_reads_from_a_processor_and_a_model_can_be_trained(tmp_path: Path) -> None:
    state = Opened(State(config(tmp_path / "state", churn=ALL), clock=Clock()))
    state.state.start_storing()
    x = np.random.default_rng(0).normal(size=400)
    ids = [str(i) for i in range(400)]
    state.send(predictions(ids, NOON - HOUR, features={"x": x.tolist()}), outcomes(ids, (x > 0).astype(int).tolist()))
    state.state.stop()
    path = tmp_path / "rows.parquet"
    span = ["--since", "2024-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"]
    with running(tmp_path / "state", models={"churn": ALL}) as service:
        span += ["--url", url(service, "web", "")]
        result = CliRunner().invoke(app, ["snapshot", "--model", "churn", "-o", str(path), *span])
        missing = CliRunner().invoke(app, ["snapshot", "--model", "nobody", "-o", str(tmp_path / "n.parquet"), *span])
    assert (result.exit_code, result.output) == (0, f"{path}: 400 rows of 1 features, 400 with an outcome\n")
    frame = pq.read_table(path).to_pandas()
    fitted = LogisticRegression().fit(frame[["x"]], frame["actual"], sample_weight=frame["weight"])
    assert fitted.score(frame[["x"]], frame["actual"]) > 0.97
    assert missing.exit_code == 2
    assert not (tmp_path / "n.parquet").exists()

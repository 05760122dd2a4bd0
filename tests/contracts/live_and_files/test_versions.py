"""Versions from files are what a running service says of the same rows, also when it was killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline.tables.table import OutcomeTable, PredictionTable, Task
from driftline_processor.config.schema import load
from driftline_processor.present.versions_json import to_json
from driftline_processor.state import State

from tests.support.churn_files import Run
from tests.support.paths import ROOT
from tests.support.state_rows import NOON, Clock, Opened, outcomes, predictions

ROWS = 1_200
SECOND = 10**9
MODELS = 'models: {churn: {versions: {champion: "1", shadow: ["2"], canary: ["03"]}}}\n'
COSTS = "performance: {costs: {a: {b: 5, c: 4}, b: {c: 5}, c: {a: 4, b: -1}}}"
KINDS = ["binary", "multiclass", "regression"]


def rows(kind: str) -> pa.Table:
    """Two versions that score the same requests, and one of its own, whose first and last rows are alone."""
    rng = np.random.default_rng(3)
    parts = []
    truth = rng.integers(0, 3, ROWS)
    for version, wrong, prefix, begin in (("1", 0.2, "", 0), ("2", 0.3, "", 0), ("03", 0.25, "own", ROWS // 4)):
        missed = rng.random(ROWS) < wrong
        said = np.where(missed, (truth + 1) % 3, truth)
        confidence = rng.uniform(0.5, 0.9, ROWS)
        columns: dict[str, Any] = {
            "id": [f"{prefix}{row}" for row in range(ROWS)],
            "version": [version] * ROWS,
            "time": [NOON + (begin + row) * SECOND for row in range(ROWS)],
        }
        if kind == "binary":
            columns["score"] = np.where(said > 0, confidence, 1 - confidence)
            columns["actual"] = (truth > 0).astype(int).astype(str)
        elif kind == "multiclass":
            shares = np.full((ROWS, 3), 0.0)
            shares[np.arange(ROWS), said] = confidence
            shares[np.arange(ROWS), (said + 1) % 3] = 1 - confidence
            columns |= {f"s{at}": shares[:, at] for at in range(3)}
            columns["actual"] = np.array(list("abc"))[truth]
        else:
            columns["score"] = truth + rng.normal(0, 0.5 + 3 * wrong, ROWS)
            columns["actual"] = truth.astype(float)
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def task_of(kind: str) -> Task:
    classes = {"binary": ("0", "1"), "multiclass": ("a", "b", "c")}.get(kind, ())
    return Task(kind, classes, "1" if kind == "binary" else "")


def scores_of(table: pa.Table) -> list[Any]:
    names = [name for name in table.column_names if name == "score" or name in ("s0", "s1", "s2")]
    return [list(row) for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def known_of(table: pa.Table, flagged: bool) -> pa.Table:
    """The outcomes that come: of the canary's rows either all or those that were flagged."""
    if not flagged:
        return table
    mine = pa.compute.or_(pa.compute.not_equal(table["version"], "03"), pa.compute.greater_equal(table["score"], 0.5))
    return table.filter(mine)


def sent(table: pa.Table, kind: str, flagged: bool = False) -> list[PredictionTable | OutcomeTable]:
    """The same as requests: predictions of each version, then outcomes in three parts, the last ones first."""
    requests: list[PredictionTable | OutcomeTable] = []
    for version in ("1", "2", "03"):
        mine = table.filter(pa.compute.equal(table["version"], version))
        made = {"version": version, "task": task_of(kind)}
        requests.append(
            predictions(mine["id"].to_pylist(), mine["time"].to_pylist(), scores_of(mine), **made)  # type: ignore[arg-type]
        )
    known = known_of(table.filter(pa.compute.not_equal(table["version"], "2")), flagged)
    for part in (2, 0, 1):
        some = known.slice(part * (ROWS * 2 // 3), ROWS * 2 // 3)
        requests.append(outcomes(some["id"].to_pylist(), some["actual"].to_pylist()))
    return requests


def baseline(table: pa.Table, kind: str, path: Path) -> Path:
    mine = table.filter(pa.compute.equal(table["version"], "1"))
    scores = np.array(scores_of(mine))
    Baseline.from_frame(
        {"x": np.zeros(ROWS)},
        score=scores if kind == "multiclass" else scores[:, 0],
        actual=np.array(mine["actual"].to_pylist()),
        model="churn",
        task=kind,
        classes=list(task_of(kind).classes) or None,
    ).save(path)
    return path


def said_of(kind: str) -> str:
    """The configuration; of several classes with what decisions cost."""
    return MODELS.replace("versions:", f"{COSTS}, versions:") if kind == "multiclass" else MODELS


def from_files(run: Run, folder: Path, kind: str, suffix: str, flagged: bool = False) -> dict[str, Any]:
    table = rows(kind)
    reference, data, said = baseline(table, kind, folder / "base.json"), folder / f"rows.{suffix}", folder / "d.yaml"
    outcome_rows = known_of(table, flagged).select(["id", "actual"])
    table = table.drop_columns(["actual"]).append_column("x", pa.array(np.zeros(len(table))))
    if suffix == "csv":
        pyarrow.csv.write_csv(table, data)
    else:
        pq.write_table(table, data)
    pq.write_table(outcome_rows, folder / "outcomes.parquet")
    said.write_text(said_of(kind))
    scores = "s0,s1,s2" if kind == "multiclass" else "score"
    command = ["evaluate", data, "--baseline", reference, "--outcomes", folder / "outcomes.parquet", "--json"]
    columns = ["--version-column", "version", "--id", "id", "--time", "time", "--score", scores]
    told = run(*command, *columns, "--performance", said, "--concept", "none")
    assert told.exit_code == 0, told.stderr
    return {one["challenger"]["version"]: one for one in json.loads(told.stdout)["versions"]}


def opened(folder: Path, kind: str = "binary") -> State:
    said = folder / "driftline.yaml"
    said.write_text(f"storage: {{directory: {folder / 'state'}}}\n{said_of(kind)}")
    state = State(load(said), clock=Clock(NOON))
    state._ingest.start()
    return state


def told_by(state: State) -> dict[str, Any]:
    state.settle()
    (first, *_) = state.view.models()
    return {one.challenger.name: to_json(one) for one in first.versions}


def agree(one: object, other: object, where: str = "") -> None:
    """Whether two answers are the same, numbers to 1e-9."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            agree(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, float) and isinstance(other, float):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9), where
    else:
        assert one == other, where


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "suffix"), [("binary", "csv"), ("multiclass", "parquet"), ("regression", "parquet")])
def test_files_and_a_running_service_say_the_same(run: Run, tmp_path: Path, kind: str, suffix: str) -> None:
    of_files = from_files(run, tmp_path, kind, suffix)
    state = opened(tmp_path, kind)
    for request in sent(rows(kind), kind):
        Opened(state).send(request)
        state.join_now()
    live = told_by(state)
    state.stop()
    assert {name: one["role"] for name, one in live.items()} == {"2": "shadow", "03": "canary"}
    assert live["2"]["pairs"] == ROWS
    assert live["03"]["start"] > live["2"]["start"]
    assert live["2"]["verdict"] == "worse"
    decided_by = {"binary": "error", "multiclass": "cost_per_prediction", "regression": "absolute_error"}[kind]
    assert [one["decided_by"] for one in live.values()] == [decided_by] * 2
    agree(live, of_files)


@pytest.mark.slow
def test_nothing_is_sure_of_a_version_of_which_only_flagged_rows_are_reviewed(run: Run, tmp_path: Path) -> None:
    of_files = from_files(run, tmp_path, "binary", "parquet", flagged=True)
    state = opened(tmp_path)
    for request in sent(rows("binary"), "binary", flagged=True):
        Opened(state).send(request)
    live = told_by(state)
    state.stop()
    agree(live, of_files)
    metrics = {name: live["03"]["challenger"]["metrics"][name]["interval"] for name in ("precision", "recall")}
    assert metrics == {"precision": "clopper_pearson", "recall": "unreviewed"}
    assert live["03"]["champion"]["metrics"]["recall"]["interval"] == "clopper_pearson"
    assert live["03"]["verdict"] == "not_yet"
    assert "rows that were predicted 0 has an outcome (version 03)" in live["03"]["sentence"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.contracts.live_and_files.test_versions import opened, rows, sent
from tests.support.state_rows import Opened

state = opened(Path(sys.argv[1]))
for request in sent(rows("binary"), "binary")[:4]:
    Opened(state).send(request)
state.join_now()
Opened(state).send(sent(rows("binary"), "binary")[4])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    requests = sent(rows("binary"), "binary")
    (tmp_path / "whole").mkdir()
    whole = opened(tmp_path / "whole")
    for request in requests:
        Opened(whole).send(request)
    expected = told_by(whole)
    whole.stop()

    folder = tmp_path / "killed"
    folder.mkdir()
    paths = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    again = opened(folder)
    Opened(again).send(requests[5])
    agree(expected, told_by(again))
    again.stop()


def test_the_terminal_names_the_worse_version(run: Run, tmp_path: Path) -> None:
    table = rows("binary")
    data, reference = tmp_path / "rows.parquet", baseline(table, "binary", tmp_path / "base.json")
    pq.write_table(table.append_column("x", pa.array(np.zeros(len(table)))), data)
    told = run(
        *("evaluate", data, "--baseline", reference, "--version-column", "version", "--id", "id"),
        *("--score", "score", "--actual", "actual"),
    )
    assert "version 2 is worse than version 1: error rate" in told.stdout
    assert "version 03 " in told.stdout


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["--version-column", "release"], "no column 'release' (--version-column)"),
        (["--version-column", "version"], "--version-column: versions are compared by their outcomes, and no file"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(run: Run, tmp_path: Path, columns: list[str], sentence: str) -> None:
    table = rows("binary")
    reference = baseline(table, "binary", tmp_path / "base.json")
    data = tmp_path / "rows.parquet"
    pq.write_table(table.drop_columns(["actual"]).append_column("x", pa.array(np.zeros(len(table)))), data)
    told = run("evaluate", data, "--baseline", reference, *columns)
    assert (told.exit_code, sentence in told.stderr) == (2, True), told.stderr

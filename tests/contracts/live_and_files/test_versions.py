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
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.state import State

from tests.support.churn_files import Run
from tests.support.facts import lacking
from tests.support.live_and_files import agree
from tests.support.paths import ROOT
from tests.support.state_rows import Opened
from tests.support.version_requests import ROWS, known_of, opened, rows, said_of, scores_of, sent, task_of

KINDS = ["binary", "multiclass", "regression"]


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


def from_files(
    run: Run, folder: Path, kind: str, suffix: str, *, flagged: bool = False, timezone: str = "", later: int = 0
) -> dict[str, Any]:
    table = rows(kind, later)
    reference, data, said = baseline(table, kind, folder / "base.json"), folder / f"rows.{suffix}", folder / "d.yaml"
    outcome_rows = known_of(table, flagged).select(["id", "actual"])
    table = table.drop_columns(["actual"]).append_column("x", pa.array(np.zeros(len(table))))
    if suffix == "csv":
        pyarrow.csv.write_csv(table, data)
    else:
        pq.write_table(table, data)
    pq.write_table(outcome_rows, folder / "outcomes.parquet")
    said.write_text(said_of(kind, timezone or "UTC"))
    scores = "s0,s1,s2" if kind == "multiclass" else "score"
    command = ["evaluate", data, "--baseline", reference, "--outcomes", folder / "outcomes.parquet", "--json"]
    columns = ["--version-column", "version", "--id", "id", "--time", "time", "--score", scores]
    told = run(*command, *columns, "--config" if timezone else "--performance", said)
    assert told.exit_code == 0, told.stderr
    return {one["challenger"]["version"]: one for one in json.loads(told.stdout)["versions"]}


def told_by(state: State) -> dict[str, Any]:
    state.settle()
    (first, *_) = state.publish().models
    return {one.challenger.name: json_of(one) for one in first.versions}


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
def test_hours_begin_by_the_clock_of_the_model(run: Run, tmp_path: Path) -> None:
    """In India an hour begins within these rows, in UTC none does; a canary is compared hour by hour."""
    later, zone = 20 * 60, "Asia/Kolkata"
    of_files = from_files(run, tmp_path, "binary", "parquet", timezone=zone, later=later)
    elsewhere = from_files(run, tmp_path, "binary", "parquet", timezone="UTC", later=later)
    state = opened(tmp_path, timezone=zone)
    for request in sent(rows("binary", later), "binary"):
        Opened(state).send(request)
    live = told_by(state)
    state.stop()
    agree(live, of_files)
    assert of_files["03"]["comparisons"] != elsewhere["03"]["comparisons"]


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
    assert live["03"]["verdict"] == "inconclusive"
    assert lacking(live["03"]["sentence"], "predicted '0'", "03") == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support.version_requests import opened, rows, sent
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
    assert lacking(told.stdout, "version 2", "worse", "version 1") == []
    assert "version 03 " in told.stdout


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["--version-column", "release"], "no column 'release' (--version-column)"),
        (["--version-column", "version"], "--version-column: versions are compared by their outcomes, but no file"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(run: Run, tmp_path: Path, columns: list[str], sentence: str) -> None:
    table = rows("binary")
    reference = baseline(table, "binary", tmp_path / "base.json")
    data = tmp_path / "rows.parquet"
    pq.write_table(table.drop_columns(["actual"]).append_column("x", pa.array(np.zeros(len(table)))), data)
    told = run("evaluate", data, "--baseline", reference, *columns)
    assert (told.exit_code, sentence in told.stderr) == (2, True), told.stderr

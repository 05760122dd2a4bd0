"""Requests of three versions of one model: two score the same rows, and one has rows of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.schema import load
from driftline_processor.state import State

from tests.support.state_rows import NOON, Clock, outcomes, predictions

ROWS = 1_200
SECOND = 10**9
MODELS = 'models: {churn: {versions: {champion: "1", shadow: ["2"], canary: ["03"]}}}\n'
COSTS = "performance: {costs: {a: {b: 5, c: 4}, b: {c: 5}, c: {a: 4, b: -1}}}"


def rows(kind: str, later: int = 0) -> pa.Table:
    """Two versions that score the same requests, and one of its own, whose first and last rows are alone.

    ``later``: the seconds by which all rows come later.
    """
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
            "time": [NOON + (later + begin + row) * SECOND for row in range(ROWS)],
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
    """Return the task of a kind, with its classes."""
    classes = {"binary": ("0", "1"), "multiclass": ("a", "b", "c")}.get(kind, ())
    return Task(kind, classes, "1" if kind == "binary" else "")


def scores_of(table: pa.Table) -> list[Any]:
    """Return the scores of each row."""
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


def said_of(kind: str, timezone: str = "UTC") -> str:
    """The configuration; of several classes with what decisions cost."""
    more = f"{COSTS}, " if kind == "multiclass" else ""
    return MODELS.replace("versions:", f"timezone: {timezone}, {more}versions:")


def opened(folder: Path, kind: str = "binary", timezone: str = "UTC") -> State:
    """Open a state that knows which version is the champion, the shadow and the canary."""
    said = folder / "driftline.yaml"
    said.write_text(f"storage: {{directory: {folder / 'state'}}}\n{said_of(kind, timezone)}")
    state = State(load(said), clock=Clock(NOON))
    state.start_storing()
    return state

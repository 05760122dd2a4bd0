"""Training runs: each kept once, by its id, for as long as its model is known.

They belong to the model, whatever their environment: what a training cluster makes is what production serves.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from msgspec.structs import asdict

from driftline_processor.core.decode.training_runs import TrainingRun

from .database import Connection, insert, read

MOST_RUNS = 2_000
"""Runs of one model: one a day for five years. Beyond them the newest are kept, by when they ended."""

_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "environment", "model", "version")),
        *((name, pa.int64()) for name in ("end", "received")),
        ("json", pa.string()),
    ]
)


class TrainingRuns:
    """The training runs of all models. One thread adds; any may read.

    Args:
        connection: Where they are kept.
    """

    def __init__(self, connection: Connection) -> None:
        self.load(connection)

    def load(self, connection: Connection) -> None:
        """Read what is kept; what was added since the last :meth:`write` is forgotten."""
        runs: dict[str, list[TrainingRun]] = {}
        rows = read(connection, 'SELECT * FROM training_runs ORDER BY "end", id').to_pylist()
        for _, run in connection.unreadable.skipped("training_runs", rows, _run):
            runs.setdefault(run.model, []).append(run)
        self._runs = {model: tuple(run) for model, run in runs.items()}
        self._ids = {(run.model, run.id) for model_runs in runs.values() for run in model_runs}
        self._new: dict[tuple[str, str], dict[str, Any]] = {}
        self._dropped: list[tuple[str, str]] = []

    def of(self, model: str) -> tuple[TrainingRun, ...]:
        """Return the runs of a model, the oldest first."""
        return self._runs.get(model, ())

    def add(self, run: TrainingRun, received: int) -> str:
        """Take in a run; return why it is not kept: "seen", the reason of its rejection, or "" where it is.

        Where a model has as many as are kept, the oldest goes for a newer one: made up runs keep out no later one.

        Args:
            run: The run.
            received: When it came, unix nanoseconds.
        """
        if (run.model, run.id) in self._ids:
            return "seen"
        known_runs = sorted((*self.of(run.model), run), key=lambda training_run: (training_run.end, training_run.id))
        beyond, kept_runs = known_runs[:-MOST_RUNS], known_runs[-MOST_RUNS:]
        if run in beyond:
            return "too_many_training_runs"
        for oldest in beyond:
            self._drop(oldest)
        self._ids.add((run.model, run.id))
        self._runs[run.model] = tuple(kept_runs)
        about = {name: getattr(run, name) for name in ("id", "environment", "model", "version", "end")}
        self._new[run.model, run.id] = {**about, "received": received, "json": json.dumps(asdict(run))}
        return ""

    def write(self, connection: Connection) -> None:
        """Append what was added and delete what went for it, inside the caller's transaction."""
        new, self._new = list(self._new.values()), {}
        dropped, self._dropped = self._dropped, []
        if dropped:
            connection.executemany("DELETE FROM training_runs WHERE model = ? AND id = ?", dropped)
        if new:
            insert(connection, "training_runs", pa.Table.from_pylist(new, _COLUMNS))

    def _drop(self, run: TrainingRun) -> None:
        key = (run.model, run.id)
        self._ids.discard(key)
        if self._new.pop(key, None) is None:
            self._dropped.append(key)


def _run(row: dict[str, Any]) -> TrainingRun:
    return TrainingRun(**json.loads(row["json"]))

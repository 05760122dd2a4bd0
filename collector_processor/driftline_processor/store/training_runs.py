"""Training runs, stored once per id for as long as their model exists.

They belong to the model, independent of the environment, because a training cluster trains what production serves.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from msgspec.structs import asdict

from driftline_processor.core.decode.training_runs import TrainingRun

from .database import Connection, insert, read

MOST_RUNS = 2_000
"""Maximum number of runs per model: one per day for five years. Beyond it the most recently ended are kept."""

_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "environment", "model", "version")),
        *((name, pa.int64()) for name in ("end", "received")),
        ("json", pa.string()),
    ]
)


class TrainingRuns:
    """The training runs of all models. One thread adds; any thread may read.

    Args:
        connection: Connection to the store.
    """

    def __init__(self, connection: Connection) -> None:
        self.load(connection)

    def load(self, connection: Connection) -> None:
        """Read the stored runs; runs added since the last :meth:`write` are dropped."""
        runs: dict[str, list[TrainingRun]] = {}
        rows = read(connection, 'SELECT * FROM training_runs ORDER BY "end", id').to_pylist()
        for _, run in connection.unreadable.skipped("training_runs", rows, _run):
            runs.setdefault(run.model, []).append(run)
        self._runs = {model: tuple(run) for model, run in runs.items()}
        self._ids = {(run.model, run.id) for model_runs in runs.values() for run in model_runs}
        self._new: dict[tuple[str, str], dict[str, Any]] = {}
        self._dropped: list[tuple[str, str]] = []

    def of(self, model: str) -> tuple[TrainingRun, ...]:
        """Return the runs of a model, oldest first."""
        return self._runs.get(model, ())

    def add(self, run: TrainingRun, received: int) -> str:
        """Add a run; return "" or why it is not stored: "seen", or the reason of its rejection.

        If a model has the maximum number, the oldest run is replaced, so that invented runs cannot block later ones.

        Args:
            run: The run.
            received: Time of arrival, unix nanoseconds.
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
        """Append added runs and delete replaced ones, inside the caller's transaction."""
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

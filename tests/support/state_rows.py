"""Tables built by hand, and a clock that stands still, for tests of the state."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.tables.table import Column, ModelKey, OutcomeTable, PredictionTable, Text, without_errors
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.evaluation_store import read_evaluations
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.queries.model_view import ModelView
from driftline_processor.receipts import Receipt
from driftline_processor.state import State
from driftline_processor.store.database import read

from tests.support.stored_sums import read_of_sums

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR
"""A noon in 2024, UTC."""

BINARY = Task("binary", ("0", "1"), "1")


class Clock:
    """A wall clock that moves when told to; unix nanoseconds."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def text(values: Sequence[str]) -> Text:
    """Return texts as one column."""
    encoded = [value.encode() for value in values]
    return Text(np.cumsum([0, *map(len, encoded)]).astype(np.int32), b"".join(encoded))


def column(values: Sequence[object]) -> Column:
    """Texts become codes, everything else numbers; None is missing."""
    labels = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    numbers = [float(value) if isinstance(value, int | float) else np.nan for value in values]
    codes = [labels.index(value) if isinstance(value, str) else -1 for value in values]
    return Column(
        np.array(numbers) if any(isinstance(value, int | float) for value in values) else None,
        np.array(codes, dtype=np.int32) if labels else None,
        labels,
    )


def predictions(
    ids: Sequence[str],
    times: Sequence[int] | int = NOON,
    scores: Sequence[float] | Sequence[Sequence[float]] | None = None,
    *,
    model: str = "churn",
    version: str = "1",
    environment: str = "",
    task: Task = BINARY,
    keyed: bool = True,
    predicted: Sequence[object] | None = None,
    weight: Sequence[float] | None = None,
    duration: Sequence[float] | None = None,
    errors: Sequence[str | None] | None = None,
    trace_id: bytes | None = None,
    features: dict[str, Sequence[object]] | None = None,
    slices: dict[str, Sequence[object]] | None = None,
) -> PredictionTable:
    """Return predictions; ``times``: one for all, or one each."""
    n = len(ids)
    if scores is None and predicted is None:
        scores = [0.5] * n
    return PredictionTable(
        ModelKey(model, version, environment),
        task,
        np.full(n, times) if isinstance(times, int) else np.array(times, dtype=np.int64),
        text(ids),
        scores=None if scores is None else np.array(scores, dtype=np.float64).reshape(n, -1 if n else 1),
        predicted=None if predicted is None else column(predicted),
        weight=None if weight is None else np.array(weight, dtype=np.float64),
        duration=None if duration is None else np.array(duration, dtype=np.float64),
        errors=None if errors is None else column(errors) if any(errors) else without_errors(n),
        trace_id=None if trace_id is None else np.frombuffer(trace_id * n, dtype="V16"),
        features={name: column(values) for name, values in (features or {}).items()},
        slices={name: column(values) for name, values in (slices or {}).items()},
        keyed=keyed,
    )


def outcomes(
    ids: Sequence[str],
    actual: Sequence[object],
    times: Sequence[int] | int = NOON + HOUR,
    *,
    model: str = "churn",
    environment: str | None = None,
    prediction_time: int | Sequence[int] = 0,
    weight: Sequence[float] | None = None,
    value: Sequence[float] | None = None,
    retracted: bool | Sequence[bool] = False,
    slices: dict[str, Sequence[object]] | None = None,
) -> OutcomeTable:
    """Return outcomes; ``times``: one for all, or one each. ``retracted``: they take back what was said before."""
    n = len(ids)
    return OutcomeTable(
        model,
        environment,
        text(ids),
        column(actual),
        np.full(n, times) if isinstance(times, int) else np.array(times, dtype=np.int64),
        np.full(n, prediction_time, dtype=np.int64),
        np.full(n, np.nan) if weight is None else np.array(weight, dtype=np.float64),
        value=None if value is None else np.array(value, dtype=np.float64),
        retracted=np.full(n, retracted) if retracted else None,
        slices={name: column(values) for name, values in (slices or {}).items()},
    )


def config(directory: Path, retention: timedelta = timedelta(days=90), **models: Model) -> Config:
    """Return a configuration of these models."""
    return Config(storage=Storage(directory=directory, retention=retention), models=models)


class Opened:
    """A started state with the words tests use."""

    _sent = itertools.count()  # of all states: one that is opened anew may stand where the last one stood in memory

    def __init__(self, state: State) -> None:
        self.state = state

    def send(
        self,
        *tables: PredictionTable | OutcomeTable,
        batch: str = "",
        baselines: Sequence[str] = (),
        digest: bytes | None = None,
    ) -> Receipt:
        """Send one request and wait until it is acknowledged."""
        return self.state.offer(self.request(*tables, batch=batch, baselines=baselines, digest=digest)).result(60)

    def request(
        self,
        *tables: PredictionTable | OutcomeTable,
        batch: str = "",
        baselines: Sequence[str] = (),
        digest: bytes | None = None,
    ) -> Request:
        """Build a request; one batch id for all of its predictions, and bytes like no other's unless told."""
        made = digest_of(f"{next(self._sent)}".encode())
        rows = [table for table in tables if isinstance(table, PredictionTable)]
        known = [table for table in tables if isinstance(table, OutcomeTable)]
        return Request(digest or made, rows, [batch] * len(rows), known, list(baselines))

    def view(self, model: str = "churn", version: str = "1", environment: str = "") -> ModelView:
        """Join, evaluate, and return what there is to see of one model."""
        self.state.settle()
        key = ModelKey(model, version, environment)
        return next(found for found in self.state.publish().models if found.key == key)

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read rows from the store, with those of all requests that were accepted; ``sums``: those of all panes."""
        self.state.catch_up()
        with self.state._store.reading() as connection:
            return [tuple(row.values()) for row in read_of_sums(connection, query, *parameters).to_pylist()]

    def keys(self) -> dict[int, ModelKey]:
        """Return the model of every series."""
        return {number: one.key for number, one in self.state.parts.intake.series.by_number().items()}

    def leave(self) -> None:
        """Close the state when a test is over: what waits to be judged then is shown to nobody."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.state, "settle", lambda _: None)
            self.state.stop()

    def stored(self) -> list[tuple[int, Evaluation]]:
        """Read all evaluations from the store, each with the time at which it was stored, the oldest first."""
        with self.state._store.reading() as connection:
            rows = read(connection, "SELECT * FROM evaluations ORDER BY believed, start").to_pylist()
            return [(row["believed"], one) for row, one in read_evaluations(connection, rows)]

    def counted(self, reason: str) -> float:
        """How many rows were counted as unused for this reason."""
        self.state.catch_up()
        return sum(v for (_, labels), v in self.state.counters().items() if ("driftline.reason", reason) in labels)


def send_hourly(state: Opened, clock: Clock, hours: int, version: str = "1", first: int = 0) -> None:
    """Send a row every hour from noon on, and leave the clock at the last."""
    for hour in range(first, first + hours):
        clock.now = NOON + hour * HOUR
        state.send(predictions([f"{version}-{hour}"], clock.now, version=version))


def baseline(
    scores: Sequence[float],
    features: dict[str, Sequence[object]],
    *,
    model: str = "churn",
    version: str = "",
    actual: Sequence[object] | None = None,
) -> Baseline:
    """Build a baseline of a binary model."""
    return Baseline.from_frame(
        {name: np.array(values) for name, values in features.items()},
        score=np.array(scores),
        actual=None if actual is None else list(actual),
        model=model,
        task="binary",
        version=version,
    )


MIDNIGHT = 1_795_132_800 * 10**9  # 2026-11-20T00:00:00Z


def predictions_by_minute(n: int, shift: float) -> PredictionTable:
    """Return a prediction every minute from MIDNIGHT on; the score is what the feature says."""
    rng = np.random.default_rng(7)
    age = rng.normal(40 + shift, 5, n)
    ids = [f"id-{row}".encode() for row in range(n)]
    return PredictionTable(
        key=ModelKey("churn", "v1", "prod"),
        task=Task("binary", ("0", "1"), "1"),
        time=MIDNIGHT + np.arange(n, dtype=np.int64) * MINUTE,
        id=Text(np.cumsum([0, *map(len, ids)]).astype(np.int32), b"".join(ids)),
        scores=np.clip(age / 100, 0, 1)[:, None],
        features={"age": Column(age)},
    )

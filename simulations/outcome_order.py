"""Models that do not change, whose outcomes arrive the later the better, or the worse, they are.

A fraud is reported within days, and a payment counts as honest after weeks; a loan that fails does so late. A whole
processor gets the predictions and the outcomes day by day.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.column_codec import texts
from driftline.tables.table import F64, I64, Column, ModelKey, OutcomeTable, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.windows.window import DAY, HOUR
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State

from simulations.frame import Figures, Random, Row, Table, percent, table_of

DAYS, REFERENCE, ROWS, MODELS = 60, 28, 1_000, 5
START = 20_000 * DAY
TASK = Task("binary", ("0", "1"), "1")

Wait = Callable[[I64, Random], F64]
"""Days until the outcome of each prediction is known."""


@dataclass(frozen=True)
class Waiting(Row):
    """A row of the table; ``what``: when outcomes arrive."""

    what: str


def _bad_first(actual: I64, rng: Random) -> F64:
    return np.where(actual == 1, rng.uniform(0, 2, len(actual)), 14.0)


def _bad_last(actual: I64, rng: Random) -> F64:
    return np.where(actual == 1, rng.uniform(10, 20, len(actual)), rng.uniform(0, 3, len(actual)))


def soon(actual: I64, rng: Random) -> F64:
    """Return delays of up to two days."""
    return rng.uniform(0, 2, len(actual))


def _alike(actual: I64, rng: Random) -> F64:
    return rng.uniform(0, 14, len(actual))


class Change(NamedTuple):
    """A change from a day on: by how much an input moves, and the log odds of all outcomes beside their scores."""

    day: int = DAYS
    moved: float = 0.0
    off: float = 0.0


UNCHANGED = Change()


class History:
    """A model, and the processor that watches it."""

    def __init__(self, folder: Path, delay: str, rate: float, rng: Random, change: Change = UNCHANGED) -> None:
        self._rng, self._rate, self._change, self.now = rng, rate, change, START
        columns = [self.day(number) for number in range(-REFERENCE, 0)]
        inputs, scores, actual, times = (np.concatenate(one) for one in zip(*columns, strict=True))
        named = {f"x{number}": inputs[:, number] for number in range(3)} | {"at": times.astype("datetime64[ns]")}
        baseline = Baseline.from_frame(named, score=scores, actual=actual, model="m", task="binary", time="at")
        baseline.save(folder / "baseline.json")
        settings = {"baseline": folder / "baseline.json", "windows": ["1d"]}
        model = Model.model_validate(settings | ({"outcome_delay": delay} if delay else {}))
        config = Config(storage=Storage(directory=folder / "state"), models={"m": model})
        self.state = State(config, clock=lambda: self.now)
        self.state.start_storing()

    def day(self, number: int) -> tuple[F64, F64, I64, I64]:
        """Draw inputs, scores, outcomes and times of a day; its inputs share .02 of their variance."""
        rng = self._rng
        inputs = rng.normal(size=(ROWS, 3)) + rng.normal() * 0.14
        changed = number >= self._change.day
        inputs[:, 0] += self._change.moved * changed
        odds = 1.2 * inputs[:, 0] + 0.8 * inputs[:, 1] + self._rate
        scores, chance = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-odds - self._change.off * changed))
        actual = (rng.random(ROWS) < chance).astype(np.int64)
        return inputs, scores, actual, START + number * DAY + np.sort(rng.integers(0, DAY, ROWS))

    def states(self, wait: Wait) -> Iterator[str]:
        """Yield the state of the verdict after each day."""
        pending = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
        for number in range(DAYS):
            inputs, scores, actual, times = self.day(number)
            known = (times + wait(actual, self._rng) * DAY).astype(np.int64)
            new = (known, number * ROWS + np.arange(ROWS), actual)
            pending = tuple(np.concatenate(pair) for pair in zip(pending, new, strict=True))  # type: ignore[assignment]
            self.now = START + (number + 1) * DAY - 1
            features = {f"x{place}": Column(inputs[:, place]) for place in range(3)}
            ids = texts([f"p{row}" for row in new[1].tolist()])
            table = PredictionTable(ModelKey("m", "1", ""), TASK, times, ids, scores[:, np.newaxis], features=features)
            arrived = pending[0] <= self.now
            self._send(number, table, *(column[arrived] for column in pending))
            pending = tuple(column[~arrived] for column in pending)  # type: ignore[assignment]
            self.now = START + (number + 1) * DAY + HOUR
            self.state.settle()
            (view,) = self.state.publish().models
            yield view.verdict.state if view.verdict is not None else "unknown"

    def _send(self, number: int, table: PredictionTable, known: I64, rows: I64, actual: I64) -> None:
        n = len(rows)
        outcomes = OutcomeTable(
            model="m",
            environment=None,
            id=texts([f"p{row}" for row in rows.tolist()]),
            actual=Column(codes=actual.astype(np.int32), categories=("0", "1")),
            time=known,
            prediction_time=np.zeros(n, np.int64),
            weight=np.full(n, np.nan),
        )
        request = Request(digest_of(f"day {number}".encode()), [table], [f"{number}"], [outcomes] if n else [], [])
        self.state.offer(request).result(60)


def measure(
    wait: Wait, delay: str, rate: float, models: int, rng: Random, *, change: Change = UNCHANGED, since: int = 0
) -> Figures:
    """Return in which part of the days from ``since`` on models have each state, and how many were ever degraded."""
    counts, degraded = Counter[str](), 0
    for _ in range(models):
        with tempfile.TemporaryDirectory(prefix="driftline-simulation-") as folder:
            history = History(Path(folder), delay, rate, rng, change)
            states = list(history.states(wait))[since:]
            history.state.stop()
        counts.update(states)
        degraded += "degraded" in states
    shares = {name: counts[name] / counts.total() for name in ("healthy", "unknown", "at_risk", "degraded")}
    return {"windows": models, **shares, "ever": degraded}


def _rows() -> Iterator[Waiting]:
    waits: dict[str, tuple[Wait, str, str]] = {
        "alike": (_alike, "16d", "within 14 days, whatever they are"),
        "bad-first": (_bad_first, "16d", "of positives within 2 days, of negatives after 14"),
        "bad-last": (_bad_last, "21d", "of positives after 10 to 20 days, of negatives within 3"),
    }
    for name, (wait, delay, what) in waits.items():
        for kind, configured in (("learned", ""), ("configured", delay)):
            few = partial(measure, wait, configured, -1.5)
            yield Waiting(f"order-{name}-{kind}", few, MODELS, f"outcomes {what}; `outcome_delay` {kind}")
    most = partial(measure, _bad_first, "", 1.0)
    yield Waiting("order-bad-first-many", most, MODELS, "the first of these, and two thirds are positive")


def told(_row: Row, one: Figures) -> list[str]:
    states = [percent(one[name]) for name in ("healthy", "unknown", "at_risk", "degraded")]
    return [f"{one['windows']}", *states, f"{one['ever']}"]


OUTCOMES_IN_ORDER = {row.name: row for row in _rows()}
HEAD = ["what", "models", "healthy", "unknown", "at risk", "degraded", "ever degraded"]
OUTCOME_ORDER = Table("outcome_order", OUTCOMES_IN_ORDER, table_of(OUTCOMES_IN_ORDER, HEAD, told))

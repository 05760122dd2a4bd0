"""What an outcome costs by how many predictions are stored, with the evaluation of all windows that it changes.

    python -m benchmarks.bench_scattered [THOUSANDS OF PREDICTIONS, FEW AND MANY]

Predictions of 20 features, without arguments one and four million, spread over ten days. The outcomes of 200,000 of
them, drawn from all, come in four requests without the time of their predictions, and are joined and evaluated. Then a
tenth of them comes again, a week later: their delay changes, so their panes are computed again. Printed are the CPU of
an outcome for the join and for the evaluation, with the windows that were evaluated, and the ratio of many to few. The
second ratio is that at an equal rate, where fewer rows are fewer days, and so fewer windows. The reference is a bare
hash join of the same outcomes with all predictions on the id, in DuckDB over the same file.

At last, a running processor gets 2,000 outcomes per second for a minute, in requests of 100. Printed is all of its
CPU, by joined outcome.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from driftline.tables.column_codec import texts
from driftline.tables.table import I64, Column, OutcomeTable
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.deadline import Deadline
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.state import State

from .bench_live import body
from .stopwatch import cpu_seconds

FEW, MANY, FEATURES, DAYS = 1_000, 4_000, 20, 10.0

A_REQUEST, OUTCOMES, AGAIN, REQUESTS = 5_000, 200_000, 20_000, 4

FLOW, EVERY, SECONDS = 100, 0.05, 60.0
"""Outcomes of a request, seconds between requests, and seconds in all, of a running processor."""

IDLE = 0.1
"""Fraction of a core below which a processor is idle."""

DAY = 86_400 * 10**9
FIRST = 20_000 * DAY

_BARE = "SELECT count(*) FROM predictions p JOIN (SELECT id FROM outcomes ORDER BY seq DESC LIMIT ?) o ON p.id = o.id"


class Cost(NamedTuple):
    """CPU of outcomes, in microseconds of one."""

    join: float
    evaluation: float

    @property
    def both(self) -> float:
        return self.join + self.evaluation


class Case:
    """A processor with predictions of some days, evenly spread."""

    def __init__(self, folder: Path, rows: int, days: float, evaluated: Counter[str]) -> None:
        self.rows, self.step, self.evaluated, self.now = rows, round(days * DAY / rows), evaluated, FIRST
        self.config = Config(storage=Storage(directory=folder), models={"m": Model()})
        self.state = State(self.config, clock=lambda: self.now)
        self.state.start_storing()
        print(f"{rows / 1e6:g}M predictions of {days:g} days:", flush=True)

    def fill(self) -> None:
        """Store and evaluate the predictions."""
        for begin in range(0, self.rows, A_REQUEST):
            self.now = FIRST + (begin + A_REQUEST) * self.step
            self.state.submit("logs", body("m", A_REQUEST, begin, FEATURES, self.now, self.step)).result()
            if begin // A_REQUEST % 40 == 39:
                self.state.settle()
        self.state.settle()

    def close(self) -> None:
        """Finish all work, and close the store."""
        self.state.finish(Deadline.after(600.0))
        self.state.close()

    def run(self) -> float:
        """Send outcomes to a running processor, and print what they cost; return the CPU of one, microseconds."""
        self.close()
        self.state = State(self.config, clock=lambda: self.now)
        self.state.start()
        for _ in range(60):
            if cpu_seconds(lambda: time.sleep(2.0)) < 2.0 * IDLE:
                break
        # the last ones, which have no outcome yet
        chosen = np.random.default_rng(self.rows).permutation(self.rows)[::-1]
        start, began, before = self.now, time.monotonic(), self._joined()

        def send() -> None:
            for request in range(round(SECONDS / EVERY)):
                time.sleep(max(0.0, began + request * EVERY - time.monotonic()))
                self.now = start + int((time.monotonic() - began) * 1e9)
                part = chosen[request * FLOW :][:FLOW]
                digest = hashlib.sha256(f"{self.now}".encode()).digest()[:16]
                self.state.submit_outcomes([outcomes_of(part, self.now)], digest).result()

        used = cpu_seconds(send)
        joined = self._joined() - before
        cost = used / max(1, joined) * 1e6
        print(f"  {joined:,} outcomes joined in {SECONDS:g} s of a running processor: {cost:.0f} µs each, all CPU")
        return cost

    def _joined(self) -> int:
        return sum(self.state.parts.join.joined.values())

    def tell(self, numbers: I64, what: str) -> Cost:
        """Send the outcomes of predictions by number, and print what they cost."""
        self.evaluated.clear()
        join, told = 0.0, len(numbers)
        for part in np.array_split(numbers, REQUESTS):
            digest = hashlib.sha256(f"{self.now} {part[0]}".encode()).digest()[:16]
            self.state.submit_outcomes([outcomes_of(part, self.now)], digest).result()
            join += cpu_seconds(self.state.join_now)
        evaluation = cpu_seconds(self.state.evaluate_now)
        reference = cpu_seconds(lambda: self.state.read(_BARE, told))
        cost = Cost(join / told * 1e6, evaluation / told * 1e6)
        windows = ", ".join(f"{count} of {name}" for name, count in self.evaluated.items())
        print(
            f"  {told:,} outcomes {what:<8} join {cost.join:5.1f} µs each, evaluation {cost.evaluation:5.1f}"
            f" ({windows}); bare hash join {reference / told * 1e6:4.1f}",
            flush=True,
        )
        return cost


def outcomes_of(numbers: I64, now: int) -> OutcomeTable:
    """Return outcomes of predictions by number, without their time."""
    rows = len(numbers)
    return OutcomeTable(
        model="m",
        environment=None,
        id=texts([f"m-{number:09d}" for number in numbers.tolist()]),
        actual=Column(codes=(numbers % 2).astype(np.int32), categories=("0", "1")),
        time=np.full(rows, now, np.int64),
        prediction_time=np.zeros(rows, np.int64),
        weight=np.full(rows, np.nan),
    )


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the evaluated windows by name."""
    evaluated, put = Counter[str](), EvaluationStore.put

    def counted(store: EvaluationStore, series: int, evaluation: Evaluation) -> bool:
        evaluated[evaluation.window.name] += 1
        return put(store, series, evaluation)

    EvaluationStore.put = counted  # type: ignore[method-assign, assignment]
    yield evaluated
    EvaluationStore.put = put  # type: ignore[method-assign]


def measure(rows: int, days: float) -> tuple[dict[str, Cost], float]:
    """Return the costs of outcomes at first and again, and the CPU of one in a running processor."""
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder, counting() as evaluated:
        case = Case(Path(folder), rows, days, evaluated)
        case.fill()
        chosen = np.random.default_rng(rows).permutation(rows)[:OUTCOMES]
        costs = {"at first": case.tell(chosen, "at first")}
        case.now += 7 * DAY
        costs["again"] = case.tell(chosen[:AGAIN], "again")
        running = case.run()
        case.close()
    return costs, running


def main(arguments: list[str] | None = None) -> None:
    asked = [int(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    few, many = asked or (FEW, MANY)
    (same_rate, _), (same_days, running_few), (much, running_many) = (
        measure(rows * 1_000, days) for rows, days in ((few, DAYS * few / many), (few, DAYS), (many, DAYS))
    )
    for what, cost in much.items():
        print(f"cost of an outcome {what}, {many / few:g} times as many rows:")
        for words, less in (("of as many days", same_days[what]), ("at an equal rate", same_rate[what])):
            print(f"  {words} {cost.both / less.both:.2f} times, the join {cost.join / less.join:.2f} times")
    print(f"in a running processor, of as many days: {running_many / running_few:.2f} times")


if __name__ == "__main__":
    main()

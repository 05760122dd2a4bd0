"""Whether one core is enough for many models with live traffic, by a clock that only the processor's own CPU moves.

    python -m benchmarks.bench_fleet [MODELS [SECONDS [FEATURES]]]

Every model sends 100 rows each four seconds, which are stored as one block, and has windows of four lengths. Time goes
by as on a machine with one core that nobody else uses: by the CPU that storing, joining, evaluating and publishing
take, and until the next rows while there is nothing to do. To make the rows takes no time. So the figures hold on a
machine that others use, too. Printed are the cores in use, the CPU to store a row and to evaluate a window, and for
each length of windows how late they were at most, and the rows that the evaluations lack at the end, as seconds of
traffic. The reference is the promise: each length within its deadline.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.deadline import Deadline
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.window_queue import deadline
from driftline_processor.state import State

from .bench_live import LEARNED, LENGTHS, body

MODELS, SECONDS, FEATURES = 200, 120, 20

EVERY, ROWS = 4.0, 100
"""Seconds between two blocks, for which the analysis gathers rows of so many models, and rows of a model in one."""

SECOND = 10**9


class CpuClock:
    """Unix nanoseconds that go by with the CPU of this process, and with what is idled away."""

    def __init__(self) -> None:
        self._start, self._idle, self._used_before = time.time_ns(), 0.0, time.process_time()

    def __call__(self) -> int:
        return self._start + round(SECOND * (self._idle + time.process_time() - self._used_before))

    def wait_until(self, moment: int) -> None:
        """Idle until then, if it is not over."""
        self._idle += max(0, moment - self()) / SECOND

    def passed(self, moment: int) -> bool:
        """Return True once a moment is over."""
        return self() >= moment

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let no time go by."""
        before = time.process_time()
        yield
        self._used_before += time.process_time() - before


class Fleet:
    """A processor, and the models that send to it."""

    def __init__(self, folder: Path, models: int, features: int) -> None:
        self.clock, self.evaluated, self._features = CpuClock(), Counter[str](), features
        names = {f"m{number}": Model(windows=LENGTHS) for number in range(models)}
        self.state = State(Config(storage=Storage(directory=folder), models=names), clock=self.clock)
        self.state.start_storing()
        self._names, self._sent, self.late, self.used = list(names), 0, Counter[str](), Counter[str]()
        self._count_evaluations()

    def _count_evaluations(self) -> None:
        put = EvaluationStore.put

        def counted(store: EvaluationStore, series: int, evaluation: Evaluation) -> None:
            self.evaluated[evaluation.window.name] += 1
            put(store, series, evaluation)

        EvaluationStore.put = counted  # type: ignore[method-assign, assignment]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the CPU of a part of the work."""
        before = time.process_time()
        yield
        self.used[name] += time.process_time() - before  # type: ignore[assignment]  # seconds

    def send(self, rows: int) -> None:
        """Send rows of each model, and store them."""
        with self.clock.stopped():
            bodies = [
                body(name, rows, number * SECOND + self._sent, self._features, self.clock())
                for number, name in enumerate(self._names)
            ]
        self._sent += rows
        with self.part("storing"):
            for content in bodies:
                self.state.submit("logs", content)
            self.state.catch_up()

    def run(self, seconds: float) -> None:
        """Let traffic go on for so long."""
        parts, began = self.state.parts, self.clock()
        tick = publish = began
        while self.clock() < began + seconds * SECOND:
            while tick <= self.clock():
                self.send(ROWS)
                tick += round(EVERY * SECOND)
            turn_ends = min(tick, self.clock() + SECOND // 2)
            with self.part("joining"):
                parts.join.step()
            with self.part("evaluating"):
                more = parts.evaluator.step(ended=partial(self.clock.passed, turn_ends))
            if publish <= self.clock():
                before = self.clock()
                with self.part("publishing"):
                    self.state.publish()
                publish = before + max(SECOND, 10 * (self.clock() - before))
            self.late |= Counter(parts.evaluator.waiting.lags(self.clock()))
            if not more:
                self.clock.wait_until(tick)

    def lacking(self, name: str) -> list[float]:
        """Return of each model the rows that evaluations of a length lack, in seconds of traffic."""
        models = self.state.publish().models
        lack = [model.rows - sum(window.rows for window in model.windows.get(name, ())) for model in models]
        return [rows * EVERY / ROWS for rows in lack]


def main(arguments: list[str] | None = None) -> None:
    asked = [int(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    models, seconds, features = (*asked, *(MODELS, SECONDS, FEATURES)[len(asked) :])
    print(f"{models} models x {', '.join(LENGTHS)}, {models * ROWS / EVERY:,.0f} rows/s of {features} features")
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), models, features)
        fleet.send(LEARNED)
        fleet.state.parts.evaluator.step(patient=False)
        fleet.evaluated.clear()
        fleet.used.clear()
        began = fleet.clock()
        fleet.run(seconds)
        lasted, windows, used = (fleet.clock() - began) / SECOND, fleet.evaluated.total(), fleet.used
        rows = models * ROWS * lasted / EVERY
        of_parts = ", ".join(f"{part} {used[part] / lasted:.2f}" for part in used)
        print(f"{used.total() / lasted:.2f} cores: {of_parts}; {1e6 * used['storing'] / rows:.0f} µs to store a row")
        print(
            f"{windows:,} windows evaluated, {1e3 * windows / rows:.1f} for 1,000 rows,"
            f" {1e3 * used['evaluating'] / max(1, windows):.1f} ms of CPU each"
        )
        for name in LENGTHS:
            lack = fleet.lacking(name)
            print(
                f"{name}: {fleet.evaluated[name]:,} evaluated, late by {fleet.late[name] / SECOND:.0f} s at most, lack"
                f" {np.median(lack):.0f} s, {max(lack):.0f} s at most; the deadline is {deadline(name) // SECOND} s"
            )
        fleet.state.finish(Deadline.after(0.0))
        fleet.state.close()


if __name__ == "__main__":
    main()

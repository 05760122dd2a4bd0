"""What a restart with many models costs, and how much of it comes before the processor is ready.

    python -m benchmarks.bench_restart [MODELS [HOURS [FEATURES]]]

Each model has a baseline, and rows of so many hours that were evaluated in windows of three lengths. Printed are the
CPU until the state is open, so that requests are accepted and pages answer, until all models are loaded, and until all
open windows are evaluated. The references are the same with a tenth of the models, and a bare read of all evaluations,
panes and baselines from the same file by DuckDB, in the same run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.deadline import Deadline
from driftline_processor.state import State

from .bench_live import LEARNED, body

MODELS, HOURS, FEATURES = 200, 6, 6

ROWS, HOUR = 20, 3_600 * 10**9

WINDOWS = ("1h", "1d", "1w")


def state_of(folder: Path, models: int, now: int) -> State:
    """Return the state of a folder at a time that stands still."""
    names = {f"m{number}": Model(windows=WINDOWS) for number in range(models)}
    return State(Config(storage=Storage(directory=folder), models=names), clock=lambda: now)


def fill(folder: Path, models: int, hours: int, features: int, end: int) -> None:
    """Store and evaluate rows of all models, hour by hour."""
    for hour in range(hours):
        now = end - (hours - hour) * HOUR
        state = state_of(folder, models, now)
        state.start_storing()
        for number in range(models):
            rows = ROWS if hour else LEARNED
            state.submit("logs", body(f"m{number}", rows, number * 10**7 + hour * LEARNED, features, now))
            if number % 100 == 0:
                state.catch_up()
        state.settle()
        state.finish(Deadline.after(600.0))
        state.close()


@contextmanager
def cpu(what: str) -> Iterator[None]:
    """Print the CPU of a block."""
    began = time.process_time()
    yield
    print(f"    {what:<64} {time.process_time() - began:7.2f} s")


def restart(folder: Path, models: int, end: int) -> None:
    """Print what a restart costs."""
    with cpu("until requests are accepted and pages answer"):
        state = state_of(folder, models, end)
    shown = len(state.snapshot.models)
    with cpu(f"until all models are loaded; {shown} were at once"):
        state.publish()
    evaluator = state.parts.evaluator
    evaluator.collect()
    with cpu(f"until {len(evaluator.waiting):,} windows are evaluated"):
        while evaluator.step(patient=False):
            pass
    with cpu("bare read of evaluations, panes and baselines by DuckDB"):
        for table in ("evaluations", "panes", "baselines"):
            state.read(f"SELECT * FROM {table}")
    state.close()


def main(arguments: list[str] | None = None) -> None:
    asked = [int(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    models, hours, features = (*asked, *(MODELS, HOURS, FEATURES)[len(asked) :])
    end = time.time_ns()
    for count in (max(1, models // 10), models):
        with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
            fill(Path(folder), count, hours, features, end)
            print(f"{count} models of {features} features, {hours} hours, windows of {', '.join(WINDOWS)}; CPU:")
            restart(Path(folder), count, end)


if __name__ == "__main__":
    main()

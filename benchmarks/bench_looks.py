"""What the look of a minute at a rolling objective costs, compared with the evaluation of the open window.

    python -m benchmarks.bench_looks

MODELS models of FEATURES features get ROWS rows a minute, whose outcomes come at once and have ten minutes to come. CPU
time of: evaluating the open hour of a model at the end of a minute (the reference of the same run), and looking at its
objective at that time. Promised: a look costs at most a third of the evaluation.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.windows.window import window_of
from driftline_processor.state import State

from tests.support.state_rows import MINUTE, Clock, Opened, outcomes, predictions

MODELS, FEATURES, ROWS, BEFORE, ROUNDS = 40, 20, 11, 75, 9
PROMISED = 1 / 3


def live(state: Opened, clock: Clock, minutes: int) -> None:
    """Send the rows and the outcomes of some minutes, of which one in thirty shows a wrong decision."""
    rng, n = np.random.default_rng(clock.now % 2**32), ROWS * minutes
    times = [clock.now + row * minutes * MINUTE // n for row in range(n)]
    ids = [f"{time}-{row}" for row, time in enumerate(times)]
    clock.now += minutes * MINUTE
    for model in range(MODELS):
        features = {f"x{at}": rng.normal(size=n).tolist() for at in range(FEATURES)}
        rows = predictions(ids, times, [0.9] * n, model=f"m{model}", features=features)
        known = outcomes(ids, [int(row % 30 > 0) for row in range(n)], clock.now, model=f"m{model}")
        state.send(rows, known)
    state.state.join_now()


def a_model(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work for each model."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / MODELS


def evaluate_hours(state: State, now: int) -> None:
    """Evaluate the open hour of each model."""
    for series in state.parts.intake.series:
        state.parts.evaluator._evaluate([(series.number, window_of("1h", now))])


def main() -> int:
    asked = Performance(objectives=(read_objective("precision >= 0.95 over rolling 1h"),))
    model = Model(windows=("1h", "1d"), outcome_delay=timedelta(minutes=10), performance=asked)
    clock = Clock()
    looks, evaluations = [], []
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        models = {f"m{number}": model for number in range(MODELS)}
        state = State(Config(storage=Storage(directory=Path(folder)), models=models), clock=clock)
        state.start_storing()
        opened = Opened(state)
        live(opened, clock, BEFORE)
        state.settle()
        for _ in range(ROUNDS):
            live(opened, clock, 1)
            with state._writing():
                state.parts.evaluator.collect()
                looks.append(a_model(partial(state.parts.evaluator._look_at_objectives, lambda: False)))
                evaluations.append(a_model(partial(evaluate_hours, state, clock.now - 1)))
        state.stop()
    look, evaluation = median(looks), median(evaluations)
    print(f"evaluating the open hour of a model with {FEATURES} features, the reference: {evaluation * 1e3:.2f} ms")
    print(f"looking at its objective: {look * 1e3:.2f} ms, {look / evaluation:.2f} x the evaluation")
    print(f"1,000 such models: {look * 1e3 / 60:.1%} of a core")
    kept = look <= PROMISED * evaluation
    print(f"promised: at most {PROMISED:.2g} x the evaluation; {'kept' if kept else 'NOT KEPT'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

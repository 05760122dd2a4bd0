"""What concept drift costs an outcome: the join with and without it, and the detectors alone.

    python -m benchmarks.bench_concept

References, in the same run: the join without detectors, and River's detector of the same name and parameters. No
promise: figures to choose detectors by.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from driftline_processor.config.model import Concept, Model
from driftline_processor.core.concept import Settings, Stream
from driftline_processor.core.concept.detectors import DETECTORS, ddm, hddm_a, kswin, page_hinkley
from driftline_processor.core.concept.stream import DELTA
from driftline_processor.state import State

from benchmarks.stopwatch import cpu_seconds
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

ROWS, STEPS = 20_000, 5
VALUES, DEAR_VALUES = 500_000, 5_000


def joined(detectors: tuple[str, ...]) -> float:
    """Return the seconds that the join of all outcomes takes."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(concept=Concept(detectors=detectors))
        clock = Clock()
        state = Opened(State(config(Path(folder), churn=model), clock=clock))
        state.state.start_storing()
        rng = np.random.default_rng(0)
        took = 0.0
        for step in range(STEPS):
            ids = [f"{step}-{number}" for number in range(ROWS)]
            state.send(predictions(ids, NOON, [0.9] * ROWS))
            state.state.join_now()
            clock.now += 10**9
            state.send(outcomes(ids, (rng.random(ROWS) < 0.8).astype(int).tolist()))
            took += cpu_seconds(state.state.join_now)
        state.state.stop()
        return took


def fed(name: str) -> tuple[float, float]:
    """Return microseconds a value, and kilobytes of state."""
    n = DEAR_VALUES if name == "kswin" else VALUES
    stream = Stream("error", Settings((name,)))
    values = (np.random.default_rng(1).random(n) < 0.2).astype(np.float64)
    at = np.arange(n)
    stream.feed(values[:100], at[:100], at[:100])
    took = cpu_seconds(lambda: stream.feed(values[100:], at[100:], at[100:]))
    return took / (n - 100) * 1e6, len(json.dumps(stream.to_json())) / 1000


def fed_river(name: str) -> float:
    """Return the microseconds that a value costs River's detector, one call a value as it offers."""
    from river import drift

    made: dict[str, Callable[..., Any]] = {
        "adwin": lambda: drift.ADWIN(delta=DELTA),  # type: ignore[no-untyped-call]
        "ddm": lambda: drift.binary.DDM(warm_start=ddm.FIRST, drift_threshold=ddm.THRESHOLD),
        "hddm_a": lambda: drift.binary.HDDMA(hddm_a.CONFIDENCE, hddm_a.CONFIDENCE, True),  # type: ignore[no-untyped-call]
        "kswin": lambda: drift.KSWIN(kswin.ALPHA, kswin.WINDOW, kswin.NEWEST, seed=1),
        "page_hinkley": lambda: drift.PageHinkley(30, page_hinkley.TOLERATED["error"], page_hinkley.THRESHOLD["error"]),
    }
    n = DEAR_VALUES // 2 if name == "kswin" else VALUES // 5
    values, detector = (np.random.default_rng(1).random(n) < 0.2).astype(np.float64).tolist(), made[name]()

    def feed() -> None:
        for value in values:
            detector.update(value)

    return cpu_seconds(feed) / n * 1e6


def main() -> None:
    """Print ratios."""
    joined(("adwin",))  # imports
    without, watched = joined(()), joined(("adwin",))
    outcome = 1e6 / (ROWS * STEPS)
    print(f"join of an outcome                  {without * outcome:8.2f} µs      1.00")
    print(f"with ADWIN                          {watched * outcome:8.2f} µs  {watched / without:8.2f}")
    for name in DETECTORS:
        (took, size), theirs = fed(name), fed_river(name)
        print(
            f"a value, {name:<27}{took:8.3f} µs {size:6.1f} kB of state  {took / theirs:6.3f}x River's {theirs:.3f} µs"
        )


if __name__ == "__main__":
    main()

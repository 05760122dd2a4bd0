"""What concept drift costs an outcome: the join with and without it, and the detector alone.

    python -m benchmarks.bench_concept

References, in the same run: the join without the detector, and River's ADWIN.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from driftline_processor.config.model import Concept, Model
from driftline_processor.core.concept.adwin import DELTA
from driftline_processor.core.concept.stream import Stream, encode_stream
from driftline_processor.state import State

from benchmarks.stopwatch import cpu_seconds
from tests.support.state_rows import NOON, Clock, Opened, config, outcomes, predictions

ROWS, STEPS = 20_000, 5
VALUES = 500_000


def joined(enabled: bool) -> float:
    """Return the seconds that the join of all outcomes takes."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(concept=Concept(enabled=enabled))
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


def fed() -> tuple[float, float]:
    """Return microseconds per value, and kilobytes of state."""
    stream = Stream("error")
    values = (np.random.default_rng(1).random(VALUES) < 0.2).astype(np.float64)
    at = np.arange(VALUES)
    stream.feed(values[:100], at[:100], at[:100])
    took = cpu_seconds(lambda: stream.feed(values[100:], at[100:], at[100:]))
    return took / (VALUES - 100) * 1e6, len(encode_stream(stream)) / 1000


def fed_river() -> float:
    """Return the microseconds that a value costs River's ADWIN, one call per value as it offers."""
    from river import drift

    n = VALUES // 5
    values = (np.random.default_rng(1).random(n) < 0.2).astype(np.float64).tolist()
    detector = drift.ADWIN(delta=DELTA)  # type: ignore[no-untyped-call]

    def feed() -> None:
        for value in values:
            detector.update(value)  # type: ignore[no-untyped-call]

    return cpu_seconds(feed) / n * 1e6


def main() -> None:
    """Print ratios."""
    joined(True)  # imports
    without, with_detector = joined(False), joined(True)
    outcome = 1e6 / (ROWS * STEPS)
    print(f"join of an outcome                  {without * outcome:8.2f} µs      1.00")
    print(f"with the detector                   {with_detector * outcome:8.2f} µs  {with_detector / without:8.2f}")
    (took, size), river = fed(), fed_river()
    print(f"a value                             {took:8.3f} µs {size:6.1f} kB of state  {took / river:6.3f}x River's")


if __name__ == "__main__":
    main()

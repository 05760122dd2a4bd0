"""What the search for a slice that became worse adds to the evaluation of a window of a running processor.

    python -m benchmarks.bench_slice_change [DAYS]

A model of 20 features sends 2,000 rows with their outcomes each day, and has windows of an hour and of a day. The
reference is the same evaluations with a baseline without the section of losses. Promised: at most 1.3 times the CPU.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import Column, ModelKey, OutcomeTable, PredictionTable, Text
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.config.values import Keep
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.transaction import Request
from driftline_processor.state import State

FEATURES, ROWS, DAYS, REFERENCE_DAYS, PROMISED = 20, 2_000, 14, 21, 1.3
START = 20_000 * DAY
BINARY = Task("binary", ("0", "1"), "1")


def columns(days: int, seed: int) -> dict[str, np.ndarray]:
    """Return features, score, label and time of the rows of some days."""
    rng, n = np.random.default_rng(seed), days * ROWS
    found = {f"x{at}": rng.normal(size=n) for at in range(FEATURES)}
    found["score"] = 1 / (1 + np.exp(-found["x0"] - found["x1"]))
    found["label"] = (rng.random(n) < found["score"]).astype(np.float64)
    found["time"] = np.sort(rng.integers(0, days * DAY, n))
    return found


def request(day: int) -> Request:
    """Return the predictions and outcomes of a day."""
    rows, start = columns(1, day), START + day * DAY
    ids = [f"{day}-{row}".encode() for row in range(ROWS)]
    id = Text(np.cumsum([0, *map(len, ids)]).astype(np.int32), b"".join(ids))
    features = {f"x{at}": Column(rows[f"x{at}"]) for at in range(FEATURES)}
    scores, moments = rows["score"][:, np.newaxis], start + rows["time"]
    predictions = PredictionTable(ModelKey("m", "1"), BINARY, moments, id, scores=scores, features=features)
    unknown = np.full(ROWS, np.nan)
    outcomes = OutcomeTable("m", None, id, Column(rows["label"]), moments + 1, moments, unknown)
    return Request(digest_of(f"{day}".encode()), [predictions], [f"batch-{day}"], [outcomes])


def milliseconds(baseline: Baseline, days: int) -> float:
    """Return the CPU time of evaluating a window, milliseconds."""
    windows, now = 0, START
    put = EvaluationStore.put

    def counted(store: EvaluationStore, series: int, evaluation: Evaluation) -> None:
        nonlocal windows
        windows += 1
        put(store, series, evaluation)

    EvaluationStore.put = counted  # type: ignore[method-assign, assignment]
    model = Model(windows=("1h", "1d"), keep_features=Keep(None), outcome_delay=timedelta(0))
    with tempfile.TemporaryDirectory() as folder:
        state = State(Config(storage=Storage(directory=Path(folder)), models={"m": model}), clock=lambda: now)
        state.start_storing()
        state.offer(Request(b"0" * 16, baselines=[baseline.to_json()])).result()
        took = 0.0
        for day in range(days):
            now = START + (day + 1) * DAY + DAY // 24
            state.offer(request(day)).result()
            while state.parts.join.step():
                pass
            began = time.process_time()
            while state.parts.evaluator.step(patient=False):
                pass
            took += time.process_time() - began
        state.stop()
    EvaluationStore.put = put  # type: ignore[method-assign]
    return took / windows * 1e3


def main(arguments: list[str]) -> int:
    """Print the CPU of a window with and without the search, and their ratio."""
    days = int(arguments[0]) if arguments else DAYS
    rows = columns(REFERENCE_DAYS, 999)
    features = {name: values for name, values in rows.items() if name.startswith("x")}
    baseline = Baseline.from_frame(
        features, score=rows["score"], actual=rows["label"], positive_class=1.0, model="m", version="1", task="binary",
        time=(START - REFERENCE_DAYS * DAY + rows["time"]).astype("datetime64[ns]"),
    )  # fmt: skip
    without = replace(baseline, extras=replace(baseline.extras, losses=None))
    took = [min(milliseconds(one, days) for _ in range(2)) for one in (baseline, without)]
    ratio = took[0] / took[1]
    print(f"{FEATURES} features, {ROWS:,} rows a day: {took[0]:.1f} ms of CPU a window, {took[1]:.1f} ms without")
    print(f"{ratio:.2f} times (promised: at most {PROMISED})")
    return int(ratio > PROMISED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

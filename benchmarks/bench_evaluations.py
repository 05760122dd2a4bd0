"""What it costs to keep an evaluation, beside JSON of the same in the same run.

    python -m benchmarks.bench_evaluations

WINDOWS quiet windows of FEATURES features with one reference, judged from rows. CPU time and bytes of: writing each
as bytes, reading its head and all of it, and storing it (following the windows before, DuckDB and fsync included). The
reference is ``json.dumps`` and ``json.loads`` of the same objects. Promised: 4 kB for a window of 20 features, and
0.4 of the reference's CPU for writing.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.evaluation.evaluation_codec import (
    Dictionary,
    decode_evaluation,
    decode_head,
    encode_evaluation,
)
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.store.database import Store
from msgspec import to_builtins

from benchmarks.stopwatch import cpu_seconds

WINDOWS, FEATURES, ROWS, ROUNDS = 100, (20, 200), 2_000, 7
PROMISED_BYTES, PROMISED_SHARE = 4_096, 0.4
KEY = ModelKey("wide", "1")


def frame(n: int, features: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"x{at}": rng.normal(size=n) for at in range(features)} | {"score": rng.random(n)}


def judged(baseline: Baseline, features: int, at: int) -> Evaluation:
    """Judge one quiet day."""
    table, *_ = table_from_frame(frame(ROWS, features, at), score="score", model="wide", task="binary")
    window = ModelWindow(KEY, Window("1d", at * DAY, (at + 1) * DAY), fold(table, baseline.bins))
    return judge_window(window, Reference(baseline))


def per_window(job: Callable[[], object]) -> float:
    """Return the CPU time of a job over all windows, milliseconds a window."""
    return cpu_seconds(job, ROUNDS) / WINDOWS * 1e3


def text_of(evaluation: Evaluation) -> str:
    return json.dumps(to_builtins(evaluation, enc_hook=lambda value: value.tolist()), separators=(",", ":"))


def stored(days: list[Evaluation]) -> float:
    """Return the CPU time of storing all windows at once, milliseconds a window."""
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as directory:
        store = Store(Path(directory))
        evaluations = EvaluationStore(store.connect(), lambda: (WINDOWS + 1) * DAY)
        began = time.process_time()
        for day in days:
            evaluations.put(1, day)
        evaluations.write(patient=False)
        took = time.process_time() - began
        store.close()
    return took / WINDOWS * 1e3


def compared(features: int) -> tuple[float, float]:
    """Print the costs of windows of so many features; return bytes, and writing beside JSON."""
    baseline = Baseline.from_frame(
        frame(20_000, features, 999), score="score", model="wide", version="1", task="binary"
    )
    days = [judged(baseline, features, at) for at in range(WINDOWS)]
    dictionary = Dictionary(encode_evaluation(days[0]))
    compress, expand = dictionary.compress, dictionary.decompress
    blobs, texts = [compress(encode_evaluation(day)) for day in days], [text_of(day) for day in days]
    size = statistics.mean(map(len, blobs)) + len(dictionary.pack()) / WINDOWS
    whole = statistics.mean(map(len, texts))
    write, read = per_window(lambda: list(map(text_of, days))), per_window(lambda: list(map(json.loads, texts)))
    costs = {
        "writing": (per_window(lambda: [compress(encode_evaluation(day)) for day in days]), write),
        "reading the head": (per_window(lambda: [decode_head(expand(blob)) for blob in blobs]), read),
        "reading all of it": (per_window(lambda: [decode_evaluation(expand(blob)) for blob in blobs]), read),
        "followed and stored": (min(stored(days) for _ in range(ROUNDS)), write),
    }
    print(f"{features} features: {size:,.0f} bytes a window, its part of the dictionary included; JSON {whole:,.0f}")
    for what, (own, reference) in costs.items():
        print(f"    {what:<22} {own:7.3f} ms   {own / reference:6.3f} x JSON ({reference:.2f} ms)")
    return size, costs["writing"][0] / write


def main() -> int:
    """Print all figures; return 1 where a promise is not kept."""
    size, share = next(iter([compared(features) for features in FEATURES]))
    kept = size <= PROMISED_BYTES and share <= PROMISED_SHARE
    print(f"promised: at most {PROMISED_BYTES:,} bytes, {PROMISED_SHARE:g} x JSON; {'kept' if kept else 'NOT KEPT'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

"""How many model × feature pairs a core re-scores in a second, against bare numpy over the same counts.

    python -m benchmarks.bench_rescore

CPU time of the thread. A pair is a feature of a window, from its pane to its state: every default method, the exact
p-value, the correction, what is drawn. Bare numpy: cumulative sums and the greatest difference, and the sum of PSI over
deciles, for the features of one model at once. Promised: 10,000 pairs a second.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline_processor.core.drift.method_choice import Choice, Choices
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.rule import drift

from benchmarks.stopwatch import cpu_seconds

MODELS, ROUNDS = 10, 5
REFERENCE_ROWS, ROWS = 20_000, 2_000
PROMISED = 10_000


def rows(n: int, seed: int, numbers: int, categories: int, moved: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    frame = {f"x{at}": rng.normal(0.3 if at < moved else 0, 1, n) for at in range(numbers)}
    labels = np.array(["a", "b", "c", "d", "e"])
    texts = {f"c{at}": labels[rng.choice(5, n, p=[0.4, 0.3, 0.2, 0.07, 0.03])] for at in range(categories)}
    return frame | texts | {"score": rng.random(n)}


def model(seed: int, numbers: int, categories: int, moved: int) -> tuple[Baseline, Pane]:
    reference = rows(REFERENCE_ROWS, seed, numbers, categories)
    baseline = Baseline.from_frame(reference, score="score", model="m", task="binary")
    table, *_ = table_from_frame(
        rows(ROWS, seed + 1, numbers, categories, moved), score="score", model="m", task="binary"
    )
    return baseline, fold(table, baseline.bins)


def stacked(pane: Pane, numbers: int) -> F64:
    return np.stack([pane.parts[f"feature:x{at}"][:102] for at in range(numbers)])


def bare(pairs: list[tuple[F64, F64]]) -> None:
    for reference, current in pairs:
        was, now = reference / reference.sum(axis=1, keepdims=True), current / current.sum(axis=1, keepdims=True)
        np.abs(np.cumsum(was, axis=1) - np.cumsum(now, axis=1)).max(axis=1)
        p, q = was[:, :100].reshape(len(was), 10, 10).sum(axis=2), now[:, :100].reshape(len(was), 10, 10).sum(axis=2)
        ((q - p) * np.log((q + 1e-9) / (p + 1e-9))).sum(axis=1)


def score(known: list[tuple[Baseline, Pane]], choices: Choices | None = None) -> None:
    for baseline, pane in known:
        drift(pane, baseline, choices=choices)


def main() -> int:
    every = Choices(Choice(additional=tuple(METHODS)))
    kept = True
    for name, numbers, categories, moved in (
        ("20 numbers", 20, 0, 0),
        ("15 numbers, 5 categories", 15, 5, 0),
        ("15 numbers, 5 categories, 3 moved", 15, 5, 3),
        ("200 numbers", 200, 0, 0),
    ):
        models = max(1, MODELS * 20 // (numbers + categories))
        known = [model(seed * 2, numbers, categories, moved) for seed in range(models)]
        pairs = [(stacked(baseline.pane, numbers), stacked(current, numbers)) for baseline, current in known]
        count = models * (numbers + categories)

        reference = cpu_seconds(partial(bare, pairs), ROUNDS)
        default, all_of_them = (
            cpu_seconds(partial(score, known), ROUNDS),
            cpu_seconds(partial(score, known, every), ROUNDS),
        )
        rate = count / default
        kept &= rate >= PROMISED
        print(
            f"{name:<34} {rate:9,.0f} pairs/s   {default / reference:5.1f} x bare numpy   "
            f"all {len(METHODS)} methods: {count / all_of_them:9,.0f} pairs/s"
        )
    print(f"{PROMISED:,} pairs a second promised: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a search for weak slices costs beside grouping the same rows by every pair of features with pandas.

    python -m benchmarks.bench_weak

Reference: pandas, in the same run. No promise: a figure beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from driftline.panes.bins import Bins, Index, assign, number_bins
from driftline.tables.table import Column
from driftline_processor.core.weak_slices.search import weak_slices

ROWS, FEATURES, CELLS = 20_000, 20, 10
HOUR = 3_600 * 10**9


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the quickest of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    """Print both, and their ratio."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(FEATURES, ROWS))
    features: dict[str, tuple[Bins, Index]] = {}
    for at, own in enumerate(values):
        bins = number_bins(own)
        features[f"x{at}"] = (bins, assign(bins, Column(numbers=own)))
    loss = (rng.random(ROWS) < 0.15).astype(np.float64)
    frame = pd.DataFrame({name: codes * CELLS // bins.size for name, (bins, codes) in features.items()})
    frame["loss"] = loss

    def grouped() -> None:
        for one, other in combinations(features, 2):
            frame.groupby([one, other])["loss"].agg(["count", "mean"])

    own = seconds(lambda: weak_slices(features, {"error": loss}, time=np.arange(ROWS) * HOUR))
    theirs = seconds(grouped)
    print(f"{ROWS:,} rows, {FEATURES} features, {FEATURES * (FEATURES - 1) // 2} pairs of {CELLS} × {CELLS} cells")
    print(f"weak slices, 55 × 55 ranges of a pair: {own:.3f} CPU s; pandas, the cells alone: {theirs:.3f} CPU s")
    print(f"ratio {theirs / own:.1f}")


if __name__ == "__main__":
    main()

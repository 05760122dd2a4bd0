"""What the sums of rankings cost a list, beside scikit-learn's NDCG on the same lists.

python -m tests.benchmarks.bench_ranking
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from driftline.relevance import CUTOFFS, Relevance, fold_relevance
from driftline.tables import F64
from sklearn.metrics import ndcg_score

LISTS, ITEMS, PANES = 200_000, 20, 288


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print microseconds a list at three cutoffs, and the ratio to scikit-learn at one."""
    for share in (0.01, 0.3):
        ours, over_panes, theirs = timed(share)
        print(
            f"{share:.0%} of {ITEMS} items relevant: {ours / LISTS * 1e6:.2f} µs a list at {len(CUTOFFS)} cutoffs, "
            f"{over_panes / LISTS * 1e6:.2f} µs over {PANES} panes; scikit-learn's NDCG at one: "
            f"{theirs / LISTS * 1e6:.2f} µs, {theirs / ours:.1f} times as long"
        )


def timed(share: float) -> tuple[float, float, float]:
    """Return the seconds for all lists: into one pane, into many, and scikit-learn's."""
    rng = np.random.default_rng(0)
    falling = np.tile(-np.arange(float(ITEMS)), (LISTS, 1))
    group = rng.integers(0, PANES, LISTS)
    gains = (rng.random((LISTS, ITEMS)) < share).astype(np.float64)
    offsets, nothing = np.arange(0, LISTS * ITEMS + 1, ITEMS), np.zeros(LISTS + 1, np.int64)
    clicked: F64 = np.asarray(gains.any(axis=1), np.float64)
    relevance = Relevance(clicked, np.ones(LISTS, np.bool_), offsets, gains.reshape(-1), nothing, np.zeros(0))
    fold_relevance(relevance)
    return (
        min(cpu(lambda: fold_relevance(relevance)) for _ in range(3)),
        min(cpu(lambda: fold_relevance(relevance, None, CUTOFFS, group, PANES)) for _ in range(3)),
        cpu(lambda: ndcg_score(gains, falling, k=10, ignore_ties=True)),
    )


if __name__ == "__main__":
    main()

"""What the sums of rankings cost a list, beside scikit-learn's NDCG on the same lists; and clicks in the join.

    python -m benchmarks.bench_ranking

No promise: a figure beside the reference.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from driftline.panes.relevance import CUTOFFS, Relevance, fold_relevance
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64
from driftline.tables.task import Task
from driftline_processor.state import State
from sklearn.metrics import ndcg_score

from benchmarks.stopwatch import cpu_seconds
from tests.support.state_rows import BINARY, HOUR, NOON, Clock, Opened, config, outcomes, predictions, text

LISTS, ITEMS, PANES = 200_000, 20, 288
JOINED = 30_000


def main() -> None:
    """Print microseconds a list at three cutoffs, and the ratio to scikit-learn at one."""
    for share in (0.01, 0.3):
        ours, over_panes, theirs = timed(share)
        print(
            f"{share:.0%} of {ITEMS} items relevant: {ours / LISTS * 1e6:.2f} µs a list at {len(CUTOFFS)} cutoffs, "
            f"{over_panes / LISTS * 1e6:.2f} µs over {PANES} panes; scikit-learn's NDCG at one: "
            f"{theirs / LISTS * 1e6:.2f} µs, {theirs / ours:.1f} times as long"
        )
    clicks, labels = joined(ranking=True), joined(ranking=False)
    print(
        f"{1 / clicks:,.0f} clicks joined a CPU-second, three on each list of {ITEMS}; {1 / labels:,.0f} labels of a "
        f"binary model: a click costs {clicks / labels:.1f} times as much"
    )


def joined(*, ranking: bool) -> float:
    """Return the CPU seconds for each outcome that the join takes; three clicks on each list."""
    rng, n = np.random.default_rng(0), JOINED
    with tempfile.TemporaryDirectory() as folder:
        state = Opened(State(config(Path(folder)), clock=Clock()))
        state.state.start_storing()
        ids = [f"{number}" for number in range(n)]
        table = predictions(ids, NOON, [0.5] * n, model="feed", task=Task("ranking") if ranking else BINARY)
        if ranking:
            shown = [tuple(f"p{item}" for item in rng.permutation(500)[:ITEMS]) for _ in range(n)]
            table = replace(table, items=items_of([(one, None) for one in shown]))
        state.send(table)
        state.state.join_now()
        for part in range(3 if ranking else 1):
            said = outcomes(ids, [1] * n, NOON + HOUR + part, model="feed")
            if ranking:
                said = replace(said, item=text([one[part % ITEMS] for one in shown]))
            state.send(said)
        took = cpu_seconds(state.state.join_now)
        state.state.stop()
    return took / (n * (3 if ranking else 1))


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
        min(cpu_seconds(lambda: fold_relevance(relevance)) for _ in range(3)),
        min(cpu_seconds(lambda: fold_relevance(relevance, None, CUTOFFS, group, PANES)) for _ in range(3)),
        cpu_seconds(lambda: ndcg_score(gains, falling, k=10, ignore_ties=True)),
    )


if __name__ == "__main__":
    main()

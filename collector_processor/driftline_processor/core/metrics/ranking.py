"""Metrics of a ranking, from the sums of its lists; the definitions are in :mod:`driftline.panes.relevance`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.relevance import CLICKS, OF_ALL, OF_RELEVANT, PREFIX, WIDTH
from driftline.tables.table import F64

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.outcomes.sums import ratio

NAMES = {
    "hit": "hit_rate",
    "precision": "precision",
    "recall": "recall",
    "ndcg": "ndcg",
    "reciprocal_rank": "mrr",
    "average_precision": "map",
}


class Mean(NamedTuple):
    """The sums behind a metric that is a mean over lists: lists, Σw, Σw², Σwx, Σw²x, Σw²x²."""

    lists: int
    weight: float
    squared: float
    total: float
    weighted: float
    spread: float


def from_pane(pane: Pane) -> dict[str, Metric]:
    """Return ctr, and hit_rate@K, precision@K, recall@K, ndcg@K, mrr@K and map@K for each cutoff; exact.

    ctr: the share of lists of which anything was clicked (or otherwise relevant), of those of which it is known.
    ``rows`` of recall, ndcg, mrr and map are the lists of which something was relevant: without, they are not defined.

    >>> from driftline.panes.relevance import fold_relevance, relevance_of
    >>> parts = fold_relevance(relevance_of([[0.0, 1.0], [0.0]]), cutoffs=(2,))
    >>> found = from_pane(Pane({name: sums[0] for name, sums in parts.items()}))
    >>> found["ctr"].value, found["mrr@2"].value, found["mrr@2"].rows
    (0.5, 0.5, 1)
    """
    return {name: Metric(ratio(mean.total, mean.weight), mean.lists, "panes") for name, mean in means(pane).items()}


def means(pane: Pane) -> dict[str, Mean]:
    """Return the sums behind every metric of :func:`from_pane`: what its uncertainty is made from."""
    known = pane.parts.get("outcomes")
    if known is None:
        return {}
    rows, weight, squared = known.tolist()
    clicked, clicked_squared = pane.parts.get("clicks", np.zeros(CLICKS)).tolist()  # a store keeps no zeros
    found = {"ctr": Mean(int(rows), weight, squared, clicked, clicked_squared, clicked_squared)}
    for cutoff, sums in sorted(_by_cutoff(pane).items()):
        heads = (sums[:3].tolist(), sums[3:6].tolist())
        for at, name in enumerate((*OF_ALL, *OF_RELEVANT)):
            lists, weight, squared = heads[at >= len(OF_ALL)]
            total, weighted, spread = sums[6 + 3 * at : 9 + 3 * at].tolist()
            found[f"{NAMES[name]}@{cutoff}"] = Mean(int(lists), weight, squared, total, weighted, spread)
    return found


def _by_cutoff(pane: Pane) -> dict[int, F64]:
    parts = ((name.removeprefix(PREFIX), sums) for name, sums in pane.parts.items() if name.startswith(PREFIX))
    return {int(cutoff): sums for cutoff, sums in parts if cutoff.isdigit() and len(sums) == WIDTH}

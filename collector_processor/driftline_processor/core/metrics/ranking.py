"""Values and intervals of means over ranked lists; the definitions are in :mod:`driftline.panes.relevance`."""

from __future__ import annotations

import numpy as np

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import WeightSums, logit
from driftline_processor.core.intervals.gradients import LossMean, Ratio, loss_mean
from driftline_processor.core.outcomes.sums import ratio

from .metric import RANKING, IntervalOfValue, Metric, Value
from .name_grammar import Name, name_with_number
from .performance_sums import IntervalAndRows, PerformanceSums


def value_over_lists(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the weighted mean over the lists for which it is defined; None for a cutoff that is not stored."""
    mean = sums.lists.get(_key(name))
    return None if mean is None else MetricValue(ratio(mean.total, mean.weight), mean.lists, "panes")


def interval_over_lists(sums: PerformanceSums, name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of a mean over lists that is at most 1, if hits and misses both suffice."""
    own, found = sums.lists.get(_key(name)), _mean(sums, _key(name))
    if own is None or found is None:
        return None
    lost = (own.weight - own.total) ** 2, own.squared - 2 * own.weighted + own.squares
    return sums.mean_interval(found._replace(telling=min(found.telling, lost[0] / max(lost[1], 1e-300))), logit)


def share_interval_of_lists(sums: PerformanceSums, name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of a fraction of lists, where each list is a hit or a miss."""
    own, found = sums.lists.get(_key(name)), _mean(sums, _key(name))
    if own is None or found is None:
        return None
    each = own.squared / own.weight
    hits = WeightSums(own.total, own.weighted, each)
    misses = WeightSums(own.weight - own.total, own.squared - own.weighted, each)
    return sums.share_interval(Ratio(hits, misses, found.influence))


def _mean(sums: PerformanceSums, key: str) -> LossMean | None:
    return sums.cached(("lists", key), lambda: _mean_of_lists(sums, key))


def _mean_of_lists(sums: PerformanceSums, key: str) -> LossMean | None:
    own = sums.lists.get(key)
    if own is None:
        return None
    of_blocks = [lists_of_block[key] for lists_of_block in sums.lists_of_blocks if key in lists_of_block]
    blocks = np.array([(of_block.weight, of_block.total) for of_block in of_blocks]).reshape(-1, 2)
    squares = np.array([of_block.squared for of_block in of_blocks])
    own_squares = (own.squared, own.weighted, own.squares)
    return loss_mean(own.weight, own.total, own_squares, blocks, squares, own.total)


def for_rankings_too(of_classes: tuple[Value, IntervalOfValue]) -> tuple[Value, IntervalOfValue]:
    """Return value and interval of a metric that classes and ranked lists share under one name, such as precision."""
    value_of, interval_of = of_classes

    def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
        return (value_over_lists if sums.task.ranks_items else value_of)(sums, name)

    def interval(sums: PerformanceSums, name: Name, value: float) -> IntervalAndRows | None:
        return (interval_over_lists if sums.task.ranks_items else interval_of)(sums, name, value)

    return value, interval


def _key(name: Name) -> str:
    return name.base if name.at is None else name_with_number(name.base, name.at)


def _of_lists(name: str, title: str, source: str, rank: int, *, share: bool = False) -> Metric:
    """Return a metric of ranked lists; ``share``: a fraction of lists, each of which is a hit or a miss."""
    return Metric(
        name=name,
        title=title,
        tasks=RANKING,
        direction=1,
        unit="fraction" if share else "score",
        maximum=1.0,
        source=source,
        value=value_over_lists,
        interval=share_interval_of_lists if share else interval_over_lists,
        share_of_rows=share,
        rank=rank,
    )


_OF_LISTS = "the weighted share of lists"
_MANNING = "Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), section 8.4"

METRICS = (
    # The fraction of lists with at least one click.
    _of_lists("ctr", "click rate", _OF_LISTS, 300, share=True),
    # The fraction of lists with a relevant item among the first K.
    _of_lists("hit_rate", "hit rate", _OF_LISTS, 310, share=True),
    # The discounted gain of the first K items divided by that of the ideal order.
    _of_lists("ndcg", "NDCG", "Järvelin and Kekäläinen (2002), with linear gains, as scikit-learn, ndcg_score", 340),
    # The mean reciprocal rank of the first relevant item among the first K.
    _of_lists("mrr", "MRR", "Voorhees, The TREC-8 question answering track report (1999)", 350),
    # The mean over lists of the average precision of the first K items.
    _of_lists("map", "MAP", _MANNING, 360),
)

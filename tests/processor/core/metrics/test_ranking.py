"""Ranking metrics from sums: scikit-learn's NDCG, and every definition written out list by list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.panes.pane import Pane, merge
from driftline.panes.relevance import CUTOFFS, WIDTH, fold_relevance, relevance_of, take_rankings
from driftline.tables.task import Task
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.outcomes.sums import list_means
from driftline_processor.core.performance.realized import realized
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

Gains = list[float]


def pane(gains: list[Gains | None], missed: list[Gains] | None = None, **said: Any) -> Pane:
    clicked = said.pop("clicked", None)
    parts = fold_relevance(relevance_of(gains, missed, clicked), **said)
    return Pane({name: sums[0] for name, sums in parts.items()})


def of_lists(sums: Pane) -> dict[str, MetricValue]:
    return realized(sums, Task("ranking"))


def by_hand(gains: Gains, missed: Gains, k: int) -> dict[str, float | None]:
    """One list, as the definitions read; None where it has none."""
    relevant = [gain > 0 for gain in gains]
    total = sum(relevant) + sum(gain > 0 for gain in missed)
    hits = [rank for rank, is_relevant in enumerate(relevant[:k], 1) if is_relevant]
    found: dict[str, float | None] = {"hit_rate": float(bool(hits)), "precision": len(hits) / k}
    if not total:
        return found | dict.fromkeys(("recall", "ndcg", "mrr", "map"))
    best = sorted([gain for gain in gains + missed if gain > 0], reverse=True)[:k]
    dcg = sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains[:k], 1) if gain > 0)
    return found | {
        "recall": len(hits) / total,
        "ndcg": dcg / sum(gain / np.log2(rank + 1) for rank, gain in enumerate(best, 1)),
        "mrr": 1 / hits[0] if hits else 0.0,
        "map": sum(number / rank for number, rank in enumerate(hits, 1)) / min(total, k),
    }


def mean_by_hand(lists: list[tuple[Gains, Gains]], weight: list[float], k: int) -> dict[str, float | None]:
    rows = [by_hand(gains, missed, k) for gains, missed in lists]
    found: dict[str, float | None] = {}
    for name in ("hit_rate", "precision", "recall", "ndcg", "mrr", "map"):
        known = [(x, w) for row, w in zip(rows, weight, strict=True) if (x := row[name]) is not None]
        total = sum(w for _, w in known)
        found[f"{name}@{k}"] = sum(value * w for value, w in known) / total if total else None
    return found


def test_ndcg_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    gains = rng.poisson(0.5, (400, 25)).astype(float)
    gains[:, 20:] *= rng.random((400, 5)) < 0.5
    falling = np.tile(-np.arange(25.0), (400, 1))
    weight = rng.uniform(0.1, 5, 400)
    found = of_lists(pane([row[:20].tolist() for row in gains], [row[20:].tolist() for row in gains], weight=weight))
    some = gains.any(axis=1)
    for k in CUTOFFS:
        expected = metrics.ndcg_score(gains[some], falling[some], k=k, sample_weight=weight[some])
        assert found[f"ndcg@{k}"].value == pytest.approx(expected, rel=1e-9)
        assert found[f"ndcg@{k}"].rows == some.sum()


@pytest.mark.slow
def test_average_precision_is_that_of_scikit_learn_where_the_cutoff_holds_the_list() -> None:
    rng = np.random.default_rng(2)
    relevant = (rng.random((200, 12)) < 0.3).astype(float)
    relevant = relevant[relevant.any(axis=1)]
    falling = -np.arange(12.0)
    found = of_lists(pane(relevant.tolist(), cutoffs=(12,)))
    expected = [metrics.average_precision_score(row, falling) for row in relevant]
    assert found["map@12"].value == pytest.approx(np.mean(expected), rel=1e-9)
    label_ranking = metrics.label_ranking_average_precision_score(relevant, np.tile(falling, (len(relevant), 1)))
    assert found["map@12"].value == pytest.approx(label_ranking, rel=1e-9)


GAINS = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.5, 3.0, -1.0, float("nan")]), max_size=15)
LISTS = st.lists(
    st.tuples(GAINS, st.lists(st.sampled_from([0.0, 1.0, 4.0]), max_size=4), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=12,
)


@pytest.mark.slow
@given(LISTS, st.sampled_from([1, 2, 3, 5, 10, 40]))
def test_every_metric_is_its_definition_list_by_list(lists: list[tuple[Gains, Gains, float]], k: int) -> None:
    gains, missed, weight = [list(one) for one in zip(*lists, strict=True)] if lists else ([], [], [])
    found = of_lists(pane(gains, missed, weight=np.array(weight), cutoffs=(k,)))
    if not lists:
        assert found == {}
        return
    expected = mean_by_hand(list(zip(gains, missed, strict=True)), weight, k)
    metrics_found = {name: metric.value for name, metric in found.items() if name != "ctr"}
    assert metrics_found.keys() == expected.keys()
    for name, value in expected.items():
        assert metrics_found[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), name
    clicked = [w for one, w in zip(gains, weight, strict=True) if any(gain > 0 for gain in one)]
    if weight:
        assert found["ctr"].value == pytest.approx(sum(clicked) / sum(weight))


@pytest.mark.slow
@given(LISTS, st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_groups_are_folded_as_if_each_were_alone_and_add_up_to_all(
    lists: list[tuple[Gains, Gains, float]], groups: list[int]
) -> None:
    relevance = relevance_of([one[0] for one in lists], [one[1] for one in lists])
    weight, group = np.array([one[2] for one in lists]), np.array(groups[: len(lists)], np.int64)
    together = fold_relevance(relevance, weight, (1, 3), group, 3)
    whole = fold_relevance(relevance, weight, (1, 3))
    for at in range(3):
        rows = np.flatnonzero(group == at)
        alone = fold_relevance(take_rankings(relevance, rows), weight[rows], (1, 3))
        for part, sums in alone.items():
            np.testing.assert_allclose(together[part][at], sums[0], rtol=1e-12)
    for part, sums in whole.items():
        np.testing.assert_allclose(together[part].sum(axis=0), sums[0], rtol=1e-12)


def test_sums_of_squares_are_those_of_the_lists() -> None:
    gains: list[Gains | None] = [[0, 1], [1, 1], [0, 0]]
    weight = np.array([2.0, 3.0, 5.0])
    found = list_means(pane(gains, weight=weight, cutoffs=(2,)))
    precision = np.array([0.5, 1.0, 0.0])
    mean = found["precision@2"]
    assert (mean.lists, mean.weight, mean.squared) == (3, 10, 38)
    assert mean.total == weight @ precision
    assert mean.weighted == weight**2 @ precision
    assert mean.squares == weight**2 @ precision**2
    assert found["recall@2"][:3] == (2, 5, 13)
    assert found["ctr"] == (3, 10, 38, 5, 13, 13)


def test_a_list_that_was_clicked_nobody_knows_where_counts_for_the_click_rate_alone() -> None:
    found = of_lists(pane([None, [0, 1], [0]], clicked=[1, 1, 0], cutoffs=(2,)))
    assert (found["ctr"].value, found["ctr"].rows) == (2 / 3, 3)
    assert (found["hit_rate@2"].value, found["hit_rate@2"].rows) == (0.5, 2)


def test_lists_of_which_nothing_is_relevant_have_no_recall() -> None:
    found = of_lists(pane([[0, 0], []], cutoffs=(1,)))
    assert {name: metric.value for name, metric in found.items()} == {
        "ctr": 0.0,
        "hit_rate@1": 0.0,
        "precision@1": 0.0,
        "recall@1": None,
        "ndcg@1": None,
        "mrr@1": None,
        "map@1": None,
    }
    assert found["ctr"].rows == 2
    assert found["recall@1"].rows == 0


def test_a_list_of_which_nobody_said_anything_counts_nowhere() -> None:
    found = of_lists(pane([None, [1.0]]))
    assert found["ctr"].rows == found["hit_rate@1"].rows == 1
    assert of_lists(Pane()) == {}


def test_an_absurd_gain_leaves_the_sums_finite() -> None:
    found = of_lists(pane([[1e308, 1e308], [0, 1e308]]))
    assert found["ndcg@5"].value == pytest.approx((1 + 1 / np.log2(3)) / 2)


def test_panes_of_other_cutoffs_merge_into_what_each_knows() -> None:
    found = of_lists(merge([pane([[1.0]], cutoffs=(1,)), pane([[0.0, 1.0]], cutoffs=(1, 2))]))
    assert (found["hit_rate@1"].value, found["hit_rate@1"].rows) == (0.5, 2)
    assert found["hit_rate@2"].rows == 1
    assert len(pane([[1.0]]).parts["ranking@5"]) == WIDTH

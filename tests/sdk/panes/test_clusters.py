"""Counts by group of clusters: additive, the same everywhere, and of nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from driftline.inputs.dataframes import column_of
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.fold import CELLS, GROUPS, WIDTH, by_group, cells, fold, fold_by, groups_of
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import merge
from driftline.tables.table import Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task

BINS = ModelBins(
    {"age": NumberBins(np.arange(20.0)), "plan": CategoryBins(("a", "b"))}, score=NumberBins(np.array([0.5]))
)


def table(n: int, seed: int = 0, weight: bool = False) -> PredictionTable:
    rng = np.random.default_rng(seed)
    return PredictionTable(
        ModelKey("m"),
        Task("regression"),
        np.zeros(n, np.int64),
        Text(np.zeros(n + 1, np.int32), b""),
        scores=rng.random((n, 1)),
        weight=rng.random(n) * 2 if weight else None,
        features={
            "age": Column(numbers=np.where(rng.random(n) < 0.1, np.nan, rng.normal(10, 5, n))),
            "plan": column_of(rng.choice(["a", "b", "c"], n)),
        },
        slices={"customer": column_of([f"customer-{one}" for one in rng.integers(0, 300, n)])},
    )


def test_each_group_adds_up_to_its_rows_and_all_groups_to_the_feature() -> None:
    rows = table(2_000)
    parts = fold(rows, BINS, "customer").parts
    group = groups_of(rows.slices["customer"])
    for part in ("feature:age", "feature:plan", "score"):
        counts = by_group(parts[f"clusters:{part}"])
        assert counts.sum() == parts[part][:-2].sum()
    usable = ~np.isnan(rows.features["age"].numbers)  # type: ignore[arg-type]
    assert (
        by_group(parts["clusters:feature:age"]).sum(axis=1).tolist()
        == np.bincount(group[usable], minlength=GROUPS).tolist()
    )
    plan = by_group(parts["clusters:feature:plan"])
    assert plan.sum(axis=0)[:3].tolist() == parts["feature:plan"][:3].tolist()
    assert not plan[:, 3:].any()


def test_panes_add_up_weights_too() -> None:
    rows = table(500, 1, weight=True)
    group = np.arange(500, dtype=np.int64) % 7
    panes, whole = fold_by(rows, BINS, group, 8, "customer"), fold(rows, BINS, "customer")
    assert np.allclose(merge(panes).parts["clusters:score"], whole.parts["clusters:score"])
    assert "clusters:score" not in panes[7].parts  # nothing, where there is no row
    assert len(whole.parts["clusters:score"]) == WIDTH


def test_without_a_key_there_is_no_part() -> None:
    rows = table(10)
    assert not any(part.startswith("clusters:") for part in fold(rows, BINS).parts)
    assert not any(part.startswith("clusters:") for part in fold(rows, BINS, "shop").parts)
    nobody = replace(rows, slices={"customer": Column(codes=np.full(10, -1, np.int32), categories=())})
    assert not any(part.startswith("clusters:") for part in fold(nobody, BINS, "customer").parts)


def test_a_feature_may_be_the_key_and_a_number_is_its_text() -> None:
    ids = np.array([17.0, 18.0, np.nan])
    numbers, texts = groups_of(Column(numbers=ids)), groups_of(column_of(["17", "18", None]))
    assert numbers.tolist() == texts.tolist()
    assert numbers[2] == -1
    rows = table(3)
    rows = replace(rows, features={**rows.features, "machine": Column(numbers=ids)})
    assert fold(rows, BINS, "machine").parts["clusters:score"].sum() == 2


def test_groups_are_about_as_large_and_the_same_in_every_process() -> None:
    groups = groups_of(column_of([str(one) for one in range(6_400)]))
    assert groups[:4].tolist() == [33, 55, 13, 27]
    assert 60 < np.bincount(groups, minlength=GROUPS).min() <= np.bincount(groups, minlength=GROUPS).max() < 140


def test_cells_are_neighbours_and_never_more_than_ten() -> None:
    for size in range(1, 250):
        found = cells(size)
        assert len(found) == size
        assert found.max() + 1 == min(size, CELLS)
        assert (np.diff(found) >= 0).all()
        assert (np.diff(found) <= 1).all()

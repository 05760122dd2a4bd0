"""Rows that resemble each other: by a cluster key, and by the baseline's own blocks of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.inputs.dataframes import column_of
from driftline.panes.fold import fold
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline_processor.core.drift.dependence import (
    Design,
    of_clusters,
    student_p_value,
)
from driftline_processor.core.drift.rule import drift
from driftline_processor.store.arrow_tables import take_table
from scipy import stats

DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01


def days(rng: np.random.Generator, effects: F64, rows: int, share: float) -> F64:
    """Values whose day accounts for a share of their variance: float64 (days * rows,)."""
    noise = rng.normal(size=(len(effects), rows))
    return (math.sqrt(share) * effects[:, np.newaxis] + math.sqrt(1 - share) * noise).ravel()


def dated(values: F64, rows: int) -> dict[str, Any]:
    time = START + np.arange(len(values)) // rows * DAY
    return {"x": values, "time": time, "score": values}


def baseline_of(frame: dict[str, Any]) -> Baseline:
    return Baseline.from_frame(frame, score="score", time="time", model="m", task="regression")


def window(values: F64, baseline: Baseline) -> Pane:
    table, *_ = table_from_frame({"x": values, "score": values}, score="score", model="m", task="regression")
    return fold(table, baseline.bins)


def undated(values: F64) -> Baseline:
    return Baseline.from_frame({"x": values, "score": values}, score="score", model="m", task="regression")


def keyed(values: F64, customers: Sequence[str | None], baseline: Baseline) -> Pane:
    table, *_ = table_from_frame({"x": values, "score": values}, score="score", model="m", task="regression")
    return fold(replace(table, slices={"customer": column_of(customers)}), baseline.bins, "customer")


@pytest.mark.parametrize("alike", [0.1, 0.5, 0.9])
def test_the_design_effect_of_clusters_is_that_of_kish(alike: float) -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        shares = rng.dirichlet(np.array([0.6, 0.3, 0.1]) * (1 - alike) / alike, 200)
        counts = np.stack([rng.multinomial(20, share) for share in shares]).astype(float)
        found.append(of_clusters(counts, None, 1e9, ordered=False).effect)
    assert np.median(found) == pytest.approx(1 + 19 * alike, rel=0.15)


def test_a_reference_with_clusters_of_its_own_counts_them() -> None:
    rng = np.random.default_rng(4)
    window_groups = rng.multinomial(20, [0.5, 0.5], 64).astype(float)
    same = np.repeat([[200.0, 0.0], [0.0, 200.0]], 32, axis=0)
    without = of_clusters(window_groups, None, 12_800, ordered=True)
    known = of_clusters(window_groups, same, 12_800, ordered=True)
    assert known.effect > 5 * without.effect


def test_a_p_value_has_the_tails_of_students_t() -> None:
    z = stats.norm.isf(0.0005)
    assert student_p_value(0.001, 20) == pytest.approx(2 * stats.t.sf(z, 20))
    assert student_p_value(0.001, math.inf) == 0.001
    assert (student_p_value(0.0, 5), student_p_value(1.0, 5)) == (0.0, 1.0)


def test_one_group_says_nothing() -> None:
    one = np.array([[5.0, 5.0], [0.0, 0.0]])
    assert of_clusters(one, None, 10, ordered=True) == Design(10.0)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_feature_of_one_value_does_not_vary_between_customers(ordered: bool) -> None:
    customers = np.array([[200.0, 0.0], [300.0, 0.0], [250.0, 0.0]])
    assert of_clusters(customers, None, 1e4, ordered=ordered).effect == 1.0


@pytest.mark.parametrize("alike", [0.3, 0.9])
@pytest.mark.parametrize("others", [0, 20])
def test_rows_of_one_customer_are_too_few_however_many(alike: float, others: int) -> None:
    rng = np.random.default_rng(6)
    baseline = undated(rng.normal(size=5_000))
    customers = ["anna"] * (1_000 - others) + ["bert"] * others
    states = set()
    for _ in range(10):
        own = np.repeat(rng.normal(size=2), [1_000 - others, others])
        values = math.sqrt(alike) * own + math.sqrt(1 - alike) * rng.normal(size=1_000)
        states.add(drift(keyed(values, customers, baseline), baseline).features["x"].state)
    assert states == {"inconclusive"}


def test_rows_without_a_key_are_judged_beside_a_few_of_one_customer() -> None:
    rng = np.random.default_rng(7)
    baseline = undated(rng.normal(size=5_000))
    customers = ["anna"] * 20 + [None] * 980
    found = drift(keyed(rng.normal(size=1_000), customers, baseline), baseline).features["x"]
    assert (found.state, found.design_effect) == ("ok", 1.0)


def test_the_rows_of_one_customer_count_for_what_they_are_worth() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=20_000)
    frame = {"x": values, "score": values}
    baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
    known = plain = 0
    for _ in range(60):
        effects = rng.normal(size=50)
        drawn = days(rng, effects, 20, 0.5)
        table, *_ = table_from_frame({"x": drawn, "score": drawn}, score="score", model="m", task="regression")
        table = replace(table, slices={"customer": column_of(np.repeat([f"c{one}" for one in range(50)], 20))})
        first, second = (
            fold(take_table(table, half), baseline.bins, "customer")
            for half in np.array_split(rng.permutation(1_000), 2)  # of each customer some rows in each pane
        )
        known += drift(merge([first, second]), baseline).features["x"].state == "drift"
        plain += drift(fold(table, baseline.bins), baseline).features["x"].state == "drift"
    assert plain > 12  # four in ten quiet windows
    assert known <= 2

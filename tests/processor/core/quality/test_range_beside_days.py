"""Values out of range, and pairs, beside days that differ: each by how far its own share or product differs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.time_blocks import TimeBlocks
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.drift.multivariate_rule import products_design_effect
from driftline_processor.core.drift.normal_variation import share_designs
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from msgspec import structs

from tests.support.unwrap import unwrap

DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01
ROWS = 1_000


def drawn(rng: np.random.Generator, days: int, stray: F64) -> dict[str, F64]:
    """Four numbers whose days differ by 0.02 of the variance; so many values of the first are far out on each day."""
    frame = {}
    within = rng.normal(size=(4, days * ROWS))
    within[2] = 0.6 * within[1] + 0.8 * within[2]
    for at in range(4):
        level = math.sqrt(0.02) * np.repeat(rng.normal(size=days), ROWS)
        frame[f"n{at}"] = level + math.sqrt(0.98) * within[at]
    frame["n0"][rng.random(days * ROWS) < np.repeat(stray, ROWS)] = 12.0
    return frame | {"score": rng.normal(size=days * ROWS)}


def built(rng: np.random.Generator, stray: F64) -> Baseline:
    time = START + np.arange(len(stray) * ROWS) // ROWS * DAY
    frame = drawn(rng, len(stray), stray) | {"time": time}
    return Baseline.from_json(
        Baseline.from_frame(frame, score="score", time="time", model="m", task="regression").to_json()
    )


def judged(baseline: Baseline, frame: dict[str, F64]) -> Evaluation:
    table, *_ = table_from_frame(frame, score="score", model="m", task="regression")
    window = Window("1d", START + 90 * DAY, START + 91 * DAY)
    return judge_window(ModelWindow(table.key, window, fold(table, baseline.bins)), Reference(baseline))


def out_of_range(baseline: Baseline, frame: dict[str, F64]) -> list[tuple[str, ...]]:
    return [one.features for one in judged(baseline, frame).findings if one.check == "out_of_range"]


def test_values_out_of_range_are_found_beside_days_that_differ_in_level() -> None:
    rng = np.random.default_rng(14)
    baseline = built(rng, np.zeros(14))
    assert out_of_range(baseline, drawn(rng, 1, np.array([0.04]))) == [("n0",)]
    assert [out_of_range(baseline, drawn(rng, 1, np.zeros(1))) for _ in range(3)] == [[], [], []]


def test_days_whose_levels_differ_have_nearly_the_same_share_out_of_range() -> None:
    baseline = built(np.random.default_rng(2), np.zeros(30))
    evaluation = judged(baseline, drawn(np.random.default_rng(3), 1, np.zeros(1)))
    own = share_designs(baseline, 1_000.0, DAY).outside
    assert set(own) == {f"feature:n{at}" for at in range(4)} | {"score"}
    assert max(own.values()) < 3 < evaluation.features["n1"].design_effect


def test_a_share_out_of_range_that_differs_from_day_to_day_is_no_fault_of_the_next_day() -> None:
    rng = np.random.default_rng(3)
    uneven, even = built(rng, np.repeat([0.012, 0.0], [2, 28])), built(rng, np.full(30, 0.0008))
    window = drawn(rng, 1, np.array([0.02]))
    assert out_of_range(uneven, window) == []
    assert out_of_range(even, window) == [("n0",)]


def test_a_baseline_that_did_not_count_them_takes_the_days_of_the_values() -> None:
    rng = np.random.default_rng(14)
    baseline = built(rng, np.zeros(14))
    blocks = unwrap(baseline.extras.blocks)
    older = TimeBlocks(
        blocks.length, blocks.starts, blocks.rows, {n: replace(c, outside=None) for n, c in blocks.by_part.items()}
    )
    before = replace(baseline, extras=replace(baseline.extras, blocks=older))
    assert share_designs(before, 1_000.0, DAY).outside == {}
    assert out_of_range(before, drawn(rng, 1, np.array([0.04]))) == []


def test_a_correlation_that_is_lost_is_found_beside_days_that_differ_in_level() -> None:
    rng = np.random.default_rng(7)
    baseline = built(rng, np.zeros(14))
    window = drawn(rng, 1, np.zeros(1))
    assert judged(baseline, window).joint["correlation"].state == "ok"
    window["n2"] = rng.permutation(window["n2"])
    found = judged(baseline, window).joint["correlation"]
    assert (found.state, found.contributors[0].features) == ("drift", ("n1", "n2"))


def test_the_design_effect_of_a_product_is_that_of_the_product_of_the_variances_between_days() -> None:
    baseline = built(np.random.default_rng(2), np.zeros(7))
    space = unwrap(baseline.bins.space)
    features = judged(baseline, drawn(np.random.default_rng(3), 1, np.zeros(1))).features
    alike = {name: structs.replace(one, design_effect=21.0) for name, one in features.items()}
    at = [space.names.index(name) for name in ("n1", "n2")]
    by_days = products_design_effect(space, alike, 1_000.0)
    assert by_days[at[0], at[1]] == pytest.approx(1.4)
    by_clusters = products_design_effect(space, alike, 0.0)
    assert by_clusters[at[0], at[1]] == 21.0

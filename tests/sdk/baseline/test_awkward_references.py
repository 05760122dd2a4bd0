"""Reference columns as they come: sentinels, timestamps, identifiers, zeros, heavy tails, nothing at all, one row."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from driftline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import ColumnDrift

from tests.support.unwrap import unwrap

N = 5_000
RNG = np.random.default_rng(11)
NORMAL = RNG.normal(size=N)


def built(values: Any, name: str = "x", **changes: Any) -> Baseline:
    n = len(values)
    return Baseline.from_frame({name: values}, score=np.linspace(0, 1, n), model="m", task="binary", **changes)


def judged(baseline: Baseline, now: Any, name: str = "x") -> ColumnDrift:
    table, *_ = table_from_frame({name: now}, score=np.linspace(0, 1, len(now)), model="m", task="binary")
    return drift(fold(table, baseline.bins), baseline).features[name]


def later(seed: int = 12, n: int = 2_000) -> F64:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("stray", [1e9, -1e9, 1e300, -999.0])
def test_one_stray_value_hides_no_shift_and_makes_none(stray: float) -> None:
    values = NORMAL.copy()
    values[7] = stray
    baseline = built(values)
    assert judged(baseline, later() + 0.5).state == "drift"
    assert judged(baseline, later()).state == "ok"
    ranges = unwrap(baseline.extras.ranges)
    assert stray in ranges.by_feature["x"]


def test_a_sentinel_has_a_bin_of_its_own() -> None:
    values = np.where(RNG.random(N) < 0.1, -1.0, np.abs(NORMAL))
    baseline = built(values)
    counts = baseline.pane.parts["feature:x"]
    assert counts.max() == np.count_nonzero(values == -1.0)
    more = np.where(np.random.default_rng(3).random(2_000) < 0.25, -1.0, np.abs(later()))
    assert judged(baseline, more).state == "drift"


def test_zero_inflation_is_seen_apart_from_the_rest() -> None:
    amounts = np.where(RNG.random(N) < 0.8, 0.0, RNG.lognormal(3, 1, N))
    baseline = built(amounts)
    rng = np.random.default_rng(4)
    same, fewer = (np.where(rng.random(2_000) < zeros, 0.0, rng.lognormal(3, 1, 2_000)) for zeros in (0.8, 0.7))
    larger = np.where(rng.random(2_000) < 0.8, 0.0, rng.lognormal(3.8, 1, 2_000))
    assert [judged(baseline, now).state for now in (same, fewer, larger)] == ["ok", "drift", "drift"]


@pytest.mark.parametrize("tail", [1.0, 2.0])
def test_heavy_tails_make_no_drift(tail: float) -> None:
    baseline = built(RNG.standard_t(tail, N))
    rng = np.random.default_rng(5)
    assert judged(baseline, rng.standard_t(tail, 2_000)).state == "ok"
    assert judged(baseline, 1.5 * rng.standard_t(tail, 2_000)).state == "drift"


def test_a_constant_that_changes_is_drift_and_one_that_stays_is_none() -> None:
    baseline = built(np.full(N, 7.0))
    assert judged(baseline, np.full(300, 7.0)).state == "ok"
    assert judged(baseline, np.full(300, 8.0)).state == "drift"


def test_few_values_have_a_bin_each() -> None:
    baseline = built(RNG.integers(0, 5, N).astype(np.float64))
    assert isinstance(baseline.bins.features["x"], NumberBins)
    assert sorted(baseline.pane.parts["feature:x"][:-2], reverse=True)[5:] == [0.0] * 6
    assert judged(baseline, np.full(500, 2.5)).state == "drift"


@pytest.mark.parametrize("nothing", [[None] * 200, [float("nan")] * 200, [float("inf")] * 200])
def test_a_column_of_nothing_is_blind(nothing: list[Any]) -> None:
    baseline = built(nothing)
    assert judged(baseline, later()).reason == "not_comparable"
    assert Baseline.from_json(baseline.to_json()).digest == baseline.digest


def test_one_row_is_a_baseline_of_one_row() -> None:
    baseline = built([3.0], actual=[1])
    assert baseline.pane.rows == 1
    assert judged(baseline, later()).state == "inconclusive"
    assert Baseline.from_json(baseline.to_json()).digest == baseline.digest


UNIX = 1_767_225_600.0 + np.sort(np.random.default_rng(6).integers(0, 86_400 * 60, N)).astype(np.float64)

IDENTIFIERS: list[tuple[str, Any, str]] = [
    ("customer", [f"c-{at}" for at in range(N)], "identifier"),
    ("email", [f"{at % 4_800}@example.org" for at in range(N)], "identifier"),
    ("row", np.arange(N), "identifier"),
    ("order", np.random.default_rng(7).permutation(N) + 10_000, "identifier"),
    ("order_id", np.random.default_rng(7).integers(10**12, 10**13, N), "identifier"),
    ("userId", np.random.default_rng(7).permutation(10**6)[:200], "identifier"),
    ("seen", UNIX, "time"),
    ("created_at", np.random.default_rng(8).permutation(UNIX * 1e3), "time"),
    ("event_time", UNIX + 0.25, "time"),
]

FEATURES: list[tuple[str, Any]] = [
    ("income", np.random.default_rng(9).normal(50_000, 9_000, N).round()),
    ("amount", np.random.default_rng(9).lognormal(3, 2, N)),
    ("cents", np.random.default_rng(9).permutation(10**7)[:N]),
    ("few", np.arange(300.0)),
    ("zip", np.random.default_rng(9).integers(10_000, 99_999, N)),
    ("year", np.random.default_rng(9).integers(1990, 2026, N)),
    ("bytes", np.random.default_rng(9).integers(10**6, 10**12, N)),
    ("sorted", np.sort(NORMAL)),
    ("city", [f"city {at % 90}" for at in range(N)]),
    ("flag", [bool(at % 2) for at in range(N)]),
]


@pytest.mark.parametrize(("name", "values", "kind"), IDENTIFIERS, ids=[name for name, *_ in IDENTIFIERS])
def test_what_is_no_feature_is_named_and_compared_with_nothing(
    name: str, values: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "driftline"):
        baseline = built(values, name, text_features=())
    marks = unwrap(baseline.extras.marks)
    assert marks.by_feature == {name: kind}
    assert f"driftline: baseline: {name}: " in caplog.text
    bins = baseline.bins.features[name]
    assert bins.size == 1
    assert baseline.pane.rows == len(values)
    assert judged(baseline, values, name).reason == "not_comparable"
    assert Baseline.from_json(baseline.to_json()).extras.marks == marks


@pytest.mark.parametrize(("name", "values"), FEATURES, ids=[name for name, _ in FEATURES])
def test_a_feature_is_taken_for_nothing_else(name: str, values: Any) -> None:
    baseline = built(values, name)
    assert baseline.extras.marks is None
    assert baseline.bins.features[name].size > 1


def test_who_names_the_features_is_believed() -> None:
    baseline = built(np.arange(N), "row", features=["row"])
    assert baseline.extras.marks is None
    assert baseline.bins.features["row"].size > 50


def test_documents_are_no_identifiers() -> None:
    notes = [f"where is parcel number {at} please" for at in range(200)]
    baseline = built(notes, "note")
    assert baseline.extras.marks is None
    assert "note.length" in baseline.bins.features


def test_batches_and_frames_mark_alike() -> None:
    frame = {"row": np.arange(N), "x": NORMAL, "p": np.linspace(0, 1, N)}
    parts = [{name: values[start : start + 1_000] for name, values in frame.items()} for start in range(0, N, 1_000)]
    whole = Baseline.from_frame(frame, score="p", model="m", task="binary")
    assert whole.extras.marks is not None
    assert Baseline.from_frame(lambda: parts, score="p", model="m", task="binary").to_json() == whole.to_json()


@pytest.mark.slow
def test_a_hundred_features_are_kilobytes_and_hold_no_row() -> None:
    """About 5 kB a number: 100 edges and counts, and 10 cells in each of 60 days."""
    rng = np.random.default_rng(10)
    n = 20_000
    frame: dict[str, Any] = {f"n{at}": rng.normal(size=n) for at in range(70)}
    frame |= {f"c{at}": rng.choice([f"label {code}" for code in range(12)], n) for at in range(20)}
    frame |= {f"s{at}": rng.choice([f"secret {code}" for code in range(n)], n) for at in range(10)}
    p = rng.random(n)
    when = 1_767_225_600 + np.sort(rng.integers(0, 59 * 86_400, n))
    baseline = Baseline.from_frame(
        frame,
        score=p,
        actual=rng.random(n) < p,
        time=when,
        id=[f"id-{at}" for at in range(n)],
        model="m",
        task="binary",
    )
    text = baseline.to_json()
    assert len(text) < 650_000
    assert "secret" not in text
    assert "id-" not in text
    assert isinstance(baseline.bins.features["s0"], CategoryBins)
    assert len(text) / sum(values.nbytes if hasattr(values, "nbytes") else 8 * n for values in frame.values()) < 0.02

"""A provisional baseline whose bins are the buckets of histograms."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.histogram import Explicit, counts_over_bins, dump, parse
from driftline_processor.core.reference.histogram_baseline import MOST_BINS, baseline_from_histograms, edges_of

from tests.support.exponential_histograms import as_sent

KEY = ModelKey("pricing", "7", "live")


def explicit(values: F64, bounds: F64) -> Explicit:
    index = np.searchsorted(bounds, values, side="left")
    counts = np.bincount(index, minlength=len(bounds) + 1).astype(np.float64)
    return Explicit(bounds, counts, float(values.sum()), float(values.min()), float(values.max()))


def test_buckets_become_bins_and_the_next_histogram_falls_into_them_exactly() -> None:
    rng = np.random.default_rng(1)
    bounds = np.linspace(10, 90, 17)
    histogram = explicit(rng.normal(50, 10, 2_000), bounds)
    built = baseline_from_histograms(KEY, Task("regression"), 2_000, {"feature:x": [histogram]}, {})
    bins = built.bins.features["x"]
    assert isinstance(bins, NumberBins)
    assert set(bins.edges) <= set(np.nextafter(bounds, np.inf))
    assert (built.provisional, built.pane.rows) == (True, 2_000)
    assert built.pane.parts["feature:x"][: bins.size].sum() == 2_000
    later = explicit(rng.normal(55, 10, 2_000), bounds)
    assert counts_over_bins(later, bins, built.pane.parts["feature:x"][: bins.size])[1] == 0.0
    assert Baseline.from_json(built.to_json()).digest == built.digest


def test_many_buckets_are_thinned_by_quantiles() -> None:
    rng = np.random.default_rng(2)
    parts = [as_sent(rng.lognormal(3, 0.5, 3_000)), as_sent(rng.lognormal(3, 0.6, 3_000))]
    edges = edges_of(parts)
    assert 60 < len(edges) < MOST_BINS
    counts = np.sum([counts_over_bins(one, NumberBins(edges), np.ones(len(edges) + 1))[0] for one in parts], axis=0)
    assert counts.sum() == 6_000
    assert counts.max() / 6_000 < 0.05


def test_what_buckets_cannot_see_has_one_bin_so_that_it_is_blind() -> None:
    rng = np.random.default_rng(3)
    assert len(edges_of([explicit(rng.beta(2, 2, 2_000), np.array([0.0, 5.0, 10.0]))])) == 0
    assert len(edges_of([])) == 0


def test_one_value_and_a_zero_that_most_rows_have_are_no_blindness() -> None:
    rng = np.random.default_rng(4)
    assert edges_of([explicit(np.full(50, 7.0), np.array([0.0, 5.0, 10.0]))]) == pytest.approx([7.0, 7.0], rel=1e-6)
    inflated = np.where(rng.random(2_000) < 0.7, 0.0, rng.gamma(2, 3, 2_000))
    assert len(edges_of([as_sent(inflated)])) > 20


def test_labels_missing_values_and_classes_are_counted() -> None:
    labels = {"feature:plan": {"pro": 30.0, "free": 60.0, "rare": 3.0, "": 7.0}, "class": {"1": 40.0, "0": 60.0}}
    built = baseline_from_histograms(KEY, Task("binary", ("0", "1"), "1"), 100, {}, labels)
    assert built.bins.features["plan"] == CategoryBins(("free", "pro"))
    assert built.pane.parts["feature:plan"].tolist() == [60, 30, 3, 7, 0]
    assert built.pane.parts["class"].tolist() == [60, 40, 0, 0, 0]
    assert built.bins.score is None
    assert Baseline.from_json(built.to_json()).digest == built.digest
    assert baseline_from_histograms(KEY, Task("regression"), 100, {}, labels).bins.classes is None


def test_a_histogram_comes_back_from_its_bytes() -> None:
    rng = np.random.default_rng(5)
    for made in (explicit(rng.normal(0, 1, 50), np.array([-1.0, 0.0, 2.0])), as_sent(rng.normal(0, 1, 50))):
        again = parse(dump(made))
        assert dump(again) == dump(made)
        assert (again.low, again.high) == (made.low, made.high)

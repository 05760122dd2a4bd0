"""What a window is compared with: the baseline's own outcomes, as sure as their days, or bins that are buckets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.histogram import Explicit, counts_over_bins, dump, parse
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.reference import reference_of
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.reference.histogram_baseline import MOST_BINS, baseline_from_histograms, edges_of

from tests.support.exponential_histograms import as_sent

DAYS, EACH = 30, 60
DAY = 86_400


@pytest.fixture(scope="module")
def binary() -> Baseline:
    """Scores are right in 71 and 99 % of rows, day by day."""
    rng = np.random.default_rng(1)
    score = rng.random(DAYS * EACH)
    right = rng.random(DAYS * EACH) < np.repeat(np.tile([0.71, 0.99], DAYS // 2), EACH)
    return _baseline("binary", score, ((score >= 0.5) == right).astype(np.float64))


@pytest.fixture(scope="module")
def regression() -> Baseline:
    """Errors of σ 1, off by .6 to either side day by day."""
    rng = np.random.default_rng(2)
    truth, off = rng.normal(0, 1, DAYS * EACH), np.repeat(np.tile([-0.6, 0.6], DAYS // 2), EACH)
    return _baseline("regression", truth + off + rng.normal(0, 1, DAYS * EACH), truth)


def _baseline(task: str, score: F64, actual: F64) -> Baseline:
    time = 1_700_000_000 // DAY * DAY + np.arange(DAYS * EACH, dtype=np.float64) * (DAY // EACH)
    frame = {"x": np.arange(DAYS * EACH) % 7.0}
    return Baseline.from_frame(frame, score=score, actual=actual, time=time, model="m", task=task)


def test_days_of_the_baseline_that_differ_make_it_less_sure(binary: Baseline, regression: Baseline) -> None:
    for baseline, names in ((binary, ("accuracy", "brier", "roc_auc")), (regression, ("bias",))):
        found = reference_of(baseline, PerformanceSettings())
        rows = with_intervals(found, baseline.pane, (), baseline.task, PerformanceSettings())
        for name in names:
            long, short = ((one[name].high or 0.0) - (one[name].low or 0.0) for one in (found, rows))
            assert long > 1.5 * short, name
            assert (found[name].low or 0.0) < (found[name].value or 0.0) < (found[name].high or 0.0)
            assert found[name].interval == "blocks"


def test_a_baseline_of_before_its_stretches_were_kept_is_as_sure_as_its_rows(binary: Baseline) -> None:
    found = reference_of(replace(binary, extras=Extras()), PerformanceSettings())["accuracy"]
    assert found.interval == "clopper_pearson"
    assert found.value == reference_of(binary, PerformanceSettings())["accuracy"].value


def test_what_is_asked_anew_is_measured_anew(binary: Baseline) -> None:
    lengths = []
    for confidence in (0.95, 0.99, 0.95):
        found = reference_of(binary, PerformanceSettings(confidence=confidence))["accuracy"]
        lengths.append((found.high or 0.0) - (found.low or 0.0))
    assert lengths[1] > lengths[0] == lengths[2]


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

"""Where histograms cannot see a shift, the state says so: "cannot tell", never "no drift"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import NumberBins, count
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column
from driftline_processor.core.decode.foreign_metrics import MetricMapping, by_name
from driftline_processor.core.decode.requests import decode_metrics
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.histogram import Histogram, counts_over_bins
from driftline_processor.core.outcomes.coverage import GUESSED
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Histogram as Instrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)

from tests.support.exponential_histograms import as_sent

ROWS = 2_000
EXPONENTIAL = ExponentialBucketHistogramAggregation()
DEFAULT = ExplicitBucketHistogramAggregation()


def recorded(values: F64, aggregation: Aggregation) -> Histogram:
    """Return the histogram that the stock SDK makes of values, as it arrives."""
    reader = InMemoryMetricReader(preferred_aggregation={Instrument: aggregation})
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument = provider.get_meter("shop").create_histogram("x")
    for value in values.tolist():
        instrument.record(value)
    data = reader.get_metrics_data()
    assert data is not None
    body = encode_metrics(data).SerializeToString()
    provider.shutdown()
    mapped = by_name([MetricMapping("x", "m", "driftline.feature.distribution", "x")])
    (point,) = decode_metrics(body, 1, mapped).points
    return point.histogram


def baseline(reference: F64) -> Baseline:
    return Baseline.from_frame({"x": reference}, score=np.zeros(len(reference)), model="m", task="regression")


def compared(known: Baseline, histogram: Histogram) -> ColumnDrift:
    """Compare values, known by their histogram only, with a baseline of rows."""
    bins, counts = known.bins.features["x"], known.pane.parts["feature:x"]
    assert isinstance(bins, NumberBins)
    into, guessed = counts_over_bins(histogram, bins, counts[: bins.size])
    parts = {"rows": np.full(3, into.sum()), "feature:x": np.append(into, [0.0, 0.0])}
    if guessed:
        parts[f"{GUESSED}feature:x"] = np.array([guessed])
    return drift(Pane(parts), known).features["x"]


def normal(mean: float, deviation: float) -> Callable[[np.random.Generator, float, int], F64]:
    return lambda rng, shift, n: np.asarray(rng.normal(mean + shift * deviation, deviation, n))


@pytest.mark.parametrize("shift", [0.0, 1.0], ids=["still", "a sigma"])
@pytest.mark.parametrize(
    ("draw", "stray"),
    [
        (normal(1e9, 10.0), None),  # sd / |mean| = 1e-8
        (normal(1e12, 1.0), None),
        (normal(1_000.0, 1.0), 1.0),
        (normal(1_000.0, 1.0), 1e9),
        (normal(1_000.0, 1.0), 1e-12),
    ],
    ids=["timestamps", "twelve digits", "sentinel 1", "stray 1e9", "stray 1e-12"],
)
def test_a_histogram_that_cannot_see_a_shift_is_blind(
    draw: Callable[[np.random.Generator, float, int], F64], stray: float | None, shift: float
) -> None:
    rng = np.random.default_rng(5)
    reference, values = draw(rng, 0.0, 5_000), draw(rng, shift, ROWS)
    if stray is not None:
        values[17] = stray
    found = compared(baseline(reference), recorded(values, EXPONENTIAL))
    assert (found.state, found.now, found.effect, found.size) == ("inconclusive", None, None, "")
    assert [value.value for value in found.methods.values()] == [None] * 3


def test_default_bounds_are_blind_to_what_falls_between_two_of_them() -> None:
    rng = np.random.default_rng(6)
    reference, values = rng.beta(2, 2, 5_000), rng.beta(3, 2, ROWS)
    assert compared(baseline(reference), recorded(values, DEFAULT)).reason == "not_comparable"
    assert compared(baseline(reference), recorded(values, EXPONENTIAL)).state == "drift"


def test_the_least_and_greatest_value_may_show_a_drift_that_the_buckets_do_not() -> None:
    rng = np.random.default_rng(6)
    reference, values = rng.uniform(0.1, 0.4, 5_000), rng.uniform(0.2, 0.4, ROWS)  # all of them in (0, 5]
    found = compared(baseline(reference), recorded(values, DEFAULT))
    assert found.state == "drift"
    assert found.methods["ks"].value == pytest.approx(1 / 3, abs=0.02)


def test_drift_that_coarse_buckets_show_all_the_same_is_drift() -> None:
    rng = np.random.default_rng(7)
    reference = rng.normal(40, 3, 5_000)
    assert compared(baseline(reference), recorded(rng.normal(40, 3, ROWS), DEFAULT)).reason == "not_comparable"
    moved = compared(baseline(reference), recorded(rng.normal(60, 3, ROWS), DEFAULT))
    assert (moved.state, moved.size) == ("drift", "large")


def test_values_on_the_bounds_of_buckets_are_on_their_own_side() -> None:
    rng = np.random.default_rng(8)
    values = np.array([0.0, 5.0, 10.0, 25.0])
    reference = rng.choice(values, 5_000)
    for shares, state in (([0.25, 0.25, 0.25, 0.25], "ok"), ([0.35, 0.2, 0.25, 0.2], "drift")):
        now = rng.choice(values, ROWS, p=shares)
        found = compared(baseline(reference), recorded(now, DEFAULT))
        exact = max(abs((now <= value).mean() - (reference <= value).mean()) for value in values)
        assert found.state == state
        assert found.methods["ks"].value == pytest.approx(exact, abs=1e-12)


SHAPES: dict[str, Callable[[np.random.Generator, float, int], F64]] = {
    "normal": normal(50, 10),
    "log-normal": lambda rng, shift, n: np.exp(rng.normal(1 + shift, 1, n)),
    "heavy tails": lambda rng, shift, n: rng.standard_t(2, n) * (1 + 2 * shift),
    "zero-inflated": lambda rng, shift, n: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2, 3 * (1 + shift), n)),
    "years": lambda rng, shift, n: np.rint(rng.normal(1980 + 10 * shift, 10, n)),
}


@pytest.mark.parametrize(("rows", "ks", "psi"), [(2_000, 0.004, 0.06), (100_000, 0.0012, 0.03)])
@pytest.mark.parametrize("shape", SHAPES)
def test_clean_data_give_the_drift_that_rows_give(shape: str, rows: int, ks: float, psi: float) -> None:
    rng = np.random.default_rng(9)
    reference, values = SHAPES[shape](rng, 0.0, 20_000), SHAPES[shape](rng, 0.2, rows)
    known = baseline(reference)
    counts = count(known.bins.features["x"], Column(numbers=values))
    exact = drift(Pane({"rows": np.full(3, float(rows)), "feature:x": counts}), known).features["x"]
    found = compared(known, as_sent(values))
    assert found.state == exact.state == "drift"
    assert found.methods["ks"].value == pytest.approx(exact.methods["ks"].value, abs=ks)
    assert found.methods["psi"].value == pytest.approx(exact.methods["psi"].value, rel=psi)


@pytest.mark.parametrize("rows", [2_000, 100_000])
@pytest.mark.parametrize(("place", "width", "freedom"), [(100.0, 10.0, 2), (1_000.0, 10.0, 2), (20.0, 1.0, 1)])
def test_heavy_tails_away_from_zero_hide_part_of_a_shift_and_invent_none(
    place: float, width: float, freedom: int, rows: int
) -> None:
    rng = np.random.default_rng(9)
    reference = place + width * rng.standard_t(freedom, 20_000)
    values = place + width * (rng.standard_t(freedom, rows) + 0.2)
    known = baseline(reference)
    counts = count(known.bins.features["x"], Column(numbers=values))
    exact = drift(Pane({"rows": np.full(3, float(rows)), "feature:x": counts}), known).features["x"].methods["ks"].value
    found = compared(known, as_sent(values))
    seen = found.methods["ks"].value
    assert exact is not None
    assert (seen is None) is (found.reason == "not_comparable")
    assert seen is None or exact - 0.024 <= seen <= exact + 1e-9

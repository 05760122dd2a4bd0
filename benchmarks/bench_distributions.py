"""What counting distributions costs a row of 20 numbers, against bare numpy; and what a report weighs.

    python -m benchmarks.bench_distributions

CPU time of blocks of 1,000 rows, as flushes hand them over, until all are counted. References over the same arrays: on
a baseline's bins ``searchsorted`` and ``bincount``; without, ``log2``, ``ceil`` and ``bincount`` at one scale that is
known beforehand, with no sum, no extremes and no sign.

Promised: at most as long as the reference on bins of a baseline; without one 3 times, with both signs 5 times.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from driftline.batch.prediction_batch import PredictionBatch
from driftline.capture.model_identity import Identity
from driftline.distributions.model_distributions import Distributions
from driftline.export.metric_points import metrics_data
from driftline.panes.bins import number_bins
from driftline.panes.model_bins import ModelBins
from driftline.tables.table import F64, Text
from driftline.tables.task import Task
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import AggregationTemporality

LIMITS = {"baseline": 1.0, "positive": 3.0, "both signs": 5.0}
"""Ours against bare numpy."""

ROWS, FEATURES, BLOCKS, ROUNDS = 1000, 20, 40, 9
SCORE: F64 = np.linspace(0.0, 1.0, ROWS)[:, np.newaxis]
IDENTITY = Identity("churn", task=Task("binary", ("0", "1"), "1"))


def block(values: F64) -> PredictionBatch:
    """Return a block of ``values``: float64 (features, n)."""
    n = values.shape[1]
    return PredictionBatch(
        IDENTITY,
        np.zeros(n, np.int64),
        np.full(n, 1e-3),
        Text(np.zeros(n + 1, np.int32), b""),
        scores=SCORE[:n],
        features={f"f{i}": row for i, row in enumerate(values)},
    )


def report(distributions: Distributions) -> int:
    """Return the bytes of a report."""
    now, (stream,) = distributions.take()
    return len(encode_metrics(metrics_data(stream, now, AggregationTemporality.CUMULATIVE)).SerializeToString())


def measure() -> dict[str, dict[str, float]]:
    """Return, per case, µs per row of ours and of bare numpy, and the bytes of a report."""
    random = np.random.default_rng(3)
    shape = (BLOCKS, FEATURES, ROWS)
    signed, positive = random.normal(0, 1, shape), random.lognormal(0, 1, shape)
    bins = ModelBins({f"f{i}": number_bins(signed[0, i]) for i in range(FEATURES)}, number_bins(SCORE[:, 0]))
    edges = [number_bins(signed[0, i]).edges for i in range(FEATURES)]

    def look_up(values: F64) -> None:
        for row, over in zip(values, edges, strict=True):
            np.bincount(np.searchsorted(over, row, side="right"), minlength=len(over) + 1)

    def one_scale(values: F64) -> None:
        for row in values:
            np.bincount(np.ceil(np.log2(np.abs(row)) * 4.0 + 200).astype(np.intp))

    return {
        "baseline": _case(signed, bins, look_up),
        "positive": _case(positive, ModelBins(), one_scale),
        "both signs": _case(signed, ModelBins(), one_scale),
    }


def _case(values: F64, bins: ModelBins, bare: Callable[[F64], None]) -> dict[str, float]:
    blocks = [block(each) for each in values]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        distributions = Distributions(cumulative=True)
        distributions.use(IDENTITY.name, bins)
        start = time.process_time()
        for each in blocks:
            distributions.add(each)
        _, (stream,) = distributions.take()
        middle = time.process_time()
        for each in values:
            bare(each)
        theirs.append(time.process_time() - middle)
        ours.append(middle - start)
        assert stream.total.rows == BLOCKS * ROWS
    rows = BLOCKS * ROWS / 1e6
    size = report(distributions)
    return {"ours": statistics.median(ours) / rows, "bare": statistics.median(theirs) / rows, "bytes": size}


def main(arguments: Sequence[str]) -> int:
    """Print the table (or JSON with ``--json``); 1 when a limit is broken."""
    results = measure()
    if "--json" in arguments:
        print(json.dumps(results))
    for name, result in results.items():
        print(
            f"{name:<12} ours {result['ours']:5.2f} µs a row   numpy {result['bare']:5.2f} "
            f"({result['ours'] / result['bare']:.1f}x, limit {LIMITS[name]})   a report: {result['bytes']:.0f} bytes",
            file=sys.stderr,
        )
    return int(any(result["ours"] > LIMITS[name] * result["bare"] for name, result in results.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Actual rate: the fraction of positives among the rows with an outcome and a score."""

from __future__ import annotations

import numpy as np

from driftline_processor.core.intervals.confidence import WeightSums
from driftline_processor.core.intervals.gradients import Ratio
from driftline_processor.core.metrics.families.confusion import BINARY
from driftline_processor.core.metrics.families.losses import estimated_mean, mean_of_loss

from .metric import Metric, usual_for
from .names import Name
from .performance_sums import IntervalAndRows, PerformanceSums


def interval(sums: PerformanceSums, _name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of a fraction of rows, with Σw² from the part ``spread``."""
    loss_mean = sums.loss_mean("positive")
    if loss_mean is None:
        return None
    losses, spread_sums = sums.pane.parts["losses"], sums.pane.parts["spread"]
    weight_per_row = spread_sums[0] / losses[0]
    hits = WeightSums(float(losses[4]), float(spread_sums[7]), weight_per_row)
    misses = WeightSums(float(losses[0] - losses[4]), float(spread_sums[0] - spread_sums[7]), weight_per_row)
    return sums.share_interval(Ratio(hits, misses, loss_mean.moved))


METRIC = Metric(
    name="actual_rate",
    title="actual rate",
    tasks=BINARY,
    direction=0,
    unit="fraction",
    greatest=1.0,
    source="the weighted share of positives",
    value=mean_of_loss("positive")[0],
    interval=interval,
    estimate=estimated_mean(lambda score: (np.ones_like(score), np.zeros_like(score))),
    usual=usual_for("binary", names=("actual_rate",)),
    rank=160,
)

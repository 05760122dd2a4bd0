"""Lift: the fraction of positives among the rows with the highest scores, relative to all rows."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import BINARY
from driftline_processor.core.metrics.families.score_metrics import SHARE_OF_ROWS, interval_of_gain, value_of_gain

from .metric import Metric, usual_for

METRIC = Metric(
    name="lift",
    title="lift",
    tasks=BINARY,
    direction=1,
    unit="ratio",
    source="Ling and Li, Data mining for direct marketing (1998)",
    value=lambda sums, name: value_of_gain(sums, name, 1 / name.at if name.at else 1.0),
    interval=lambda sums, name, _value: interval_of_gain(sums, name.at, 1 / name.at if name.at else 1.0),
    argument=SHARE_OF_ROWS,
    usual=usual_for("binary", names=("lift@0.1",)),
    rank=130,
)

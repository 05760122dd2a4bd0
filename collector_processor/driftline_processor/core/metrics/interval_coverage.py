"""Interval coverage: the fraction of rows whose actual value lies between two declared quantiles."""

from __future__ import annotations

from driftline.panes.outcome_sums import intervals
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import WeightSums
from driftline_processor.core.intervals.gradients import Ratio

from .metric import REGRESSION, Argument, Metric
from .name_grammar import Name, name_with_number
from .performance_sums import IntervalAndRows, PerformanceSums


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the fraction inside the interval with nominal coverage ``name.at``, bounds included."""
    mean = sums.means.get(f"interval:{name.at!r}")
    return None if mean is None else sums.value_of(mean.value, mean.weight, "quantiles")


def interval(sums: PerformanceSums, name: Name, _value: float) -> IntervalAndRows | None:
    """Return the exact interval of the fraction."""
    levels = list(intervals(sums.task))
    if name.at not in levels:
        return None
    place = len(sums.task.quantiles) + levels.index(name.at)
    covered = sums.part_mean("quantiles", place)
    if covered is None:
        return None
    part, first = sums.pane.parts["quantiles"], 2 + 3 * place
    weight_per_row = float(part[1] / part[0])
    hits = WeightSums(float(part[first]), float(part[first + 1]), weight_per_row)
    misses = WeightSums(float(part[0] - part[first]), float(part[1] - part[first + 1]), weight_per_row)
    return sums.share_interval(Ratio(hits, misses, covered.influence))


def usual(task: Task) -> tuple[str, ...]:
    """Return one name per pair of declared levels that are symmetric around 0.5."""
    return tuple(name_with_number("interval_coverage", share) for share in intervals(task))


METRICS = (
    Metric(
        name="interval_coverage",
        title="interval coverage",
        tasks=REGRESSION,
        direction=0,
        unit="fraction",
        maximum=1.0,
        source="the weighted share of rows; its nominal value is the number in the name",
        value=value,
        interval=interval,
        argument=Argument("a nominal coverage", 0.8, lambda at: 0 < at <= 1),
        share_of_rows=True,
        usual=usual,
        rank=260,
        outstanding="row",
    ),
)

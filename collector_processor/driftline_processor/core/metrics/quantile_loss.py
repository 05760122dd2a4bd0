"""Mean pinball loss of a declared quantile."""

from __future__ import annotations

from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import positive

from .metric import REGRESSION, Argument, Metric
from .name_grammar import Name, name_with_number
from .performance_sums import IntervalAndRows, PerformanceSums


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the mean loss at the level ``name.at``; None if the level was not declared."""
    mean = sums.means.get(f"quantile:{name.at!r}")
    return None if mean is None else sums.value_of(mean.value, mean.weight, "quantiles")


def interval(sums: PerformanceSums, name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of the mean loss."""
    levels = list(sums.task.quantiles)
    if name.at not in levels:
        return None
    return sums.mean_interval(sums.part_mean("quantiles", levels.index(name.at)), positive)


def usual(task: Task) -> tuple[str, ...]:
    """Return one name per declared level."""
    return tuple(name_with_number("quantile_loss", level) for level in task.quantiles)


METRICS = (
    Metric(
        name="quantile_loss",
        title="quantile loss",
        tasks=REGRESSION,
        direction=-1,
        unit="target",
        source="Koenker and Bassett, Regression quantiles (1978)",
        value=value,
        interval=interval,
        argument=Argument("a declared level", 0.9, lambda at: 0 < at <= 1),
        usual=usual,
        rank=250,
    ),
)

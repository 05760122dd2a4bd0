"""Custom metrics: entry points of the group ``driftline_metric``, each a :class:`Metric` or a function of a pane.

A failing metric is logged once and does not affect others.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.task import KINDS, Task
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import METRICS, Metric, declaration_problems, install_metrics, usual_for
from driftline_processor.core.metrics.confusion import interval_from_gradient
from driftline_processor.core.metrics.metric import nothing_usual
from driftline_processor.core.metrics.name_grammar import Name
from driftline_processor.core.metrics.performance_sums import PerformanceSums

GROUP = "driftline_metric"

PaneFunction = Callable[[Pane, Task], MetricValue | float | None]
"""Function from the read-only sums of a pane and their task to a value; None = no value."""


def load_custom_metrics(say: Callable[[str], object] = lambda _: None) -> dict[str, Metric]:
    """Add custom metrics to the catalogue, and return them by name.

    Args:
        say: Called once per metric that cannot be used, raises, or returns an invalid value.
    """
    metrics_by_name: dict[str, Metric] = {}
    for point in _points(tuple(sys.path)):
        try:
            metric = _metric_of(point)
            problem = next(declaration_problems(metric), None)
        except Exception as error:
            say(f"the metric '{point.name}' ({point.value}) cannot be loaded: {type(error).__name__}: {error}")
            continue
        if problem is None and metric.name in metrics_by_name:
            problem = "another package has a metric with the same name"
        if problem is not None:
            say(f"the metric '{point.name}' ({point.value}) is not used: {problem}")
        else:
            metrics_by_name[metric.name] = _guarded(metric, say)
    install_metrics(metrics_by_name.values())
    return metrics_by_name


def unusable_names() -> frozenset[str]:
    """Return the names of installed custom metrics that cannot be used.

    The configuration may name them: the processor starts without them and logs why, see :func:`load_custom_metrics`.
    """
    return frozenset(point.name for point in _points(tuple(sys.path))) - METRICS.keys()


@lru_cache(maxsize=1)
def _points(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return the entry points of custom metrics by name, cached per search path.

    Reading them opens a file per package.
    """
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def _metric_of(point: EntryPoint) -> Metric:
    """Return the metric of an entry point: a metric, a module with a ``METRIC``, or a function."""
    loaded = point.load()
    metric = getattr(loaded, "METRIC", loaded)
    if isinstance(metric, Metric):
        if metric.name != point.name:
            raise ValueError(f"its METRIC is called '{metric.name}'; use the same name for the entry point and METRIC")
        if metric.usual is nothing_usual and metric.argument is None:
            return replace(metric, usual=usual_for(*metric.tasks, names=(metric.name,)))
        return metric
    if not callable(metric):
        raise TypeError(
            f"it is a {type(metric).__name__}; use a Metric, or a function with the arguments pane and task"
        )
    return metric_of_function(point.name, metric)


def metric_of_function(name: str, function: PaneFunction) -> Metric:
    """Return a function of a pane as a metric for every task.

    >>> import numpy as np
    >>> metric = metric_of_function("known", lambda pane, task: pane.parts["outcomes"][0])
    >>> sums = PerformanceSums(Pane({"outcomes": np.array([3.0, 3.0, 3.0])}), Task("binary"))
    >>> metric.value(sums, Name("known"))
    MetricValue(value=3.0, rows=3, source='panes', bound=0.0, low=None, high=None, interval='', effective_rows=None)
    """

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        parts = {part: numbers.view() for part, numbers in sums.pane.parts.items()}
        for numbers in parts.values():
            numbers.flags.writeable = False
        result = function(Pane(parts), sums.task)
        if result is None or isinstance(result, MetricValue):
            return result
        return MetricValue(float(result), int(sums.pane.parts["outcomes"][0]), "panes")

    def usual(_task: Task) -> Iterable[str]:
        return (name,)

    every = frozenset({*KINDS, ""})
    return Metric(
        name=name,
        title=name.replace("_", " "),
        tasks=every,
        direction=0,
        unit="value",
        minimum=-math.inf,
        source="a function of a user",
        of_pane=True,
        value=value,
        usual=usual,
    )


def _guarded(metric: Metric, say: Callable[[str], object]) -> Metric:
    """Return a metric whose functions never raise: each failure is logged once, and the value is left out."""
    messages: set[str] = set()

    def fail(problem: str, kind: str) -> None:
        if kind not in messages:
            messages.add(kind)
            say(f"the metric '{metric.name}' has no value where it fails: {problem}")

    def guard(function: Callable[..., Any], otherwise: Any) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except Exception as error:
                fail(f"{type(error).__name__}: {error}", type(error).__name__)
                return otherwise

        return call

    def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
        result = metric.value(sums, name)
        if result is not None and not isinstance(result, MetricValue):
            raise TypeError(f"its value is a {type(result).__name__}; return a MetricValue or None")
        if result is not None and result.value is not None and not math.isfinite(result.value):
            fail(f"its value is {result.value}", "value")
            return None
        return result

    interval = metric.interval
    if interval is None and metric.gradient is not None:

        def interval(sums: PerformanceSums, _name: Name, value: float) -> Any:
            return interval_from_gradient(metric, sums, value)

    estimate = metric.estimate
    if estimate is not None:
        estimate = replace(
            estimate,
            of_decisions=estimate.of_decisions and guard(estimate.of_decisions, (None, np.zeros((2, 2)))),
            of_scores=estimate.of_scores and guard(estimate.of_scores, None),
        )
    return replace(
        metric,
        value=guard(value, None),
        interval=interval and guard(interval, None),
        estimate=estimate,
        usual=guard(metric.usual, ()),
    )

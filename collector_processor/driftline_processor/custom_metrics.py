"""Custom metrics that are installed: entry points of the group ``driftline_metric``, each a function over a pane."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import entry_points

from driftline.panes.pane import Pane
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import is_known
from driftline_processor.core.metrics.custom import CustomMetric

GROUP = "driftline_metric"


def custom_names() -> frozenset[str]:
    """Return the names of the metrics that are installed; none of them is loaded."""
    return frozenset(entry_points(group=GROUP).names)


def load_custom_metrics(say: Callable[[str], None]) -> dict[str, CustomMetric]:
    """Return what is installed, by name, each so that a failure costs the metric alone.

    ``say``: told once of each that cannot be loaded, raises, or returns what is no number.
    """
    found: dict[str, CustomMetric] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if is_known(point.name):
            say(f"the metric '{point.name}' ({point.value}) is left out: Driftline has one of that name; rename it")
            continue
        try:
            function = point.load()
        except Exception as error:
            say(f"the metric '{point.name}' ({point.value}) cannot be loaded: {type(error).__name__}: {error}")
            continue
        found[point.name] = Guarded(point.name, function, say)
    return found


class Guarded:
    """A custom metric that never raises: what it says otherwise is said once, and is no value."""

    def __init__(self, name: str, function: CustomMetric, say: Callable[[str], None]) -> None:
        self._name, self._function, self._say = name, function, say
        self._said: set[str] = set()

    def __call__(self, pane: Pane, task: Task) -> MetricValue | float | None:
        """Return what the function returns; None where it fails."""
        try:
            value = self._function(pane, task)
            if value is None or isinstance(value, MetricValue):
                return value
            number = float(value)
        except Exception as error:
            self._once(f"{type(error).__name__}: {error}", type(error).__name__)
            return None
        if not math.isfinite(number):
            self._once(f"its value is {number}", "value")
            return None
        return number

    def _once(self, what: str, kind: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(f"the metric '{self._name}' is left out where it fails: {what}")

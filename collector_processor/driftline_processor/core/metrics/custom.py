"""Metrics that users install: functions over the sums of a pane."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftline.panes.pane import Pane
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue

CustomMetric = Callable[[Pane, Task], MetricValue | float | None]
"""From a pane and the task it was folded for to a value; None = nothing to say, and the metric is left out."""


def from_pane(pane: Pane, task: Task, custom: Mapping[str, CustomMetric]) -> dict[str, MetricValue]:
    """Return what custom metrics say of a pane whose outcomes are known; they cannot change it.

    >>> import numpy as np
    >>> pane = Pane({"outcomes": np.array([3.0, 3.0, 3.0])})
    >>> found = from_pane(pane, Task("binary"), {"known": lambda pane, task: pane.parts["outcomes"][0]})
    >>> found["known"].value, found["known"].rows
    (3.0, 3)
    """
    known = pane.parts.get("outcomes")
    if known is None or known[0] == 0 or not custom:
        return {}
    parts = {name: sums.view() for name, sums in pane.parts.items()}
    for sums in parts.values():
        sums.flags.writeable = False
    found: dict[str, MetricValue] = {}
    for name, function in custom.items():
        value = function(Pane(dict(parts)), task)
        if value is not None:
            found[name] = value if isinstance(value, MetricValue) else MetricValue(float(value), int(known[0]), "panes")
    return found

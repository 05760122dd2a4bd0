"""The JSON of what was realized by slice, of weak slices and of fairness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .evaluation import Metric, SlicePerformance
from .performance.fairness import Criterion, Fairness
from .performance.weak.found import WeakSearch, WeakSlice


def picked(one: object, *names: str) -> dict[str, Any]:
    """Return attributes of something by their names, in this order.

    >>> picked(Metric(0.9, 20, "rows"), "value", "rows")
    {'value': 0.9, 'rows': 20}
    """
    return {name: getattr(one, name) for name in names}


def metric_to_json(metric: Metric) -> dict[str, Any]:
    """Return a metric with its interval; null where there is none."""
    found = picked(metric, "value", "low", "high", "interval", "rows", "effective_rows", "source")
    return {**found, "interval": metric.interval or None}


def slices_to_json(slices: Mapping[str, SlicePerformance]) -> dict[str, Any]:
    """Return name → rows, predictions (null where not known), coverage and metrics."""
    return {
        name: {
            "rows": one.rows,
            "predictions": one.predictions,
            "coverage": one.rows / one.predictions if one.predictions else None,
            "metrics": {which: metric_to_json(measured) for which, measured in one.metrics.items()},
        }
        for name, one in slices.items()
    }


def weak_to_json(weak: WeakSearch | None) -> dict[str, Any] | None:
    """Return what the search for weak slices found; null where there was none."""
    if weak is None:
        return None
    return {**picked(weak, "rows", "features", "pairs"), "found": [_weak(one) for one in weak.slices]}


def _weak(found: WeakSlice) -> dict[str, Any]:
    conditions = [
        {**picked(one, "feature", "low", "high", "label", "absent", "text"), "absent": one.absent or None}
        for one in found.conditions
    ]
    told = picked(found, "rows", "value", "low", "high", "rest", "p_value", "excess", "sentence")
    return {**picked(found, "by", "name"), "conditions": conditions, **told}


def fairness_to_json(found: Fairness) -> dict[str, Any]:
    """Return the groups of an attribute and what came of each criterion."""
    return {
        "attribute": found.attribute,
        "reference": found.reference or None,
        "coverage": found.coverage,
        "labelled_coverage": found.labelled,
        "groups": {
            group.value: {
                "rows": group.rows,
                **{name: picked(rate, "value", "low", "high", "rows") for name, rate in group.rates.items()},
            }
            for group in found.groups
        },
        "criteria": {one.name: _criterion(one) for one in found.criteria},
    }


def _criterion(one: Criterion) -> dict[str, Any]:
    comparisons = [picked(pair, "group", "beside", "rate", "value", "low", "high", "state") for pair in one.comparisons]
    return {**picked(one, "state", "basis", "difference", "ratio", "limit"), "comparisons": comparisons}

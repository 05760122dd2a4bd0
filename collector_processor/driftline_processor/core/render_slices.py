"""The JSON of what was realized by slice, of weak slices and of fairness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .evaluation import Metric, SlicePerformance
from .performance.fairness import Criterion, Fairness, Rate
from .performance.weak.found import WeakSearch, WeakSlice


def slices_to_json(
    slices: Mapping[str, SlicePerformance], metric: Callable[[Metric], dict[str, Any]]
) -> dict[str, Any]:
    """Return name → rows, predictions (null where not known), coverage and metrics; ``metric``: how one is written."""
    return {
        name: {
            "rows": one.rows,
            "predictions": one.predictions,
            "coverage": min(1.0, one.rows / one.predictions) if one.predictions else None,
            "metrics": {which: metric(measured) for which, measured in one.metrics.items()},
        }
        for name, one in slices.items()
    }


def weak_to_json(weak: WeakSearch | None) -> dict[str, Any] | None:
    """Return what the search for weak slices found; null where there was none."""
    if weak is None:
        return None
    return {
        "rows": weak.rows,
        "features": weak.features,
        "pairs": weak.pairs,
        "found": [_weak(one) for one in weak.slices],
    }


def _weak(found: WeakSlice) -> dict[str, Any]:
    return {
        "by": found.by,
        "name": found.name,
        "conditions": [
            {
                "feature": one.feature,
                "low": one.low,
                "high": one.high,
                "label": one.label,
                "absent": one.absent or None,
                "text": one.text,
            }
            for one in found.conditions
        ],
        "rows": found.rows,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "rest": found.rest,
        "p_value": found.p_value,
        "excess": found.excess,
        "sentence": found.sentence,
    }


def fairness_to_json(found: Fairness) -> dict[str, Any]:
    """Return the groups of an attribute and what came of each criterion."""
    return {
        "attribute": found.attribute,
        "reference": found.reference,
        "coverage": found.coverage,
        "labelled_coverage": found.labelled,
        "groups": {
            group.value: {"rows": group.rows, **{name: _rate(rate) for name, rate in group.rates.items()}}
            for group in found.groups
        },
        "criteria": {one.name: _criterion(one) for one in found.criteria},
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "low": rate.low, "high": rate.high, "rows": rate.rows}


def _criterion(one: Criterion) -> dict[str, Any]:
    return {
        "state": one.state,
        "basis": one.basis,
        "difference": one.difference,
        "ratio": one.ratio,
        "limit": one.limit,
        "comparisons": [
            {
                "group": beside.group,
                "rate": beside.rate,
                "value": beside.value,
                "low": beside.low,
                "high": beside.high,
                "state": beside.state,
            }
            for beside in one.comparisons
        ],
    }

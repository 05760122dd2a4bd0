"""Windows whose predictions cost, or are worth, something."""

from __future__ import annotations

from typing import Any

from driftline_processor.core.evaluation import Evaluation, MetricValue

from tests.support.verdict_windows import window

Ends = tuple[float, float] | tuple[None, None]


def of_money(number: float, low: float | None = None, high: float | None = None) -> MetricValue:
    """Return a metric of money with its interval."""
    return MetricValue(number, 1_000, "panes", low=low, high=high, interval="mover")


def costing(
    day: int = 0,
    cost: float = 1.5,
    ends: Ends = (1.2, 1.8),
    was: float = 1.0,
    was_ends: Ends = (0.9, 1.1),
    metric: str = "cost_per_prediction",
    **more: Any,
) -> Evaluation:
    """Return a day of 5,000 predictions, a prediction of which costs so much, beside the baseline's cost."""
    more.setdefault("coverage", 0.62)
    return window(
        day,
        realized={metric: of_money(cost, *ends), **more.pop("realized", {})},
        reference={metric: of_money(was, *was_ends)},
        outcome_rows=3_100,
        **more,
    )


__all__ = ["Ends", "costing", "of_money"]

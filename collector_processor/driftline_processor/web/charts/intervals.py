"""A value with its interval on one line, so that rows of a table can be compared at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import MetricValue, SlicePerformance
from driftline_processor.present.numbers import finite

from . import svg

_WIDTH, _HEIGHT = 140.0, 16.0


def ends_of_all(
    slices: Iterable[SlicePerformance], metric: str, metric_value: MetricValue | None
) -> tuple[float, float]:
    """Return the least and the greatest value that any line has to hold, the whole model's among them."""
    metrics = [*(part.metrics.get(metric) for part in slices), metric_value]
    ends = [value for part in metrics if part is not None for value in (part.value, part.low, part.high)]
    finite_ends = [value for value in map(finite, ends) if value is not None]
    low, high = min(finite_ends, default=0.0), max(finite_ends, default=1.0)
    return (low, high) if high / 2 - low / 2 > 0 else (low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2))


def interval_line(metric: MetricValue | None, metric_value: MetricValue | None, ends: Sequence[float]) -> Markup:
    """Draw a value as a dot on its interval; an upright line is the value of all rows."""
    low, high = ends

    def x(value: float) -> float:
        inside = min(max(value, low), high)
        return 4 + (_WIDTH - 8) * ((inside / 2 - low / 2) / (high / 2 - low / 2))  # halves: no difference is infinite

    marks = [svg.line(4, _HEIGHT / 2, _WIDTH - 4, _HEIGHT / 2, "grid")]
    if metric_value is not None and (usual := finite(metric_value.value)) is not None:
        marks.append(svg.line(x(usual), 1, x(usual), _HEIGHT - 1, "was"))
    if metric is not None and (value := finite(metric.value)) is not None:
        least, most = finite(metric.low), finite(metric.high)
        if least is not None and most is not None:
            marks.append(svg.line(x(least), _HEIGHT / 2, x(most), _HEIGHT / 2, "interval wide"))
        marks.append(svg.dot(x(value), _HEIGHT / 2, 3.5, "dot"))
    return svg.picture(_WIDTH, _HEIGHT, marks, "value and interval beside that of all rows", "interval-line")

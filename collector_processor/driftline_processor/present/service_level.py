"""Service metrics in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.evaluation import MetricValue, ServiceLevel
from driftline_processor.core.service_level.level import ERROR_RATE
from driftline_processor.present.figures import measured_ends, measured_text, service_title

__all__ = ["ends_of_calls", "rank_service", "service_title", "value_of_calls"]


def value_of_calls(metric: str, measured: MetricValue | None) -> str:
    """Return the value of a service metric; a dash if unknown.

    >>> value_of_calls("latency_p99", MetricValue(0.0823, 900, "panes")), value_of_calls("error_rate", None)
    ('82.3 ms', '–')
    """
    return "–" if measured is None or measured.value is None else measured_text(metric, measured.value)


def ends_of_calls(metric: str, measured: MetricValue) -> str:
    """Return the interval of a service metric; a dash if there is none."""
    return measured_ends(metric, measured.low, measured.high) or "–"


def rank_service(slices: Mapping[str, ServiceLevel]) -> list[tuple[str, ServiceLevel]]:
    """Sort slices by their significant fraction of failures, then by their number of calls."""

    def surely(level: ServiceLevel) -> float:
        rate = level.values.get(ERROR_RATE)
        return 0.0 if rate is None or rate.low is None else rate.low

    return sorted(slices.items(), key=lambda pair: (-surely(pair[1]), -pair[1].calls, pair[0]))

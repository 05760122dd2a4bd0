"""Limits and measured values of calls in words."""

from __future__ import annotations

import math

from .level import LATENCIES, METRICS

_TITLES = {
    "error_rate": "call error rate",
    "availability": "availability",
    **{name: f"latency {name.removeprefix('latency_')}" for name in LATENCIES},
}


def service_title(metric: str) -> str:
    """Return the title of a metric of calls.

    >>> service_title("latency_p99"), service_title("error_rate")
    ('latency p99', 'call error rate')
    """
    return _TITLES[metric]


def limit_text(metric: str, limit: float) -> str:
    """Return a limit as one writes it in an objective, with its unit.

    >>> limit_text("latency_p95", 0.25), limit_text("latency_p50", 2), limit_text("availability", 0.9999)
    ('250ms', '2s', '99.99 %')
    """
    if metric in LATENCIES:
        return f"{limit:.4g}s" if limit >= 1 else f"{1000 * limit:.4g}ms"
    return f"{100 * limit:.10g} %" if metric in METRICS else f"{limit:g}"


def measured_text(metric: str, value: float) -> str:
    """Return a measured value of calls in three digits, those of the rare side where few calls failed.

    >>> measured_text("latency_p99", 0.08234), measured_text("error_rate", 0.024812)
    ('82.3 ms', '2.48 %')
    >>> measured_text("availability", 0.99951234), measured_text("availability", 1.0)
    ('99.9512 %', '100 %')
    """
    if metric in LATENCIES:
        return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
    rare = min(value, 1 - value)
    digits = max(0, 2 - math.floor(math.log10(100 * rare))) if rare > 0 else 0
    return f"{100 * value:.{digits}f} %"


def measured_ends(metric: str, low: float | None, high: float | None) -> str:
    """Return the ends of an interval in words; "" where it has none.

    >>> measured_ends("latency_p99", 0.075, 0.09), measured_ends("latency_p99", 0.075, None)
    ('75 ms to 90 ms', '75 ms or more')
    """
    if low is None or (high is None and not low):
        return ""
    return f"{measured_text(metric, low)} " + ("or more" if high is None else f"to {measured_text(metric, high)}")

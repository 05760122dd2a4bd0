"""Words for calls that fail or last longer."""

from __future__ import annotations

from driftline_processor.core.service_level.level import ERROR_RATE
from driftline_processor.present.figures import measured_ends, measured_text

from .catalogue import words_of

_SLOW = {"latency_p95": "one call in twenty", "latency_p50": "half of the calls"}


@words_of("service_failing")
def failure_clause(
    metric: str, value: float, low: float | None, high: float | None, usual: float | None, calls: int, error: str
) -> str:
    """Return what is wrong with the calls of a window, and what was usual before."""
    measured, ends = measured_text(metric, value), measured_ends(metric, low, high)
    highest = "" if usual is None else f"at most {measured_text(metric, usual)}"
    if metric != ERROR_RATE:
        before = f"; in earlier windows, this time was {highest}" if highest else ""
        return f"{_SLOW[metric]} took longer than {measured} ({ends}){before}"
    by = f", most of them with {error}" if error else ""
    before = f"; in earlier windows, {highest} failed" if highest else ""
    return f"{measured} of {calls:,} calls failed ({ends}){by}{before}"

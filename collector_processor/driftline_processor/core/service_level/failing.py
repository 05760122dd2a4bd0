"""Tell whether a service fails, where nobody set an objective for its calls.

With windows before it, a window is held against the worst of them: its calls fail, or last, more than twice as much,
and by more than its interval. If nothing changed, each of the windows is as likely as any other to be the worst. So at
most one of ``EARLIER + 1`` such windows is called failing, however uneven calls come, and far fewer for the factor.
Without windows before, only a share of failures that no service is built for says so by itself.

What the rule does over windows of all kinds is in docs/data/service-level.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from driftline_processor.core.evaluation import Evaluation, MetricValue, ServiceLevel

from .level import ERROR_RATE
from .words import measured_ends, measured_text

FAILING: Final = 0.05
"""Share of calls, one in twenty, that surely fail where a service is failing and nobody knows what is usual."""

NOTICED: Final = 0.001
"""Share of calls below which failures wake nobody without an objective: an availability of 99.9 %."""

TIMES: Final = 2.0
"""How many times the worst of the windows before: a change that people notice, and that days do not make."""

EARLIER: Final = 5
"""Windows before, of the same length, that say what is usual: ``calls-quiet-5`` of docs/data/service-level.md."""

JUDGED: Final = ("latency_p95", "latency_p50")
"""Latencies that are held against the windows before. The p99 of few calls is their slowest: it says little."""

_SLOW = {"latency_p95": "one call in twenty", "latency_p50": "half of the calls"}


@dataclass(frozen=True, slots=True)
class ServiceFailure:
    """What is wrong with the calls of a window.

    Attributes:
        metric: ``error_rate`` or a latency.
        measured: Its value and interval.
        limit: What it lies beyond: the named share, or so many times the worst window before.
        sentence: The failure in words.
    """

    metric: str
    measured: MetricValue
    limit: float
    sentence: str


def service_failing(evaluation: Evaluation, earlier: Sequence[ServiceLevel] = ()) -> ServiceFailure | None:
    """Return what is wrong with the calls of a window; None where nothing is, or nobody can tell.

    Args:
        evaluation: A closed window.
        earlier: The service level of closed windows of the same length before it.
    """
    level = evaluation.service
    if level is None or not evaluation.closed:
        return None
    usual, rate = _worst(earlier, ERROR_RATE), level.values.get(ERROR_RATE)
    limit = FAILING if usual is None else max(NOTICED, TIMES * usual)
    if _beyond(rate, limit) and rate is not None:
        return ServiceFailure(ERROR_RATE, rate, limit, _failures(level, rate, usual))
    for metric in JUDGED:
        took, usual = level.values.get(metric), _worst(earlier, metric)
        if took is not None and usual is not None and _beyond(took, TIMES * usual):
            return ServiceFailure(metric, took, TIMES * usual, _slowness(metric, took, usual))
    return None


def _beyond(measured: MetricValue | None, limit: float) -> bool:
    """Return True where the whole interval of a value lies beyond a limit."""
    return measured is not None and measured.low is not None and measured.low > limit


def _worst(earlier: Sequence[ServiceLevel], metric: str) -> float | None:
    """Return the greatest value of the windows before; None where too few of them have one."""
    known = [one.values[metric].value for one in earlier if metric in one.values]
    values = [value for value in known if value is not None]
    return max(values) if len(values) >= EARLIER else None


def _failures(level: ServiceLevel, rate: MetricValue, usual: float | None) -> str:
    failed = f"{measured_text(ERROR_RATE, rate.value or 0.0)} of {level.calls:,} calls failed"
    ends = measured_ends(ERROR_RATE, rate.low, rate.high)
    most = next(iter(level.errors), "")
    by = f", most of them with {most}" if most and most != "other" else ""
    before = "" if usual is None else f"; in no window before more than {measured_text(ERROR_RATE, usual)} did"
    return f"{failed} ({ends}){by}{before}"


def _slowness(metric: str, took: MetricValue, usual: float) -> str:
    value, ends = measured_text(metric, took.value or 0.0), measured_ends(metric, took.low, took.high)
    before = f"in no window before more than {measured_text(metric, usual)}"
    return f"{_SLOW[metric]} took longer than {value} ({ends}); {before}"

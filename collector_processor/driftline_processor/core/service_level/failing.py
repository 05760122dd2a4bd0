"""Tell whether a service fails, where nobody set an objective for its calls.

With windows before it, a window is held against the worst of them: its calls fail, or last, more than twice as much,
and by more than its interval. If nothing changed, each of the windows is as likely as any other to be the worst. So at
most one of ``EARLIER + 1`` such windows is called failing, however uneven calls come, and far fewer for the factor.
Without windows before, only a share of failures that no service is built for says so by itself.

A day has many short windows, and chance makes one of many bad. So the windows of a day share the chance that one window
of a day has: the shorter a window is, the surer its failures have to be.

What the rule does over windows of all kinds is in docs/data/service-level.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation, MetricValue, ServiceLevel
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.intervals.confidence import CONFIDENCE, WeightSums, clopper_pearson
from driftline_processor.core.windows.window import looks_a_day

from .level import ERROR_RATE

FAILING: Final = 0.05
"""Share of calls, one in twenty, that surely fail where a service is failing and nobody knows what is usual."""

TIMES: Final = 2.0
"""How many times the worst of the windows before: a change that people notice, and that days do not make."""

EARLIER: Final = 5
"""Windows before, of the same length, that say what is usual: ``calls-quiet-5`` of docs/data/service-level.md."""

JUDGED: Final = ("latency_p95", "latency_p50")
"""Latencies that are held against the windows before. The p99 of few calls is their slowest: it says little."""


class ServiceFailure(Struct, frozen=True):
    """What is wrong with the calls of a window.

    Attributes:
        metric: ``error_rate`` or a latency.
        measured: Its value and interval.
        limit: What it lies beyond: the named share, or so many times the worst window before.
        usual: The worst of the windows before; None where too few of them are known.
        calls: Calls of the window.
        error: The ``error.type`` that most failed calls have; "" where none is named.
    """

    metric: str
    measured: MetricValue
    limit: float
    usual: float | None
    calls: int
    error: str = ""

    @property
    def fact(self) -> Fact:
        """The failure as a fact."""
        measured = {"value": self.measured.value or 0.0, "low": self.measured.low, "high": self.measured.high}
        calls = {"usual": self.usual, "calls": self.calls, "error": self.error}
        return fact("service_failing", metric=self.metric, **measured, **calls)


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
    limit = _limit(usual)
    if rate is not None and _beyond(rate, limit) and _sure_of_failures(rate, limit, evaluation):
        error = next(iter(level.errors), "")
        return ServiceFailure(ERROR_RATE, rate, limit, usual, level.calls, "" if error == "other" else error)
    for metric in JUDGED:
        took, usual = level.values.get(metric), _worst(earlier, metric)
        if took is not None and usual is not None and _beyond(took, TIMES * usual):
            return ServiceFailure(metric, took, TIMES * usual, usual, level.calls)
    return None


def tells_usual(evaluation: Evaluation, earlier: Sequence[ServiceLevel] = ()) -> bool:
    """Return True where a window says what is usual for those after it: its service did not fail.

    A short window of a service that fails may show too few failures to prove it. It must not raise what is usual, or
    the failure hides itself.

    Args:
        evaluation: A window.
        earlier: The service level of closed windows of the same length before it.
    """
    level = evaluation.service
    if level is None or not evaluation.closed:
        return False
    failure = service_failing(evaluation, earlier)
    if failure is not None and failure.metric == ERROR_RATE:
        return False
    usual, rate = _worst(earlier, ERROR_RATE), level.values.get(ERROR_RATE)
    if usual is None or rate is None or _looks(evaluation) == 1:
        return True
    # 0.1: chance of a short window's failures at the limit, below which it does not say what is usual
    return _least(rate, 1 - 2 * 0.1) <= _limit(usual)


def _limit(usual: float | None) -> float:
    """Return the share of failures beyond which a service fails."""
    # 0.001: share of calls below which failures wake nobody without an objective: an availability of 99.9 %
    return FAILING if usual is None else max(0.001, TIMES * usual)


def _sure_of_failures(rate: MetricValue, limit: float, evaluation: Evaluation) -> bool:
    """Return True where the calls of a window rule out a rate, at the share of a day's chance that is the window's."""
    looks = _looks(evaluation)
    return looks == 1 or _least(rate, 1 - (1 - CONFIDENCE) / looks) > limit


def _looks(evaluation: Evaluation) -> float:
    return looks_a_day(evaluation.window.end - evaluation.window.start)


def _least(rate: MetricValue, confidence: float) -> float:
    """Return the lower end of the exact interval of a rate; 0.0 where it is not known."""
    if rate.value is None:
        return 0.0
    calls = float(rate.rows) if rate.effective_rows is None else rate.effective_rows
    failed, returned = rate.value * calls, (1 - rate.value) * calls
    low = clopper_pearson(WeightSums(failed, failed), WeightSums(returned, returned), confidence).low
    return 0.0 if low is None else low


def _beyond(measured: MetricValue | None, limit: float) -> bool:
    """Return True where the whole interval of a value lies beyond a limit."""
    return measured is not None and measured.low is not None and measured.low > limit


def _worst(earlier: Sequence[ServiceLevel], metric: str) -> float | None:
    """Return the greatest value of the windows before; None where too few of them have one."""
    earlier_values = [level.values[metric].value for level in earlier if metric in level.values]
    values = [value for value in earlier_values if value is not None]
    return max(values) if len(values) >= EARLIER else None

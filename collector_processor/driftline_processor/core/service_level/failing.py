"""Detect a failing service without an objective for its calls.

A window is compared with the worst of the previous windows: it fails if its error rate or latency is more than twice as
high, with its whole interval. Without a change, each window is equally likely to be the worst, so at most one of
``EARLIER + 1`` windows is called failing, however uneven calls are, and far fewer due to the factor. Without previous
windows, only a high absolute error rate counts.

Windows shorter than a day share the error probability of one window per day: the shorter a window, the higher the
confidence of its failures must be.

False alarms and power by kind of window are in evidence/service_level.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue, ServiceLevel
from driftline_processor.core.intervals.confidence import CONFIDENCE, WeightSums, clopper_pearson
from driftline_processor.core.windows.window import looks_a_day

from .level import ERROR_RATE

FAILING: Final = 0.05
"""Fraction of failed calls above which a service fails if its normal rate is unknown."""

TIMES: Final = 2.0
"""Ratio to the worst of the previous windows that is noticeable and beyond the variation of days."""

EARLIER: Final = 5
"""Number of previous windows of the same length that define the normal level: ``calls-quiet-5`` in
evidence/service_level.json.
"""

JUDGED: Final = ("latency_p95", "latency_p50")
"""Latencies that are compared with the previous windows. The p99 of few calls is their maximum and is not used."""


def service_failing(evaluation: Evaluation, earlier: Sequence[ServiceLevel] = ()) -> facts.ServiceFailing | None:
    """Return the failing metric of a window; None if there is none, or if it is inconclusive.

    Args:
        evaluation: A closed window.
        earlier: Service levels of previous closed windows of the same length.
    """
    level = evaluation.service
    if level is None or not evaluation.closed:
        return None
    usual, rate = _worst(earlier, ERROR_RATE), level.values.get(ERROR_RATE)
    limit = _limit(usual)
    if rate is not None and _beyond(rate, limit) and _sure_of_failures(rate, limit, evaluation):
        error = next(iter(level.errors), "")
        numbers = *_ends(rate), usual, level.calls
        return facts.ServiceFailing(ERROR_RATE, *numbers, "" if error == "other" else error, limit)
    for metric in JUDGED:
        took, usual = level.values.get(metric), _worst(earlier, metric)
        if took is not None and usual is not None and _beyond(took, TIMES * usual):
            return facts.ServiceFailing(metric, *_ends(took), usual, level.calls, limit=TIMES * usual)
    return None


def _ends(measured: MetricValue) -> tuple[float, float | None, float | None]:
    return measured.value or 0.0, measured.low, measured.high


def tells_usual(evaluation: Evaluation, earlier: Sequence[ServiceLevel] = ()) -> bool:
    """Return True if a window counts towards the normal level of later windows: its service did not fail.

    A short window of a failing service may have too few failures to prove it. It must not raise the normal level, or
    the failure would hide itself.

    Args:
        evaluation: A window.
        earlier: Service levels of previous closed windows of the same length.
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
    # 0.1: probability of a short window's failures at the limit, below which it is not a normal window
    return _lowest_rate(rate, 1 - 2 * 0.1) <= _limit(usual)


def _limit(usual: float | None) -> float:
    """Return the error rate above which a service fails."""
    # 0.001: minimum error rate for an alert without an objective: an availability of 99.9 %
    return FAILING if usual is None else max(0.001, TIMES * usual)


def _sure_of_failures(rate: MetricValue, limit: float, evaluation: Evaluation) -> bool:
    """Return True if the calls of a window exclude a rate, at the window's fraction of a day's error probability."""
    looks = _looks(evaluation)
    return looks == 1 or _lowest_rate(rate, 1 - (1 - CONFIDENCE) / looks) > limit


def _looks(evaluation: Evaluation) -> float:
    return looks_a_day(evaluation.window.end - evaluation.window.start)


def _lowest_rate(rate: MetricValue, confidence: float) -> float:
    """Return the lower end of the exact interval of a rate; 0.0 if unknown."""
    if rate.value is None:
        return 0.0
    calls = float(rate.rows) if rate.effective_rows is None else rate.effective_rows
    failed, returned = rate.value * calls, (1 - rate.value) * calls
    low = clopper_pearson(WeightSums(failed, failed), WeightSums(returned, returned), confidence).low
    return 0.0 if low is None else low


def _beyond(measured: MetricValue | None, limit: float) -> bool:
    """Return True if the whole interval of a value lies above a limit."""
    return measured is not None and measured.low is not None and measured.low > limit


def _worst(earlier: Sequence[ServiceLevel], metric: str) -> float | None:
    """Return the maximum over the previous windows; None if too few of them have a value."""
    earlier_values = [level.values[metric].value for level in earlier if metric in level.values]
    values = [value for value in earlier_values if value is not None]
    return max(values) if len(values) >= EARLIER else None

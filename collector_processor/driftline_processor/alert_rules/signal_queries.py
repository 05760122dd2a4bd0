"""The signals of conditions as queries of the derived metrics, or the reason if there is no metric."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.core.policy.signals import ESTIMATED, Signal
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES

from .promql import MODEL, Models, Wanted, labels, series

End = Literal["value", "low", "high"]
"""The value, or an end of its interval."""

_ENDS: Final = {
    "value": m.DRIFTLINE_PERFORMANCE_VALUE,
    "low": m.DRIFTLINE_PERFORMANCE_LOW,
    "high": m.DRIFTLINE_PERFORMANCE_HIGH,
}
_OF_COLUMN: Final = re.compile(r"(?P<what>\S+) of (?P<column>.+)")
_WEIGHTINGS: Final = {"drift_fraction": "none", "weighted_drift_fraction": "importance"}


class LeftOut(NamedTuple):
    """A part of the configuration that cannot be expressed.

    Attributes:
        key: Its configuration key.
        reason: The reason and the fix.
    """

    key: str
    reason: str

    @property
    def sentence(self) -> str:
        """The omission as a sentence."""
        return f"{self.key}: is not exported: {self.reason}"


class NoQueryError(ValueError):
    """No query of the derived metrics expresses it; the message has the reason and the fix."""


def has_interval(signal: Signal) -> bool:
    """Return True if the interval's ends of a signal are metrics: signals on outcomes over all rows."""
    return signal.of_outcomes and not signal.slice


def query(signal: Signal, window: str, models: Models, end: End = "value") -> str:
    """Return the query of a signal in the newest window of a length.

    Args:
        signal: The signal.
        window: Name of the length.
        models: Matchers of the model's name.
        end: The value, or an end of its interval.

    Raises:
        NoQueryError: It is not a metric.
    """
    if end != "value" and not has_interval(signal):
        interval = f"the confidence interval of {_named(signal)}"
        raise NoQueryError(f"'significant' needs {interval}, which is not exported as a metric; remove 'significant'")
    label_values: Wanted = {a.DRIFTLINE_WINDOW: window}
    if signal.is_business:
        raise NoQueryError(
            f"{_named(signal)} is one of your own metrics, which Driftline does not export; query it where it is "
            "stored, or let Driftline send the notification"
        )
    if signal.name == "predictions":
        raise NoQueryError(
            "the number of predictions per window is not exported as a metric; let Driftline send the notification"
        )
    if signal.name == "coverage":
        return series(m.DRIFTLINE_OUTCOME_COVERAGE, models, label_values)
    if signal.name in _WEIGHTINGS:
        return series(
            m.DRIFTLINE_DRIFT_FRACTION,
            models,
            {**label_values, a.DRIFTLINE_DRIFT_WEIGHTING: _WEIGHTINGS[signal.name], a.DRIFTLINE_DRIFT_SLICE: ""},
        )
    if match := _OF_COLUMN.fullmatch(signal.name):
        return _drift_query(match["what"], match["column"], signal.slice, models, label_values)
    label_values = {**label_values, a.DRIFTLINE_PERFORMANCE_SLICE: signal.slice}
    if signal.name in LATENCIES:
        return series(
            m.DRIFTLINE_SERVICE_LATENCY,
            models,
            {**label_values, a.DRIFTLINE_SERVICE_QUANTILE: f"{LATENCIES[signal.name]:g}"},
        )
    if signal.name in (ERROR_RATE, AVAILABILITY):
        failed = series(m.DRIFTLINE_SERVICE_ERROR_RATE, models, label_values)
        return failed if signal.name == ERROR_RATE else f"(1 - {failed})"
    metric = signal.name.removeprefix(ESTIMATED)
    label_values = {**label_values, a.DRIFTLINE_PERFORMANCE_METRIC: metric}
    if metric == signal.name:
        return series(_ENDS[end], models, label_values)
    failed = series(m.DRIFTLINE_ESTIMATE_STATUS, models, {**label_values, a.DRIFTLINE_STATE: "failed"})
    estimate = series(m.DRIFTLINE_ESTIMATE_VALUE, models, label_values)
    return f"({estimate} unless ignoring ({labels([a.DRIFTLINE_STATE])}) {failed})"


def reference_query(signal: Signal, window: str, models: Models) -> str:
    """Return the query of a signal's baseline value. Raises :class:`NoQueryError` if there is none."""
    if not (signal.of_outcomes or signal.name.startswith(ESTIMATED)):
        raise NoQueryError(f"the baseline has no {_named(signal)} to compare with; use a number")
    metric = signal.name.removeprefix(ESTIMATED)
    return series(
        m.DRIFTLINE_PERFORMANCE_REFERENCE, models, {a.DRIFTLINE_WINDOW: window, a.DRIFTLINE_PERFORMANCE_METRIC: metric}
    )


def _drift_query(metric: str, column: str, slice: str, models: Models, labels: Wanted) -> str:
    if metric == "missing":
        raise NoQueryError(
            f"the fraction of missing values of {column} is not exported as a metric; use the alert DataFault"
        )
    column_label = (
        {a.DRIFTLINE_DRIFT_COLUMN: column} if column in ("score", "class") else {a.DRIFTLINE_FEATURE_NAME: column}
    )
    return series(
        m.DRIFTLINE_DRIFT_VALUE,
        models,
        {**labels, **column_label, a.DRIFTLINE_DRIFT_METHOD: metric, a.DRIFTLINE_DRIFT_SLICE: slice},
    )


def _named(signal: Signal) -> str:
    return f"{signal.name} in {signal.slice}" if signal.slice else signal.name


def by_model(expression: str) -> str:
    """Return the maximum of an expression per version of a model.

    >>> by_model("a > 1") == f"max by ({labels(MODEL)}) (a > 1)"
    True
    """
    return f"max by ({labels(MODEL)}) ({expression})"

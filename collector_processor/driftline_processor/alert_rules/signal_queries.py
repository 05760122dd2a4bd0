"""The numbers of windows that conditions compare, as queries of the derived metrics; what is no metric is said why."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.core.policy.signals import ESTIMATED, Signal
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES

from .promql import MODEL, Models, Wanted, labels, series

End = Literal["value", "low", "high"]
"""The number itself, or an end of its interval."""

_ENDS: Final = {
    "value": m.DRIFTLINE_PERFORMANCE_VALUE,
    "low": m.DRIFTLINE_PERFORMANCE_LOW,
    "high": m.DRIFTLINE_PERFORMANCE_HIGH,
}
_OF_COLUMN: Final = re.compile(r"(?P<what>\S+) of (?P<column>.+)")
_WEIGHTINGS: Final = {"drift_fraction": "none", "weighted_drift_fraction": "importance"}


class LeftOut(NamedTuple):
    """Something of the configuration that a language cannot say.

    Attributes:
        key: Where it is written.
        reason: Why, and what to do.
    """

    key: str
    reason: str

    @property
    def sentence(self) -> str:
        """What is said of it."""
        return f"{self.key}: is not exported: {self.reason}"


class NoQueryError(ValueError):
    """No query of the derived metrics says it; the message says why, and what to do."""


def has_interval(signal: Signal) -> bool:
    """Return True where the ends of a number's interval are metrics: of what outcomes tell, over all rows."""
    return signal.of_outcomes and not signal.slice


def query(signal: Signal, window: str, models: Models, end: End = "value") -> str:
    """Return the query of a number in the newest window of a length.

    Args:
        signal: The number.
        window: Name of the length.
        models: Of which models.
        end: The number, or an end of its interval.

    Raises:
        NoQueryError: It is no metric.
    """
    if end != "value" and not has_interval(signal):
        interval = f"the confidence interval of {_named(signal)}"
        raise NoQueryError(f"'significant' needs {interval}, which is not a metric; remove 'significant'")
    label_values: Wanted = {a.DRIFTLINE_WINDOW: window}
    if signal.is_business:
        raise NoQueryError(
            f"{_named(signal)} is one of your own metrics; query it directly, or let Driftline send the notification"
        )
    if signal.name == "predictions":
        raise NoQueryError("the number of predictions per window is not a metric; let Driftline send the notification")
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
    """Return the query of the baseline's value of a number. Raises :class:`NoQueryError` where it has none."""
    if not (signal.of_outcomes or signal.name.startswith(ESTIMATED)):
        raise NoQueryError(f"the baseline has no {_named(signal)} to compare with; use a number")
    metric = signal.name.removeprefix(ESTIMATED)
    return series(
        m.DRIFTLINE_PERFORMANCE_REFERENCE, models, {a.DRIFTLINE_WINDOW: window, a.DRIFTLINE_PERFORMANCE_METRIC: metric}
    )


def _drift_query(metric: str, column: str, slice: str, models: Models, labels: Wanted) -> str:
    if metric == "missing":
        raise NoQueryError(f"the fraction of missing values of {column} is not a metric; use the alert DataFault")
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
    """Return the greatest value of an expression for each version of a model.

    >>> by_model("a > 1") == f"max by ({labels(MODEL)}) (a > 1)"
    True
    """
    return f"max by ({labels(MODEL)}) ({expression})"

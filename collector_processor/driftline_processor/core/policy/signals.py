"""Signals: the numbers of a window that conditions compare, with their syntax and units."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import Struct

from driftline_processor.core.business import PREFIX
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MetricValue
from driftline_processor.core.fairness.criteria import CRITERIA, MEASURES
from driftline_processor.core.metrics import metric_named, misnamed
from driftline_processor.core.nearest_names import near, nearest
from driftline_processor.core.performance.objective import read_limit, unknown_unit
from driftline_processor.core.performance.service_objectives import metric_of
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

ESTIMATED: Final = "estimated "
"""Prefix of metrics that are estimated without outcomes."""

OF_WINDOW: Final = ("predictions", "coverage", "drift_fraction", "weighted_drift_fraction")
"""Signals of a window as a whole: number of predictions, fraction with a known outcome, and fraction of drifting
features, unweighted or weighted by importance.
"""

_OF_COLUMN = re.compile(r"(?P<what>[a-z_0-9]+) of (?P<column>\S.*)")
_POSITIVE: Final = ("nats", "squared probability")
"""Units of metrics that are at least 0; a metric in the unit of the target may be negative, such as the bias."""
_FRACTIONS = ("coverage", "drift_fraction", "weighted_drift_fraction", "missing")


class Value(NamedTuple):
    """The value of a signal in a window, with its interval if known."""

    value: float
    low: float | None = None
    high: float | None = None


class Signal(Struct, frozen=True):
    """A number of every window.

    Attributes:
        name: As written: ``accuracy``, ``estimated roc_auc``, ``latency_p99``, ``psi of age``, ``coverage``.
        slice: The slice, ``key=value``; "" = all rows.
    """

    name: str
    slice: str = ""

    @property
    def column(self) -> str:
        """The column of the signal; "" without one."""
        match = _OF_COLUMN.fullmatch(self.name)
        return "" if match is None else match["column"]

    def read(self, evaluation: Evaluation) -> Value | None:
        """Return the value in a window; None if it is unknown, or if outcomes are pending."""
        if self.name in OF_WINDOW:
            return _of_window(self.name, evaluation)
        if self.is_business:
            known = evaluation.business.get(self.name.removeprefix(PREFIX))
            return None if known is None else Value(known)
        if match := _OF_COLUMN.fullmatch(self.name):
            return _of_column(match["what"], match["column"], evaluation, self.slice)
        if self.name in SERVICE_METRICS:
            level = evaluation.service_slices.get(self.slice) if self.slice else evaluation.service
            return None if level is None else _measured(metric_of(level, self.name))
        if self.name.startswith(ESTIMATED):
            estimate = evaluation.estimated.get(self.name.removeprefix(ESTIMATED))
            if estimate is None or estimate.value is None or estimate.record.state == "failed":
                return None
            return Value(estimate.value, estimate.low, estimate.high)
        if evaluation.maturity != "mature":
            return None
        return _measured(self._metrics(evaluation).get(self.name))

    def reference(self, evaluation: Evaluation) -> float | None:
        """Return the value of the baseline; None if unknown."""
        known = evaluation.reference.get(self.name.removeprefix(ESTIMATED))
        return None if known is None else known.value

    def read_limit(self, number: float, unit: str) -> float:
        """Return a limit in the base unit of the signal; ``ValueError`` for another unit.

        >>> Signal("accuracy").read_limit(85, "%"), Signal("latency_p99").read_limit(200, "ms")
        (0.85, 0.2)
        """
        if self.name in SERVICE_METRICS:
            return read_limit(self.name, number, unit)
        if unit == "%" and (self.is_fraction or self.is_business):
            if number > 100:
                raise ValueError(f"{self.name}: '{number:g} %' is more than 100 %; use at most '100 %'")
            return round(number / 100, 12)
        if unit:
            raise ValueError(unknown_unit(self.name, number, unit, self._unit))
        if self.is_fraction and number > 1:
            fix = f"'{number:g} %'" if number <= 100 else "a number from 0 to 1, or a percentage"
            raise ValueError(f"{self.name}: is a fraction, but '{number:g}' is more than 1; use {fix}")
        return number

    @property
    def is_business(self) -> bool:
        """True for a business series, which baselines do not contain."""
        return self.name.startswith(PREFIX)

    @property
    def is_fraction(self) -> bool:
        """True if it lies between 0 and 1, so that it can be written in percent."""
        if self.name in (ERROR_RATE, AVAILABILITY) or self.name.partition(" of ")[0] in _FRACTIONS:
            return True
        metric = metric_named(self.name.removeprefix(ESTIMATED))
        return metric is not None and metric.unit == "fraction"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Minimum and maximum in any window; None if unbounded."""
        if self.name == "predictions":
            return 1.0, None
        of_drift = " of " in self.name
        if self.is_business or (of_drift and not self.is_fraction):
            return None, None
        if self.is_fraction:
            return 0.0, 1.0
        return (0.0, None) if self.name in SERVICE_METRICS or self._unit in _POSITIVE else (None, None)

    @property
    def _unit(self) -> str:
        """The unit of a metric; "" for other signals."""
        if self.name in OF_WINDOW:
            return "fraction" if self.is_fraction else "rows"
        if self.is_business or " of " in self.name:
            return ""
        metric = metric_named(self.name.removeprefix(ESTIMATED))
        return "" if metric is None else metric.unit

    @property
    def feature(self) -> str:
        """The feature of the signal, such as ``psi of age``; "" without one."""
        match = _OF_COLUMN.fullmatch(self.name)
        return "" if match is None or match["column"] in ("score", "class") else match["column"]

    @property
    def of_outcomes(self) -> bool:
        """True if it needs outcomes."""
        known = self.name in OF_WINDOW or self.name in SERVICE_METRICS or " of " in self.name or self.is_business
        return not known and not self.name.startswith(ESTIMATED)

    def _metrics(self, evaluation: Evaluation) -> dict[str, MetricValue]:
        if not self.slice:
            return evaluation.realized
        found = evaluation.performance_slices.get(self.slice)
        return {} if found is None else found.metrics


def read_signal(name: str, slice: str = "") -> Signal:
    """Return the signal with a name. Raises ``ValueError`` with the nearest valid names.

    >>> read_signal("acuracy")
    Traceback (most recent call last):
    ValueError: 'acuracy' is not a metric; did you mean 'accuracy' or 'top_k_accuracy'?
    """
    name = " ".join(name.split())
    if name in OF_WINDOW or name in SERVICE_METRICS:
        if slice and name in OF_WINDOW:
            raise ValueError(f"'{name}' is computed for all rows, not for '{slice:.80}'; remove the slice")
        return Signal(name, slice)
    if name.startswith(PREFIX):
        if slice:
            raise ValueError(
                f"'{name:.80}' is measured for the whole business, not for '{slice:.80}'; remove the slice"
            )
        return Signal(name)
    if match := _OF_COLUMN.fullmatch(name):
        what = match["what"]
        if what != "missing" and what not in METHODS:
            meant = nearest(what, ["missing", *METHODS, *MEASURES], 1)
            if what in CRITERIA:
                meant = [measure for measure, one in MEASURES.items() if one.criterion == what]
            if {*meant} & {*MEASURES}:
                raise ValueError(f"there is no fairness measure '{what:.80}'; did you mean '{meant[0]}'?")
            raise ValueError(f"there is no drift method '{what:.80}'; {near(what, ['missing', *METHODS])}")
        return Signal(name, slice)
    metric = name.removeprefix(ESTIMATED)
    if problem := misnamed(metric):
        others = nearest(metric, [*SERVICE_METRICS, *OF_WINDOW], 1)
        raise ValueError(problem if not others or "did you mean" in problem else f"{problem}, or {others[0]}")
    if slice and name != metric:
        raise ValueError(f"'{name}' is estimated for all rows, not for '{slice:.80}'; remove the slice")
    return Signal(name, slice)


def _of_window(name: str, evaluation: Evaluation) -> Value | None:
    if name == "predictions":
        return Value(float(evaluation.rows))
    if name == "coverage":
        young = evaluation.young or evaluation.coverage is None
        return None if young else Value(float(evaluation.coverage or 0.0))
    share = evaluation.fraction if name == "drift_fraction" else evaluation.weighted_fraction
    return None if share is None else Value(share)


def _of_column(what: str, name: str, evaluation: Evaluation, slice: str) -> Value | None:
    of = evaluation.slices.get(slice) if slice else evaluation
    column: ColumnDrift | None = None
    if of is not None:
        column = of.features.get(name) or {"score": of.score, "class": of.predicted}.get(name)
    if column is None:
        return None
    if what == "missing":
        return None if column.missing_now is None else Value(column.missing_now)
    method = column.methods.get(what)
    return None if method is None or method.value is None else Value(method.value)


def _measured(measured: MetricValue | None) -> Value | None:
    return None if measured is None or measured.value is None else Value(measured.value, measured.low, measured.high)

"""Objectives: the limit of a metric, its rows and windows, its syntax, and its state over many windows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from driftline.baseline.sections.slices import slice_name
from driftline.tables.classes import class_text
from msgspec import structs

from driftline_processor.core.evaluation import Evaluation, ObjectiveState
from driftline_processor.core.metrics import metric_named, misnamed
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.core.windows.window import length, parse

LEAST_ROWS = 50
"""Default of the effective rows that a value of a key needs to be evaluated, as for drift."""

_WEEK = 7 * 86_400 * 10**9
"""Nanoseconds after which an inconclusive objective is reported."""

_NUMBER = r"(?:\d[\d.eE]*|\d*\.\d+)"
_WRITTEN = re.compile(
    rf"(?P<metric>[^<>=]+?)\s*(?P<sign>>=|<=)\s*"
    rf"(?:(?P<baseline>baseline)(?:\s*(?P<change>[+-])\s*(?P<by>{_NUMBER}))?|(?P<number>{_NUMBER})\s*"
    r"(?P<unit>%|[^\W\d_][^\s\d<>=*+-]*)?)"
    r"(?:\s+in\s+(?P<slice>\S.*?))?(?:\s+over\s+(?P<rolling>rolling\s+)?(?P<window>\d+(?:m|h|d|w|mo)))?"
)

_UNITS_IN_WORDS = {
    "target": "the unit of the outcomes",
    "cost": "the unit of the costs",
    "value": "the unit of the value",
    "rows": "rows",
}
_UNITS = {"us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e3, "s": 1.0}
"""Unit of a latency → units per second."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A limit for a metric: exactly one of the four kinds.

    Attributes:
        least_change: Minimum of the change since the baseline.
        most_change: Maximum of the change since the baseline.
        window: Name of the windows that it applies to; "" = all.
        rolling: Whether it applies to every period of this length.
        slice: The rows of ``key=value``, or with ``key`` alone each of its values with at least ``min_rows``; "" = all
            rows.
        alert_after: Maximum number of consecutive inconclusive windows; 0 = those of a week.
        policy: Name of the policy whose limit it is; "" = ``performance.objectives``.
    """

    metric: str
    least: float | None = None
    most: float | None = None
    least_change: float | None = None
    most_change: float | None = None
    window: str = ""
    rolling: bool = False
    slice: str = ""
    min_rows: int = LEAST_ROWS
    alert_after: int = 0
    policy: str = ""

    @property
    def relative(self) -> bool:
        """True if the change since the baseline is limited."""
        return self.least_change is not None or self.most_change is not None

    @property
    def upwards(self) -> bool:
        """True if higher is better."""
        return self.least is not None or self.least_change is not None

    @property
    def limit(self) -> float:
        """The limit."""
        given = (self.least, self.most, self.least_change, self.most_change)
        return next(limit for limit in given if limit is not None)

    @property
    def key(self) -> str:
        """The key of its slice or slices; "" for all rows."""
        return self.slice.partition("=")[0]

    @property
    def of_service(self) -> bool:
        """True for latency, error rate or availability, which are computed from calls, not outcomes."""
        return self.metric in SERVICE_METRICS

    @property
    def rule(self) -> str:
        """The objective in its written form.

        >>> Objective("roc_auc", least_change=-0.02).rule, Objective("mae", most=3.2, window="1d").rule
        ('roc_auc >= baseline - 0.02', 'mae <= 3.2 over 1d')
        >>> Objective("recall", least=0.9, slice="country=NL").rule
        'recall >= 0.9 in country=NL'
        >>> Objective("latency_p99", most=0.1).rule, Objective("error_rate", most=0.001).rule
        ('latency_p99 <= 100ms', 'error_rate <= 0.1 %')
        """
        change = f" {'-' if self.limit < 0 else '+'} {_decimal(abs(self.limit))}" if self.limit else ""
        limit = f"baseline{change}" if self.relative else limit_text(self.metric, self.limit)
        where = f" in {self.slice}" if self.slice else ""
        over = f" over {'rolling ' if self.rolling else ''}{self.window}" if self.window else ""
        return f"{self.metric} {'>=' if self.upwards else '<='} {limit}{where}{over}"

    def patience(self, window: str) -> int:
        """Return after how many inconclusive windows of a name in a row a notification is due; 0 = never.

        >>> [Objective("recall", least=0.9).patience(name) for name in ("1h", "1d", "1mo", "")]
        [168, 7, 2, 7]
        """
        if self.policy:
            return 0
        return self.alert_after or (max(2, _WEEK // length(window)) if window else 7)


def read_limit(metric: str, number: float, unit: str) -> float:
    """Return a limit in the base unit of its metric: seconds, or a fraction.

    Raises ``ValueError`` with the rule and the fix.

    >>> read_limit("latency_p99", 100, "ms"), read_limit("availability", 99.9, "%"), read_limit("mae", 3, "")
    (0.1, 0.999, 3)
    """
    if metric in LATENCIES:
        if unit not in _UNITS:
            wrong = f"'{unit}' is not a unit of a latency" if unit else f"'{number:g}' has no unit"
            raise ValueError(f"{metric}: {wrong}; use '{number:g}ms' or '{number:g}s'")
        return number / _UNITS[unit]
    if metric in (ERROR_RATE, AVAILABILITY):
        if unit not in ("", "%"):
            raise ValueError(f"{metric}: '{number:g} {unit}' is not a fraction; use '{number:g} %'")
        share = round(number / 100, 12) if unit else number
        if not 0 <= share <= 1:
            fix = f"use '{number:g} %'" if not unit and number <= 100 else "use at most 100 %"
            raise ValueError(f"{metric}: '{number:g}{' %' if unit else ''}' is more than 100 % of the calls; {fix}")
        return share
    if metric.startswith("latency"):
        raise ValueError(f"'{metric:.80}' is not a latency; available: {', '.join(LATENCIES)}")
    if unit:
        known = metric_named(metric)
        raise ValueError(unknown_unit(metric, number, unit, "" if known is None else known.unit))
    return number


def unknown_unit(name: str, number: float, unit: str, known: str) -> str:
    """Return the error message for a limit with an unsupported unit.

    Args:
        name: The name of the metric or series.
        number: The limit.
        unit: The unit as written.
        known: The unit of the metric; "" if unknown.

    >>> unknown_unit("rmse", 3.0, "EUR", "target")
    "rmse: 'EUR' is not a known unit; rmse is in the unit of the outcomes, use 3"
    """
    if known == "fraction" and unit != "%":
        fix = f"'{number:g} %' or {number / 100:g}" if number > 1 else f"{number:g} or '{number * 100:g} %'"
        return f"{name}: '{unit}' is not a unit of a fraction; use {fix}"
    fix = f"{number / 100:g}" if unit == "%" else f"{number:g}"
    is_in = f"is in {_UNITS_IN_WORDS[known]}" if known in _UNITS_IN_WORDS else "is a plain number"
    if unit == "%":
        return f"{name}: '{number:g} %' is a percentage; {name} {is_in}, use {fix}"
    return f"{name}: '{unit}' is not a known unit; {name} {is_in}, use {fix}"


def read_objective(text: str) -> Objective:
    """Parse an objective: ``METRIC >= NUMBER [in KEY[=VALUE]] [over [rolling] 1h]``.

    A latency has a unit, ``100ms`` or ``0.1s``; an error rate or an availability may be written in percent.

    Raises ``ValueError`` with the rule and the fix.

    >>> read_objective("precision >= 0.95 over rolling 1h").rule
    'precision >= 0.95 over rolling 1h'
    >>> read_objective("roc_auc >= baseline - 0.02").least_change, read_objective("recall >= baseline").least_change
    (-0.02, 0.0)
    >>> read_objective("recall >= 0.9 in country=NL over 1d").slice
    'country=NL'
    >>> read_objective("latency_p99 <= 100ms over 1h").most, read_objective("error_rate <= 0.1 %").most
    (0.1, 0.001)
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{text:.80}' is not an objective; use METRIC >= NUMBER, as in 'precision >= 0.95', 'recall >= 0.9 in "
            "country=NL', 'precision >= 0.95 over rolling 1h', 'roc_auc >= baseline - 0.02' or 'latency_p99 <= 100ms'"
        )
    number = float(match["number"] or match["by"] or 0)
    if match["number"]:
        number = read_limit(match["metric"], number, match["unit"] or "")
    number = -number if match["change"] == "-" else number
    place = 2 * bool(match["baseline"]) + (match["sign"] == "<=")
    least, most, least_change, most_change = (number if index == place else None for index in range(4))
    found = Objective(match["metric"], least, most, least_change, most_change, match["window"] or "")
    return checked_objective(replace(found, rolling=bool(match["rolling"])), match["slice"])


def checked_objective(objective: Objective, slice: str | None) -> Objective:
    """Return an objective with its slice, whose value is normalized as in slice names.

    Raises ``ValueError`` if its window is invalid, or if it does not allow slices or calls.
    """
    if objective.window:
        parse(objective.window)
    if objective.of_service:
        _check_service(objective)
    if not slice:
        return objective
    if objective.rolling:
        raise ValueError(
            f"'{objective.rule} in {slice}': slices are stored per hour, so they have no rolling windows; "
            "remove rolling, or the slice"
        )
    key, given, value = slice.partition("=")
    if not key.strip() or (given and not value.strip()):
        raise ValueError(f"'{slice:.80}' is not a slice; use key=value, or only the key to select each of its values")
    named = slice_name(key.strip(), class_text(value)) if given else key.strip()
    return replace(objective, slice=named)


def _check_service(objective: Objective) -> None:
    """Raise ``ValueError`` for an objective that cannot be computed from calls."""
    upwards = objective.metric == AVAILABILITY
    sign, wrong = (">=", "<=") if upwards else ("<=", ">=")
    written, limit = objective.rule, limit_text(objective.metric, objective.limit)
    if objective.relative:
        example = 0.1 if objective.metric in LATENCIES else 0.999 if upwards else 0.001
        raise ValueError(
            f"'{written}': a baseline contains no latency and no error rate; use a fixed limit, as in "
            f"'{objective.metric} {sign} {limit_text(objective.metric, example)}'"
        )
    if objective.upwards != upwards:
        raise ValueError(
            f"'{written}': with {wrong}, the objective is met only if the service is worse than the limit; "
            f"use '{objective.metric} {sign} {limit}'"
        )


def limit_text(metric: str, limit: float) -> str:
    """Return a limit with its unit as written in an objective.

    >>> limit_text("latency_p95", 0.25), limit_text("latency_p50", 2), limit_text("availability", 0.9999)
    ('250ms', '2s', '99.99 %')
    """
    if metric in LATENCIES:
        return f"{_decimal(limit)}s" if limit >= 1 else f"{_decimal(1000 * limit)}ms"
    return f"{_decimal(100 * limit)} %" if metric in SERVICE_METRICS else _decimal(limit)


def _decimal(number: float) -> str:
    """Return a number without an exponent, to 12 significant digits, as :func:`read_objective` reads it.

    >>> _decimal(2e6), _decimal(1e-5), _decimal(100 * 0.9999)
    ('2000000', '0.00001', '99.99')
    """
    return np.format_float_positional(float(f"{number:.12g}"), trim="-")


def misnamed_metric(objective: Objective, kind: str = "", custom: Collection[str] = ()) -> str:
    """Return the error message for an invalid metric name of an objective; "" if it is valid or computed from calls.

    >>> misnamed_metric(Objective("error_rate", most=0.01), "ranking")
    ''
    """
    return "" if objective.of_service else misnamed(objective.metric, kind, custom)


def count_inconclusive(current: Evaluation, previous: Evaluation | None) -> tuple[ObjectiveState, ...]:
    """Return the objectives of a window with the number of consecutive inconclusive windows up to this one.

    Open windows, and those whose outcomes may still arrive, are not counted.
    """
    earlier = (
        {}
        if previous is None
        else {objective.rule: objective.inconclusive_windows for objective in previous.objectives}
    )

    def count(objective_state: ObjectiveState) -> int:
        counts = current.closed and (
            objective_state.until or objective_state.metric in SERVICE_METRICS or not current.young
        )
        return earlier.get(objective_state.rule, 0) + bool(counts) if objective_state.state == "inconclusive" else 0

    return tuple(structs.replace(objective, inconclusive_windows=count(objective)) for objective in current.objectives)


def counts_already(evaluation: Evaluation) -> bool:
    """Return True for a closed window, and for an open one in which a rolling objective is broken."""
    return evaluation.closed or any(state.rolling and state.state == "broken" for state in evaluation.objectives)


def newest_objectives(windows: Sequence[Evaluation]) -> dict[str, ObjectiveState]:
    """Return the latest state of each objective by rule, from windows of one name, oldest first.

    From the newest window whose outcomes had their usual delay, or whose outstanding outcomes cannot change the state;
    for a rolling objective, from the newest period that ended.
    """
    newest = next((window for window in reversed(windows) if window.closed and not window.young), None)
    found = {} if newest is None else {objective.rule: objective for objective in newest.objectives}
    closed = next((window for window in reversed(windows) if window.closed), None)
    of_calls = () if closed is None else closed.objectives  # which do not depend on outcomes
    of_young = (objective for window in windows if window.closed and window.young for objective in window.objectives)
    return (
        found
        | {objective.rule: objective for objective in of_young if objective.state != "inconclusive"}
        | {objective.rule: objective for objective in of_calls if objective.metric in SERVICE_METRICS}
        | {objective.rule: objective for window in windows[-2:] for objective in window.objectives if objective.until}
    )

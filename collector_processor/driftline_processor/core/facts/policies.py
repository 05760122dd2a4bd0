"""Results of the conditions of policies."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core import evaluation
from driftline_processor.core.fact import ColumnName, FactStruct


class Verdict(FactStruct):
    verdict: evaluation.Verdict


class OfSignal(FactStruct):
    """A signal, in a slice ("" = all rows)."""

    signal: str
    slice: str = ""


class SignalUnknown(OfSignal, kw_only=True):
    waits: bool


class LimitUnknown(OfSignal, kw_only=True):
    of: str
    windows: int


class SignalWithoutInterval(OfSignal): ...


class SignalCompared(OfSignal, kw_only=True):
    signal_column: ColumnName
    value: float
    low: float | None
    high: float | None
    side: str
    limit: float
    of: str
    windows: int
    is_fraction: bool


class ColumnStatistics(FactStruct):
    name: str
    statistics: Mapping[str, float]
    p_value: float | None
    size: str


class ObjectiveBroken(FactStruct):
    objective: evaluation.ObjectiveState


class ObjectiveInconclusive(FactStruct):
    objective: evaluation.ObjectiveState


class NoTwoGroups(FactStruct):
    attribute: str


class OfGroups(FactStruct):
    measure: str
    attribute: str


class GroupsUnknown(OfGroups):
    yet: bool


class GroupsInconclusive(OfGroups):
    low: float | None
    high: float | None
    group: str
    rate: str
    rows: float


class GroupsCompared(OfGroups):
    """``apart``: a rate, its lowest value and group, its highest value and group; None if unknown."""

    value: float | None
    low: float | None
    high: float | None
    side: str
    limit: float
    apart: tuple[str, float, str, float, str] | None


class OutcomesInTime(FactStruct):
    at_most: float
    agreed: float


class BurnRateUnknown(OfSignal, kw_only=True):
    window: str


class BudgetSpent(OfSignal, kw_only=True):
    rule: str
    short_rate: float
    long_rate: float
    short: str
    long: str


class DriftEvaluated(FactStruct):
    columns: int
    of: int


class NoMoreDrift(FactStruct): ...


class NoObjectiveEvaluated(FactStruct): ...


class NoObjectiveBroken(FactStruct): ...


class OutcomeAgreementUnknown(FactStruct): ...


class NoGraveFault(FactStruct): ...

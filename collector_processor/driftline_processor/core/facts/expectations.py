"""Measurements of expectations."""

from __future__ import annotations

from driftline_processor.core.fact import FactStruct


class FractionOfValues(FactStruct):
    rule: str
    low: float
    high: float


class ColumnArrived(FactStruct):
    arrived: bool


class RowsInWindow(FactStruct):
    rows: int


class AgeOfNewestRow(FactStruct):
    seconds: float


class MomentOfValues(FactStruct):
    moment: str
    value: float


class EndOfValues(FactStruct):
    end: str
    rows: float
    outside: float
    within: float
    low: float | None
    high: float | None


class MeasurementUnknown(FactStruct):
    reason: str

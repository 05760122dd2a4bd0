"""Outcomes: their delay, coverage and faults."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.fact import FactStruct
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.windows import improbable_times


class ImprobableTimes(FactStruct):
    times: improbable_times.ImprobableTimes
    timezone: str


class OutcomesUnknown(FactStruct):
    unknown: UnknownOutcomes


class OutcomesMayStillCome(FactStruct):
    delay: int
    learned_from: int | None


class CoverageTooLow(FactStruct):
    coverage: float
    needed: float


class OutstandingCannotChange(FactStruct):
    outstanding: int


class FinalBeforeOutcomes(FactStruct):
    outstanding: int


class DecisionsUnreviewed(FactStruct):
    predictions: Mapping[str, int]

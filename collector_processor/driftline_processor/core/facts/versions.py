"""Why versions are not comparable."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.fact import FactStruct


class TasksDiffer(FactStruct):
    champion: str
    challenger: str


class TaskNotCompared(FactStruct):
    task: str


class VersionUnreviewed(FactStruct):
    version: str
    predictions: Mapping[str, int]


class VersionWithoutOutcomes(FactStruct):
    version: str


class NoRequestOfBoth(FactStruct): ...


class NoHourOfBoth(FactStruct): ...

"""How certain the state of a verdict is, and what is inconclusive."""

from __future__ import annotations

from driftline_processor.core.evaluation import Expected, Size
from driftline_processor.core.fact import ColumnNames, Fact, FactStruct


class Certain(FactStruct):
    """A significant result; ``coverage``: the fraction of the rows with outcomes, None if unknown."""

    outcomes: int
    coverage: float | None


class ObjectiveCertainlyMet(Certain): ...


class BetterThanBaseline(Certain): ...


class ConstantCertainlyBetter(Certain): ...


class LevelCertainlyOff(Certain): ...


class CertainlyBelowChance(Certain): ...


class CertainlyWorse(Certain): ...


class InsideMargin(Certain):
    metric: str
    margin: float | None


class FailuresCertain(FactStruct):
    metric: str
    limit: float


class RowsCounted(FactStruct):
    expected: Expected


class EstimateAssumes(FactStruct):
    inside: float | None


class DriftOpen(FactStruct):
    outputs: tuple[str, ...]
    features: ColumnNames
    missing: tuple[str, ...]


class OfOtherVersion(FactStruct):
    """The baseline is of another version ("" = of the same one), or lacks features."""

    version: str
    features: ColumnNames


class BaselineLacksFeatures(OfOtherVersion): ...


class OldBaseline(OfOtherVersion):
    """The baseline is also the cause of a state."""


class ToBeConfirmed(FactStruct):
    by_one: bool


class NewestHealthyAgain(FactStruct):
    windows: int
    left: int


class HealthyUntil(FactStruct):
    end: int
    timezone: str


class ConclusiveUntil(FactStruct):
    """The end of the newest conclusive window, which does not decide; whether no window is newer."""

    end: int
    timezone: str
    newest: bool


class KnownUntil(FactStruct):
    end: int
    timezone: str


class NewestMayBeChance(FactStruct):
    shown: Fact


class DriftBeyondChance(FactStruct):
    """Drift; ``chance``: fraction of windows without drift that show as much; ``days``: how days differ is known."""

    rows: int
    size: Size
    chance: float
    days: bool = True


class JointDriftBeyondChance(FactStruct):
    rows: int
    chance: float


class ObjectiveCertainlyMissed(FactStruct):
    rows: int


class SliceCertainlyWorse(FactStruct):
    rows: int
    p_value: float


class RiseDetected(FactStruct):
    outcomes: int


class FaultCertain(FactStruct): ...


class FindingCertain(FactStruct): ...


class DriftWithTooFewDays(FactStruct): ...


class DaysTogether(FactStruct):
    days: int


class NothingShowsEither(FactStruct): ...


class NewestWithoutDrift(FactStruct): ...


class OutcomesWithoutObjective(FactStruct): ...


class NoWindowBefore(FactStruct): ...


class NothingKnown(FactStruct): ...


class PauseUnlikely(FactStruct): ...


class SameRowsCompared(FactStruct): ...


class ShownIsOld(FactStruct): ...

"""How certain the state of a verdict is, and what is inconclusive."""

from __future__ import annotations

from driftline_processor.core.evaluation import Expected, Size
from driftline_processor.core.fact import ColumnName, ColumnNames, Fact, FactStruct


class Certain(FactStruct):
    """A significant result; ``coverage``: the fraction of the rows with outcomes, None if unknown."""

    outcomes: int
    coverage: float | None


class ObjectiveCertainlyMet(Certain): ...


class BetterThanBaseline(Certain): ...


class ConstantCertainlyBetter(Certain): ...


class LevelCertainlyOff(Certain): ...


class BiasCertain(Certain): ...


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


class Now(FactStruct):
    """What the newest window of a degraded model shows, and what ends the degradation.

    Attributes:
        metric: The metric of the degradation; "" if it has no number.
        value: Its value in the newest window in which the degradation would show.
        baseline: Its value in the baseline; None if it is not compared.
        rule: The objective on it; "" without one.
        start: Start of that window, unix nanoseconds; None if rows have no time.
        end: End of the same window.
        waiting: Number of newer windows without outcomes so far, or with too few to show it.
        healthy: Number of the newest windows that look healthy again.
        left: Number of further healthy windows that end the degradation; 0 if only several days together do.
        clear_ends: Whether one clearly healthy window ends it, too.
        in_a_row: Number of the newest windows in a row that show it, if rows have no time.
    """

    metric: str
    value: float | None
    baseline: float | None
    rule: str
    start: int | None
    end: int
    waiting: int
    healthy: int
    left: int
    clear_ends: bool
    timezone: str
    of_days: bool
    in_a_row: int = 1


class HealthyUntil(FactStruct):
    end: int
    timezone: str


class ConclusiveUntil(FactStruct):
    """The end of the newest conclusive window, which does not decide.

    Attributes:
        end: Its end, unix nanoseconds.
        timezone: IANA name of the time zone.
        newest: Whether no window is newer.
        degraded: Whether it shows a degradation; else it shows that the model is healthy.
    """

    end: int
    timezone: str
    newest: bool
    degraded: bool = False


class WindowsForgotten(FactStruct):
    """The windows that showed a state are no longer in memory, or another version of the rules read them."""


class KnownUntil(FactStruct):
    end: int
    timezone: str


class NewestMayBeChance(FactStruct):
    shown: Fact


class DriftBeyondChance(FactStruct):
    """The drift of one column.

    Attributes:
        rows: Its usable values in the window: not all rows have one.
        chance: Fraction of windows without drift that show as much.
        days: Whether it is known how days differ.
        name: The column.
        of_output: Whether it is the score or the predicted class.
    """

    rows: int
    size: Size
    chance: float
    days: bool = True
    name: ColumnName = ""
    of_output: bool = False


class JointDriftBeyondChance(FactStruct):
    """Drift of all features together; ``rows``: (effective) rows of the smaller side of the test."""

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

"""The reference of a window if it is not the plain baseline."""

from __future__ import annotations

from driftline_processor.core.fact import FactStruct

from .evidence import LevelOfScores


class OwnFirstRows(FactStruct):
    """A provisional reference of ``covered`` nanoseconds; a shift below ``shift`` is not called drift."""

    covered: int
    rows: int
    until: int
    shift: float


class BaselineReach(FactStruct):
    """What windows compared with a baseline can show.

    Attributes:
        metric: The metric that decides.
        value: Its value in the baseline.
        half: Half its confidence interval.
        margin: Its margin.
        outcomes: Outcomes of the baseline.
        needed: Outcomes with which nine of ten windows show that a model is as good; None if no number does.
        length: Nanoseconds from the first row of the baseline to the last; 0 if rows have no time.
        constant: The value of the metric for the best constant prediction; None if unknown.
    """

    metric: str
    value: float
    half: float
    margin: float
    outcomes: int
    needed: int | None
    length: int
    constant: float | None = None


class BaselineWithoutSkill(FactStruct):
    metric: str
    value: float
    constant: float


class BaselineLevelOff(FactStruct):
    level: LevelOfScores


class BaselineDecidedAgain(FactStruct):
    threshold: float
    baseline_threshold: float


class BaselineWithoutDecisions(FactStruct):
    baseline_threshold: float
    threshold: float
    decided_there: bool


class OwnLastRows(FactStruct):
    """A rolling reference; ``left_out``: starts and ends of the ranges that drifted, unix nanoseconds."""

    last: str
    without: str
    rows: int
    left_out: tuple[int, ...]
    timezone: str


class LastRowsTooFew(FactStruct):
    last: str
    without: str
    rows: int
    periods: int
    of: int
    unit: str


class SameSeason(FactStruct):
    """Rows of the same season; ``thin``: seasons with few rows; ``repeats``: the detected cycle, None if configured."""

    season: str
    thin: int
    repeats: str | None


class SeasonsUnknown(FactStruct):
    season: str


class SeasonsSeenOnce(FactStruct):
    season: str


class RepeatsUnknown(FactStruct):
    season: str | None
    least: int


class OwnFirstWeek(FactStruct):
    rows: int


class SlicesAtSeason(FactStruct): ...


class NoRowWithTime(FactStruct): ...

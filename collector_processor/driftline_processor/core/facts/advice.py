"""Advice: what to do about a verdict."""

from __future__ import annotations

from msgspec import Struct

from driftline_processor.core.evaluation import InconclusiveReason
from driftline_processor.core.fact import ColumnName, ColumnNames, Fact, FactStruct
from driftline_processor.core.outcomes.unknown import UnknownOutcomes

from .evidence import MetricMoved


class Repair(FactStruct):
    fault: Fact


class Since(Struct, frozen=True):
    """Since when outcomes are those of a degraded model; ``time``: unix nanoseconds, None if unknown."""

    time: int | None
    timezone: str
    of_days: bool


class RepairService(Repair): ...


class RepairColumns(Repair):
    columns: ColumnNames


class RepairColumnsAllTheSame(Repair):
    """Repair columns although the model is healthy."""

    columns: ColumnNames


class RepairData(Repair): ...


class StopDuplicates(Repair): ...


class CheckLabels(Repair): ...


class CorrectOutcomes(FactStruct):
    unknown: UnknownOutcomes


class RepairOutput(Repair): ...


class ChangeVersion(FactStruct):
    version: str
    loss: str = ""
    challenger: float | None = None
    champion: float | None = None


class Retrain(FactStruct):
    since: Since
    check_outcomes: bool = False


class WaitToRetrain(FactStruct):
    """A degradation has too few outcomes for retraining; ``wrong``: its wrong predictions, None if not known."""

    outcomes: int
    needed: int
    wrong: int | None
    slice: str = ""


class RowsAreHarder(FactStruct): ...


class ReviewDecisions(FactStruct): ...


class CompareWithSuchRows(FactStruct): ...


class RetrainWithSlice(FactStruct):
    slice: str
    since: Since
    check_outcomes: bool = False


class Recalibrate(FactStruct):
    roc_auc: float | None
    baseline: float | None
    since: Since


class RecalibrateIntervals(FactStruct):
    moved: MetricMoved
    since: Since


class RetrainWithRange(FactStruct):
    column: ColumnName
    outside: float
    since: Since


class CheckThreshold(FactStruct):
    moved: MetricMoved


class WaitForEndOfWindow(FactStruct):
    end: int
    timezone: str


class WaitForOutcomes(FactStruct):
    immature: tuple[Fact, ...]


class Needed(Struct, frozen=True):
    """The number of outcomes that can be conclusive.

    Attributes:
        outcomes: The number.
        metric: The metric of which they are.
        rule: The objective on it; "" if the metric is compared with the baseline.
    """

    outcomes: int
    metric: str
    rule: str = ""


class LongerWindow(FactStruct):
    reason: InconclusiveReason
    needed: Needed | None
    rows: int | None


class WaitForLongerWindow(LongerWindow):
    start: int
    end: int
    timezone: str


class EvaluateLongerWindow(LongerWindow): ...


class EvaluateMoreRows(LongerWindow): ...


class BuildLargerBaseline(FactStruct):
    """The baseline is so small that no window can be conclusive.

    Attributes:
        metric: The metric that decides.
        half: Half the confidence interval of its value in the baseline, at least as wide as the margin.
        margin: The margin.
        rows: Rows of a baseline that is large enough.
    """

    metric: str
    half: float
    margin: float
    rows: int


class SetObjective(FactStruct): ...


class RecalibrateFirst(FactStruct): ...


class SendOutcomes(FactStruct): ...


class SendOutcomesOrLabel(FactStruct):
    needed: Needed


class SendMoreOutcomes(FactStruct): ...


class LabelMore(FactStruct):
    more: int
    needed: Needed


class IgnoreDrift(FactStruct):
    small: bool


class NothingToDo(FactStruct): ...


NoStep = IgnoreDrift | NothingToDo
"""Advice for which nothing is to be done."""


class CheckAlert(FactStruct):
    """Check an open alert of a policy, although the model is healthy."""

    policy: str


class CheckOutcomeDelay(FactStruct): ...


class LookAgain(FactStruct):
    then: Fact | None


class BuildBaseline(FactStruct):
    cause: Fact


class CheckBaseline(FactStruct):
    """Check whether the baseline has rows of the training; if it does not, ``then``."""

    then: Fact | None


class CorrectTimes(FactStruct):
    times: str


class WaitForWindows(FactStruct):
    windows: int


class WaitForFirstWindow(FactStruct): ...


class EvaluateNewerRows(FactStruct): ...


class CheckService(FactStruct): ...


class WaitOrAddProcessor(FactStruct): ...

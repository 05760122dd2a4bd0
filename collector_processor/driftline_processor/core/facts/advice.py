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
    """Retrain; ``rule_out``: inputs with a possible fault, to be ruled out first."""

    since: Since
    check_outcomes: bool = False
    rule_out: ColumnNames = ()


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
    rule_out: ColumnNames = ()


class Recalibrate(FactStruct):
    roc_auc: float | None
    baseline: float | None
    since: Since
    rule_out: ColumnNames = ()


class RecalibrateIntervals(FactStruct):
    moved: MetricMoved
    since: Since


class RetrainWithRange(FactStruct):
    column: ColumnName
    outside: float
    since: Since
    rule_out: ColumnNames = ()


class RuleOutFault(FactStruct):
    """Rule out a fault of a column before the next step.

    Attributes:
        column: The column.
        outside: Fraction of its values that are new.
        then: The next step.
    """

    column: ColumnName
    outside: float
    then: Fact


LearnAnew = Retrain | RetrainWithSlice | RetrainWithRange | Recalibrate
"""Advice that a fault of an input would make wrong."""


class CheckThreshold(FactStruct):
    moved: MetricMoved


class WaitForEndOfWindow(FactStruct):
    end: int
    timezone: str


class WaitForOutcomes(FactStruct):
    immature: tuple[Fact, ...]


class Needed(Struct, frozen=True):
    """The number of outcomes that are conclusive in nine of ten cases.

    Attributes:
        outcomes: The number.
        metric: The metric of which they are.
        rule: The objective on it, if the metric keeps its value; "" if the metric is compared with the baseline, and as
            good.
        length: How long these outcomes take if they come as often as in the window, nanoseconds; 0 if unknown.
        drop: The drop of the metric that they detect; 0.0: they show that it is as good.
    """

    outcomes: int
    metric: str
    rule: str = ""
    length: int = 0
    drop: float = 0.0


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
    """The baseline is so small that a window as large does not show that a model is as good.

    Attributes:
        metric: The metric that decides.
        half: Half the confidence interval of its value in the baseline.
        margin: The margin.
        rows: Rows of a baseline that is large enough.
        needed: Outcomes with which nine of ten windows show it; None if no number does.
        value: The value of the metric in all of the baseline.
        constant: That of the best constant prediction; None if unknown.
    """

    metric: str
    half: float
    margin: float
    rows: int
    needed: int | None = None
    value: float = 0.0
    constant: float | None = None


class ChooseMargin(FactStruct):
    """The outcomes show that a model is as good as its baseline, and this one is near its margin.

    Attributes:
        metric: The metric that decides.
        change: Its difference from the baseline.
        margin: The margin.
    """

    metric: str
    change: float
    margin: float


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

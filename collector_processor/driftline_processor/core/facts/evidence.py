"""Evidence of a window for or against its model."""

from __future__ import annotations

from driftline_processor.core.evaluation import Expected, InconclusiveReason
from driftline_processor.core.fact import ColumnName, ColumnNames, Fact, FactStruct


class OfObjective(FactStruct):
    """The value of an objective, with its interval; ``of_change``: it is a change since the baseline."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    rule: str
    of_change: bool
    rolling: bool = False


class ObjectiveMet(OfObjective): ...


class ObjectiveMissed(OfObjective): ...


class NoWorseThanBaseline(FactStruct):
    metric: str
    value: float | None
    baseline: float | None
    margin: float | None
    better: bool


class BrokenInNewest(FactStruct):
    """What the newest conclusive window misses, too few windows to degrade the model.

    An objective, calls that fail, or outcomes that are late.
    """

    shown: Fact
    start: int
    end: int
    timezone: str
    of_days: bool


class FurtherLoss(FactStruct):
    """A loss rose again, by so much; with the interval of the rise."""

    metric: str
    rise: float
    low: float
    high: float


class Moved(FactStruct):
    """The change of a metric since the baseline, with its interval."""

    metric: str
    change: float
    low: float | None
    high: float | None


class WorseInsideMargin(Moved):
    value: float | None
    margin: float


class WorseThanConstant(FactStruct):
    value: float
    low: float | None
    high: float | None
    constant: float


class RanksTheWrongWay(FactStruct):
    value: float
    low: float
    high: float


class NeverAsGood(FactStruct):
    """A metric that was in no window as good as in the baseline; ``best``: its best value since."""

    metric: str
    baseline: float
    best: float
    windows: int


class SameRows(FactStruct):
    share: float


class OutcomesOfOneClass(FactStruct):
    outcomes: int
    positive: bool
    was: float
    positive_class: str


class BiasRose(FactStruct):
    value: float
    low: float | None
    high: float | None


class OfScores(FactStruct):
    """Fractions of the predictions in the baseline and now."""

    was: float
    now: float


class ScoreMissing(OfScores): ...


class ClassesWithoutScore(OfScores): ...


class NewClasses(OfScores):
    """Predicted classes that the baseline does not have."""


class OutputCollapsed(OfScores):
    """Nearly all predictions are one class, or scores of a narrow range, while no input drifted.

    Attributes:
        first: Label of the class, or of the first cell of the range.
        last: Label of the last cell.
        name: Name of the output, such as "score".
    """

    first: str
    last: str
    name: str


class LevelOfScores(FactStruct):
    """The predicted and the actual rate of positives, the interval of the latter, and both rates of the baseline."""

    predicted: float
    actual: float
    low: float | None
    high: float | None
    positive_class: str
    constant_is_better: bool
    baseline: tuple[float, float] | None = None


class MetricMoved(Moved):
    value: float | None
    level: LevelOfScores | None


class EstimateMoved(Moved): ...


class ErrorsRose(FactStruct):
    metric: str
    before: float
    after: float


class SliceWorse(FactStruct):
    """A slice ("" if the sentence has its name already) with a ``share`` of the rise of a loss.

    ``features``: the columns of the slice, which newer rows may bound elsewhere. ``rest``: the loss of all other rows,
    if the slice is of rare and new categories; ``was`` is then that of the rare ones.
    """

    slice: str
    metric: str
    was: float
    now: float
    share: float
    days: int
    features: tuple[str, ...] = ()
    rest: float | None = None


class ExpectationBroken(FactStruct):
    expected: Expected


class ColumnMoved(FactStruct):
    name: ColumnName


class OutputMoved(FactStruct):
    column: ColumnName
    name: str


class RelationChanged(FactStruct):
    features: ColumnNames


class InputsLookAsBefore(FactStruct):
    """No input drifted; ``meaning``: so the meaning of inputs or outcomes changed."""

    cause: Fact | None
    meaning: bool = False


class NoInputExplains(FactStruct):
    """No input is shown to explain a loss.

    ``changed``: inputs that drifted or have a finding; most of the loss remains with their distributions of the
    baseline. ``open``: whether other inputs changed without such a proof, or may have. ``meaning``: no input changed,
    so the meaning of inputs or outcomes did.
    """

    meaning: bool = False
    changed: ColumnNames = ()
    open: bool = False


class ChancePossible(FactStruct):
    windows: int


class MayBeWorse(FactStruct):
    """A change that is inconclusive at the ``margin``.

    ``certain``: the metric is worse by some amount. ``by_rows``: the interval if days do not differ, with too few days.
    """

    metric: str
    low: float | None
    high: float | None
    certain: bool
    margin: float | None
    reason: InconclusiveReason
    outcomes: int
    by_rows: tuple[float, float] | None = None


class AndAlso(FactStruct):
    """A reason that continues the sentence of the one before."""

    reason: Fact | None


class NoPrediction(FactStruct):
    """Traffic stopped; ``pause``: the longest normal pause, nanoseconds."""

    pause: int


class WindowsWait(FactStruct):
    windows: int


class NoSkill(FactStruct): ...


class ObjectivesMet(FactStruct):
    count: int


class HarmlessInputs(FactStruct): ...


class HarmlessOutput(FactStruct):
    name: str


class WindowOpen(FactStruct): ...


class NoRows(FactStruct): ...


class OutcomesMayCome(FactStruct): ...


class NoOutcomes(FactStruct): ...


class FewOutcomes(FactStruct): ...


class NoObjective(FactStruct): ...


class OutcomesInconclusive(FactStruct):
    outcomes: int


class NoWindowClosed(FactStruct): ...

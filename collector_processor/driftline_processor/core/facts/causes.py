"""Causes of a state, and the evidence for a kind of change."""

from __future__ import annotations

from typing import Literal

from driftline_processor.core import evaluation
from driftline_processor.core.evaluation import Finding, ShiftExplanation
from driftline_processor.core.fact import ColumnNames, Fact, FactStruct


class NamedFinding(FactStruct):
    """A fault of the data in a list, where its sentence begins with the names of its features."""

    finding: Finding


class Explained(FactStruct):
    """A cause; ``others``: other features that drifted."""

    cause: Fact
    others: ColumnNames


class LikelyCause(Explained):
    share: float | None = None


class InputsExplain(FactStruct):
    """Inputs explain a fraction of a loss; not ``drifted``: rows that are harder to predict do."""

    share: float
    drifted: bool = True


class CoincidingCause(Explained): ...


class FirstCause(Explained): ...


class HarmlessCause(Explained):
    of_newest: bool = False


class RuleBroken(FactStruct):
    rule: str


class OneAnswer(FactStruct):
    """A fraction of the calls got the same answer whatever the inputs were."""

    part: float


class ColumnsDrift(FactStruct):
    names: ColumnNames


class PositiveRate(FactStruct):
    observed: float
    expected: float


class EstimateMissed(FactStruct):
    metric: str
    error: float


class LabelShift(FactStruct):
    """What pages show of :class:`~driftline_processor.core.evaluation.LabelShift`."""

    explains: ShiftExplanation
    was: float
    now: float
    low: float
    high: float
    features: ColumnNames
    class_name: str
    quantity: Literal["fraction", "mean"]
    known: bool

    @classmethod
    def of(cls, shift: evaluation.LabelShift) -> LabelShift:
        """Return the fact about a shift."""
        numbers = shift.was, shift.now, shift.low, shift.high
        return cls(shift.explains, *numbers, shift.features, shift.class_name, shift.quantity, shift.is_known)


class NoInputDrifts(FactStruct): ...


class ProportionsChanged(FactStruct):
    """The proportions of the classes changed.

    ``class_name``: of several classes, the one that raised the error rate most, with its fractions and its error rate
    in the baseline; "" if unknown. ``share``: what the proportions explain of the rise.
    """

    class_name: str = ""
    was: float = 0.0
    now: float = 0.0
    error: float = 0.0
    share: float = 0.0


class OutputDrifts(FactStruct):
    name: str


class ScoresOfClassesHold(FactStruct): ...


class OutcomesAsExpected(FactStruct): ...


class WorseWithoutDrift(FactStruct):
    metric: str

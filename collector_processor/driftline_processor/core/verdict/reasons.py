"""Why a window is as it is: the first cause, as a fact and as a kind of change."""

from __future__ import annotations

from typing import Literal, NamedTuple

from driftline_processor.core.evaluation import ChangeKind, Evaluation
from driftline_processor.core.facts import Fact, fact

from .signs import Sign, has_small_drift, is_fault

OF_OUTCOMES = ("constant", "level", "worse", "errors")
"""Signs that outcomes alone show: beside inputs that look as before, the outcomes follow from them in another way."""


class FirstCause(NamedTuple):
    """The first cause of what a window shows.

    Attributes:
        fact: The cause; None where none is known.
        kind: What kind of change it is; "" where none is known.
        features: The features it is about; () for a slice.
        others: Features that moved as well.
    """

    fact: Fact | None
    kind: ChangeKind | Literal[""]
    features: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def reason(self, kind: str) -> Fact | None:
        """Return a fact of some kind about the cause; None where no cause is known."""
        return None if self.fact is None else fact(kind, cause=self.fact, others=self.others)


def first_cause(evaluation: Evaluation, signs: list[Sign]) -> FirstCause:
    """Return the first cause: a fault of the data, else the drift that counts most, else the weakest slice.

    Causes of drift come in the order of :mod:`~driftline_processor.core.explain`: by importance where it is known.

    Args:
        evaluation: The window.
        signs: What it shows, the first of which the verdict is about.
    """
    kind = kind_of_change(evaluation, signs)
    if signs and signs[0].reason == "service":
        return FirstCause(None, kind)
    faults = [finding for finding in evaluation.findings if is_fault(finding)]
    if faults:
        return FirstCause(faults[0].fact, kind, faults[0].features)
    if evaluation.explanation is not None and evaluation.explanation.causes:
        cause, *more = evaluation.explanation.causes
        names = dict.fromkeys(name for one in more for name in one.features if name not in cause.features)
        return FirstCause(fact("cause", cause=cause), kind, cause.features, tuple(names))
    if evaluation.weak is not None and evaluation.weak.slices:
        return FirstCause(fact("weak_slice", name=evaluation.weak.slices[0].name), kind)
    return FirstCause(None, kind)


def kind_of_change(evaluation: Evaluation, signs: list[Sign]) -> ChangeKind | Literal[""]:
    """Return the kind of change that a window shows; "" where none is known."""
    if signs and signs[0].reason == "service":
        return "service"
    if evaluation.change_kind is not None:
        return evaluation.change_kind.kind
    if signs and signs[0].reason in OF_OUTCOMES and looks_as_before(evaluation):
        return "concept_change"
    faulty = any(sign.reason == "data" for sign in signs)
    return "data_fault" if faulty or any(is_fault(finding) for finding in evaluation.findings) else ""


def looks_as_before(evaluation: Evaluation) -> bool:
    """Return True where every input could be compared, none moved, and no check of the data found anything."""
    if evaluation.explanation is not None and any(cause.check for cause in evaluation.explanation.causes):
        return False
    columns = [*evaluation.features.values(), *(one for one in (evaluation.score,) if one is not None)]
    return bool(evaluation.features) and all(column.state == "ok" for column in columns)


def harmless_drift(evaluation: Evaluation) -> Fact | None:
    """Return what moved in a healthy model without harm; None where nothing did."""
    if evaluation.explanation is not None and evaluation.explanation.causes:
        return first_cause(evaluation, []).reason("harmless_cause")
    if any(feature.state == "drift" for feature in evaluation.features.values()) or has_small_drift(evaluation):
        return fact("harmless_inputs")
    if evaluation.score is not None and evaluation.score.state == "drift":
        return fact("harmless_output", name=evaluation.score.words)
    return None

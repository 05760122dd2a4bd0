"""The first cause of what a window or a degradation shows, and its kind of change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import explains_ranking, may_explain, proportions_changed
from driftline_processor.core.evaluation import (
    ChangeKind,
    Evaluation,
    Finding,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.output_faults import output_faults

from .episode import NO_EPISODE, Episode
from .risks import has_small_drift, is_fault
from .sign import OF_OUTPUT, OUTCOMES, Sign
from .signs import slice_fact


class FirstCause(NamedTuple):
    """The first cause of the signs of a window.

    Attributes:
        fact: The cause; None if unknown.
        kind: The kind of change; "" if unknown.
        features: The affected features; () for a slice.
        other_features: Other features that drifted.
    """

    fact: Fact | None
    kind: ChangeKind | Literal[""]
    features: tuple[str, ...] = ()
    other_features: tuple[str, ...] = ()

    def reason(self, kind: type[facts.Explained]) -> facts.Explained | None:
        """Return a fact of the given kind about the cause; None if the cause is unknown."""
        return None if self.fact is None else kind(self.fact, self.other_features)


def first_cause(evaluation: Evaluation, signs: Sequence[Sign], episode: Episode = NO_EPISODE) -> FirstCause:
    """Return the first cause: a data fault, else the slice in which the model became worse, else the main drift.

    Causes of drift are sorted by :mod:`~driftline_processor.core.explain`, by importance if known. If the rows of a
    degradation were read, drift is a cause only if the loss returns with it.

    Args:
        evaluation: The window.
        signs: Its signs; the verdict is about the first.
        episode: All windows of the degradation; empty for other states.
    """
    kind = kind_of_change(evaluation, signs, episode)
    if signs and signs[0].reason == "service":
        return FirstCause(None, kind)
    fault = episode.fault or worst_fault(evaluation)
    if signs and (signs[0].part == OUTCOMES or (signs[0].reason in OF_OUTPUT and kind == "output_fault")):
        return FirstCause(signs[0].fact, kind)
    if fault is not None:
        return FirstCause(fault, kind, fault.features)
    if episode.slice is not None:
        return FirstCause(slice_fact(episode.slice, episode.slice.name), kind)
    evidence = episode.evidence or evaluation.loss_evidence
    if kind == "label_shift" and evidence is not None and evidence.mix is not None:
        return FirstCause(proportions_changed(evidence), kind)
    return _first_drift(evaluation, kind, episode)


def _first_drift(evaluation: Evaluation, kind: ChangeKind | Literal[""], episode: Episode) -> FirstCause:
    """Return the input that explains a loss, or the main drift; none if the rows of the loss refute all of them."""
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    if episode.evidence is not None and not may_explain(episode.evidence):
        causes = ()
    first = episode.cause or next(iter(causes), None)
    if first is None:
        return FirstCause(None, kind)
    names = dict.fromkeys(name for cause in causes for name in cause.features if name not in first.features)
    return FirstCause(first, kind, first.features, tuple(names))


def seen_in(evaluation: Evaluation, episode: Episode) -> Episode:
    """Return an episode with the numbers of a window for its fault and its cause; without any if it shows none."""
    fault, cause = episode.fault, episode.cause
    if fault is not None:
        same = (one for one in evaluation.findings if (one.check, one.features) == (fault.check, fault.features))
        fault = next(same, fault)
    if cause is not None:
        causes = () if evaluation.explanation is None else evaluation.explanation.causes
        without_numbers = replace(cause, changes=(), finding=None)
        cause = next((one for one in causes if one.features == cause.features), without_numbers)
    return episode._replace(fault=fault, cause=cause)


def kind_of_change(evaluation: Evaluation, signs: Sequence[Sign], episode: Episode) -> ChangeKind | Literal[""]:
    """Return the kind of change of a window, or of all windows of a degradation; "" if unknown."""
    if signs and signs[0].reason == "service":
        return "service"
    output = next(output_faults(evaluation), None) if signs and signs[0].reason in OF_OUTPUT else None
    if output is not None and explains_ranking(episode.kind, output, evaluation):
        return episode.kind
    if output is not None:
        return "data_fault" if any(map(output.follows_from, filter(is_fault, evaluation.findings))) else "output_fault"
    if episode.kind:
        return episode.kind
    of_window = evaluation.change_kind
    # rows that show that the loss does not return without a fault refute it
    if of_window is not None and (episode.evidence is None or of_window.kind != "data_fault"):
        return of_window.kind
    if signs and signs[0].reason == "slice_loss":
        return "concept_change"
    faulty = any(sign.reason == "data" for sign in signs)
    return "data_fault" if faulty or any(is_fault(finding) for finding in evaluation.findings) else ""


def looks_as_before(evaluation: Evaluation) -> bool:
    """Return True if every input was compared without drift, and no data check has a finding."""
    if evaluation.explanation is not None and any(cause.check for cause in evaluation.explanation.causes):
        return False
    columns = [*evaluation.features.values(), *(one for one in (evaluation.score,) if one is not None)]
    return bool(evaluation.features) and all(column.state == "ok" for column in columns)


def harmless_drift(evaluation: Evaluation) -> Fact | None:
    """Return the fact about a harmless fault or drift in a healthy model; None without either."""
    fault = worst_fault(evaluation)
    if fault is not None:
        return FirstCause(fault, "data_fault").reason(facts.HarmlessCause)
    if evaluation.explanation is not None and evaluation.explanation.causes:
        return first_cause(evaluation, ()).reason(facts.HarmlessCause)
    if any(feature.state == "drift" for feature in evaluation.features.values()) or has_small_drift(evaluation):
        return facts.HarmlessInputs()
    if evaluation.score is not None and evaluation.score.state == "drift":
        return facts.HarmlessOutput(name=evaluation.score.words)
    return None


def worst_fault(evaluation: Evaluation) -> Finding | None:
    """Return the first critical data fault, of columns before those of whole rows; None without any.

    Of several columns with the same fault, it is the one that ranks first among the causes of drift.
    """
    faults = [finding for finding in evaluation.findings if is_fault(finding, evaluation.loss_evidence)]
    first = min(faults, key=lambda finding: not finding.features, default=None)
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    ranked = [name for cause in causes for name in cause.features]
    same = [finding for finding in faults if first is not None and finding.features and finding.check == first.check]
    in_order = (finding for name in ranked for finding in same if name in finding.features)
    return first if first is None or not first.features else next(in_order, first)


def has_drifted(episode: Episode) -> bool:
    """Return True if inputs that drifted for certain explain the loss, and not only scores that are less sure."""
    return episode.evidence is None or bool(episode.evidence.inputs)

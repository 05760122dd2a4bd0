"""What all windows of a degradation show about its cause: one kind of change, one input and one advice while it lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from driftline_processor.core.change import is_explained, is_faulty, kind_of_loss
from driftline_processor.core.evaluation import Cause, ChangeKind, Evaluation, Finding, LossEvidence
from driftline_processor.core.explain.loss_evidence import add_evidence

from .signs import is_fault

NAMED = 0.25
"""Minimum fraction of a loss that must return with one input for it to be named as the cause."""


class Episode(NamedTuple):
    """The windows of a degradation together.

    Attributes:
        kind: The kind of change that their rows prove; "" if unknown.
        evidence: The sum of their evidence; None without any.
        fault: The data fault that most of them have; None without one.
        cause: The input that explains most of the loss; None if none does.
        share: The fraction of the loss that all shifted inputs explain.
    """

    kind: ChangeKind | Literal[""] = ""
    evidence: LossEvidence | None = None
    fault: Finding | None = None
    cause: Cause | None = None
    share: float = 0.0


def episode_of(windows: Sequence[Evaluation]) -> Episode:
    """Return what the windows of a degradation show together, the oldest first.

    The kind is decided on the sum of the windows so far. Later windows change it only if the sum is clearly for another.
    """
    kind: ChangeKind | Literal[""] = ""
    known: list[LossEvidence] = []
    total: LossEvidence | None = None
    for window in windows:
        if window.loss_evidence is not None:
            known.append(window.loss_evidence)
            total = known[0] if len(known) == 1 else add_evidence([total or known[0], known[-1]])
            kind = kind_of_loss(total, kind) or kind
    fault = _lasting_fault(windows)
    if fault is not None:
        return Episode("data_fault", total, fault)
    if total is None or kind != "covariate_shift":
        return Episode(kind, total)
    excess = total.excess.value
    share = min(1.0, total.together.value / excess)
    names = sorted(total.inputs, key=lambda name: -total.inputs[name].value)
    name = next((name for name in names if is_explained(total.inputs[name], excess, NAMED)), "")
    return Episode(kind, total, None, _cause(name, windows), share)


def _lasting_fault(windows: Sequence[Evaluation]) -> Finding | None:
    """Return the newest finding of the data fault that most windows have; None if at most half of them have it."""
    newest: dict[tuple[str, tuple[str, ...]], Finding] = {}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for window in windows:
        for finding in window.findings:
            if is_fault(finding) or is_faulty(finding):
                newest[finding.check, finding.features] = finding
                counts[finding.check, finding.features] += 1
    if not counts:
        return None
    most, windows_with = max(counts.items(), key=lambda one: (one[1], is_fault(newest[one[0]])))
    return newest[most] if 2 * windows_with > len(windows) else None


def _cause(name: str, windows: Sequence[Evaluation]) -> Cause | None:
    """Return the newest cause of drift of an input; None without one."""
    for window in reversed(windows):
        for cause in () if window.explanation is None else window.explanation.causes:
            if name in cause.features:
                return cause
    return Cause((name,), "", 0.0, ()) if name else None

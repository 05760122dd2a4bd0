"""What all windows of a degradation show about its cause: one kind of change and one input while it lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from driftline_processor.core.change import (
    explained_share,
    is_explained,
    is_faulty,
    kind_of_loss,
    may_be_unit,
    new_inputs,
)
from driftline_processor.core.evaluation import Cause, ChangeKind, Evaluation, Finding, LossEvidence, SliceChange
from driftline_processor.core.explain.loss_evidence import add_evidence
from driftline_processor.core.quality.check import STRUCTURAL

from .risks import is_fault

NAMED = 0.25
"""Minimum fraction of a loss that must return with one input for it to be named as the cause."""

KINDS_OF_ALL_ROWS = ("covariate_shift", "label_shift", "calibration")
"""Kinds of change of all rows, which harm some slices more than others. A slice is not their cause."""

CLOSE = 0.8
"""Ratio of what two inputs explain from which on they cannot be told apart."""


class Episode(NamedTuple):
    """The windows of a degradation together.

    Attributes:
        kind: The kind of change that their rows prove; "" if unknown.
        evidence: The sum of their evidence; None without any.
        fault: The data fault that most of them have; None without one.
        slice: The slice in which the model became worse in at least half of those with a loss; None without one.
        cause: The input that explains most of the loss; None if none does.
        share: The fraction of the loss that the cause explains, without one all shifted inputs; None if most of it is
            assumed, since values are new.
    """

    kind: ChangeKind | Literal[""] = ""
    evidence: LossEvidence | None = None
    fault: Finding | None = None
    slice: SliceChange | None = None
    cause: Cause | None = None
    share: float | None = None


NO_EPISODE = Episode()
"""No degradation, or one about which nothing is known."""


def episode_of(windows: Sequence[Evaluation]) -> Episode:
    """Return what the windows of a degradation show together, the oldest first.

    The kind is decided on the sum of the windows so far. It changes only if the sum is clearly for another one.
    """
    kind: ChangeKind | Literal[""] = ""
    total: LossEvidence | None = None
    name = ""
    for window in windows:
        if window.loss_evidence is not None:
            total = window.loss_evidence if total is None else add_evidence([total, window.loss_evidence])
            kind = kind_of_loss(total, kind) or kind
            name = _named(total, name)
    fault = _lasting_fault(windows, total)
    if fault is not None:
        return Episode("data_fault", total, fault)
    if total is None or kind != "covariate_shift":
        return Episode(kind, total, slice=None if kind in KINDS_OF_ALL_ROWS else _lasting_slice(windows))
    return Episode(kind, total, cause=_cause(name, windows), share=explained_share(total, name))


def _named(total: LossEvidence, held: str) -> str:
    """Return the input that explains most of a loss; the one named before unless another explains clearly more.

    If none does, or most of the loss is assumed, an input of which most values are new: what it does is unknown.
    """
    parts = {
        name: part.value * (1 / CLOSE if name == held else 1.0)
        for name, part in total.inputs.items()
        if is_explained(part, total.excess.value, NAMED, z=1.0)
    }
    new = new_inputs(total)
    names = new if new and explained_share(total) is None else parts or new
    return max(names, key=lambda name: (parts.get(name, 0.0), name == held), default="")


def _lasting_fault(windows: Sequence[Evaluation], total: LossEvidence | None) -> Finding | None:
    """Return the newest finding of the data fault that most windows have; None if at most half of them have it."""
    newest: dict[tuple[str, frozenset[str]], Finding] = {}
    counts: Counter[tuple[str, frozenset[str]]] = Counter()
    unproved = total is None and windows[-1].slice_change is None
    for window in windows:
        for finding in window.findings:
            fault = finding.check, frozenset(finding.features)
            proven = is_fault(finding) or (is_faulty(finding, total) and (unproved or _explains(finding, total)))
            if proven:
                newest[fault] = finding
            if proven or may_be_unit(finding):
                counts[fault] += 1
    most = max(newest, key=lambda fault: (counts[fault], is_fault(newest[fault])), default=None)
    return newest[most] if most is not None and 2 * counts[most] > len(windows) else None


def _lasting_slice(windows: Sequence[Evaluation]) -> SliceChange | None:
    """Return the newest slice of the feature that at least half of the windows with a loss name; None without one."""
    lossy = [one.slice_change for one in windows if one.slice_change is not None or one.loss_evidence is not None]
    counts = Counter(change.features for change in lossy if change is not None)
    features = next((features for features, count in counts.items() if 2 * count >= len(lossy)), None)
    return next((change for change in reversed(lossy) if change is not None and change.features == features), None)


def _explains(finding: Finding, total: LossEvidence | None) -> bool:
    """Return True for a fault of all rows, and for one in a part of the rows if the loss returns without it."""
    if finding.check in STRUCTURAL:
        return True
    if total is None:
        return False
    parts = [total.inputs[name] for name in finding.features if name in total.inputs]
    return any(is_explained(part, total.excess.value, NAMED) for part in parts)


def _cause(name: str, windows: Sequence[Evaluation]) -> Cause | None:
    """Return the newest cause of drift of an input; None without one."""
    for window in reversed(windows):
        for cause in () if window.explanation is None else window.explanation.causes:
            if name in cause.features:
                return cause
    return Cause((name,), "", 0.0, ()) if name else None

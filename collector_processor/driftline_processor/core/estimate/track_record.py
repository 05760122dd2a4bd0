"""The track record of estimates: were those of a metric right when labels arrived.

A window is judged when its outcomes are final and at least 30 are known: the estimate for its labelled rows against
what they came to. It is *missed* where the two are more than three standard errors apart, and by more than is of
no matter: 0.02 of a share, a tenth of the reference's value of a loss. Of the last ten judged windows,

- two missed ones make the record ``failed``: the estimate drives no policy;
- three or more without that make it ``ok``;
- fewer leave it ``unknown``.

How often that is wrong is simulated in simulations/estimates.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import structs

from driftline_processor.core.evaluation import Estimate, Evaluation, TrackRecord, Trust

from .changes import estimated_changes
from .point import DEVIATIONS, limits

Standing = Literal["ok", "alert", "failed"]

LAST = 10
"""Judged windows that a record looks back on: ten days, or two weeks of working days."""

MOST_MISSED = 2
"""Missed windows of :data:`LAST` that fail a record: by chance two are in one of 3,000 records, C(10, 2) / 370²."""

AS_LOSS = "roc_auc_ovr"
"""A share whose errors matter as those of a loss do: classes are calibrated one by one, so more is off."""


def with_track_records(evaluations: Sequence[Evaluation], first: int = 0) -> list[Evaluation]:
    """Return evaluations, oldest first, with the records of their estimates; those from ``first`` on.

    Nothing of it is stored: a label that comes late changes the record of all windows after it.
    """
    known: deque[dict[str, Estimate]] = deque(maxlen=LAST)
    found = []
    for index, evaluation in enumerate(evaluations):
        if judged(evaluation):
            known.append(evaluation.estimated)
        if index >= first:
            found.append(_recorded(evaluation, known) if evaluation.estimated else evaluation)
    return found


def _recorded(evaluation: Evaluation, earlier: Iterable[dict[str, Estimate]]) -> Evaluation:
    estimated = {
        name: structs.replace(
            estimate, record=record(name, [own[name] for own in earlier if name in own], estimate.reference)
        )
        for name, estimate in evaluation.estimated.items()
    }
    return structs.replace(evaluation, estimated=estimated, estimated_changes=estimated_changes(estimated))


def judged(evaluation: Evaluation) -> bool:
    """Return True where the outcomes of a window judge its estimates."""
    return evaluation.maturity == "mature" and any(one.error is not None for one in evaluation.estimated.values())


def record(metric: str, earlier: Sequence[Estimate], reference: float | None = None) -> TrackRecord:
    """Return the record of estimates of a metric whose windows are judged, ``LAST`` at most.

    ``reference``: the baseline's value.

    >>> made = (0.9, 0.88, 0.92, 0.01, None, None, None, 900, "panes", "cbpe")
    >>> right = Estimate(*made, error=0.01, error_deviation=0.01)
    >>> wrong = structs.replace(right, error=-0.18)
    >>> record("accuracy", [right] * 4).state, record("accuracy", [right] * 4 + [wrong] * 2).state
    ('ok', 'failed')
    """
    errors = [(estimate.error, estimate.error_deviation) for estimate in earlier]
    pairs = [(error, deviation) for error, deviation in errors if error is not None and deviation is not None]
    if not pairs:
        return TrackRecord("unknown", 0)
    # 0.02: error of a share that matters to nobody: less than half of the five points that versions and labels tell
    # apart
    # 0.1: the same of a loss, a part of the reference's value: the smallest worsening that docs/data/worse.md promises
    # to find
    matters = 0.02 if limits(metric)[1] == 1 and metric != AS_LOSS else 0.1 * abs(reference or 0.0)
    # 3.0: standard errors beyond which an estimate missed: by chance in one of 370 windows
    missed = sum(abs(error) > max(3.0 * deviation, matters) for error, deviation in pairs)
    inside = sum(abs(error) <= DEVIATIONS * deviation for error, deviation in pairs) / len(pairs)
    mean = sum(error for error, _ in pairs) / len(pairs)
    # 3: judged windows without which there is no record: MOST_MISSED of them, and one that says the others are not all
    state: Trust = "failed" if missed >= MOST_MISSED else "ok" if len(pairs) >= 3 else "unknown"
    return TrackRecord(state, len(pairs), missed, inside, mean)


def standing(estimate: Estimate) -> Standing | None:
    """Return the verdict on an estimate: ``failed`` once labels have shown that it is wrong, else ``alert`` or ``ok``.

    None where neither bounds nor record are known.

    >>> standing(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'alert'
    """
    if estimate.record.state == "failed":
        return "failed"
    if estimate.alert is None:
        return None
    return "alert" if estimate.alert else "ok"

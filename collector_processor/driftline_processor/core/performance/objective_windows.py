"""Objectives over many windows: for how long nobody could tell, and what came of each last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from driftline_processor.core.evaluation import Evaluation, ObjectiveState

from .objective import about


def undecided(current: Evaluation, previous: Evaluation | None) -> tuple[ObjectiveState, ...]:
    """Return the objectives of a window with how many windows in a row cannot tell, up to this one.

    One that is open, or whose outcomes may still come, adds nothing.
    """
    earlier = {} if previous is None else {one.rule: one.undecided for one in previous.objectives}

    def count(one: ObjectiveState) -> int:
        counts = current.closed and (one.until or not current.young)
        return earlier.get(one.rule, 0) + bool(counts) if one.state == "cannot_tell" else 0

    return tuple(replace(one, undecided=count(one)) for one in current.objectives)


def overdue(one: ObjectiveState) -> str:
    """Say for how long nobody can tell, and what would help, where that is too long; "" where it is not.

    >>> overdue(ObjectiveState("recall", "recall >= 0.9", "cannot_tell", .9, .8, .95, 90, .9, 260, 7, alert_after=7))
    'nobody could tell in 7 windows in a row: too little is reviewed, about 260 rows in a window would tell'
    """
    if not one.overdue:
        return ""
    if one.lacks:
        would = f", {about(one.needed)} would tell" if one.needed else ""
        more = f"too few {one.lacks} in a window{would}; use a longer window"
        return f"nobody could tell in {one.undecided} windows in a row: {more}"
    more = f": too little is reviewed, {about(one.needed)} in a window would tell" if one.needed else ""
    return f"nobody could tell in {one.undecided} windows in a row{more}"


def newest_objectives(windows: Sequence[Evaluation]) -> dict[str, ObjectiveState]:
    """Return by rule what came of each objective last, in windows of one name, oldest first.

    In the newest whose outcomes had their time, few or many; of a rolling one, where a stretch has ended last.
    """
    judged = next((one for one in reversed(windows) if one.closed and not one.young), None)
    found = {} if judged is None else {one.rule: one for one in judged.objectives}
    return found | {one.rule: one for window in windows[-2:] for one in window.objectives if one.until}

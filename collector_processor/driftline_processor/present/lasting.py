"""Shifts that last over windows, a sentence each."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core.drift.lasting import LEAST_BLOCKS
from driftline_processor.core.evaluation import Evaluation, LastingShift
from driftline_processor.present.wording import short

from .numbers import many, number


def lasting_sentences(evaluation: Evaluation, moment: Callable[[int], str]) -> list[str]:
    """Tell each shift that was found over the windows so far, the surest first; ``moment``: writes a time."""
    columns = {} if evaluation.lasting is None else evaluation.lasting.columns
    ranked_columns = sorted(columns.items(), key=lambda one: -(one[1].evidence or 0.0))
    score = "score" if evaluation.score is None else evaluation.score.words
    return [lasting_sentence(name, one, moment, score) for name, one in ranked_columns if one.state == "drift"]


def what_lacks(evaluation: Evaluation) -> str:
    """Say why shifts that last cannot be told of any column; "" where they can, or where windows do not follow others.

    >>> from types import SimpleNamespace as Some
    >>> from driftline_processor.core.evaluation import LastingDrift
    >>> what_lacks(Some(window=Some(name="1d"), lasting=LastingDrift("", ("score",), reason=("no_times",))))
    'lasting shifts: inconclusive, the reference has no times; build it with its time column'
    """
    columns = {} if evaluation.lasting is None else evaluation.lasting.columns
    reason = {shift.reason for shift in columns.values()}
    if not evaluation.window.name or not reason or "" in reason:
        return ""
    if "no_times" in reason:
        return "lasting shifts: inconclusive, the reference has no times; build it with its time column"
    name = evaluation.window.name
    return (
        f"lasting shifts: inconclusive, the reference has fewer than {LEAST_BLOCKS} periods of {name} with enough rows"
    )


def lasting_sentence(name: str, lasting_shift: LastingShift, moment: Callable[[int], str], score: str = "score") -> str:
    """Tell one shift: of what, how far, since when, over how many windows; ``score``: what sentences call the score.

    >>> lasting_sentence("feature:x", LastingShift("drift", "level", 0.21, 9, 0, 5.0, 9), lambda time: f"day {time}")
    'lasting shift: over the 9 windows from day 0 on, x is 0.21 sd higher'
    """
    subject = {"score": f"the {score}", "class": "the predicted class"}.get(name, short(name.removeprefix("feature:")))
    shift, since = lasting_shift.shift or 0.0, lasting_shift.since or 0
    moved = "higher" if shift > 0 else "lower"
    if lasting_shift.measure == "level":
        how = f"{subject} is {number(abs(shift))} sd {moved}"
    elif lasting_shift.measure == "spread":
        how = f"{subject} spreads {'more' if shift > 0 else 'less'}"
    else:
        how = f"the share of {short(lasting_shift.measure)} in {subject} is {number(abs(100 * shift))} points {moved}"
    return f"lasting shift: over the {many(lasting_shift.windows, 'window')} from {moment(since)} on, {how}"

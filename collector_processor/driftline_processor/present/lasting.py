"""Persistent shifts over windows, one sentence each."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core.drift.lasting import LEAST_BLOCKS
from driftline_processor.core.evaluation import Evaluation, LastingShift
from driftline_processor.present.wording import short

from .numbers import many, number


def lasting_sentences(evaluation: Evaluation, moment: Callable[[int], str]) -> list[str]:
    """Return a sentence per persistent shift up to now, the most significant first; ``moment``: writes a time."""
    columns = {} if evaluation.lasting is None else evaluation.lasting.columns
    ranked_columns = sorted(columns.items(), key=lambda shift: -(shift[1].evidence or 0.0))
    score = "score" if evaluation.score is None else evaluation.score.words
    return [lasting_sentence(name, shift, moment, score) for name, shift in ranked_columns if shift.state == "drift"]


def what_lacks(evaluation: Evaluation) -> str:
    """Return why persistent shifts are inconclusive for all columns; "" if they are not or windows have no sequence.

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
    """Return one shift as a sentence: column, size, begin, number of windows; ``score``: the word for the score.

    >>> lasting_sentence("feature:x", LastingShift("drift", "level", 0.21, 9, 0, 5.0, 9), lambda time: f"day {time}")
    'lasting shift: over the 9 windows from day 0 on, x is 0.21 sd higher'
    """
    subject = {"score": f"the {score}", "class": "the predicted class"}.get(name, short(name.removeprefix("feature:")))
    shift, since = lasting_shift.shift or 0.0, lasting_shift.since or 0
    direction = "higher" if shift > 0 else "lower"
    if lasting_shift.measure == "level":
        how = f"{subject} is {number(abs(shift))} sd {direction}"
    elif lasting_shift.measure == "spread":
        how = f"{subject} spreads {'more' if shift > 0 else 'less'}"
    else:
        points = number(abs(100 * shift))
        how = f"the fraction of {short(lasting_shift.measure)} in {subject} is {points} points {direction}"
    return f"lasting shift: over the {many(lasting_shift.windows, 'window')} from {moment(since)} on, {how}"

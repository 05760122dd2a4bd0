"""Facts of one feature besides its state: begin of the drift, importance, and fraction of the score's shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.dates import date_words

from .numbers import number, percent

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def drifting_since(name: str, evaluations: Sequence[Evaluation], chosen: Evaluation) -> int | None:
    """Return the begin of a feature's drift, unix nanoseconds: its incident, else its run of windows with drift.

    An inconclusive window does not end a run.

    Args:
        name: The feature.
        evaluations: Windows of one length, oldest first.
        chosen: The selected window, one of them.
    """
    if chosen.drift.state(name) != "drift":
        return None
    if (began := chosen.incident.get(f"feature:{name}")) is not None:
        return began
    since = chosen.window.start
    for evaluation in reversed(evaluations):
        if evaluation.window.start < chosen.window.start:
            before = evaluation.drift.state(name)
            if before == "drift":
                since = evaluation.window.start
            elif before in ("ok", "within_normal_variation"):
                break
    return since


def ordinal(number: int) -> str:
    """Return an ordinal number.

    >>> [ordinal(place) for place in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    return f"{number}{'th' if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, 'th')}"


def importance_rank(name: str, importance: Mapping[str, float]) -> str:
    """Return the rank of a feature by importance; "" if unknown.

    >>> importance_rank("temp", {"dewp": 0.5, "temp": 0.3, "carrier": 0.2})
    '2nd of 3'
    """
    if name not in importance:
        return ""
    place = 1 + sum(weight > importance[name] for weight in importance.values())
    return f"{ordinal(place)} of {len(importance)}"


def carried_share(name: str, chosen: Evaluation) -> float | None:
    """Return the fraction of the score's shift that is attributed to a feature; None if unknown."""
    explanation = chosen.explanation
    if (
        explanation is None
        or explanation.score_was is None
        or explanation.score_now is None
        or explanation.score_now == explanation.score_was
    ):
        return None
    shifts = [
        cause.score_shift for cause in explanation.causes if name in cause.features and cause.score_shift is not None
    ]
    return shifts[0] / (explanation.score_now - explanation.score_was) if shifts else None


def steps_beyond(steps: Sequence[tuple[float, float]]) -> str:
    """Return how precisely values outside the baseline's range are known; "" if there are none.

    Args:
        steps: Begin and end of ranges whose number of rows alone is known; infinite at an open end.

    >>> steps_beyond([(54.0, 64.0), (64.0, 100.4)])
    'Between 54 and 64 and between 64 and 100.4, only the number of rows is known, so the bars are level.'
    >>> steps_beyond([(64.0, float("inf"))])
    'The rows have no known upper limit above 64.'
    """
    closed = [f"between {number(low)} and {number(high)}" for low, high in steps if isfinite(low) and isfinite(high)]
    words = []
    if closed:
        step_words = " and ".join([", ".join(closed[:-1]), closed[-1]] if closed[1:] else closed)
        words.append(
            f"{step_words[0].upper()}{step_words[1:]}, only the number of rows is known, so the bars are level."
        )
    for low, high in steps:
        if not isfinite(low):
            words.append(f"The rows have no known lower limit below {number(high)}.")
        elif not isfinite(high):
            words.append(f"The rows have no known upper limit above {number(low)}.")
    return " ".join(words)


def feature_facts(
    name: str, evaluations: Sequence[Evaluation], chosen: Evaluation, importance: Mapping[str, float], timezone: str
) -> list[str]:
    """Return the important facts of a feature in a window, a few words each."""
    facts = []
    if (since := drifting_since(name, evaluations, chosen)) is not None:
        facts.append(f"since {date_words(since, timezone)}")
    if rank := importance_rank(name, importance):
        facts.append(f"importance {rank}, {percent(importance[name])}")
    if (carried := carried_share(name, chosen)) is not None and carried > 0:
        score = "score" if chosen.score is None else chosen.score.words
        facts.append(f"carries {percent(min(carried, 1.0))} of the {score}'s shift")
    return facts

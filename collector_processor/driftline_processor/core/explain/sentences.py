"""A cause, and a whole explanation, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.dates import date_words
from driftline_processor.core.evaluation import Cause, Change, Finding
from driftline_processor.core.wording import format_percent, short

LEAST_CARRIED = 0.05
"""Least share of the score's shift in the ranking, and in a sentence: a smaller one ranks like this one and is not
told. Shares are known to about so much: their cells may hold thirty rows."""

NAMED = 3
"""Features named beside the first; a sentence gives the number of the others."""


def cause_sentence(cause: Cause, finding: Finding | None, timezone: str = "UTC", score: str = "score") -> str:
    """Return the sentence of one cause; ``score``: what sentences call the score.

    >>> cold = Change("values below 5", 0.41, 0.06)
    >>> told = cause_sentence(Cause(("temp",), "", 0.35, (cold,), since=1_365_379_200 * 10**9, score_shift=0.34), None)
    >>> print(told.replace("; ", ";\\n"))
    temp has drifted since 8 April 2013: values below 5 went from 41 % to 6 %;
    it carries 34 % of the score's shift
    """
    since = _since(cause, timezone)
    place = f" only where {short(cause.slice.replace('=', ' = ', 1))}" if cause.slice else ""
    if finding is not None:
        sentence = f"{finding.sentence}{place}{',' if since else ''}{since}"
    else:
        where = _changes(cause.changes)
        sentence = f"{short(cause.features[0])} has drifted{place}{since}{': ' if where else ''}{where}"
    effect = _effect(cause, score)
    return f"{sentence}; {effect}" if effect else sentence


def whole_sentence(causes: Sequence[Cause], score: str) -> str:
    """Return the sentence of an explanation: its first cause, and the names of the others.

    Args:
        causes: Causes in order.
        score: What sentences call the score, where it drifts; "" where it does not.
    """
    if not causes:
        return f"the {score} drifts, and no feature does" if score else ""
    first = causes[0].sentence
    if causes[0].importance is None and causes[0].score_shift is None:
        first += "; importance unknown"
    others = [name for cause in causes[1:] for name in cause.features]
    if not others:
        return first
    named = ", ".join(short(name) for name in others[:NAMED])
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return f"{first}; also affected: {named}{more}"


def _since(cause: Cause, timezone: str) -> str:
    if cause.since is None:
        return ""
    text = date_words(cause.since, timezone)
    return f" since at least {text}" if cause.before else f" since {text}"


def _changes(changes: Sequence[Change]) -> str:
    """Return the shares before and after, in words: two arrows and four numbers beside an edge are hard to read."""
    parts = [
        f"{short(change.where) or 'no text'} went from {format_percent(change.was)} to {format_percent(change.now)}"
        for change in changes
    ]
    return ", ".join([*parts[:1], *(part.replace(" went from ", " from ") for part in parts[1:])])


def _effect(cause: Cause, score: str) -> str:
    parts = []
    it, carries, has = ("they", "carry", "have") if len(cause.features) > 1 else ("it", "carries", "has")
    if cause.score_shift is not None and cause.score_shift >= LEAST_CARRIED:
        parts.append(f"{it} {carries} {format_percent(min(cause.score_shift, 1.0))} of the {score}'s shift")
    elif cause.score_shift is not None and cause.score_shift <= -LEAST_CARRIED:
        parts.append(f"alone, {it} would move the {score} the other way")
    if cause.importance is not None:
        parts.append(f"{'' if parts else f'{it} '}{has} {format_percent(cause.importance)} of the model's importance")
    return " and ".join(parts)

"""Words for the causes of drift: single causes, and an explanation as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Cause, Change, Explanation, Finding
from driftline_processor.core.explain.causes import LEAST_CARRIED
from driftline_processor.core.facts import Fact
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import NAME, format_percent, short, slice_words

from .findings import fault_clause, finding_sentence
from .register import clause, voice_of, worded, words_of

NAMED = 3
"""Features listed after the first; a sentence gives the number of the others."""


def cause_clauses(cause: Cause) -> tuple[str, ...]:
    r"""Return the clauses about a cause: the shift with its begin, and its effect on the score.

    >>> cold = Change("values below 5", 0.41, 0.06)
    >>> temp = Cause(("temp",), "", 0.35, (cold,), "", 1_365_379_200 * 10**9, score_shift=0.34)
    >>> print("\n".join(cause_clauses(temp)))
    temp has drifted since 8 April 2013: values below 5 went from 41 % to 6 %
    it carries 34 % of the score's shift
    """
    since = _since(cause, cause.timezone)
    place = f" only where {short(cause.slice.replace('=', ' = ', 1))}" if cause.slice else ""
    if cause.finding is not None:
        sentence = f"{finding_sentence(cause.finding)}{place}{',' if since else ''}{since}"
    else:
        where = _changes(cause.changes)
        name = short(next(iter(cause.features), ""))
        sentence = f"{name} has drifted{place}{since}{': ' if where else ''}{where}"
    return tuple(voice_of(clause) for clause in (sentence, _effect(cause, cause.score)) if clause)


def cause_sentence(cause: Cause) -> str:
    """Return the sentence about one cause."""
    return "; ".join(cause_clauses(cause))


@worded
def explanation_sentence(explanation: Explanation) -> str:
    """Return the sentence about an explanation: its first cause, and the names of the others."""
    causes = explanation.causes
    if not causes:
        return f"the {explanation.score} drifts, and no feature does" if explanation.score else ""
    first = cause_sentence(causes[0])
    if causes[0].importance is None and causes[0].score_shift is None:
        first += "; importance unknown"
    other_features = [name for cause in causes[1:] for name in cause.features]
    if not other_features:
        return first
    feature_words = ", ".join(short(name) for name in other_features[:NAMED])
    more = f" and {len(other_features) - NAMED} more" if len(other_features) > NAMED else ""
    return f"{first}; also affected: {feature_words}{more}"


@words_of("cause")
def cause_words(cause: Cause) -> str:
    """Return a cause of drift as a clause of a verdict: the shift from one value to another.

    >>> cause_words(Cause(("temp",), "", 0.9, (Change("values below 54", 0.99, 0.0),)))
    'temp moved (values below 54 went from 99 % to 0 %)'
    """
    return _shift_clause(cause, numbers=True)


@words_of("weak_slice")
def _weak_slice(name: str) -> str:
    return f"it is worst for rows with {short(name, NAME)}"


@words_of("likely_cause")
def _likely_cause(cause: Fact, others: Sequence[str]) -> tuple[str, ...]:
    return _forms(cause, others, before="likely because ")


@words_of("first_cause")
def _first_cause(cause: Fact, others: Sequence[str]) -> tuple[str, ...]:
    return _forms(cause, others)


@words_of("harmless_cause")
def _harmless_cause(cause: Fact, others: Sequence[str]) -> tuple[str, ...]:
    return _forms(cause, others, after=", and that did no harm")


def _forms(cause: Fact, others: Sequence[str], before: str = "", after: str = "") -> tuple[str, ...]:
    """Return a clause in full, then without the other features, without numbers, and without both.

    Args:
        cause: The first cause.
        others: Other features that shifted.
        before: Words before each form.
        after: Words after each form.
    """
    full, faulty = clause(cause), cause.kind == "finding"
    plain = full
    if faulty:
        plain = fault_clause(Finding(**cause.values), numbers=False)
    elif cause.kind == "cause":
        plain, faulty = _shift_clause(cause.values["cause"], numbers=False), cause.values["cause"].finding is not None
    more = ""
    if others:
        names = short(others[0], NAME) if len(others) == 1 else f"{len(others)} more inputs"
        more = f" and {names} moved" if faulty else f", as did {names}"
    return tuple(f"{before}{form}{after}" for form in dict.fromkeys((full + more, full, plain + more, plain)))


def _shift_clause(cause: Cause, *, numbers: bool) -> str:
    where = f" where {slice_words(cause.slice)}" if cause.slice else ""
    if cause.finding is not None:
        return f"{fault_clause(cause.finding, numbers=numbers)}{where}"
    names = " and ".join(short(name, NAME) for name in cause.features)
    if not numbers or not cause.changes:
        return f"{names} moved{where}"
    first = cause.changes[0]
    place = short(first.where, NAME) or "no text"
    return f"{names} moved{where} ({place} went from {format_percent(first.was)} to {format_percent(first.now)})"


def _since(cause: Cause, timezone: str) -> str:
    if cause.since is None:
        return ""
    text = date_words(cause.since, timezone)
    return f" since at least {text}" if cause.or_earlier else f" since {text}"


def _changes(changes: Sequence[Change]) -> str:
    """Return the fractions before and after, in words: two arrows and four numbers next to an edge are hard to read."""
    parts = [
        f"{short(change.where) or 'no text'} went from {format_percent(change.was)} to {format_percent(change.now)}"
        for change in changes
    ]
    return ", ".join([*parts[:1], *(part.replace(" went from ", " from ") for part in parts[1:])])


def _effect(cause: Cause, score: str) -> str:
    parts = []
    pronoun, carries, has = ("they", "carry", "have") if len(cause.features) > 1 else ("it", "carries", "has")
    if cause.score_shift is not None and cause.score_shift >= LEAST_CARRIED:
        parts.append(f"{pronoun} {carries} {format_percent(min(cause.score_shift, 1.0))} of the {score}'s shift")
    elif cause.score_shift is not None and cause.score_shift <= -LEAST_CARRIED:
        parts.append(f"without other changes, {pronoun} would move the {score} in the opposite direction")
    if cause.importance is not None:
        parts.append(
            f"{'' if parts else f'{pronoun} '}{has} {format_percent(cause.importance)} of the model's importance"
        )
    return " and ".join(parts)

"""Words for a verdict: its sentence, certainty, cause and advice, the same on every surface."""

from __future__ import annotations

from driftline_processor.core.evaluation import Verdict
from driftline_processor.present.times import since_words, span_words
from driftline_processor.present.wording import NAME, capital, count_words, printable, short, slice_words

from .advice import advise
from .register import clause, forms, voice_of, worded

MOST_WORDS = 50
"""Words up to which clauses have their longer forms, so that one reading is enough."""

_ASSUMES_INDEPENDENT_ROWS = "assumes independent rows; add `--time` if days differ"


def verdict_word(state: str) -> str:
    """Return the state of a verdict in words.

    >>> verdict_word("at_risk")
    'at risk'
    """
    return state.replace("_", " ")


_SIGNS = {"degraded": "✕", "no_data": "○", "lagging": "…", "at_risk": "▲", "unknown": "?", "healthy": "✓"}


def verdict_sign(state: str) -> str:
    """Return the sign of a state, for readers who cannot see colours.

    >>> verdict_sign("healthy"), verdict_sign("at_risk")
    ('✓', '▲')
    """
    return _SIGNS[state]


def verdict_sentence(verdict: Verdict) -> str:
    """Return the sentence of a verdict: state, begin, size, cause and advice."""
    head, parts = voice_of(_head(verdict)), _parts(verdict)
    sentence = f"{head}: {parts}" if parts else head
    if verdict.assumes:
        sentence += f"; {_ASSUMES_INDEPENDENT_ROWS}"
    return printable(sentence.rstrip(". ") + ".")


def verdict_reason(verdict: Verdict) -> str:
    """Return the sentence without state and begin: size, cause and advice."""
    parts = _parts(verdict)
    return printable(capital(parts).rstrip(". ") + ".") if parts else verdict_sentence(verdict)


def verdict_next(verdict: Verdict) -> str:
    """Return the advice."""
    return printable(advise(verdict.advice).sentence)


def verdict_cause(verdict: Verdict) -> str:
    """Return the first cause as a clause; "" if unknown."""
    return printable(clause(verdict.cause))


def verdict_certainty(verdict: Verdict) -> str:
    """Return the certainty of a verdict in sentences."""
    sentences: list[str] = []
    for fact in verdict.certainty:
        if fact.kind == "drift_open" and sentences:
            sentences[-1] = f"{sentences[-1].rstrip('.')}; {clause(fact)}"
        else:
            sentences.append(clause(fact))
    return printable(" ".join(sentences))


def _head(verdict: Verdict) -> str:
    """Return the beginning of a sentence: rows, state, and begin."""
    model, timezone = _model(verdict), verdict.timezone
    place = f"for {slice_words(verdict.slice)}" if verdict.slice else ""
    rows = ""
    if verdict.of_window and verdict.window_start is not None and verdict.window_end is not None:
        span = span_words(verdict.window_start, verdict.window_end, timezone, days=verdict.of_days)
        rows = f"in the window of {span}"
    when = since_words(verdict.since, timezone, days=verdict.of_days, earliest=verdict.since_earliest)
    lasts = bool(rows) or verdict.since is None
    if verdict.state in ("unknown", "lagging"):
        was = f"was healthy {rows}" if rows else "is healthy"
        head = f"whether {model} {was} {'is' if lasts else 'has been'} unknown{'' if rows else when}"
    elif verdict.state == "no_data":
        head = f"{model} {'has' if lasts else 'has had'} no data{when}"
    elif rows:
        head = f"{rows}{',' if place else ''} {model} is {verdict_word(verdict.state)}"
    else:
        head = f"{model} {'is' if lasts else 'has been'} {verdict_word(verdict.state)}{when}"
    return capital(f"{place}{',' if place and rows else ''} {head}".strip())


def _model(verdict: Verdict) -> str:
    """Return the version, and the environment if there are several, in place of the model's name."""
    version, where = verdict.version, short(verdict.environment or "", NAME)
    if version is None:
        return f"the model in {where}" if where else "the model"
    name = f"version {short(version, NAME)}" if version else "the version without a name"
    return f"{name} in {where}" if where else name


@worded
def _parts(verdict: Verdict) -> str:
    """Return a clause for each reason, and the advice.

    The longest form of a clause that fits is used, the shortest if none does.
    """
    action = advise(verdict.advice).action
    clauses = [(reason.kind, forms(reason)) for reason in verdict.reasons if forms(reason)]
    left = MOST_WORDS - count_words(_head(verdict)) - count_words(action)
    left -= count_words(_ASSUMES_INDEPENDENT_ROWS) if verdict.assumes else 0
    left -= sum(count_words(shortest) for _, (*_, shortest) in clauses)
    text = ""
    for kind, (*longer, shortest) in clauses:
        form = next((form for form in longer if count_words(form) - count_words(shortest) <= left), shortest)
        left -= count_words(form) - count_words(shortest)
        text += form if not text else f"{', ' if kind == 'and_also' else '; '}{form}"
    return "; ".join(part for part in (text, action) if part)

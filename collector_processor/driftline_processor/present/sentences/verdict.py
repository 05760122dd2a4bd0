"""Words for a verdict: its sentence, certainty, cause and advice, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import LaterFinding, Verdict
from driftline_processor.core.fact import Fact, columns_of
from driftline_processor.present.times import date_words, end_words, on_words, since_words, span_words
from driftline_processor.present.wording import NAME, capital, count_words, printable, short, slice_words

from .advice import advise
from .evidence import slice_cause
from .headline import brief
from .register import clause, forms, voice_of, worded

MOST_WORDS = 50
"""Words up to which clauses have their longer forms, so that one reading is enough."""

MOST_LATER = 5
"""Maximum number of later findings, and of steps, in words; the JSON has all of them."""

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


BY_INPUTS = facts.Explained | facts.HarmlessInputs | facts.InputsExplain
"""Kinds of reasons that explain a state by drifting inputs."""

CAUSES = (
    BY_INPUTS
    | facts.HarmlessOutput
    | facts.InputsLookAsBefore
    | facts.NoInputExplains
    | facts.ProportionsChanged
    | facts.OldBaseline
    | facts.OutcomesUnknown
)
"""Kinds of reasons that explain a state; the others are its evidence."""


def verdict_headline(verdict: Verdict) -> str:
    """Return the headline of a verdict: state, begin and size, in about a dozen words.

    >>> from driftline_processor.core import facts
    >>> level = facts.LevelOfScores(0.14, 0.31, None, None, positive_class="late", constant_is_better=False)
    >>> verdict_headline(Verdict("degraded", 1_370_044_800 * 10**9, reasons=(level,)))
    "Degraded since 1 June 2013: predicts 14 % 'late', actual 31 %"
    """
    size = _size(verdict)
    return printable(capital(f"{voice_of(_state(verdict))}{f': {size}' if size else ''}{_but(verdict)}"))


def verdict_size(verdict: Verdict) -> str:
    """Return the headline without state and begin, which have places of their own: the size of the effect."""
    return printable(capital(f"{_size(verdict) or voice_of(_state(verdict))}{_but(verdict)}", _names(verdict)))


def _but(verdict: Verdict) -> str:
    """Return what a healthy model misses in its newest window, as the end of a headline; "" if nothing."""
    return "" if verdict.but is None else f", but {brief(verdict.but)}"


def verdict_evidence(verdict: Verdict) -> str:
    """Return the sentence with the numbers that show the state; "" if the cause is all that is known."""
    shown = [reason for reason in _reasons(verdict) if not _is_cause(reason, verdict)]
    if verdict.state == "at_risk":  # which says that outcomes are awaited
        shown = [reason for reason in shown if not isinstance(reason, facts.OutcomesMayCome)]
    gives_slice = isinstance(verdict.cause, facts.SliceWorse)  # and its part of the rise
    texts = (
        forms(one)[-1] if gives_slice and isinstance(one, facts.SliceWorse) else _dated(one, verdict) for one in shown
    )
    text = "; ".join(dict.fromkeys((*texts, *([f"but {clause(verdict.but)}"] if verdict.but is not None else []))))
    if verdict.assumes:
        text = "; ".join(filter(None, (text, _ASSUMES_INDEPENDENT_ROWS)))
    return _as_sentence(text, verdict)


def verdict_cause(verdict: Verdict) -> str:
    """Return the sentence about the cause, or that no input explains the state; "" if unknown."""
    causes = [clause(reason) for reason in _reasons(verdict) if _is_cause(reason, verdict)]
    if not causes and isinstance(verdict.cause, facts.SliceWorse):
        return _as_sentence(slice_cause(verdict.cause), verdict)
    sentence = _as_sentence("; ".join(causes) or clause(verdict.cause), verdict)
    if verdict.cause_until is None:
        return sentence
    last = end_words(verdict.cause_until, verdict.timezone, days=verdict.of_days)
    return f"{sentence} {'This' if sentence else 'The first loss'} lasted until {last}.".strip()


OF_WINDOW = (
    facts.BiasRose
    | facts.LevelOfScores
    | facts.MayBeWorse
    | facts.MetricMoved
    | facts.NoWorseThanBaseline
    | facts.ObjectiveMissed
    | facts.WorseInsideMargin
    | facts.WorseThanConstant
)
"""Kinds of reasons whose figures are those of the deciding window."""


def _when(reason: Fact | None, verdict: Verdict, *, always: bool = False) -> str:
    """Return the window of the figures of a reason, with a leading space; "" where it is clear.

    Each window of a degradation has its own value of an objective, and lists show several of them. The figures of the
    first reason are of one window, which is neither all since the state began nor the one of :func:`verdict_now`.

    Args:
        reason: The reason.
        verdict: Its verdict.
        always: Also if the state has no line *Now*.
    """
    plain = reason.reason if isinstance(reason, facts.AndAlso) else reason
    start, end, now = verdict.window_start, verdict.window_end, verdict.now
    if verdict.of_window or start is None or end is None or not isinstance(plain, OF_WINDOW):
        return ""
    if isinstance(plain, facts.ObjectiveMissed):
        is_clear = plain.rolling
    elif reason != verdict.reasons[0]:
        is_clear = True
    elif isinstance(now, facts.Now):
        is_clear = (now.start, now.end) == (start, end)
    else:
        is_clear = not always or start == verdict.since
    return "" if is_clear else f" {on_words(start, end, verdict.timezone, days=verdict.of_days)}"


def _dated(reason: Fact, verdict: Verdict) -> str:
    """Return a clause with the window of its figures: at its end for an objective, at its begin for others."""
    when = _when(reason, verdict, always=True)
    if isinstance(reason, facts.ObjectiveMissed) or not when:
        return f"{clause(reason)}{when}"
    return f"{when.strip()}, {clause(reason)}"


def _reasons(verdict: Verdict) -> list[Fact]:
    reasons = (reason.reason if isinstance(reason, facts.AndAlso) else reason for reason in verdict.reasons)
    return [reason for reason in reasons if reason is not None]


def _is_cause(reason: Fact, verdict: Verdict) -> bool:
    return isinstance(reason, CAUSES) or reason == verdict.cause


def verdict_action(verdict: Verdict) -> str:
    """Return the sentence on what to do, without a reason that :func:`verdict_cause` gives."""
    causes = [reason for reason in _reasons(verdict) if _is_cause(reason, verdict)]
    shown = [*causes, *(later.fact for later in verdict.later)]
    advices = (verdict.advice, *(later.advice for later in verdict.later if later.until is None))
    newest = {_undated(advice): advice for advice in advices}  # one retraining is enough
    steps = limited([*dict.fromkeys(_step(advice, shown) for advice in newest.values())])
    return steps[0] if len(steps) == 1 else " ".join(f"{n}. {step}" for n, step in enumerate(steps, 1))


def _undated(advice: Fact | None) -> Fact | None:
    """Return a retraining without the time since which outcomes are those of a degraded model; other advice as is."""
    return replace(advice, since=facts.Since(None, "", of_days=True)) if isinstance(advice, facts.Retrain) else advice


def limited(sentences: Sequence[str]) -> list[str]:
    """Return the first sentences, and how many more there are."""
    more = len(sentences) - MOST_LATER
    return [*sentences[:MOST_LATER], *([f"And {more} more."] if more > 0 else [])]


def _step(advice: Fact | None, reasons: Iterable[Fact]) -> str:
    """Return the sentence of an advice, without a reason that other lines contain."""
    sentence = printable(advise(advice).sentence)
    repeated = next(filter(sentence.endswith, (f": {printable(clause(reason))}." for reason in reasons)), None)
    return sentence if repeated is None else f"{sentence.removesuffix(repeated)}."


def verdict_later(verdict: Verdict) -> str:
    """Return what began after a degradation, each with its begin and whether it did harm; "" without any."""
    return " ".join(limited([_as_sentence(later_clause(later), verdict) for later in verdict.later]))


def later_clause(later: LaterFinding) -> str:
    """Return what began after a degradation, or was its first cause, as a clause with its times.

    >>> loss, step = facts.FurtherLoss("mae", 1.94, 1.8, 2.1), facts.NothingToDo()
    >>> later_clause(LaterFinding("joined", loss, 1_372_636_800 * 10**9, None, step, "loss"))
    'its mean absolute error rose by another 1.94 (1.8 to 2.1) since 1 July 2013'
    >>> later_clause(LaterFinding("mended", loss, 1_372_636_800 * 10**9, 1_372_809_600 * 10**9, step, "loss"))
    'the first cause, from 1 to 2 July 2013: its mean absolute error rose by another 1.94 (1.8 to 2.1)'
    """
    when = finding_times(later)
    if later.role == "mended":
        return f"the first cause{',' if later.until is not None else ''}{when}: {clause(later.fact)}"
    effects = {"harmless": ", which did no harm", "joined": ", which made it worse"}
    effects |= {} if later.shown else {"joined": ", which may make it worse"}
    return f"{clause(later.fact)}{when}{effects[later.role] if any(columns_of(later.fact)) else ''}"


def finding_times(later: LaterFinding) -> str:
    """Return when a finding began, or the days that it lasted, with a leading space."""
    if later.since is not None and later.until is not None:
        return f" {on_words(later.since, later.until, later.timezone, days=later.of_days)}"
    return since_words(later.since, later.timezone, days=later.of_days)


def verdict_now(verdict: Verdict) -> str:
    """Return what the newest window of a degraded model shows, and what ends the degradation; "" in other states."""
    return "" if verdict.now is None else _as_sentence(clause(verdict.now), verdict)


LINE_TITLES = {
    "evidence": "Evidence",
    "cause": "Cause",
    "later": "Also",
    "now": "Now",
    "action": "Do",
    "certainty": "Confidence",
}
"""The lines of a verdict, by their keys in JSON, and their titles."""


def verdict_lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Return the lines of :data:`LINE_TITLES`, each with its title; those that are unknown are left out."""
    makers = verdict_evidence, verdict_cause, verdict_later, verdict_now, verdict_action, verdict_certainty
    lines = zip(LINE_TITLES.values(), (words(verdict) for words in makers), strict=True)
    return [(title, words) for title, words in lines if words]


def verdict_step(verdict: Verdict) -> str:
    """Return what to do in a few words, for lists."""
    return capital(printable(advise(verdict.advice).action))


def _as_sentence(text: str, verdict: Verdict) -> str:
    return printable(f"{capital(text, _names(verdict)).rstrip('. ')}.") if text else ""


def _names(verdict: Verdict) -> set[str]:
    """Return the names of columns in a verdict, which stay as the user wrote them."""
    known = (*verdict.reasons, verdict.cause, *(later.fact for later in verdict.later))
    return {name for fact in known for name in columns_of(fact)}


def _size(verdict: Verdict) -> str:
    is_fault = verdict.state == "at_risk" and verdict.kind == "data_fault" and verdict.cause is not None
    reason = verdict.cause if is_fault else next(iter(verdict.reasons), None)
    return f"{brief(reason)}{_when(reason, verdict)}"


def _state(verdict: Verdict) -> str:
    """Return version, state and begin: "version 2 degraded since 1 June 2013"."""
    timezone, state = verdict.timezone, verdict_word(verdict.state)
    place = f" for {slice_words(verdict.slice)}" if verdict.slice else ""
    when, verb = verdict_since(verdict), "is" if verdict.since is None else "has been"
    if verdict.of_window and verdict.window_start is not None and verdict.window_end is not None:
        days, span = verdict.of_days, (verdict.window_start, verdict.window_end)
        last = end_words(span[1], timezone, days=True)
        if days and verdict.state != "unknown" and last != date_words(span[0], timezone, days=True):
            when += f", shown up to {last}"  # "from ... to" would say that it is over
        else:
            when, verb = f" {on_words(*span, timezone, days=days)}", "is"
    name = "" if verdict.version is None and not verdict.environment else f"{_model(verdict)} {verb} "
    return f"{name}{state}{place}{when}"


def verdict_since(verdict: Verdict) -> str:
    """Return the begin of a state, or the range of its begin, with a leading space; "" if it is unknown.

    >>> verdict_since(Verdict("degraded", 1_372_809_600 * 10**9, since_earliest=1_372_636_800 * 10**9))
    ' since between 1 and 3 July 2013'
    """
    return since_words(verdict.since, verdict.timezone, days=verdict.of_days, earliest=verdict.since_earliest)


def verdict_sentence(verdict: Verdict) -> str:
    """Return the sentence of a verdict: state, begin, size, cause and advice."""
    head, parts = voice_of(_head(verdict)), _parts(verdict)
    sentence = f"{head}: {parts}" if parts else head
    if verdict.assumes:
        sentence += f"; {_ASSUMES_INDEPENDENT_ROWS}"
    return printable(sentence.rstrip(". ") + ".")


def verdict_certainty(verdict: Verdict) -> str:
    """Return the certainty of a verdict in sentences."""
    return printable(" ".join(capital(clause(fact)) for fact in verdict.certainty))


def _head(verdict: Verdict) -> str:
    """Return the beginning of a sentence: rows, state, and begin."""
    model, timezone = _model(verdict), verdict.timezone
    place = f"for {slice_words(verdict.slice)}" if verdict.slice else ""
    rows = ""
    if verdict.of_window and verdict.window_start is not None and verdict.window_end is not None:
        span = span_words(verdict.window_start, verdict.window_end, timezone, days=verdict.of_days)
        rows = f"in the window of {span}"
    when = verdict_since(verdict)
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
    reasons = [one for one in verdict.reasons if verdict.cause_until is None or not _is_cause(one, verdict)]
    clauses = [
        (isinstance(reason, facts.AndAlso), [f"{form}{_when(reason, verdict)}" for form in forms(reason)])
        for reason in reasons
        if forms(reason)
    ]
    left = MOST_WORDS - count_words(_head(verdict)) - count_words(action)
    left -= count_words(_ASSUMES_INDEPENDENT_ROWS) if verdict.assumes else 0
    left -= sum(count_words(shortest) for _, (*_, shortest) in clauses)
    text = ""
    for goes_on, (*longer, shortest) in clauses:
        form = next((form for form in longer if count_words(form) - count_words(shortest) <= left), shortest)
        left -= count_words(form) - count_words(shortest)
        text += form if not text else f"{', ' if goes_on else '; '}{form}"
    return "; ".join(part for part in (text, action) if part)

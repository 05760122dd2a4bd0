"""Words for outcomes: their delay, the label SLA, fast and slow ones, decisions without review, and weak slices."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Delay, Evaluation, FastLabels, SlaResult, WeakSlice
from driftline_processor.core.labels.delay import BOUNDS, FEW, QUANTILES, SHARE, OutcomeDelay
from driftline_processor.core.outcomes.id_form import Difference, IdForm, IdKind
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.present.numbers import count, many, percent
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import capital, duration, short

from .register import clause, clauses, voice_of, worded, words_of

NAMED = 3
"""Decisions that are listed."""

_WITHIN = {"<1h": "within an hour", "<1d": "within a day", "<7d": "within 7 days", "<30d": "within 30 days"}

_FAST_AND_SLOW = {
    "actual_rate": "{fast} of the outcomes that arrived {within} are positive, but {slow} of later ones",
    "error_rate": "the model is wrong on {fast} of the outcomes that arrived {within}, but on {slow} of later ones",
    "mean_actual": "outcomes that arrived {within} are {fast} on average, but later ones {slow}",
    "mae": "the mean absolute error is {fast} for outcomes that arrived {within}, but {slow} for later ones",
}

OTHER_PROCESSORS = (
    "If several processors run, another one may have the missing predictions: see docs/deploy/topologies.md."
)
"""A guess about rows or predictions that did not arrive, which follows the better explanations."""

_LOSS = {
    "error": ("wrong in {:.1%}", "{:.1%}"),
    "log_loss": ("a log loss of {:.3g}", "{:.3g}"),
    "absolute_error": ("off by {:.3g} on average", "{:.3g}"),
}


_ID_BODIES: Mapping[IdKind, str] = {
    "none": "no id",
    "generated": "version 7 UUIDs, as Driftline generates for calls without an id",
    "uuid": "UUIDs",
}

_ID_CHARACTERS: Mapping[IdKind, str] = {"digits": "digit", "hexadecimal": "hexadecimal digit", "letters": "letter"}

_ID_FIXES: Mapping[Difference, str] = {
    "": "both have the same form, so check that they are ids of the same predictions, in the same environment",
    "none": "name the id in the call that predicts: @model.predict(id=...)",
    "generated": "name the id in the call that predicts: @model.predict(id=...)",
    "leading_zeros": "write both with the same leading zeros; reading them as text keeps the zeros",
    "prefix": "write both with the same prefix",
    "suffix": "write both with the same suffix",
    "case": "write both in the same case",
    "kind": "send both from the same column",
    "length": "check that they are ids of the same predictions",
}


def id_form_words(form: IdForm) -> str:
    """Return the form of ids.

    >>> id_form_words(IdForm("digits", 12, 12, leading_zeros=True))
    '12 digits with leading zeros'
    >>> id_form_words(IdForm("digits", 1, 3, prefix="CUST-"))
    "'CUST-' followed by 1 to 3 digits"
    >>> id_form_words(IdForm("uuid", 36, 36, case="upper"))
    'UUIDs in upper case'
    >>> id_form_words(IdForm("characters", 6, 9, case="upper", alphabet=("letters", "-_")))
    "6 to 9 characters (upper case letters and '-_')"
    """
    if form.kind in _ID_BODIES:
        body = _ID_BODIES[form.kind] + (f" in {form.case} case" if form.kind == "uuid" and form.case else "")
    else:
        lengths = f"{form.shortest} to {form.longest}" if form.shortest < form.longest else str(form.longest)
        noun = _ID_CHARACTERS.get(form.kind, "character") + ("" if form.longest == 1 else "s")
        case = f"{form.case} case " if form.case and form.kind != "hexadecimal" else ""
        body = f"{lengths} {case if form.kind == 'letters' else ''}{noun}"
        if form.alphabet:
            body += f" ({' and '.join(_characters(part, case) for part in form.alphabet)})"
    if form.leading_zeros:
        body += " with leading zeros"
    if form.prefix:
        body = f"'{form.prefix}' followed by {body}"
    return f"{body} followed by '{form.suffix}'" if form.suffix else body


def _characters(part: str, case: str) -> str:
    return f"{case}letters" if part == "letters" else part if part == "digits" else f"'{part}'"


def id_fix_words(form: IdForm, other: IdForm) -> str:
    """Return what to do about ids of one form that no id of the other form matches.

    >>> id_fix_words(IdForm("digits", 12, 12, leading_zeros=True), IdForm("digits", 1, 2))
    'write both with the same leading zeros; reading them as text keeps the zeros'
    """
    return _ID_FIXES[form.difference(other)]


@worded
def unknown_outcomes_sentence(unknown: UnknownOutcomes) -> str:
    """Return why outcomes cannot be used now, and the fix; no id is part of it.

    >>> unknown_outcomes_sentence(UnknownOutcomes("actual", 600, 600, classes=("no",),
    ...     possible="none of the classes 0, 1"))
    "their actual ('no') is none of the classes 0, 1; send one of these classes"
    """
    if unknown.kind == "model":
        return f"no prediction of their model has come; {unknown.near}"
    if unknown.kind == "time":
        return (
            "they are dated more than a day before the prediction with the same id; "
            "send the time at which they became known"
        )
    if unknown.kind == "environment":
        return "the model predicts nothing in the environment that they name; send both with one environment"
    if unknown.kind == "actual":
        names = f" ({', '.join(repr(short(name)) for name in unknown.classes)})" if unknown.classes else ""
        fix = "send one of these classes" if unknown.classes else "send a possible one"
        return f"their actual{names} is {unknown.possible}; {fix}"
    stored = unknown.stored.kind != "none"
    forms = f"{id_form_words(unknown.form)}, but those of the newest predictions are {id_form_words(unknown.stored)}"
    return (
        f"no stored prediction has {f'their ids: these are {forms}' if stored else 'an id'}; "
        f"{id_fix_words(unknown.form, unknown.stored)}"
    )


@words_of(facts.ImprobableTimes)
def _improbable_times(fact: facts.ImprobableTimes) -> tuple[str, ...]:
    times = fact.times
    by_kind = {"refused": times.refused, "undated": times.undated, "unit": times.misread, "ahead": times.ahead}
    number = by_kind[times.kind]
    which = "all of" if number == times.rows else f"{number:,} of"
    rows = f"{which} its {times.rows:,} newest predictions"
    if times.kind == "refused":
        plain = f"{rows} were refused for their time"
        return (f"{plain}, which is before 1970 or more than a year ahead", plain)
    if times.kind == "undated":
        plain = f"the times of {rows} could not be read"
        return (f"{plain}, so the time of the call is used instead", plain)
    if times.kind == "unit":
        plain = f"{rows} are dated 1970"
        return (f"{plain}, because their times are {times.unit}, not nanoseconds", plain)
    plain = f"{rows} are dated in the future"
    return (f"{plain}, up to {date_words(times.latest, fact.timezone)}", plain)


TIME_FIXES = {
    "refused": "correct the times of its predictions",
    "undated": "send times as datetimes, ISO 8601 texts or unix times",
    "unit": "send the times of its predictions in nanoseconds",
    "ahead": "send times with their time zone, and synchronize the clock",
}
"""Kind of improbable times → action."""


def improbable_times_sentence(times: ImprobableTimes, timezone: str) -> str:
    """Return the sentence about improbable times of predictions, with its fix.

    >>> improbable_times_sentence(ImprobableTimes(600, refused=60), "UTC").split("; ")[1]
    'correct the times of its predictions.'
    """
    return f"{capital(_improbable_times(facts.ImprobableTimes(times, timezone))[0])}; {TIME_FIXES[times.kind]}."


@words_of(facts.OutcomesUnknown)
def _outcomes_unknown(fact: facts.OutcomesUnknown) -> tuple[str, ...]:
    """Return the number of outcomes with the reason, and the forms of both ids if they fit."""
    unknown = fact.unknown
    outcomes, be, have = f"{unknown.rows:,} outcomes", "are", "have"
    if unknown.rows == 1:
        outcomes, be, have = "1 outcome", "is", "has"
    if unknown.kind == "time":
        return (f"{outcomes} {be} dated before the prediction with the same id",)
    if unknown.kind == "environment":
        return (f"{outcomes} {have} an environment in which it predicts nothing",)
    if unknown.kind == "actual":
        return (f"{outcomes} {have} an actual that is {unknown.possible}",)
    plain = f"{outcomes} {'waits' if unknown.rows == 1 else 'wait'} for a prediction with the same id"
    stored = "have no id" if unknown.stored.kind == "none" else f"have {id_form_words(unknown.stored)}"
    return (f"{plain} (outcomes have {id_form_words(unknown.form)}, predictions {stored})", plain)


def correction_words(unknown: UnknownOutcomes) -> str:
    """Return in a few words how to make outcomes known."""
    if unknown.kind == "time":
        return "correct the times of its outcomes"
    if unknown.kind == "environment":
        return "send its outcomes with the environment of its predictions"
    if unknown.kind == "actual":
        return "send one of its classes"
    difference = unknown.form.difference(unknown.stored)
    return "name the id of its predictions" if difference in ("none", "generated") else "send the same ids"


def fast_labels_sentence(fast_labels: FastLabels) -> str:
    """Return the comparison of fast and slow outcomes.

    >>> fast_labels_sentence(FastLabels("<1d", True, "actual_rate", 0.12, 0.31, 800, 700, 0.0001)).split(";")[0]
    '12 % of the outcomes that arrived within a day are positive, but 31 % of later ones'
    """
    return clause(fast_labels)


@words_of(FastLabels)
def _fast_labels(fast_labels: FastLabels) -> str:
    within = _WITHIN[fast_labels.until]
    if not fast_labels.differ:
        return f"outcomes that arrived {within} do not differ from later ones by more than chance"
    in_percent = fast_labels.metric in ("actual_rate", "error_rate")
    fast, slow = (
        f"{100 * value:.3g} %" if in_percent else f"{value:.3g}" for value in (fast_labels.fast, fast_labels.slow)
    )
    comparison = _FAST_AND_SLOW[fast_labels.metric].format(within=within, fast=fast, slow=slow)
    return f"{comparison}; performance of the newest rows describes early outcomes only"


def immature_words(evaluation: Evaluation) -> str:
    """Return why the performance of a window is not final; "" if it is."""
    return "; ".join(clauses(evaluation.immature))


@words_of(facts.OutcomesMayStillCome)
def _outcomes_may_still_come(fact: facts.OutcomesMayStillCome) -> str:
    if fact.learned_from is None:
        return f"its outcomes may still arrive: they may take {duration(fact.delay)} (outcome_delay)"
    return f"its outcomes may still arrive: they take up to {duration(fact.delay)} (learned from {fact.learned_from:,})"


@words_of(facts.CoverageTooLow)
def _coverage_too_low(fact: facts.CoverageTooLow) -> str:
    known = f"the outcomes of {fact.coverage * 100:.3g} % of its rows are known"
    return f"{known}, less than the {fact.needed * 100:.3g} % it needs (min_coverage)"


@words_of(facts.OutstandingCannotChange)
def _outstanding_cannot_change(fact: facts.OutstandingCannotChange) -> str:
    return _cannot_change(fact.outstanding)


def _cannot_change(outstanding: int) -> str:
    values = "value of the missing outcome" if outstanding == 1 else f"values of the {outstanding:,} missing outcomes"
    return f"final, because not even the best or worst {values} would change it"


@words_of(facts.FinalBeforeOutcomes)
def _final_before_outcomes(fact: facts.FinalBeforeOutcomes) -> str:
    return f"This is {_cannot_change(fact.outstanding)}."


@words_of(facts.DecisionsUnreviewed)
def _decisions_unreviewed(fact: facts.DecisionsUnreviewed) -> str:
    return unreviewed_words(fact.predictions)


def unreviewed_words(predictions: Mapping[str, int]) -> str:
    """Return the decisions without outcomes, those with most predictions first.

    >>> unreviewed_words({"0": 9500})
    "none of the 9,500 rows that were predicted '0' has an outcome"
    """
    most = sorted(predictions, key=lambda name: (-predictions[name], name))
    rows = [f"none of the {predictions[name]:,} rows that were predicted '{name}'" for name in most[:NAMED]]
    left = len(most) - NAMED
    more = f"; the same is true of {left} more class{'' if left == 1 else 'es'}" if left > 0 else ""
    return f"{', '.join(rows)} has an outcome{more}"


def review_advice(evaluation: Evaluation) -> str:
    """Return the effect of decisions without outcomes and the advice; "" if every decision has outcomes."""
    if not evaluation.unreviewed:
        return ""
    return voice_of(
        f"{capital(unreviewed_words(evaluation.unreviewed))}: only metrics that do not need these rows are known. "
        "Review some of these rows, each with the weight 1 / the probability with which it was chosen."
    )


@worded
def weak_slice_sentence(weak_slice: WeakSlice) -> str:
    """Return a weak slice: its loss with the interval, and the loss elsewhere."""
    template, plain = _LOSS[weak_slice.by]
    value, low, high = template.format(weak_slice.value), plain.format(weak_slice.low), plain.format(weak_slice.high)
    elsewhere = plain.format(weak_slice.rest)
    rows = f"{weak_slice.rows:,} labelled rows in both halves"
    return f"{weak_slice.name}: {value} ({low} to {high}), elsewhere {elsewhere}; {rows}"


def lateness(evaluation: Evaluation) -> str:
    r"""Return the delay of a window's outcomes and the result of its label SLA; "" if neither is known.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.windows.window import Window
    >>> day = 86_400
    >>> said = lateness(Evaluation(ModelKey("churn"), Window("1d", 0, day * 10**9), 500, True,
    ...     delay=Delay(400, day, 5 * day, None), label_sla=SlaResult("met", 7 * day * 10**9, 0.7, 0.78, 0.78, 500)))
    >>> print(said.replace(". ", ".\n"))
    Half of its outcomes arrived within 1d, 90 % within 5d, some later than 730d.
    Label SLA met: 78 % of predictions had their outcome within 7d; the agreed minimum is 70 %.
    """
    sentences = [] if evaluation.delay is None else [_came(evaluation.delay)]
    if evaluation.label_sla is not None:
        sentences.append(_sla_sentence(evaluation.label_sla))
    return " ".join(sentences)


def delay_sentence(delay: OutcomeDelay, model: str) -> str:
    """Return the maximum delay of a model's outcomes, its source, and the key that sets it.

    >>> print(delay_sentence(OutcomeDelay(2 * 86_400 * 10**9, "learned", 1200), "churn"))
    Outcomes take up to 2d: 95 % of 1,200 arrived within that time. Set models.churn.outcome_delay to change this.
    >>> print(delay_sentence(OutcomeDelay(60 * 10**9, "configured"), "churn"))
    Outcomes may take up to 1m, as set by models.churn.outcome_delay in driftline.yaml.
    """
    took, key = duration(delay.nanoseconds), f"models.{model}.outcome_delay"
    if delay.source == "configured":
        return f"Outcomes may take up to {took}, as set by {key} in driftline.yaml."
    if delay.source == "unknown":
        bulk = f"{many(delay.outcomes, 'outcome')} became known at about the same time" if delay.outcomes else ""
        why = bulk or "no outcome of a prediction that was received live has arrived"
        return (
            f"The outcome delay is unknown, so windows do not wait for outcomes: {why}. Set {key} if they should wait."
        )
    if delay.outcomes < FEW:
        count_words = "the only one arrived" if delay.outcomes == 1 else f"all {delay.outcomes} arrived"
    else:
        count_words = f"{percent(SHARE)} of {count(delay.outcomes)} arrived"
    return f"Outcomes take up to {took}: {count_words} within that time. Set {key} to change this."


def _came(delay: Delay) -> str:
    within = dict(zip((delay.median, delay.p90, delay.p99), QUANTILES, strict=True))  # ties: the largest
    beyond = within.pop(None, None) is not None
    shares = {0.5: "half", 0.9: "90 %", 0.99: "99 %"}
    parts = [
        f"{shares[share]} within {duration(bound * 10**9)}" for bound, share in within.items() if bound is not None
    ]
    if not parts:
        return f"Half of its outcomes or more arrived later than {duration(BOUNDS[-1] * 10**9)}."
    first, separator, bound = parts[0].partition(" within ")
    parts[0] = f"{first} of its outcomes arrived{separator}{bound}"
    if beyond:
        parts.append(f"some later than {duration(BOUNDS[-1] * 10**9)}")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _sla_sentence(sla: SlaResult) -> str:
    low, high, within = percent(sla.low), percent(sla.high), f"their outcome within {duration(sla.within)}"
    must = f"the agreed minimum is {percent(sla.coverage)}"
    if sla.state == "inconclusive":
        return f"Label SLA inconclusive so far: {low} of predictions had {within}, and up to {high} still can; {must}."
    return f"Label SLA {sla.state}: {low if low == high else f'{low} to {high}'} of predictions had {within}; {must}."

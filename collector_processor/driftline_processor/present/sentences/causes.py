"""Words for why a window differs: causes of drift, an explanation as a whole, the kind of a change, its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Change, Explanation, Finding, KindOfChange
from driftline_processor.core.explain.causes import LEAST_CARRIED
from driftline_processor.present.names import first_names
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import NAME, format_percent, printable, short, slice_words

from .findings import fault_clause, finding_sentence
from .register import clause, voice_of, worded, words_as, words_of

NAMED = 3
"""Features that a sentence lists; it gives the number of the others."""

CAVEAT = "the rows cannot show whether the world changed, or outcomes are recorded in another way"
OPEN = "without outcomes, this cannot be distinguished from a change of the relation between inputs and outcomes"


def cause_clauses(cause: Cause) -> tuple[str, ...]:
    r"""Return the clauses about a cause: the shift with its begin, and its effect on the score.

    >>> cold = Change("values below 5", 0.41, 0.06)
    >>> temp = Cause(("temp",), "", 0.35, (cold,), "", 1_365_379_200 * 10**9, score_shift=0.34)
    >>> print("\n".join(cause_clauses(temp)))
    temp has drifted since 8 April 2013: values below 5 went from 41 % to 6 %
    it carries 34 % of the score's shift
    """
    since = _since(cause, cause.timezone)
    if cause.finding is not None:
        sentence = f"{finding_sentence(cause.finding)}{',' if since else ''}{since}"
    else:
        place = f" only where {short(cause.slice.replace('=', ' = ', 1))}" if cause.slice else ""
        where = _changes(cause.changes)
        name = short(next(iter(cause.features), ""))
        sentence = f"{name} has drifted{place}{since}{': ' if where else ''}{where}"
    return tuple(voice_of(clause) for clause in (sentence, _effect(cause)) if clause)


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
    return f"{first}; also affected: {first_names(other_features, NAMED)}"


@words_of(Cause)
def cause_words(cause: Cause) -> str:
    """Return a cause of drift as a clause of a verdict: the shift from one value to another.

    >>> cause_words(Cause(("temp",), "", 0.9, (Change("values below 54", 0.99, 0.0),)))
    'temp drifted (values below 54 went from 99 % to 0 %)'
    """
    return _shift_clause(cause, numbers=True)


@words_of(facts.LikelyCause)
def _likely_cause(fact: facts.LikelyCause) -> tuple[str, ...]:
    after = "" if fact.share is None else f", which explains {_explained(fact.share)}"
    return _forms(fact, before="likely because ", after=after)


@words_of(facts.InputsExplain)
def _inputs_explain(fact: facts.InputsExplain) -> str:
    if fact.drifted:
        return f"its drifted inputs together explain {_explained(fact.share)}"
    return f"rows that are harder to predict explain {_explained(fact.share)}; no single input drifted for certain"


def _explained(share: float) -> str:
    return "all of the change" if share >= 0.995 else f"{format_percent(share, 2)} of the change"


@words_of(facts.CoincidingCause)
def _coinciding_cause(fact: facts.CoincidingCause) -> tuple[str, ...]:
    return _forms(fact, after=" at the same time")


@words_of(facts.FirstCause)
def _first_cause(fact: facts.FirstCause) -> tuple[str, ...]:
    return _forms(fact)


@words_of(facts.HarmlessCause)
def _harmless_cause(fact: facts.HarmlessCause) -> tuple[str, ...]:
    before = "at the end of the window, " if fact.of_newest else ""
    return _forms(fact, before=before, after=", and that did no harm")


def _forms(explained: facts.Explained, before: str = "", after: str = "") -> tuple[str, ...]:
    """Return a clause in full, then without the other features, without numbers, and without both.

    Args:
        explained: The first cause, and the other features that shifted.
        before: Words before each form.
        after: Words after each form.
    """
    cause, others = explained.cause, explained.others
    full = plain = clause(cause)
    faulty = isinstance(cause, Finding)
    if isinstance(cause, Finding):
        plain = fault_clause(cause, numbers=False)
    elif isinstance(cause, Cause):
        plain, faulty = _shift_clause(cause, numbers=False), cause.finding is not None
    more = ""
    if others:
        names = short(others[0], NAME) if len(others) == 1 else f"{len(others)} more inputs"
        more = f" and {names} drifted" if faulty else f", as did {names}"
    return tuple(f"{before}{form}{after}" for form in dict.fromkeys((full + more, full, plain + more, plain)))


def _shift_clause(cause: Cause, *, numbers: bool) -> str:
    if cause.finding is not None:
        return fault_clause(cause.finding, numbers=numbers)
    where = f" where {slice_words(cause.slice)}" if cause.slice else ""
    names = " and ".join(short(name, NAME) for name in cause.features)
    if not numbers or not cause.changes:
        return f"{names} drifted{where}"
    first = cause.changes[0]
    place = short(first.where, NAME) or "no text"
    return f"{names} drifted{where} ({place} went from {format_percent(first.was)} to {format_percent(first.now)})"


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


def carried_words(cause: Cause, subject: str = "") -> str:
    """Return the part of the shift of the scores that a cause carries; "" if it is unknown or small.

    ``subject``: "it" or "they"; "" for a verb without a subject.

    >>> carried_words(Cause(("temp",), "", 0.35, score_shift=0.34)), carried_words(Cause(("temp",), "", 0.35), "it")
    ("carries 34 % of the score's shift", '')
    """
    if cause.score_shift is None or abs(cause.score_shift) < LEAST_CARRIED:
        return ""
    if cause.score_shift < 0:
        would = f"{subject} would shift" if subject else "would shift"
        return f"alone, {would} the {cause.score} in the opposite direction"
    verb = f"{subject} carry" if subject == "they" else f"{subject} carries".strip()
    return f"{verb} {format_percent(min(cause.score_shift, 1.0))} of the {cause.score}'s shift"


def _effect(cause: Cause) -> str:
    pronoun, has = ("they", "have") if len(cause.features) > 1 else ("it", "has")
    parts = [words] if (words := carried_words(cause, pronoun)) else []
    if cause.importance is not None:
        parts.append(
            f"{'' if parts else f'{pronoun} '}{has} {format_percent(cause.importance)} of the model's importance"
        )
    return " and ".join(parts)


@worded
def change_sentence(change: KindOfChange) -> str:
    """Return the kind of a change in words, with the alternatives that data alone cannot distinguish."""
    shown = next(iter(change.evidence), None)
    first = clause(shown)
    match change.reason:
        case "service_changed":
            return f"the service itself changed: {first}"
        case "output_faulty":
            return f"the output is faulty: {first}"
        case "data_faulty":
            return f"the data are faulty: {first}"
        case "meaning_changed":
            return f"the meaning of the inputs or of the outcomes changed: {first}; {CAVEAT}"
        case "inputs_explain":
            return (
                first
                if isinstance(shown, facts.InputsExplain) and not shown.drifted
                else f"the inputs drifted: {first}"
            )
        case "level_off":
            return (
                f"the level of the scores is off{f': {first}' if change.evidence else ''}; their ranking is as before"
            )
        case "proportions_changed":
            if isinstance(shown, facts.ProportionsChanged):
                return f"the proportions of the classes changed: {first}"
            rose = isinstance(shown, facts.PositiveRate) and shown.observed > shown.expected
            side = "more" if rose else "less"
            return f"the proportions of the classes changed, positives are {side} frequent: {first}"
        case "proportions_changed_by_scores":
            return f"{first}; {OPEN}"
        case "inputs_moved_as_expected":
            last = clause(change.evidence[-1])
            return f"the inputs drifted, but their relation to the outcomes did not change: {last}"
        case "inputs_or_proportions_moved":
            return f"the inputs drifted ({first}); a changed fraction of positives would explain the scores as well"
        case "inputs_moved":
            return f"the inputs drifted ({first})"
        case "inputs_moved_without_outcomes":
            return f"the inputs drifted ({first}); {OPEN}"


@words_of(facts.ProportionsChanged)
def _proportions_changed(fact: facts.ProportionsChanged) -> tuple[str, ...]:
    if not fact.class_name:
        return ("the proportions of the classes changed, and each class looks as before",)
    was, now, error = (format_percent(value) for value in (fact.was, fact.now, fact.error))
    rise = f"class {short(fact.class_name, NAME)} went from {was} to {now} of the outcomes"
    shown = f"{rise}, which explains {_explained(fact.share)}"
    return f"{shown}: the model was wrong in {error} of them in the baseline", shown


@words_of(facts.RuleBroken)
def _rule_broken(fact: facts.RuleBroken) -> str:
    return f"the objective '{printable(fact.rule)}' is not met"


@words_of(facts.OneAnswer)
def _one_answer(fact: facts.OneAnswer) -> str:
    calls = f"{format_percent(fact.part)} of the calls"
    return f"{calls} got the same answer whatever the inputs were, which looks like a default value"


@words_of(facts.ColumnsDrift)
def _columns_drift(fact: facts.ColumnsDrift) -> str:
    return f"{first_names(fact.names, NAMED)} {'drift' if len(fact.names) > 1 else 'drifts'}"


@words_of(facts.PositiveRate)
def _positive_rate(fact: facts.PositiveRate) -> str:
    expected = f"{format_percent(fact.expected)} were expected from the scores"
    return f"{format_percent(fact.observed)} were positive, but {expected}"


@words_of(facts.EstimateMissed)
def _estimate_missed(fact: facts.EstimateMissed) -> str:
    side = "more" if fact.error > 0 else "less"
    return f"{fact.metric} is {abs(fact.error):.3g} {side} than estimated from the inputs"


@words_of(facts.LabelShift)
def _label_shift(fact: facts.LabelShift) -> str:
    """Return the explanation of a shift of scores; ``class_name``: the class of the fraction, "" = the positive one."""
    if not fact.known:
        return (
            "the predicted classes drifted; the predictions are not accurate enough to show whether changed fractions "
            "of the classes are the cause"
        )
    moved = f"{short(fact.features[0])} drifted" if fact.features else ""
    if fact.quantity == "mean":
        return _target_shift(fact, moved)
    of, who = (f"'{fact.class_name}'", f"rows of '{fact.class_name}'") if fact.class_name else ("positive", "positives")
    rates = (
        f"an estimated {format_percent(fact.now)} of the rows are {of} (95 % interval: {format_percent(fact.low)} to "
        f"{format_percent(fact.high)}), compared with {format_percent(fact.was)} in the baseline"
    )
    if fact.explains == "labels":
        side = "more" if fact.now > fact.was else "less"
        return f"{who} probably became {side} frequent: {rates}; scores and features drifted as expected from this"
    changed = "changed fractions of the classes" if fact.class_name else "a changed fraction of positives"
    if fact.explains == "inputs":
        return f"changed inputs explain why the scores drifted: {_beyond(moved, 'the scores', changed)}"
    return f"the scores drifted, because of changed inputs or because of {changed}; in the second case, {rates}"


def _beyond(moved: str, outputs: str, explanation: str) -> str:
    """Return that something moved in a way that an explanation does not cover."""
    if moved:
        return f"{moved} more than {explanation} can explain"
    return f"{outputs} drifted in a way that {explanation} cannot explain"


def _target_shift(shift: facts.LabelShift, moved: str) -> str:
    if shift.explains == "inputs":
        return f"changed inputs explain why the predictions drifted: {_beyond(moved, 'they', 'a changed target')}"
    interval = f"95 % interval: {shift.low:.3g} to {shift.high:.3g}"
    mean = f"estimated mean is {shift.now:.3g} ({interval}), compared with {shift.was:.3g} in the baseline"
    why = (
        "if the target changed, the errors changed, too, so estimated metrics have no interval; only "
        "outcomes can show whether the target changed"
    )
    if shift.explains == "labels":
        return f"predictions and features drifted as if the target changed: its {mean}; {why}"
    return f"the predictions drifted, because of changed inputs or because of a changed target, whose {mean}; {why}"


words_as(
    {
        facts.NoInputDrifts: "no input drifts",
        facts.OutputDrifts: "the {name} drifts",
        facts.ScoresOfClassesHold: "the scores within each class are distributed as before",
        facts.OutcomesAsExpected: "the outcomes are as expected from the scores",
        facts.WorseWithoutDrift: "{metric} is worse than in the baseline, and no input drifts",
    }
)

"""Words for why a window differs: causes of drift, an explanation as a whole, the kind of a change, its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Cause, Change, Explanation, Finding, KindOfChange
from driftline_processor.core.explain.causes import LEAST_CARRIED
from driftline_processor.core.facts import Fact
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
    return f"{first}; also affected: {first_names(other_features, NAMED)}"


@words_of("cause")
def cause_words(cause: Cause) -> str:
    """Return a cause of drift as a clause of a verdict: the shift from one value to another.

    >>> cause_words(Cause(("temp",), "", 0.9, (Change("values below 54", 0.99, 0.0),)))
    'temp drifted (values below 54 went from 99 % to 0 %)'
    """
    return _shift_clause(cause, numbers=True)


@words_of("likely_cause")
def _likely_cause(cause: Fact, others: Sequence[str], share: float | None = None) -> tuple[str, ...]:
    after = "" if share is None else f", which explains {_explained(share)}"
    return _forms(cause, others, before="likely because ", after=after)


@words_of("inputs_explain")
def _inputs_explain(share: float, drifted: bool = True) -> str:
    if drifted:
        return f"its drifted inputs together explain {_explained(share)}"
    return f"rows that are harder to predict explain {_explained(share)}; no single input drifted for certain"


def _explained(share: float) -> str:
    return "all of the change" if share >= 0.995 else f"{format_percent(share, 2)} of the change"


@words_of("coinciding_cause")
def _coinciding_cause(cause: Fact, others: Sequence[str]) -> tuple[str, ...]:
    return _forms(cause, others, after=" at the same time")


@words_of("first_cause")
def _first_cause(cause: Fact, others: Sequence[str]) -> tuple[str, ...]:
    return _forms(cause, others)


@words_of("harmless_cause")
def _harmless_cause(cause: Fact, others: Sequence[str], of_newest: bool = False) -> tuple[str, ...]:
    before = "at the end of the window, " if of_newest else ""
    return _forms(cause, others, before=before, after=", and that did no harm")


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


def _effect(cause: Cause, score: str) -> str:
    parts = []
    pronoun, carries, has = ("they", "carry", "have") if len(cause.features) > 1 else ("it", "carries", "has")
    if cause.score_shift is not None and cause.score_shift >= LEAST_CARRIED:
        parts.append(f"{pronoun} {carries} {format_percent(min(cause.score_shift, 1.0))} of the {score}'s shift")
    elif cause.score_shift is not None and cause.score_shift <= -LEAST_CARRIED:
        parts.append(f"alone, {pronoun} would shift the {score} in the opposite direction")
    if cause.importance is not None:
        parts.append(
            f"{'' if parts else f'{pronoun} '}{has} {format_percent(cause.importance)} of the model's importance"
        )
    return " and ".join(parts)


@worded
def change_sentence(change: KindOfChange) -> str:
    """Return the kind of a change in words, with the alternatives that data alone cannot distinguish."""
    first = clause(next(iter(change.evidence), None))
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
            return f"the inputs drifted: {first}" if change.evidence[0].values.get("drifted", True) else first
        case "level_off":
            return (
                f"the level of the scores is off{f': {first}' if change.evidence else ''}; their ranking is as before"
            )
        case "proportions_changed":
            rates = change.evidence[0].values
            side = "more" if rates["observed"] > rates["expected"] else "less"
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


@words_of("rule_broken")
def _rule_broken(rule: str) -> str:
    return f"the objective '{printable(rule)}' is not met"


@words_of("one_answer")
def _one_answer(part: float) -> str:
    calls = f"{format_percent(part)} of the calls"
    return f"{calls} got the same answer whatever the inputs were, which looks like a default value"


@words_of("columns_drift")
def _columns_drift(names: Sequence[str]) -> str:
    return f"{first_names(names, NAMED)} {'drift' if len(names) > 1 else 'drifts'}"


@words_of("positive_rate")
def _positive_rate(observed: float, expected: float) -> str:
    return f"{format_percent(observed)} were positive, but {format_percent(expected)} were expected from the scores"


@words_of("estimate_missed")
def _estimate_missed(metric: str, error: float) -> str:
    return f"{metric} is {abs(error):.3g} {'more' if error > 0 else 'less'} than estimated from the inputs"


@words_of("label_shift")
def _label_shift(
    explains: str,
    was: float,
    now: float,
    low: float,
    high: float,
    features: Sequence[str],
    class_name: str,
    quantity: str,
    known: bool,
) -> str:
    """Return the explanation of a shift of scores; ``class_name``: the class of the fraction, "" = the positive one."""
    if not known:
        return (
            "the predicted classes drifted; the predictions are not accurate enough to show whether changed fractions "
            "of the classes are the cause"
        )
    moved = f"{short(features[0])} drifted" if features else ""
    if quantity == "mean":
        return _target_shift(explains, moved, f"{now:.3g}", f"{low:.3g}", f"{high:.3g}", f"{was:.3g}")
    of, who = (f"'{class_name}'", f"rows of '{class_name}'") if class_name else ("positive", "positives")
    rates = (
        f"an estimated {format_percent(now)} of the rows are {of} (95 % interval: {format_percent(low)} to "
        f"{format_percent(high)}), compared with {format_percent(was)} in the baseline"
    )
    if explains == "labels":
        side = "more" if now > was else "less"
        return f"{who} probably became {side} frequent: {rates}; scores and features drifted as expected from this"
    changed = "changed fractions of the classes" if class_name else "a changed fraction of positives"
    if explains == "inputs":
        return f"changed inputs explain why the scores drifted: {_beyond(moved, 'the scores', changed)}"
    return f"the scores drifted, because of changed inputs or because of {changed}; in the second case, {rates}"


def _beyond(moved: str, outputs: str, explanation: str) -> str:
    """Return that something moved in a way that an explanation does not cover."""
    if moved:
        return f"{moved} more than {explanation} can explain"
    return f"{outputs} drifted in a way that {explanation} cannot explain"


def _target_shift(explains: str, moved: str, now: str, low: str, high: str, was: str) -> str:
    if explains == "inputs":
        return f"changed inputs explain why the predictions drifted: {_beyond(moved, 'they', 'a changed target')}"
    mean = f"estimated mean is {now} (95 % interval: {low} to {high}), compared with {was} in the baseline"
    why = (
        "if the target changed, the errors changed, too, so estimated metrics have no interval; only "
        "outcomes can show whether the target changed"
    )
    if explains == "labels":
        return f"predictions and features drifted as if the target changed: its {mean}; {why}"
    return f"the predictions drifted, because of changed inputs or because of a changed target, whose {mean}; {why}"


words_as(
    {
        "no_input_drifts": "no input drifts",
        "proportions_changed": "the proportions of the classes changed, and each class looks as before",
        "output_drifts": "the {name} drifts",
        "scores_of_classes_hold": "the scores within each class are distributed as before",
        "outcomes_as_expected": "the outcomes are as expected from the scores",
        "worse_without_drift": "{metric} is worse than in the baseline, and no input drifts",
    }
)

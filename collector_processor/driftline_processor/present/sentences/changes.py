"""Words for the kind of a change and its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import KindOfChange
from driftline_processor.present.wording import format_percent, printable, short

from .register import clause, worded, words_as, words_of

NAMED = 3
"""Features that a sentence lists."""

CAVEAT = "the data cannot show whether the world changed, or outcomes are recorded in another way"
OPEN = "without outcomes, this cannot be distinguished from a change of the relation between inputs and outcomes"


@worded
def change_sentence(change: KindOfChange) -> str:
    """Return the kind of a change in words, with the alternatives that data alone cannot distinguish."""
    first = clause(next(iter(change.evidence), None))
    match change.reason:
        case "service_changed":
            return f"the service itself changed: {first}"
        case "data_faulty":
            return f"the data are faulty: {first}"
        case "meaning_changed":
            return f"the relation between inputs and outcomes changed: {first}; {CAVEAT}"
        case "proportions_changed":
            rates = change.evidence[0].values
            side = "more" if rates["observed"] > rates["expected"] else "less"
            return f"the proportions of the classes changed, positives are {side} frequent: {first}"
        case "proportions_changed_by_scores":
            return f"{first}; {OPEN}"
        case "inputs_moved_as_expected":
            last = clause(change.evidence[-1])
            return f"the inputs moved, but their relation to the outcomes did not change: {last}"
        case "inputs_or_proportions_moved":
            return f"the inputs moved ({first}); a changed fraction of positives would explain the scores as well"
        case "inputs_moved":
            return f"the inputs moved ({first})"
        case "inputs_moved_without_outcomes":
            return f"the inputs moved ({first}); {OPEN}"


@words_of("rule_broken")
def _rule_broken(rule: str) -> str:
    return f"the objective '{printable(rule)}' is broken"


@words_of("one_answer")
def _one_answer(part: float) -> str:
    calls = f"{format_percent(part)} of the calls"
    return f"{calls} got the same answer whatever the inputs were, which looks like a default value"


@words_of("columns_drift")
def _columns_drift(names: Sequence[str]) -> str:
    column_words = ", ".join(short(name) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{column_words}{more} drift" if len(names) > 1 else f"{column_words} drifts"


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
            "the predicted classes moved; the predictions are not accurate enough to show whether changed fractions of "
            "the classes are the cause"
        )
    moved = f"{short(features[0])} moved" if features else ""
    if quantity == "mean":
        return _target_shift(explains, moved, f"{now:.4g}", f"{low:.4g}", f"{high:.4g}", f"{was:.4g}")
    of, who = (f"'{class_name}'", f"rows of '{class_name}'") if class_name else ("positive", "positives")
    rates = (
        f"an estimated {format_percent(now)} of the rows are {of} (95 % interval: {format_percent(low)} to "
        f"{format_percent(high)}), compared with {format_percent(was)} in the baseline"
    )
    if explains == "labels":
        side = "more" if now > was else "less"
        return f"{who} probably became {side} frequent: {rates}; scores and features moved as expected from this"
    changed = "changed fractions of the classes" if class_name else "a changed fraction of positives"
    if explains == "inputs":
        return f"changed inputs explain why the scores moved: {_beyond(moved, 'the scores', changed)}"
    return f"the scores moved, because of changed inputs or because of {changed}; in the second case, {rates}"


def _beyond(moved: str, outputs: str, explanation: str) -> str:
    """Return that something moved in a way that an explanation does not cover."""
    if moved:
        return f"{moved} more than {explanation} can explain"
    return f"{outputs} moved in a way that {explanation} cannot explain"


def _target_shift(explains: str, moved: str, now: str, low: str, high: str, was: str) -> str:
    if explains == "inputs":
        return f"changed inputs explain why the predictions moved: {_beyond(moved, 'they', 'a changed target')}"
    mean = f"estimated mean is {now} (95 % interval: {low} to {high}), compared with {was} in the baseline"
    why = (
        "if the target changed, the errors changed, too, so estimated metrics have no interval; only "
        "outcomes can show whether the target changed"
    )
    if explains == "labels":
        return f"predictions and features moved as if the target changed: its {mean}; {why}"
    return f"the predictions moved, because of changed inputs or because of a changed target, whose {mean}; {why}"


words_as(
    {
        "no_input_drifts": "no input drifts",
        "output_drifts": "the {name} drifts",
        "scores_of_classes_hold": "the scores within each class are distributed as before",
        "outcomes_as_expected": "the outcomes are as expected from the scores",
        "worse_without_drift": "{metric} is worse than in the baseline, and no input drifts",
    }
)

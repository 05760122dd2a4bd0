"""Words for the kind of a change and its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import KindOfChange
from driftline_processor.present.wording import format_percent, printable, short

from .catalogue import clause, worded, words_of

NAMED = 3
"""Features that a sentence lists."""

CAVEAT = "a world that changed and outcomes that are recorded in another way look identical in the data"
OPEN = "without outcomes this cannot be distinguished from a change of what inputs mean"


@worded
def change_sentence(change: KindOfChange) -> str:
    """Return the kind of a change in words, with the alternatives that data alone cannot distinguish."""
    first = clause(next(iter(change.evidence), None))
    match change.reason:
        case "service_changed":
            return f"the service itself changed: {first}"
        case "data_faulty":
            return f"the data are at fault: {first}"
        case "meaning_changed":
            return f"what inputs mean changed: {first}; {CAVEAT}"
        case "proportions_changed":
            rates = change.evidence[0].values
            side = "more" if rates["observed"] > rates["expected"] else "less"
            return f"the classes come in new proportions, positives are {side} frequent: {first}"
        case "proportions_changed_by_scores":
            return f"{first}; {OPEN}"
        case "inputs_moved_as_expected":
            return f"the inputs moved, and what they mean did not: {clause(change.evidence[-1])}"
        case "inputs_or_proportions_moved":
            return f"the inputs moved ({first}); a new share of positives explains the scores as well"
        case "inputs_moved":
            return f"the inputs moved ({first})"
        case "inputs_moved_without_outcomes":
            return f"the inputs moved ({first}); {OPEN}"


@words_of("rule_broken")
def _rule_broken(rule: str) -> str:
    return f"{printable(rule)} is broken"


@words_of("one_answer")
def _one_answer(part: float) -> str:
    return f"{format_percent(part)} of the calls got one answer, whatever the inputs, as a default would be given"


@words_of("no_input_drifts")
def _no_input_drifts() -> str:
    return "no input drifts"


@words_of("columns_drift")
def _columns_drift(names: Sequence[str]) -> str:
    column_words = ", ".join(short(name) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{column_words}{more} drift" if len(names) > 1 else f"{column_words} drifts"


@words_of("output_drifts")
def _output_drifts(name: str) -> str:
    return f"the {name} drifts"


@words_of("positive_rate")
def _positive_rate(observed: float, expected: float) -> str:
    return f"{format_percent(observed)} were positive where the scores let one expect {format_percent(expected)}"


@words_of("scores_of_classes_hold")
def _scores_of_classes_hold() -> str:
    return "the scores of each class lie as they lay"


@words_of("outcomes_as_expected")
def _outcomes_as_expected() -> str:
    return "outcomes are as the scores let one expect"


@words_of("estimate_missed")
def _estimate_missed(metric: str, error: float) -> str:
    return f"{metric} is {abs(error):.3g} {'more' if error > 0 else 'less'} than estimated from the inputs"


@words_of("worse_without_drift")
def _worse_without_drift(metric: str) -> str:
    return f"{metric} is worse than in the baseline, and no input drifts"


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
            "the decisions moved; they tell classes apart too badly to say whether new shares of the classes explain it"
        )
    moved = f"{short(features[0])} moved" if features else ""
    if quantity == "mean":
        return _target_shift(explains, moved, f"{now:.4g}", f"{low:.4g}", f"{high:.4g}", f"{was:.4g}")
    of, who = (class_name, f"rows of {class_name}") if class_name else ("positive", "positives")
    rates = (
        f"{format_percent(now)} of the rows would be {of} (95 %: {format_percent(low)} to {format_percent(high)}), "
        f"{format_percent(was)} in the baseline"
    )
    if explains == "labels":
        side = "more" if now > was else "less"
        return f"{who} became {side} frequent: {rates}; scores and features moved as that says"
    new = "new shares of the classes" if class_name else "a new share of positives"
    if explains == "inputs":
        what = moved or "the scores moved in another way"
        return f"inputs explain that the scores moved: {what} more than {new} would move it"
    return f"the scores moved; inputs explain it, and {new} as well: then {rates}"


def _target_shift(explains: str, moved: str, now: str, low: str, high: str, was: str) -> str:
    if explains == "inputs":
        what = moved or "they moved in another way"
        return f"inputs explain that the predictions moved: {what} more than a new target would move it"
    means = f"the target would be {now} on average (95 %: {low} to {high}), {was} in the baseline"
    why = "errors at the same inputs would be others, so estimates have no interval; outcomes would tell"
    if explains == "labels":
        return f"predictions and features moved as a new target moves them: {means}; {why}"
    return f"the predictions moved; inputs explain it, and a new target as well: then {means}; {why}"

"""Words for the kind of a change, and for what shows it."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import KindOfChange
from driftline_processor.core.wording import format_percent, printable, short

from .catalogue import clause, worded, words_of

NAMED = 3
"""Features that a sentence names."""

CAVEAT = "a world that changed and outcomes that are recorded in another way look alike in the data"
OPEN = "without outcomes this cannot be told from a change of what inputs mean"


@worded
def change_sentence(change: KindOfChange) -> str:
    """Return the kind of a change in words, with what data alone cannot tell apart."""
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
def _label_shift(sentence: str) -> str:
    return sentence

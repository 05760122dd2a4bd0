"""Words for advice: a few words for the end of a sentence, and a full sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from driftline_processor.core.facts import Fact
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.metrics import metric_words
from driftline_processor.present.numbers import number
from driftline_processor.present.times import date_words, since_words, span_words
from driftline_processor.present.wording import NAME, capital, format_percent, listed, printable, short, slice_words

from .outcomes import TIME_FIXES, correction_words, unknown_outcomes_sentence
from .register import clause, clauses, voice_of


class Advice(NamedTuple):
    """A suggested action.

    Attributes:
        action: A few words, for the end of a sentence.
        sentence: The full sentence.
    """

    action: str
    sentence: str


def advise(fact: Fact | None) -> Advice:
    """Return the words of advice; empty words if there is no advice."""
    if fact is None:
        return Advice("", "")
    words = ADVICE[fact.kind](**fact.values)
    return Advice(voice_of(words.action), voice_of(words.sentence))


def _outcomes_since(since: int | None, timezone: str, *, of_days: bool) -> str:
    when = since_words(since, timezone, days=of_days)
    return f"the outcomes{when}" if when else "its newest outcomes"


def _names(columns: Sequence[str]) -> str:
    names = [short(name, NAME) for name in columns]
    return listed(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more columns"


def _repair_service(fault: Fact) -> Advice:
    return Advice("fix the service", f"Fix the service first: {clause(fault)}.")


def _repair_columns(columns: Sequence[str], fault: Fact | None) -> Advice:
    names = _names(columns)
    source = "its source" if len(columns) == 1 else "their source"
    sentence = f"Fix {names} at {source}, then evaluate again: {printable(clause(fault))}."
    return Advice(f"fix {names}", sentence)


def _repair_columns_all_the_same(columns: Sequence[str], fault: Fact) -> Advice:
    action = f"fix {_names(columns)}"
    return Advice(action, f"{capital(action)}, although the model is healthy: {clause(fault)}.")


def _repair_data(fault: Fact) -> Advice:
    return Advice("fix its data", f"Fix its data: {clause(fault)}.")


def _stop_duplicates(fault: Fact) -> Advice:
    sentence = f"Stop sending rows twice, and check retries and repeated jobs: {clause(fault)}."
    return Advice("stop sending rows twice", sentence)


def _correct_outcomes(unknown: UnknownOutcomes) -> Advice:
    why = f"{unknown.rows:,} of its outcomes cannot be used: {unknown_outcomes_sentence(unknown)}"
    return Advice(correction_words(unknown), f"Correct its outcomes and send them again: {printable(why)}.")


def _check_labels(fault: Fact) -> Advice:
    sentence = f"Check whether the outcomes of both classes are sent, under the names of the baseline: {clause(fault)}."
    return Advice("check its labels", printable(sentence))


def _repair_output(fault: Fact) -> Advice:
    why = printable(clause(fault))
    match fault.value("check") or fault.kind:
        case "ranks_the_wrong_way":
            order = "its score must be that of the positive class, and its labels must have the same classes"
            return Advice("check the order of its classes", f"Check the order of its classes: {order}.")
        case "score_out_of_range":
            sentence = f"Send scores from 0 to 1, and divide percentages by 100: {why}."
            return Advice("send scores from 0 to 1", sentence)
        case "score_classes" | "classes_without_score":
            sentence = f"Send the probabilities that predict_proba returns, not the classes of predict: {why}."
            return Advice("send probabilities as scores", sentence)
        case "score_constant":
            sentence = f"Check whether its service returns a default value, or has loaded another model: {why}."
            return Advice("check its service for a default value", sentence)
        case _:
            sentence = f"Check why its service returns unusable scores, such as NaN: {why}."
            return Advice("check why its service returns no score", sentence)


def _change_version(
    version: str, loss: str = "", challenger: float | None = None, champion: float | None = None
) -> Advice:
    name, figures = short(version, NAME) or "without a name", ""
    if challenger is not None and champion is not None:
        write = format_percent if loss == "error" else number
        figures = (
            f": its {loss.replace('_', ' ')} is {write(challenger)}, compared with {write(champion)} of this version"
        )
    return Advice(f"switch to version {name}", f"Switch to version {name}, which is better{figures}.")


def _retrain(since: int | None, timezone: str, of_days: bool, check_outcomes: bool = False) -> Advice:
    rows = _outcomes_since(since, timezone, of_days=of_days)
    if check_outcomes:
        sentence = f"{_CHECK_OUTCOMES} Then retrain the model on data that include {rows}, and build a new baseline."
        return Advice("check its outcomes, then retrain the model", sentence)
    return Advice("retrain the model", f"Retrain the model on data that include {rows}, and build a new baseline.")


_CHECK_OUTCOMES = (
    "First check that outcomes are still recorded in the same way, because a change in recording looks like a degraded "
    "model."
)


def _retrain_with_slice(
    slice: str, since: int | None, timezone: str, of_days: bool, check_outcomes: bool = False
) -> Advice:
    name = slice_words(slice)
    action = f"retrain the model with more rows of {name}"
    rows = _outcomes_since(since, timezone, of_days=of_days)
    until = f"Until then, do not rely on it for {name}."
    if check_outcomes:
        return Advice(f"check its outcomes, then {action}", f"{_CHECK_OUTCOMES} Then {action}, from {rows}. {until}")
    return Advice(action, f"{capital(action)}, from {rows}. {until}")


def _recalibrate(
    roc_auc: float | None, baseline: float | None, since: int | None, timezone: str, of_days: bool
) -> Advice:
    rows = _outcomes_since(since, timezone, of_days=of_days)
    if roc_auc is None or baseline is None:
        return Advice("recalibrate the model", f"Recalibrate its predictions on {rows}: on average they are off.")
    ranks = f"its ROC AUC is {number(roc_auc)}, {number(baseline)} in the baseline"
    return Advice("recalibrate the model", f"Recalibrate its score on {rows}: its score is miscalibrated ({ranks}).")


def _retrain_with_range(column: str, outside: float, since: int | None, timezone: str, of_days: bool) -> Advice:
    name = short(column, NAME)
    rows = _outcomes_since(since, timezone, of_days=of_days)
    values = f"{format_percent(outside)} of the values of {name} are new to it"
    sentence = (
        f"Retrain the model on data that include {rows}: {values}. First rule out a fault at the source of {name}."
    )
    return Advice("retrain the model with rows from the new range", sentence)


def _check_threshold(moved: Fact) -> Advice:
    verb = "fell" if moved.values["change"] < 0 else "rose"
    action = f"check its threshold ({metric_words(moved.values['metric'])} {verb})"
    return Advice(action, f"Check whether its threshold still fits: {clause(moved)}.")


def _wait_for_end_of_window(end: int, timezone: str) -> Advice:
    action = f"wait until the window closes, at the latest on {date_words(end, timezone)}"
    return Advice(action, f"W{action[1:]}.")


def _wait_for_outcomes(immature: Sequence[Fact]) -> Advice:
    why = "; ".join(clauses(immature)) or "its outcomes may still arrive"
    return Advice("wait for them", f"Wait: {why}.")


def _why_longer(reason: str, needed: int | None, rows: int | None) -> str:
    if reason == "too_few_days":
        return "a window with more days is expected to be conclusive"
    if not needed:
        return f"the outcomes of all {rows:,} rows are known, and they are too few"
    return f"about {needed:,} outcomes are expected to be conclusive, and this window has {rows:,} rows"


def _wait_for_longer_window(start: int, end: int, timezone: str, **why: Any) -> Advice:
    rows = span_words(start, end, timezone, days=end - start >= DAY)
    sentence = f"Wait for the window of {rows}: {_why_longer(**why)}. It is evaluated when it has closed and its "
    return Advice(f"wait for the window of {rows}, and its outcomes", f"{sentence}outcomes have arrived.")


def _evaluate_longer_window(**why: Any) -> Advice:
    return Advice("evaluate a longer window", f"Evaluate a longer window: {_why_longer(**why)}.")


def _evaluate_more_rows(**why: Any) -> Advice:
    return Advice("evaluate more rows", f"Evaluate rows of a longer period: {_why_longer(**why)}.")


def _send_outcomes_or_label(needed: int) -> Advice:
    enough = "enough to detect a relevant degradation, if there is one"
    sentence = f"Send its outcomes, or label {needed:,} of its rows: these are {enough}."
    return Advice(f"send its outcomes, or label {needed:,} rows", sentence)


def _label_more(more: int, needed: int) -> Advice:
    sentence = f"Label {more:,} more of its rows: {needed:,} labelled rows are expected to be conclusive."
    return Advice(f"label {more:,} more rows", sentence)


def _ignore_drift(small: bool) -> Advice:
    if small:
        return Advice("nothing to do", "Ignore the drift: its effect is small, and outcomes show no degradation.")
    return Advice("nothing to do", "Ignore the drift as long as outcomes show no degradation.")


def _check_baseline(then: Fact) -> Advice:
    advice = advise(then).sentence
    first = "If the model was trained on the rows of its baseline, build the baseline from other rows; if not:"
    return Advice("check whether it was trained on the baseline's rows", f"{first} {advice[:1].lower()}{advice[1:]}")


def _build_baseline(cause: Fact) -> Advice:
    sentence = f"Build a baseline of this version, from rows on which it was not trained: {clause(cause)}."
    return Advice("build a baseline of this version", sentence)


def _correct_times(times: str) -> Advice:
    fix = TIME_FIXES[times]
    return Advice(fix, f"{capital(fix)}: wrong times assign its predictions to the wrong windows.")


def _look_again(then: Fact) -> Advice:
    advice = advise(then).sentence
    sentence = f"Check the next window; if it shows the same: {advice[:1].lower()}{advice[1:]}"
    return Advice("check the next window", sentence)


def _wait_for_windows(windows: int) -> Advice:
    left = "1 more window is" if windows == 1 else f"{windows:,} more windows are"
    return Advice(f"wait until {left} evaluated", f"Wait until {left} evaluated: the advice depends on all of them.")


ADVICE: dict[str, Callable[..., Advice]] = {
    "repair_service": _repair_service,
    "repair_columns": _repair_columns,
    "repair_columns_all_the_same": _repair_columns_all_the_same,
    "repair_data": _repair_data,
    "stop_duplicates": _stop_duplicates,
    "check_labels": _check_labels,
    "correct_outcomes": _correct_outcomes,
    "repair_output": _repair_output,
    "change_version": _change_version,
    "retrain": _retrain,
    "rows_are_harder": partial(
        Advice,
        "check whether such rows are expected",
        "Check whether such rows are expected: the scores promise these errors. Retraining helps only if other inputs "
        "tell the rows apart.",
    ),
    "review_decisions": partial(
        Advice,
        "get outcomes of a sample of these rows",
        "Get outcomes of a random sample of these rows, each with the weight 1 / the probability with which it was "
        "chosen. If that is impossible, evaluate only the rows with the other decisions, against a baseline of such "
        "rows.",
    ),
    "compare_with_such_rows": partial(
        Advice,
        "check whether such rows are expected",
        "Check whether such rows are expected. If they are, build a new baseline that contains them: the scores fit "
        "their outcomes, so retraining is not needed.",
    ),
    "retrain_with_slice": _retrain_with_slice,
    "recalibrate": _recalibrate,
    "retrain_with_range": _retrain_with_range,
    "check_threshold": _check_threshold,
    "wait_for_end_of_window": _wait_for_end_of_window,
    "wait_for_outcomes": _wait_for_outcomes,
    "wait_for_longer_window": _wait_for_longer_window,
    "evaluate_longer_window": _evaluate_longer_window,
    "evaluate_more_rows": _evaluate_more_rows,
    "set_objective": partial(Advice, "set an objective", "Set an objective, or build the baseline with outcomes."),
    "recalibrate_first": partial(
        Advice,
        "recalibrate the model before you monitor it",
        "Recalibrate the model before you monitor it, and build its baseline anew: a constant prediction is at "
        "least as good now.",
    ),
    "send_outcomes": partial(
        Advice,
        "send its outcomes",
        "Send its outcomes: without them its performance is unknown.",
    ),
    "send_outcomes_or_label": _send_outcomes_or_label,
    "send_more_outcomes": partial(
        Advice,
        "send more outcomes",
        "Send more outcomes of its rows: those that have arrived are inconclusive.",
    ),
    "label_more": _label_more,
    "ignore_drift": _ignore_drift,
    "nothing_to_do": partial(Advice, "nothing to do", "Nothing: keep sending outcomes."),
    "look_again": _look_again,
    "build_baseline": _build_baseline,
    "check_baseline": _check_baseline,
    "correct_times": _correct_times,
    "wait_for_windows": _wait_for_windows,
    "wait_for_first_window": partial(Advice, "wait for the first window", "Wait until the first window closes."),
    "evaluate_newer_rows": partial(
        Advice,
        "evaluate other rows",
        "Evaluate other rows: these are rows of the baseline, so they only show that the comparison works.",
    ),
    "check_service": partial(
        Advice,
        "check whether its service runs",
        "Check whether the service runs, and whether it reaches Driftline.",
    ),
    "wait_or_add_processor": partial(
        Advice,
        "wait, or give Driftline more CPU",
        "Wait until Driftline has caught up; if it never does, give it more CPU, or evaluate fewer windows.",
    ),
}
"""Kind of advice → the maker of its words."""

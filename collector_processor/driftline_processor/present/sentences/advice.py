"""Words for advice: a few words for the end of a sentence, and a full sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Finding
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.day_spread import FEW, FEWEST_LENDING
from driftline_processor.core.performance.sample_size import margin_shown
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.metrics import metric_words, size_of_change
from driftline_processor.present.numbers import many, many_are, number, roughly
from driftline_processor.present.times import date_words, since_words, span_words
from driftline_processor.present.wording import NAME, capital, format_percent, listed, printable, short, slice_words

from .objectives import about_rows
from .outcomes import TIME_FIXES, correction_words, unknown_outcomes_sentence
from .references import longest_window_words, margin_words, no_margin_words, traffic_words
from .register import Makers, clause, clauses, voice_of


class Advice(NamedTuple):
    """A suggested action.

    Attributes:
        action: A few words, for the end of a sentence.
        sentence: The full sentence.
    """

    action: str
    sentence: str


ADVICE = Makers[Advice]()
"""The makers of words by kind of advice."""
advice_of = ADVICE.of


def advise(fact: Fact | None) -> Advice:
    """Return the words of advice; empty words if there is no advice."""
    if fact is None:
        return Advice("", "")
    words = ADVICE[type(fact)](fact)
    return Advice(voice_of(words.action), voice_of(words.sentence))


def _outcomes_since(since: facts.Since) -> str:
    when = since_words(since.time, since.timezone, days=since.of_days)
    return f"the outcomes{when}" if when else "its newest outcomes"


def _names(columns: Sequence[str]) -> str:
    names = [short(name, NAME) for name in columns]
    return listed(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more columns"


@advice_of(facts.RepairService)
def _repair_service(fact: facts.RepairService) -> Advice:
    return Advice("fix the service", f"Fix the service first: {clause(fact.fault)}.")


@advice_of(facts.RepairColumns)
def _repair_columns(fact: facts.RepairColumns) -> Advice:
    names = _names(fact.columns)
    source = "its source" if len(fact.columns) == 1 else "their source"
    sentence = f"Fix {names} at {source}, then evaluate again: {printable(clause(fact.fault))}."
    return Advice(f"fix {names}", sentence)


@advice_of(facts.RepairColumnsAllTheSame)
def _repair_columns_all_the_same(fact: facts.RepairColumnsAllTheSame) -> Advice:
    action = f"fix {_names(fact.columns)}"
    return Advice(action, f"{capital(action)}, although the model is healthy: {clause(fact.fault)}.")


@advice_of(facts.RepairData)
def _repair_data(fact: facts.RepairData) -> Advice:
    return Advice("fix its data", f"Fix its data: {clause(fact.fault)}.")


@advice_of(facts.StopDuplicates)
def _stop_duplicates(fact: facts.StopDuplicates) -> Advice:
    sentence = f"Stop sending rows twice, and check retries and repeated jobs: {clause(fact.fault)}."
    return Advice("stop sending rows twice", sentence)


@advice_of(facts.CorrectOutcomes)
def _correct_outcomes(fact: facts.CorrectOutcomes) -> Advice:
    why = f"{fact.unknown.rows:,} of its outcomes cannot be used: {unknown_outcomes_sentence(fact.unknown)}"
    return Advice(correction_words(fact.unknown), f"Correct its outcomes and send them again: {printable(why)}.")


@advice_of(facts.CheckLabels)
def _check_labels(fact: facts.CheckLabels) -> Advice:
    sentence = (
        f"Check whether the outcomes of both classes are sent, under the names of the baseline: {clause(fact.fault)}."
    )
    return Advice("check its labels", printable(sentence))


@advice_of(facts.RepairOutput)
def _repair_output(fact: facts.RepairOutput) -> Advice:
    why = printable(clause(fact.fault))
    match fact.fault.check if isinstance(fact.fault, Finding) else fact.fault.kind:
        case "ranks_the_wrong_way":
            order = "its score must be that of the positive class, and its labels must have the same classes"
            return Advice("check the order of its classes", f"Check the order of its classes: {order}.")
        case "score_out_of_range":
            sentence = f"Send scores from 0 to 1, and divide percentages by 100: {why}."
            return Advice("send scores from 0 to 1", sentence)
        case "score_classes" | "classes_without_score":
            sentence = f"Send the probabilities that predict_proba returns, not the classes of predict: {why}."
            return Advice("send probabilities as scores", sentence)
        case "new_classes":
            sentence = f"Check whether its service has loaded another model, and build a new baseline if so: {why}."
            return Advice("check its service for another model", sentence)
        case "score_constant" | "output_collapsed":
            sentence = f"Check whether its service returns a default value, or has loaded another model: {why}."
            return Advice("check its service for a default value", sentence)
        case _:
            sentence = f"Check why its service returns unusable scores, such as NaN: {why}."
            return Advice("check why its service returns no score", sentence)


@advice_of(facts.ChangeVersion)
def _change_version(fact: facts.ChangeVersion) -> Advice:
    name, figures = short(fact.version, NAME) or "without a name", ""
    if fact.challenger is not None and fact.champion is not None:
        write = format_percent if fact.loss == "error" else number
        compared = f"{write(fact.challenger)}, compared with {write(fact.champion)} of this version"
        figures = f": its {fact.loss.replace('_', ' ')} is {compared}"
    return Advice(f"switch to version {name}", f"Switch to version {name}, which is better{figures}.")


@advice_of(facts.Retrain)
def _retrain(fact: facts.Retrain) -> Advice:
    step = f"retrain the model on data that include {_outcomes_since(fact.since)}, and build a new baseline."
    return _after_checks("retrain the model", step, fact.rule_out, fact.check_outcomes)


@advice_of(facts.RetrainWithSlice)
def _retrain_with_slice(fact: facts.RetrainWithSlice) -> Advice:
    name = slice_words(fact.slice)
    action = f"retrain the model with more rows of {name}"
    step = f"{action}, from {_outcomes_since(fact.since)}. Until then, do not rely on it for {name}."
    return _after_checks(action, step, fact.rule_out, fact.check_outcomes)


@advice_of(facts.Recalibrate)
def _recalibrate(fact: facts.Recalibrate) -> Advice:
    rows, action = _outcomes_since(fact.since), "recalibrate the model"
    if fact.roc_auc is None or fact.baseline is None:
        return _after_checks(action, f"recalibrate its predictions on {rows}: on average they are off.", fact.rule_out)
    ranks = f"its ROC AUC is {number(fact.roc_auc)}, {number(fact.baseline)} in the baseline"
    step = f"recalibrate its score on {rows}: its score is miscalibrated ({ranks})."
    return _after_checks(action, step, fact.rule_out)


def _after_checks(action: str, step: str, rule_out: Sequence[str], check_outcomes: bool = False) -> Advice:
    """Return advice whose step follows the checks that rule out a fault of inputs or outcomes."""
    checks = []
    if rule_out:
        checks.append(f"rule out a fault at the source of {_names(rule_out)}, whose values changed at once")
        action = f"rule out a fault of {_names(rule_out)}, then {action}"
    if check_outcomes:
        checks.append(
            "check that outcomes are still recorded, and inputs still joined to their rows, in the same way, because "
            "another recording looks like a degraded model"
        )
        action = action if rule_out else f"check its outcomes, then {action}"
    if not checks:
        return Advice(action, capital(step))
    return Advice(action, f"First {', and '.join(checks)}. Then {step}")


@advice_of(facts.RecalibrateIntervals)
def _recalibrate_intervals(fact: facts.RecalibrateIntervals) -> Advice:
    rows = _outcomes_since(fact.since)
    return Advice("recalibrate its intervals", f"Recalibrate its intervals on {rows}: {clause(fact.moved)}.")


@advice_of(facts.WaitToRetrain)
def _wait_to_retrain(fact: facts.WaitToRetrain) -> Advice:
    place = f" for {slice_words(fact.slice)}" if fact.slice else ""
    shown = f"only {fact.outcomes} outcomes are known"
    if fact.wrong is not None:
        shown = f"{fact.wrong} of {fact.outcomes} predictions are wrong"
    action = f"wait for {fact.needed} outcomes{place}"
    return Advice(action, f"{capital(action)} before you retrain the model: so far {shown}.")


@advice_of(facts.BuildLargerBaseline)
def _build_larger_baseline(fact: facts.BuildLargerBaseline) -> Advice:
    name, half, margin, enough = margin_words(fact.metric, fact.half, fact.margin, margin_shown(fact.half))
    known = f"the baseline's {name} is known to ±{half} only, and the margin is {margin}"
    shown = longest_window_words(fact.half, fact.margin)
    if fact.needed is not None:
        outcomes = f"{roughly(fact.needed):,} outcomes"
        shown = f"it takes windows of about {outcomes} to show in nine of ten that a model is as good"
    build, no_margin = f"Build the baseline from more days, {about_rows(fact.rows)}", no_margin_words(fact)
    build += "" if no_margin else f", or set a margin, if only a change of {enough} or more matters"
    return Advice("build a larger baseline", f"{build}: {known}, so {shown}.{f' {no_margin}' if no_margin else ''}")


@advice_of(facts.ChooseMargin)
def _choose_margin(fact: facts.ChooseMargin) -> Advice:
    name, change, margin = margin_words(fact.metric, abs(fact.change), fact.margin)
    near = f"they would show a model that is as good, and this one is {change} worse, with a margin of {margin}"
    sentence = f"Decide how much worse its {name} may become, and set the margin. More outcomes may not help: {near}."
    return Advice(f"choose the margin of its {name}", sentence)


@advice_of(facts.RetrainWithRange)
def _retrain_with_range(fact: facts.RetrainWithRange) -> Advice:
    name = short(fact.column, NAME)
    rows = _outcomes_since(fact.since)
    values = f"{format_percent(fact.outside)} of the values of {name} are new to it"
    first = f"First rule out a fault at the source of {_names(fact.rule_out or (fact.column,))}."
    sentence = f"{first} Then retrain the model on data that include {rows}: {values}."
    return Advice("rule out a fault, then retrain the model with rows from the new range", sentence)


@advice_of(facts.RuleOutFault)
def _rule_out_fault(fact: facts.RuleOutFault) -> Advice:
    name, then = short(fact.column, NAME), advise(fact.then)
    new = f"{format_percent(fact.outside)} of its values are new"
    first = f"First rule out a fault at the source of {name}, because {new}."
    step = f"Then {then.sentence[:1].lower()}{then.sentence[1:]}"
    return Advice(f"rule out a fault of {name}, then {then.action}", f"{first} {step}")


@advice_of(facts.CheckThreshold)
def _check_threshold(fact: facts.CheckThreshold) -> Advice:
    verb = "fell" if fact.moved.change < 0 else "rose"
    action = f"check its threshold ({metric_words(fact.moved.metric)} {verb})"
    return Advice(action, f"Check whether its threshold still fits: {clause(fact.moved)}.")


@advice_of(facts.WaitForEndOfWindow)
def _wait_for_end_of_window(fact: facts.WaitForEndOfWindow) -> Advice:
    action = f"wait until the window closes, at the latest on {date_words(fact.end, fact.timezone)}"
    return Advice(action, f"W{action[1:]}.")


@advice_of(facts.WaitForOutcomes)
def _wait_for_outcomes(fact: facts.WaitForOutcomes) -> Advice:
    why = "; ".join(clauses(fact.immature)) or "its outcomes may still arrive"
    return Advice("wait for them", f"Wait: {why}.")


def _why_longer(longer: facts.LongerWindow) -> str:
    needed, rows = longer.needed, longer.rows or 0
    days = (
        f"this window has too few days to estimate how days differ (it takes {FEW}, or a baseline of {FEWEST_LENDING})"
    )
    if needed is None:
        return days if longer.reason == "too_few_days" else f"its {many_are(rows, 'outcome')} known, and too few"
    shown = _show(needed, f"about {roughly(needed.outcomes):,} outcomes{traffic_words(needed.length)}")
    if longer.reason == "too_few_days":
        return f"{days}; if they do not differ, and {shown.removeprefix('if ')}"
    return f"{shown}; this window has {many(rows)}"


def _show(needed: facts.Needed, outcomes: str) -> str:
    """Return what a number of outcomes is conclusive for, with the condition on which it depends."""
    name = metric_words(needed.metric)
    if needed.rule:
        return f"{outcomes} can be conclusive for '{printable(needed.rule)}'"
    if needed.drop:
        drop = size_of_change(needed.metric, needed.drop, None, None)
        return f"{outcomes} detect a drop of its {name} by {drop} in nine of ten cases"
    return f"if its {name} is as good as in the baseline, {outcomes} show it in nine of ten cases"


@advice_of(facts.WaitForLongerWindow)
def _wait_for_longer_window(fact: facts.WaitForLongerWindow) -> Advice:
    rows = span_words(fact.start, fact.end, fact.timezone, days=fact.end - fact.start >= DAY)
    sentence = f"Wait for the window of {rows}: {_why_longer(fact)}. It is evaluated when it has closed and its "
    return Advice(f"wait for the window of {rows}, and its outcomes", f"{sentence}outcomes have arrived.")


@advice_of(facts.EvaluateLongerWindow)
def _evaluate_longer_window(fact: facts.EvaluateLongerWindow) -> Advice:
    return Advice("evaluate a longer window", f"Evaluate a longer window: {_why_longer(fact)}.")


@advice_of(facts.EvaluateMoreRows)
def _evaluate_more_rows(fact: facts.EvaluateMoreRows) -> Advice:
    return Advice("evaluate more rows", f"Evaluate rows of a longer period: {_why_longer(fact)}.")


@advice_of(facts.SendOutcomesOrLabel)
def _send_outcomes_or_label(fact: facts.SendOutcomesOrLabel) -> Advice:
    label = f"label {fact.needed.outcomes:,}"
    sentence = f"Send its outcomes, or {label} of its rows: {_show(fact.needed, 'so many outcomes')}."
    return Advice(f"send its outcomes, or {label} rows", sentence)


@advice_of(facts.LabelMore)
def _label_more(fact: facts.LabelMore) -> Advice:
    shown = _show(fact.needed, f"{fact.needed.outcomes:,} labelled rows")
    return Advice(f"label {fact.more:,} more rows", f"Label {fact.more:,} more of its rows: {shown}.")


@advice_of(facts.IgnoreDrift)
def _ignore_drift(fact: facts.IgnoreDrift) -> Advice:
    if fact.small:
        return Advice("nothing to do", "Ignore the drift: its effect is small, and outcomes show no degradation.")
    return Advice("nothing to do", "Ignore the drift as long as outcomes show no degradation.")


@advice_of(facts.CheckBaseline)
def _check_baseline(fact: facts.CheckBaseline) -> Advice:
    advice = advise(fact.then).sentence
    first = "If the model was trained on the rows of its baseline, build the baseline from other rows; if not:"
    return Advice("check whether it was trained on the baseline's rows", f"{first} {advice[:1].lower()}{advice[1:]}")


@advice_of(facts.BuildBaseline)
def _build_baseline(fact: facts.BuildBaseline) -> Advice:
    sentence = f"Build a baseline of this version, from rows on which it was not trained: {clause(fact.cause)}."
    return Advice("build a baseline of this version", sentence)


@advice_of(facts.CorrectTimes)
def _correct_times(fact: facts.CorrectTimes) -> Advice:
    fix = TIME_FIXES[fact.times]
    return Advice(fix, f"{capital(fix)}: wrong times assign its predictions to the wrong windows.")


@advice_of(facts.CheckAlert)
def _check_alert(fact: facts.CheckAlert) -> Advice:
    name = short(fact.policy, 80)
    check = f"Check what the policy '{name}' measures; the verdict does not show the same fault so far."
    return Advice(f"check the alert of the policy '{name}'", check)


@advice_of(facts.LookAgain)
def _look_again(fact: facts.LookAgain) -> Advice:
    advice = advise(fact.then).sentence
    sentence = f"Check the next window; if it shows the same: {advice[:1].lower()}{advice[1:]}"
    return Advice("check the next window", sentence)


@advice_of(facts.WaitForWindows)
def _wait_for_windows(fact: facts.WaitForWindows) -> Advice:
    left = "1 more window is" if fact.windows == 1 else f"{fact.windows:,} more windows are"
    return Advice(f"wait until {left} evaluated", f"Wait until {left} evaluated: the advice depends on all of them.")


_WITHOUT_FIELDS = {
    facts.RowsAreHarder: Advice(
        "check whether such rows are expected",
        "Check whether such rows are expected: the scores promise these errors. Retraining helps only if other inputs "
        "tell the rows apart.",
    ),
    facts.ReviewDecisions: Advice(
        "get outcomes of a sample of these rows",
        "Get outcomes of a random sample of these rows, each with the weight 1 / the probability with which it was "
        "chosen. If that is impossible, evaluate only the rows with the other decisions, against a baseline of such "
        "rows.",
    ),
    facts.CompareWithSuchRows: Advice(
        "check whether such rows are expected",
        "Check whether such rows are expected. If they are, build a new baseline that contains them: the scores fit "
        "their outcomes, so retraining is not needed.",
    ),
    facts.SetObjective: Advice("set an objective", "Set an objective, or build the baseline with outcomes."),
    facts.RecalibrateFirst: Advice(
        "recalibrate the model before you monitor it",
        "Recalibrate the model before you monitor it, and build its baseline anew: a constant prediction is at "
        "least as good now.",
    ),
    facts.SendOutcomes: Advice(
        "send its outcomes",
        "Send its outcomes: without them its performance is unknown.",
    ),
    facts.SendMoreOutcomes: Advice(
        "send more outcomes",
        "Send more outcomes of its rows: those that have arrived are inconclusive.",
    ),
    facts.CheckOutcomeDelay: Advice(
        "check why its outcomes are late",
        "Check why its outcomes are late, or change the agreed delay (label_sla).",
    ),
    facts.NothingToDo: Advice("nothing to do", "Nothing: keep sending outcomes."),
    facts.WaitForFirstWindow: Advice("wait for the first window", "Wait until the first window closes."),
    facts.EvaluateNewerRows: Advice(
        "evaluate other rows",
        "Evaluate other rows: these are rows of the baseline, so they only show that the comparison works.",
    ),
    facts.CheckService: Advice(
        "check whether its service runs",
        "Check whether the service runs, and whether it reaches Driftline.",
    ),
    facts.WaitOrAddProcessor: Advice(
        "wait, or give Driftline more CPU",
        "Wait until Driftline has caught up; if it never does, give it more CPU, or evaluate fewer windows.",
    ),
}
"""Words for kinds of advice without fields."""


def _always(words: Advice) -> Callable[[Fact], Advice]:
    return lambda _: words


ADVICE.update((kind, _always(words)) for kind, words in _WITHOUT_FIELDS.items())

"""What to do about a verdict: a few words for its sentence, and a sentence of its own."""

from __future__ import annotations

import math
from typing import NamedTuple

from driftline_processor.core.dates import date_words, span_words
from driftline_processor.core.estimate.estimator import FEWEST
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.intervals.confidence import CONFIDENCE, normal_quantile
from driftline_processor.core.labels.delay import UNKNOWN_DELAY  # noqa: F401
from driftline_processor.core.performance.objective_states import POWER
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.wording import format_percent, printable, short

from .context import VerdictContext
from .reasons import first_cause
from .signs import Sign, has_small_drift, is_fault, lacking_to_tell, moved_to, told_first, worse_metrics
from .words import NAME, fault_words, figure, listed, metric_words, since_words, slice_words

REACH = normal_quantile(CONFIDENCE) + POWER
"""Standard errors between a value and its limit at which a test at 5 % finds it in 90 of 100 cases."""

WORTH_FINDING = 0.05
"""The loss of accuracy that labels should be enough to find: five points, as between versions
(docs/data/versions.md)."""

OF_RANKS = frozenset({"roc_auc", "roc_auc_ovr", "average_precision", "ks", "lift@0.1", "gain@0.1"})
"""Metrics of the ranking, which no recalibration can change."""


class Advice(NamedTuple):
    """What to do.

    Attributes:
        action: In a few words, for the end of a sentence.
        sentence: What to do, in full.
    """

    action: str
    sentence: str


NOTHING = Advice("nothing to do", "Nothing: keep sending outcomes.")


def repair(evaluation: Evaluation, signs: list[Sign], context: VerdictContext, since: int | None) -> Advice:
    """Return what to do about a degraded model.

    Args:
        evaluation: The window that decided.
        signs: What shows the loss, the first at the head.
        context: What is known beside windows.
        since: From when on the model is degraded, unix nanoseconds.
    """
    first, timezone = signs[0], context.timezone
    window = evaluation.window
    when = since_words(since, timezone, days=window.end - window.start >= DAY)
    if first.reason == "service":
        return Advice("repair the service", f"Repair the service first: {first.words}.")
    fault = next((one for one in evaluation.findings if is_fault(one) and one.features), None)
    if fault is not None:
        return _mend(fault.features, fault_words(fault))
    checked = evaluation.explanation is not None and any(one.check for one in evaluation.explanation.causes[:1])
    cause = first_cause(evaluation, signs)
    if checked and cause.kind == "data_fault" and cause.features:
        return _mend(cause.features, cause.words)
    better = next((one for one in context.versions if _is_better(one, evaluation.key.version)), None)
    if better is not None:
        return _go_over(better)
    if first.slice:
        place = slice_words(first.slice)
        rows = _rows_since(when)
        sentence = f"Retrain it with more rows of {place}, from {rows}, and do not rely on it there until then."
        return Advice(f"retrain it with more rows of {place}", sentence)
    if _only_its_level_moved(evaluation):
        auc = evaluation.realized["roc_auc"].value
        was = evaluation.reference["roc_auc"].value
        ranks = f"it ranks as before (ROC AUC {figure(auc or 0.0)}, {figure(was or 0.0)} in the baseline)"
        sentence = f"Recalibrate its score on {_rows_since(when)}: {ranks}, and only the level of its score is off."
        return Advice("recalibrate it", sentence)
    retrained = f"etrain it with {_rows_since(when)}, and build its baseline anew."
    strange = next((one for one in evaluation.findings if _is_strange(one) and one.features == cause.features), None)
    if strange is not None:
        name = short(strange.features[0], NAME)
        first_look = f"See first whether {name} is right where it is made: {format_percent(strange.now or 0.0)} of its"
        said = f"{first_look} values lie where the model learned nothing. If it is, r{retrained}"
        return Advice(f"check {name} first", said)
    return Advice("retrain it", f"R{retrained}")


def look_closer(evaluation: Evaluation, signs: list[Sign], context: VerdictContext) -> Advice:
    """Return what to do about a model at risk: repair the data, or get the outcomes that tell."""
    fault = next((sign for sign in signs if sign.reason == "data"), None)
    if fault is not None and fault.features:
        return _mend(fault.features, fault.words)
    if fault is not None:
        return Advice("repair its data", f"Repair its data: {fault.words}.")
    if signs[0].reason == "decisions":
        return _fit_threshold(evaluation)
    return outcomes_wanted(evaluation, context)


def outcomes_wanted(evaluation: Evaluation, context: VerdictContext) -> Advice:
    """Return what would tell whether a model is healthy, where its outcomes do not.

    Args:
        evaluation: The window.
        context: What is known beside windows.
    """
    if not evaluation.closed:
        ends = date_words(evaluation.window.end, context.timezone)
        return Advice(f"wait until the window closes on {ends}", f"Wait until the window closes on {ends}.")
    if evaluation.young:
        return Advice("wait for them", f"Wait: {evaluation.immature or 'its outcomes may still come'}.")
    if evaluation.maturity == "mature" and evaluation.outcome_rows:
        lacks = lacking_to_tell(evaluation)
        if lacks == "days":
            return _longer_window(evaluation, context, "one with more days would tell")
        if not evaluation.reference and not evaluation.objectives:
            sentence = "Say what is good enough: build the baseline with actual values, or set an objective."
            return Advice("say what is good enough", sentence)
    needed = labels_needed(evaluation)
    if evaluation.outcome_rows == 0:
        if not needed or needed > evaluation.rows:
            return Advice("send its outcomes", "Send its outcomes: without them nobody knows.")
        sentence = f"Send its outcomes, or label {needed:,} of its rows: they would show a loss that matters."
        return Advice(f"send its outcomes, or label {needed:,} rows", sentence)
    if not needed or needed <= evaluation.outcome_rows:
        return Advice("send more outcomes", "Send more outcomes of its rows: those that are known do not tell.")
    more = needed - evaluation.outcome_rows
    if needed <= evaluation.rows:
        sentence = f"Label {more:,} more of its rows: with {needed:,} the window would tell."
        return Advice(f"label {more:,} more rows", sentence)
    told = f"about {needed:,} outcomes would tell, and this one has {evaluation.rows:,} rows"
    return _longer_window(evaluation, context, told)


def _longer_window(evaluation: Evaluation, context: VerdictContext, why: str) -> Advice:
    """Return how to get a longer window: wait for an open one that holds this one, else ask for one, or bring rows."""
    own, timezone = evaluation.window, context.timezone
    longer = [one for one in context.coming if one.start <= own.start and own.end <= one.end and one != own]
    if longer:
        first = min(longer, key=lambda one: one.end)
        rows, ends = (
            span_words(first.start, first.end, timezone, days=first.end - first.start >= DAY),
            date_words(first.end, timezone),
        )
        sentence = f"Wait for the window of {rows}: it closes on {ends}, tells once its outcomes are in, and {why}."
        return Advice(f"wait for the window of {rows}, and its outcomes", sentence)
    if not own.name:
        return Advice("judge more rows", f"Judge rows of a longer time: {why}.")
    return Advice("judge a longer window", f"Judge a longer window: {why}.")


def keep(evaluation: Evaluation) -> Advice:
    """Return what to do about a healthy model: nothing, also where its inputs moved; faulty data is repaired."""
    fault = next((one for one in evaluation.findings if is_fault(one) and one.features), None)
    if fault is not None:
        names = listed([short(name, NAME) for name in fault.features[:2]])
        return Advice(f"repair {names} all the same", f"Repair {names} all the same: {fault_words(fault)}.")
    if worse_metrics(evaluation):
        return _fit_threshold(evaluation)
    if has_small_drift(evaluation):
        return Advice("nothing to do", "Ignore the drift: its effect is small, and outcomes show no loss.")
    if any(one.state == "drift" for one in evaluation.features.values()):
        return Advice("nothing to do", "Ignore the drift: outcomes show no loss. Look again when they do.")
    return NOTHING


def labels_needed(evaluation: Evaluation) -> int | None:
    """Return how many outcomes would tell; None where nobody can say.

    That of the objectives, else so many that a fall of accuracy by :data:`WORTH_FINDING` is found nine times in ten.
    """
    needed = [one.needed for one in evaluation.objectives if one.state == "cannot_tell" and one.needed]
    if needed:
        return max(needed)
    accuracy = evaluation.reference.get("accuracy")
    if accuracy is None or accuracy.value is None:
        return None
    share = min(max(accuracy.value - WORTH_FINDING, 0.0), 1.0)
    return max(FEWEST, math.ceil(share * (1 - share) * (REACH / WORTH_FINDING) ** 2 / 10) * 10)


def _fit_threshold(evaluation: Evaluation) -> Advice:
    name = told_first(worse_metrics(evaluation))[0]
    sentence = f"Look whether its threshold still fits: its {metric_words(name)} {moved_to(name, evaluation)}."
    return Advice("look at its threshold", sentence)


def _rows_since(when: str) -> str:
    return f"the outcomes{when}" if when else "these outcomes"


def _mend(features: tuple[str, ...], words: str) -> Advice:
    names = listed([short(name, NAME) for name in features[:2]])
    return Advice(f"repair {names}", f"Repair {names} where it is made, then judge again: {printable(words)}.")


def _is_strange(found: Finding) -> bool:
    """Return True where most values of an input lie where hardly any lay: as in another unit, or of another source."""
    # 0.5: share of an input's values out of its usual range from which on the input itself is doubted before the model
    # is
    return found.check == OUT_OF_RANGE.name and len(found.features) == 1 and (found.now or 0.0) >= 0.5


def _is_better(one: SideBySide, version: str) -> bool:
    """Return True where a challenger is better than this version, its champion."""
    return one.verdict == "better" and one.champion.name == version


def _go_over(better: SideBySide) -> Advice:
    name = short(better.challenger.name, NAME) or "without a name"
    decides = better.decides
    figures = ""
    if decides is not None and decides.challenger is not None and decides.champion is not None:
        loss = decides.loss.replace("_", " ")
        write = format_percent if decides.loss == "error" else figure
        figures = f": its {loss} is {write(decides.challenger)}, {write(decides.champion)} here"
    return Advice(f"go over to version {name}", f"Go over to version {name}, which is better{figures}.")


def _only_its_level_moved(evaluation: Evaluation) -> bool:
    """Return True where scores rank as they did, so that their level, or the threshold, is what is wrong."""
    rank, was = evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc")
    if rank is None or was is None or rank.value is None or was.value is None:
        return False
    change = evaluation.realized_changes.get("roc_auc")
    state = "cannot_tell" if change is None else change.state
    if state == "worse" or (state == "cannot_tell" and rank.value < was.value):
        return False
    if set(worse_metrics(evaluation)) - OF_RANKS:
        return True
    said, came = (evaluation.realized.get(name) for name in ("mean_score", "actual_rate"))
    if said is None or came is None or said.value is None or came.low is None or came.high is None:
        return False
    return not came.low <= said.value <= came.high

"""The few words about a fact for a headline, such as "log loss up 0.2 to 0.69"; without intervals.

Kinds of facts without words of their own here have the shortest clause about them, without parentheses.
"""

from __future__ import annotations

import re

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause
from driftline_processor.core.fact import Fact, columns_of
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.present.metrics import metric_value, metric_words, size_of_change
from driftline_processor.present.numbers import many, many_are, number
from driftline_processor.present.times import on_words
from driftline_processor.present.wording import NAME, format_percent, printable, short, slice_words

from .register import Makers, plain_forms, worded

_BY_KIND = Makers[str]()
_brief = _BY_KIND.of


@worded
def brief(fact: Fact | None) -> str:
    """Return a fact in few words; "" without a fact.

    >>> brief(facts.MetricMoved("accuracy", change=-0.1, low=-0.12, high=-0.08, value=0.7, level=None))
    'accuracy down 10 points to 70 %'
    """
    if fact is None:
        return ""
    if isinstance(fact, facts.AndAlso):
        return brief(fact.reason)
    if type(fact) in _BY_KIND:
        return _BY_KIND[type(fact)](fact)
    clause = next(reversed(plain_forms(fact)), "")
    return re.sub(r"^its | \([^()]*\)|, and that did no harm$", "", clause)


def _change(metric: str, change: float, value: float | None) -> str:
    to = "" if value is None else f" to {metric_value(metric, value)}"
    return f"{metric_words(metric)} {'down' if change < 0 else 'up'} {size_of_change(metric, change, None, None)}{to}"


@_brief(facts.MetricMoved)
def _metric_moved(fact: facts.MetricMoved) -> str:
    return _change(fact.metric, fact.change, fact.value) if fact.level is None else brief(fact.level)


@_brief(facts.EstimateMoved)
def _estimate_moved(fact: facts.EstimateMoved) -> str:
    return f"estimated {_change(fact.metric, fact.change, None)}"


@_brief(facts.WorseInsideMargin)
def _worse_inside_margin(fact: facts.WorseInsideMargin) -> str:
    margin = size_of_change(fact.metric, fact.margin, None, None)
    return f"{_change(fact.metric, fact.change, None)}, inside the margin of {margin}"


@_brief(facts.NoWorseThanBaseline)
def _no_worse_than_baseline(fact: facts.NoWorseThanBaseline) -> str:
    if fact.value is None or fact.baseline is None:
        return f"{metric_words(fact.metric)} no worse than in the baseline"
    value, baseline = (metric_value(fact.metric, value) for value in (fact.value, fact.baseline))
    return f"{metric_words(fact.metric)} {value}, baseline {baseline}"


@_brief(facts.WorseThanConstant)
def _worse_than_constant(fact: facts.WorseThanConstant) -> str:
    loss, of_constant = (metric_value("log_loss", one) for one in (fact.value, fact.constant))
    return f"log loss {loss}, {of_constant} for a constant prediction"


@_brief(facts.ObjectiveMet, facts.ObjectiveMissed)
def _objective(fact: facts.OfObjective) -> str:
    verb, metric, value = "meets" if isinstance(fact, facts.ObjectiveMet) else "misses", fact.metric, fact.value
    number = ""
    if value is not None:
        number = f" changed by {size_of_change(metric, value, None, None)} and" if fact.of_change else ""
        number = number or f" {metric_value(metric, value)}"
    return f"{metric_words(metric)}{number} {verb} '{printable(fact.rule)}'"


@_brief(facts.RanksTheWrongWay)
def _ranks_the_wrong_way(fact: facts.RanksTheWrongWay) -> str:
    return f"scores rank the wrong way round, ROC AUC {metric_value('roc_auc', fact.value)}"


@_brief(facts.LevelOfScores)
def _level_of_scores(fact: facts.LevelOfScores) -> str:
    name = "positives" if fact.positive_class == POSITIVE else f"'{short(fact.positive_class, NAME)}'"
    return f"predicts {format_percent(fact.predicted)} {name}, actual {format_percent(fact.actual)}"


@_brief(facts.BiasRose)
def _bias_rose(fact: facts.BiasRose) -> str:
    return f"predictions too {'high' if fact.value > 0 else 'low'} by {metric_value('bias', abs(fact.value))}"


@_brief(facts.ErrorsRose)
def _errors_rose(fact: facts.ErrorsRose) -> str:
    of_classes = fact.metric == "error_rate"
    was, now = (format_percent(level, 3) if of_classes else number(level) for level in (fact.before, fact.after))
    return f"{'error rate' if of_classes else 'absolute error'} up from {was} to {now}"


@_brief(facts.SliceWorse)
def _slice_worse(fact: facts.SliceWorse) -> str:
    place = f" for {slice_words(fact.slice)}" if fact.slice else ""
    was, now = (metric_value(fact.metric, value) for value in (fact.was, fact.now))
    if fact.rest is not None:
        return f"{metric_words(fact.metric)}{place} {now}, {metric_value(fact.metric, fact.rest)} elsewhere"
    return f"{metric_words(fact.metric)}{place} up from {was} to {now}"


@_brief(facts.ServiceFailing)
def _service_failing(fact: facts.ServiceFailing) -> str:
    clause = next(reversed(plain_forms(fact)), "")
    return re.sub(r" \([^()]*\)", "", clause).partition(", most of")[0]


@_brief(facts.OutcomesInTime)
def _outcomes_in_time(fact: facts.OutcomesInTime) -> str:
    return f"at most {format_percent(fact.at_most)} of the outcomes in time, {format_percent(fact.agreed)} agreed,"


@_brief(facts.BrokenInNewest)
def _broken_in_newest(fact: facts.BrokenInNewest) -> str:
    return f"{brief(fact.shown)} {on_words(fact.start, fact.end, fact.timezone, days=fact.of_days)}"


@_brief(facts.MayBeWorse)
def _may_be_worse(fact: facts.MayBeWorse) -> str:
    if fact.reason == "not_comparable":
        return "outcomes are known for unusual scores only"
    if fact.reason == "easier_outcomes":
        return "outcomes are easier to predict than before"
    if fact.reason == "harder_outcomes":
        return "outcomes are harder to predict than before"
    too_few = {
        "too_few_rows": f", {many_are(fact.outcomes, 'outcome')} too few",
        "too_few_days": ", too few days to tell",
    }
    why = too_few.get(fact.reason, "")
    if fact.low is None:
        return why[2:] or "outcomes are inconclusive"
    return f"{metric_words(fact.metric)} may be worse{why}"


@_brief(facts.FirstCause, facts.CoincidingCause, facts.LikelyCause)
def _cause(fact: facts.Explained) -> str:
    name = next(columns_of(fact.cause), "")
    if not isinstance(fact.cause, Cause) or not name:
        return brief(fact.cause)
    more = f" and {many(len(fact.others), 'more input')}" if fact.others else ""
    return f"{short(name, NAME)}{more} {'drift' if fact.others else 'drifts'}"


@_brief(facts.WindowsWait)
def _windows_wait(fact: facts.WindowsWait) -> str:
    return f"{'1 window is' if fact.windows == 1 else f'{fact.windows:,} windows are'} not evaluated yet"


@_brief(facts.NoPrediction)
def _no_prediction(_: facts.NoPrediction) -> str:
    return "no prediction arrived"

"""The few words about a fact for a headline, such as "log loss up 0.2 to 0.69"; without intervals.

Kinds of facts without words of their own here have the shortest clause about them, without parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from driftline_processor.core.facts import Fact, columns_of
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.present.metrics import metric_value, metric_words, size_of_change
from driftline_processor.present.numbers import many, number
from driftline_processor.present.wording import NAME, format_percent, printable, short, slice_words

from .register import plain_forms, worded

_BY_KIND: dict[str, Callable[..., str]] = {}


def _brief(kind: str) -> Callable[[Callable[..., str]], Callable[..., str]]:
    def register(maker: Callable[..., str]) -> Callable[..., str]:
        _BY_KIND[kind] = maker
        return maker

    return register


@worded
def brief(fact: Fact | None) -> str:
    """Return a fact in few words; "" without a fact.

    >>> brief(Fact("metric_moved", dict(metric="accuracy", change=-0.1, low=-0.12, high=-0.08, value=0.7, level=None)))
    'accuracy down 10 points to 70 %'
    """
    if fact is None:
        return ""
    if fact.kind == "and_also":
        return brief(fact.values["reason"])
    if fact.kind in _BY_KIND:
        return _BY_KIND[fact.kind](**fact.values)
    clause = next(reversed(plain_forms(fact)), "")
    return re.sub(r"^its | \([^()]*\)|, and that did no harm$", "", clause)


def _change(metric: str, change: float, value: float | None) -> str:
    to = "" if value is None else f" to {metric_value(metric, value)}"
    return f"{metric_words(metric)} {'down' if change < 0 else 'up'} {size_of_change(metric, change, None, None)}{to}"


@_brief("metric_moved")
def _metric_moved(metric: str, change: float, value: float | None, level: Fact | None, **_: Any) -> str:
    return _change(metric, change, value) if level is None else brief(level)


@_brief("estimate_moved")
def _estimate_moved(metric: str, change: float, **_: Any) -> str:
    return f"estimated {_change(metric, change, None)}"


@_brief("worse_inside_margin")
def _worse_inside_margin(metric: str, change: float, margin: float, **_: Any) -> str:
    return f"{_change(metric, change, None)}, inside the margin of {size_of_change(metric, margin, None, None)}"


@_brief("no_worse_than_baseline")
def _no_worse_than_baseline(metric: str, value: float | None, baseline: float | None, **_: Any) -> str:
    if value is None or baseline is None:
        return f"{metric_words(metric)} no worse than in the baseline"
    return f"{metric_words(metric)} {metric_value(metric, value)}, baseline {metric_value(metric, baseline)}"


@_brief("worse_than_constant")
def _worse_than_constant(value: float, constant: float, **_: Any) -> str:
    loss, of_constant = (metric_value("log_loss", one) for one in (value, constant))
    return f"log loss {loss}, {of_constant} for a constant prediction"


def _objective(verb: str) -> Callable[..., str]:
    def maker(metric: str, value: float | None, rule: str, of_change: bool, **_: Any) -> str:
        number = ""
        if value is not None:
            number = f" changed by {size_of_change(metric, value, None, None)} and" if of_change else ""
            number = number or f" {metric_value(metric, value)}"
        return f"{metric_words(metric)}{number} {verb} '{printable(rule)}'"

    return maker


_BY_KIND |= {"objective_met": _objective("meets"), "objective_missed": _objective("misses")}


@_brief("ranks_the_wrong_way")
def _ranks_the_wrong_way(value: float, **_: Any) -> str:
    return f"scores rank the wrong way round, ROC AUC {metric_value('roc_auc', value)}"


@_brief("level_of_scores")
def _level_of_scores(predicted: float, actual: float, positive_class: str, **_: Any) -> str:
    name = "positives" if positive_class == POSITIVE else f"'{short(positive_class, NAME)}'"
    return f"predicts {format_percent(predicted)} {name}, actual {format_percent(actual)}"


@_brief("bias_rose")
def _bias_rose(value: float, **_: Any) -> str:
    return f"predictions too {'high' if value > 0 else 'low'} by {metric_value('bias', abs(value))}"


@_brief("errors_rose")
def _errors_rose(metric: str, before: float, after: float) -> str:
    of_classes = metric == "error_rate"
    was, now = (format_percent(level, 3) if of_classes else number(level) for level in (before, after))
    return f"{'error rate' if of_classes else 'absolute error'} up from {was} to {now}"


@_brief("slice_worse")
def _slice_worse(slice: str, metric: str, was: float, now: float, **_: Any) -> str:
    place = f" for {slice_words(slice)}" if slice else ""
    return f"{metric_words(metric)}{place} up from {metric_value(metric, was)} to {metric_value(metric, now)}"


@_brief("service_failing")
def _service_failing(**values: Any) -> str:
    clause = next(reversed(plain_forms(Fact("service_failing", values))), "")
    return re.sub(r" \([^()]*\)", "", clause).partition(", most of")[0]


@_brief("may_be_worse")
def _may_be_worse(metric: str, low: float | None, reason: str, outcomes: int, **_: Any) -> str:
    if reason == "not_comparable":
        return "outcomes are known for unusual scores only"
    if reason == "easier_outcomes":
        return "outcomes are easier to predict than before"
    if reason == "harder_outcomes":
        return "outcomes are harder to predict than before"
    too_few = {
        "too_few_rows": f", {outcomes:,} outcomes are too few",
        "too_few_days": ", too few days to tell",
    }
    why = too_few.get(reason, "")
    return f"{metric_words(metric)} may be worse{why}" if low is not None else why[2:] or "outcomes are inconclusive"


def _cause(cause: Fact, others: Sequence[str], **_: Any) -> str:
    name = next(columns_of(cause), "")
    if cause.kind != "cause" or not name:
        return brief(cause)
    more = f" and {many(len(others), 'more input')}" if others else ""
    return f"{short(name, NAME)}{more} {'drift' if others else 'drifts'}"


_BY_KIND |= dict.fromkeys(("first_cause", "coinciding_cause", "likely_cause"), _cause)


@_brief("windows_wait")
def _windows_wait(windows: int) -> str:
    return f"{'1 window is' if windows == 1 else f'{windows:,} windows are'} not evaluated yet"


@_brief("no_prediction")
def _no_prediction(**_: Any) -> str:
    return "no prediction arrived"

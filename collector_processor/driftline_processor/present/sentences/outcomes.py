"""Words for outcomes: fast and slow ones, decisions without review, and slices with worse performance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftline_processor.core.evaluation import Evaluation, FastLabels, WeakSlice
from driftline_processor.present.figures import capital
from driftline_processor.present.wording import duration

from .register import clause, clauses, voice_of, worded, words_of

NAMED = 3
"""Decisions that are listed."""

_WITHIN = {"<1h": "within an hour", "<1d": "within a day", "<7d": "within 7 days", "<30d": "within 30 days"}

_FAST_AND_SLOW = {
    "actual_rate": "{fast} of the outcomes that arrived {within} are positive, but {slow} of later ones",
    "error_rate": "the model is wrong on {fast} of the outcomes that arrived {within}, but on {slow} of later ones",
    "mean_actual": "outcomes that arrived {within} are {fast} on average, but later ones {slow}",
    "mae": "the mean absolute error is {fast} for outcomes that arrived {within}, but {slow} for later ones",
}

_LOSS = {
    "error": ("wrong in {:.1%}", "{:.1%}"),
    "log_loss": ("a log loss of {:.4g}", "{:.4g}"),
    "absolute_error": ("off by {:.4g} on average", "{:.4g}"),
}


def fast_labels_sentence(fast_labels: FastLabels) -> str:
    """Return the comparison of fast and slow outcomes.

    >>> fast_labels_sentence(FastLabels("<1d", True, "actual_rate", 0.12, 0.31, 800, 700, 0.0001)).split(";")[0]
    '12 % of the outcomes that arrived within a day are positive, but 31 % of later ones'
    """
    return clause(fast_labels.fact)


@words_of("fast_labels")
def _fast_labels(**values: Any) -> str:
    fast_labels = FastLabels(**values)
    within = _WITHIN[fast_labels.until]
    if not fast_labels.differ:
        return f"outcomes that arrived {within} do not differ from later ones by more than chance"
    in_percent = fast_labels.metric in ("actual_rate", "error_rate")
    fast, slow = (
        f"{100 * value:.3g} %" if in_percent else f"{value:.4g}" for value in (fast_labels.fast, fast_labels.slow)
    )
    comparison = _FAST_AND_SLOW[fast_labels.metric].format(within=within, fast=fast, slow=slow)
    return f"{comparison}; until the later ones arrive, the performance describes only the early ones"


def immature_words(evaluation: Evaluation) -> str:
    """Return why the performance of a window is not final; "" if it is."""
    return "; ".join(clauses(evaluation.immature))


@words_of("outcomes_may_still_come")
def _outcomes_may_still_come(delay: int, learned_from: int | None) -> str:
    if learned_from is None:
        return f"its outcomes may still arrive: they may take {duration(delay)} (outcome_delay)"
    return f"its outcomes may still arrive: they take up to {duration(delay)} (learned from {learned_from:,})"


@words_of("coverage_too_low")
def _coverage_too_low(coverage: float, needed: float) -> str:
    return (
        f"the outcomes of {coverage * 100:.3g} % of its rows are known, less than the {needed * 100:.3g} % it needs "
        "(min_coverage)"
    )


@words_of("decisions_unreviewed")
def _decisions_unreviewed(predictions: Mapping[str, int]) -> str:
    return unreviewed_words(predictions)


def unreviewed_words(predictions: Mapping[str, int]) -> str:
    """Return the decisions without outcomes, those with most predictions first.

    >>> unreviewed_words({"0": 9500})
    "none of the 9,500 rows that were predicted '0' has an outcome"
    """
    most = sorted(predictions, key=lambda name: (-predictions[name], name))
    rows = [f"none of the {predictions[name]:,} rows that were predicted '{name}'" for name in most[:NAMED]]
    left = len(most) - NAMED
    more = f"; the same is true of {left} more class{'' if left == 1 else 'es'}" if left > 0 else ""
    return f"{', '.join(rows)} has an outcome{more}"


def review_advice(evaluation: Evaluation) -> str:
    """Return the effect of decisions without outcomes and the advice; "" if every decision has outcomes."""
    if not evaluation.unreviewed:
        return ""
    return voice_of(
        f"{capital(unreviewed_words(evaluation.unreviewed))}: only metrics that do not need these rows are known. "
        "Review some of these rows, each with the weight 1 / the probability with which it was chosen."
    )


@worded
def weak_slice_sentence(weak_slice: WeakSlice) -> str:
    """Return a weak slice: its loss with the interval, and the loss elsewhere."""
    template, plain = _LOSS[weak_slice.by]
    value, low, high = template.format(weak_slice.value), plain.format(weak_slice.low), plain.format(weak_slice.high)
    elsewhere = plain.format(weak_slice.rest)
    return f"{weak_slice.name}: {value} ({low} to {high}), elsewhere {elsewhere}; {weak_slice.rows:,} labelled rows"

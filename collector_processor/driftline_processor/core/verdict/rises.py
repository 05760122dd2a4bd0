"""Rises of errors along the stream of outcomes, as far as a window confirms them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from driftline.baseline.sections.section import MOST_BLOCKS
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, MetricChange
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import is_significant
from driftline_processor.core.windows.window import looks_a_day

from .comparisons import is_harder, is_worse
from .sign import FEWEST_OUTCOMES, Sign

CHOSEN, CHOSEN_DAYS, CHOSEN_BY_CHANCE = 1.7, 30, 0.05
"""Ratio of a rise to its interval if its beginning was selected among thirty days, and its error rate. The two-sided
normal quantiles of 0.05 / 30 and 0.05 are 3.14 and 1.96, a ratio of 1.6; see ``evidence/verdict_quiet.json``.
"""


def more_errors(evaluation: Evaluation, concept: ConceptDrift) -> Iterator[Sign]:
    """Yield a rise of errors that began before the window ended, unless the window's own errors are no worse.

    The detector reads outcomes in the order of arrival, where wrong predictions may be known sooner than right ones.
    So only a window with mature outcomes shows a rise, and none shows that of a slice while that of all rows, of which
    it may be a part, is unconfirmed. The detector also assumes independent rows, and so detects differences between
    days. If the window's own errors do not confirm the rise, a second window is needed. If its outcomes are harder to
    predict than those of the baseline, more errors do not show that the model is worse.
    """
    if concept.state == "unconfirmed" or not evaluation.has_mature_outcomes:
        return
    states = {"": concept} if concept.state == "drift" else concept.drifting()
    error_metric = "mae" if concept.measure == "absolute_error" else "accuracy"
    errors = evaluation.realized_changes.get(error_metric)
    for name, state in states.items():
        if state.before is None or state.after is None or state.after <= state.before:
            continue
        if not _shows_rise(evaluation, name, state, error_metric, errors):
            continue
        metric = "error_rate" if state.measure == "error_rate" else "mae"
        errors_fact = facts.ErrorsRose(metric=metric, before=state.before, after=state.after)
        certainty = facts.RiseDetected(outcomes=state.outcomes or concept.outcomes)
        lasts = errors is None or (is_significant(errors) and _lasts(evaluation, error_metric, errors, state))
        rise = state.after - state.before
        yield Sign(
            "errors", errors_fact, certainty, metric, rise, clear=bool(name) or lasts, slice=name, since=state.since
        )
        return


def _shows_rise(
    evaluation: Evaluation, name: str, state: ConceptDrift, error_metric: str, errors: MetricChange | None
) -> bool:
    """Return True if a rise of errors began before a window ended, and the errors of the window do not deny it."""
    window, rise = evaluation.window, (state.after or 0.0) - (state.before or 0.0)
    if window.end > window.start and state.since is not None and state.since >= window.end:
        return False
    if evaluation.outcome_rows < FEWEST_OUTCOMES or (errors is not None and errors.reason == "not_comparable"):
        return False
    if name:  # otherwise all rows may have become as bad
        return errors is None or rise > (_largest_rise(error_metric, errors) or 0.0)
    if errors is not None and _has_recovered(error_metric, errors, rise):
        return False
    return not is_harder(evaluation) and _beyond_days(evaluation, error_metric, errors, state)


def confirmed_concept(concept: ConceptDrift | None, windows: Iterable[Evaluation]) -> ConceptDrift | None:
    """Return concept drift, with the state ``unconfirmed`` for what no window with mature outcomes shows.

    Args:
        concept: Whether errors rose along the stream of outcomes.
        windows: The windows of the model.
    """
    if concept is None or not (concept.state == "drift" or concept.drifting()):
        return concept
    mature = [window for window in windows if window.has_mature_outcomes]

    def confirmed(one: ConceptDrift) -> bool:
        return any(next(more_errors(window, one), None) is not None for window in mature)

    def of_slice(name: str, one: ConceptDrift) -> ConceptDrift:
        if one.state != "drift" or confirmed(replace(concept, state="ok", slices={name: one})):
            return one
        return replace(one, state="unconfirmed")

    state = "unconfirmed" if concept.state == "drift" and not confirmed(concept) else concept.state
    return replace(concept, state=state, slices={name: of_slice(name, one) for name, one in concept.slices.items()})


def _largest_rise(error_metric: str, errors: MetricChange) -> float | None:
    """Return the end of the interval of a window's errors where they rose most; None without an interval."""
    return errors.high if direction(error_metric) < 0 else None if errors.low is None else -errors.low


def _has_recovered(error_metric: str, errors: MetricChange, rise: float) -> bool:
    """Return True if the window's own errors are no worse than the baseline's, or worse by less than the rise."""
    most = _largest_rise(error_metric, errors)
    return (
        errors.state == "not_worse"
        or not is_worse(error_metric, errors.change)
        or (errors.state != "worse" and most is not None and most < rise)
    )


def _beyond_days(evaluation: Evaluation, error_metric: str, errors: MetricChange | None, rise: ConceptDrift) -> bool:
    """Return False for a rise of errors within the variance of days, unless the window itself is worse."""
    return (errors is not None and errors.state == "worse") or _mean_beyond_days(evaluation, error_metric, errors, rise)


def _lasts(evaluation: Evaluation, error_metric: str, errors: MetricChange, rise: ConceptDrift) -> bool:
    """Return True if earlier windows confirm the rise, too, so that a single bad day is reported once."""
    since = _measured_since(rise)
    began = since is not None and since < evaluation.window.start
    return began and _mean_beyond_days(evaluation, error_metric, errors, rise)


def _mean_beyond_days(
    evaluation: Evaluation, error_metric: str, errors: MetricChange | None, rise: ConceptDrift
) -> bool:
    """Return False if the mean since a rise began is within the variance of days, or at the baseline's level.

    The mean of k windows has an interval that is shorter by the root of k. The detector selected the beginning, so the
    rise must be :data:`CHOSEN` times as large. A window without outcomes uses an upper bound for one day from the
    baseline. A rise from a good period to the baseline's level is not a degradation, nor is one inside the margin.
    """
    window, reference_value = evaluation.window, evaluation.reference.get(error_metric)
    since = _measured_since(rise)
    if errors is not None and errors.low is not None and errors.high is not None and since is not None:
        windows = max(1.0, (window.end - since) / max(1, window.end - window.start))
        half = (errors.high - errors.low) / 2 / math.sqrt(windows)
    elif reference_value is not None and reference_value.low is not None and reference_value.high is not None:
        half = (reference_value.high - reference_value.low) / 2 * math.sqrt(MOST_BLOCKS)
    else:
        return True
    before = rise.before or 0.0
    if reference_value is not None and reference_value.value is not None:
        before = max(before, 1 - reference_value.value if error_metric == "accuracy" else reference_value.value)
    margin = (errors.margin if errors is not None else None) or 0.0
    return (rise.after or 0.0) - before >= max(chosen(window.end - window.start) * half, margin)


def chosen(length: int) -> float:
    """Return the required ratio of a rise to its interval if its beginning was selected among thirty days of windows.

    Args:
        length: Nanoseconds of a window; 0 if rows have no time.

    >>> from driftline_processor.core.windows.window import DAY
    >>> [round(chosen(hours * DAY // 24), 2) for hours in (0, 168, 24, 1)]
    [1.7, 1.7, 1.7, 2.15]
    """
    of_days, of_windows = (CHOSEN_BY_CHANCE / (CHOSEN_DAYS * looks) for looks in (1.0, looks_a_day(length)))
    return CHOSEN * normal_quantile(1 - of_windows) / normal_quantile(1 - of_days)


def _measured_since(rise: ConceptDrift) -> int | None:
    """Return the start of the period of ``after``: the level may have changed since the rise began."""
    return rise.changes[-1].since if rise.changes else rise.since

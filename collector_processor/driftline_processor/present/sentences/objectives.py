"""Words for the result of an objective and its remarks, and for failed or slow calls."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.evaluation import ObjectiveState
from driftline_processor.core.service_level.level import ERROR_RATE, LATENCIES
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.present.metrics import measured_ends, measured_text
from driftline_processor.present.wording import NAME, short

from .register import clauses, voice_of, worded, words_as, words_of

_SLOW = {"latency_p95": "5 % of the calls", "latency_p50": "half of the calls"}


@words_of("service_failing")
def failure_clause(
    metric: str, value: float, low: float | None, high: float | None, usual: float | None, calls: int, error: str
) -> str:
    """Return the failures or the latency of a window's calls, and the normal value before."""
    measured, ends = measured_text(metric, value), measured_ends(metric, low, high)
    highest = "" if usual is None else f"at most {measured_text(metric, usual)}"
    if metric != ERROR_RATE:
        before = f"; in earlier windows, this limit was {highest}" if highest else ""
        return f"{_SLOW[metric]} took longer than {measured} ({ends}){before}"
    by = f", most of them with {error}" if error else ""
    before = f"; in earlier windows, {highest} failed" if highest else ""
    return f"{measured} of {calls:,} calls failed ({ends}){by}{before}"


def objective_sentence(state: ObjectiveState) -> str:
    """Return the result of an objective in a window; "" if nothing is known.

    >>> objective_sentence(ObjectiveState("recall", "recall >= 0.9", "met", 0.95, 0.92, 0.97, 900))
    '0.95 (0.92 to 0.97) on 900 rows'
    """
    parts = [*([] if state.value is None else [voice_of(_measured(state, state.value))]), *clauses(state.remarks)]
    if state.policy:
        parts.append(voice_of(f"the limit of the policy '{short(state.policy, NAME)}'"))
    return (voice_of(f"{state.slice}: ") if state.slices else "") + "; ".join(parts)


def _measured(state: ObjectiveState, value: float) -> str:
    if state.metric in SERVICE_METRICS:
        ends = measured_ends(state.metric, state.low, state.high)
        return f"{measured_text(state.metric, value)}{f' ({ends})' if ends else ''} in {state.rows:,} calls"
    limits = "" if state.low is None or state.high is None else f" ({state.low:.4g} to {state.high:.4g})"
    size = f"a change of {value:+.4g}" if state.relative else f"{value:.4g}"
    return f"{size}{limits} on {state.rows:,} rows"


@worded
def overdue(state: ObjectiveState) -> str:
    """Return the sentence about an objective that is inconclusive for too long; "" for others.

    >>> overdue(ObjectiveState("recall", "recall >= 0.9", "inconclusive", .9, .8, .95, 90, .9, 260, 7, alert_after=7))
    'inconclusive in 7 windows in a row: too few rows are reviewed, about 260 rows in a window would be enough'
    """
    if not state.overdue:
        return ""
    sentence = f"inconclusive in {state.inconclusive_windows} windows in a row"
    if state.reason:
        would = f", {about_rows(state.needed)} would be enough" if state.needed else ""
        return f"{sentence}: {state.reason.replace('_', ' ')} in a window{would}; use a longer window"
    if state.needed:
        return f"{sentence}: too few rows are reviewed, {about_rows(state.needed)} in a window would be enough"
    return sentence


def about_rows(rows: int) -> str:
    """Return an estimated number of rows in words with two digits.

    >>> about_rows(1421), about_rows(78)
    ('about 1,400 rows', 'about 78 rows')
    """
    digits = 10 ** max(0, len(str(rows)) - 2)
    return f"about {round(rows / digits) * digits:,} rows"


@words_of("rows_decide")
def _rows_decide(needed: int | None) -> str:
    if needed:
        return f"{about_rows(needed)} would be enough"
    return "the value is so close to the limit that no number of rows would be enough"


@words_of("no_row_reviewed")
def _no_row_reviewed(metric: str, slice: str, needed: int | None) -> str:
    more = f"; at least {about_rows(needed)} are needed" if needed else ""
    return f"there are no reviewed rows for {metric}{f' in {slice}' if slice else ''}{more}"


@words_of("no_call")
def _no_call(metric: str, slice: str) -> str:
    what = "has a duration" if metric in LATENCIES else "records whether it failed"
    return f"no call{f' of {slice}' if slice else ''} {what}"


@words_of("baseline_lacks")
def _baseline_lacks(metric: str, lacking: str) -> str:
    match lacking:
        case "metric":
            return f"the baseline does not contain {metric}"
        case "decisions":
            return f"the baseline contains {metric} for only some predicted classes"
        case "rows":
            return f"the baseline has too few rows for an interval of its {metric}"
        case _:
            return f"the baseline has no interval of its {metric}"


@words_of("no_period_ended")
def _no_period_ended(of_calls: bool) -> str:
    which = "with calls has ended" if of_calls else "is final (the outcome delay must pass after its end)"
    return f"no period of the objective {which}, or the data of the period are already deleted"


@words_of("no_slice_with_rows")
def _no_slice_with_rows(key: str, metric: str, min_rows: int, most: tuple[str, int] | None, of_calls: bool) -> str:
    more = "" if most is None else f"; {most[0]} has most, {most[1]:,}"
    return f"no value of {key} has {min_rows:,} {'calls' if of_calls else 'rows'} for {metric}{more}"


@words_of("few_predictions_reviewed")
def _few_predictions_reviewed(rows: int, predictions: int, needed: int) -> str:
    coverage_clause = f"the outcomes of {rows:,} of its {predictions:,} predictions have arrived"
    return f"{coverage_clause}, and at least {needed:,} are needed"


@words_of("slices_of_key")
def _slices_of_key(key: str, states: Mapping[str, int], few: int, min_rows: int) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    more = f"{few} more slice{' is' if few == 1 else 's are'} left out"
    left = f"; {more}, with fewer than {min_rows:,} rows" if few else ""
    total = sum(states.values())
    return f"of {total} slice{'' if total == 1 else 's'} by {key}: {counts}{left}"


words_as(
    {
        "window_open_yet": "the window is still open",
        "more_days_decide": "a longer window with more days would be enough",
        "interval_unknown": "the value has no confidence interval",
        "compared_with_all_rows": "compared with all rows of the baseline, which has too few rows of the slice",
        "compared_with_slice": "compared with {rows:,} rows of the slice in the baseline",
        "slice_folded": (
            "{slice} is not one of the values of {key} that are stored separately (the {most} with most rows); "
            "its rows, if there are any, are in {other}"
        ),
    }
)

"""Words for the result of an objective and its remarks, and for failed or slow calls."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.evaluation import ObjectiveState
from driftline_processor.core.service_level.level import ERROR_RATE, LATENCIES
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.present.metrics import measured_ends, measured_text
from driftline_processor.present.numbers import roughly
from driftline_processor.present.wording import NAME, short

from .register import clauses, voice_of, worded, words_as, words_of

_SLOW = {"latency_p95": "5 % of the calls", "latency_p50": "half of the calls"}


@words_of(facts.ServiceFailing)
def _service_failing(fact: facts.ServiceFailing) -> str:
    """Return the failures or the latency of a window's calls, and the normal value before."""
    measured, ends = measured_text(fact.metric, fact.value), measured_ends(fact.metric, fact.low, fact.high)
    highest = "" if fact.usual is None else f"at most {measured_text(fact.metric, fact.usual)}"
    if fact.metric != ERROR_RATE:
        before = f"; in earlier windows, this limit was {highest}" if highest else ""
        return f"{_SLOW[fact.metric]} took longer than {measured} ({ends}){before}"
    by = f", most of them with {fact.error}" if fact.error else ""
    before = f"; in earlier windows, {highest} failed" if highest else ""
    return f"{measured} of {fact.calls:,} calls failed ({ends}){by}{before}"


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
    """Return an estimated number of rows in words.

    >>> about_rows(1421)
    'about 1,400 rows'
    """
    return f"about {roughly(rows):,} rows"


@words_of(facts.RowsDecide)
def _rows_decide(fact: facts.RowsDecide) -> str:
    if fact.needed:
        return f"{about_rows(fact.needed)} would be enough"
    return "the value is so close to the limit that no number of rows would be enough"


@words_of(facts.NoRowReviewed)
def _no_row_reviewed(fact: facts.NoRowReviewed) -> str:
    more = f"; at least {about_rows(fact.needed)} are needed" if fact.needed else ""
    return f"there are no reviewed rows for {fact.metric}{f' in {fact.slice}' if fact.slice else ''}{more}"


@words_of(facts.NoCall)
def _no_call(fact: facts.NoCall) -> str:
    what = "has a duration" if fact.metric in LATENCIES else "records whether it failed"
    return f"no call{f' of {fact.slice}' if fact.slice else ''} {what}"


@words_of(facts.BaselineLacks)
def _baseline_lacks(fact: facts.BaselineLacks) -> str:
    match fact.lacking:
        case "metric":
            return f"the baseline does not contain {fact.metric}"
        case "decisions":
            return f"the baseline contains {fact.metric} for only some predicted classes"
        case "rows":
            return f"the baseline has too few rows for an interval of its {fact.metric}"
        case _:
            return f"the baseline has no interval of its {fact.metric}"


@words_of(facts.NoPeriodEnded)
def _no_period_ended(fact: facts.NoPeriodEnded) -> str:
    which = "with calls has ended" if fact.of_calls else "is final (the outcome delay must pass after its end)"
    return f"no period of the objective {which}, or the data of the period are already deleted"


@words_of(facts.NoSliceWithRows)
def _no_slice_with_rows(fact: facts.NoSliceWithRows) -> str:
    more = "" if fact.most is None else f"; {fact.most[0]} has most, {fact.most[1]:,}"
    rows = "calls" if fact.of_calls else "rows"
    return f"no value of {fact.key} has {fact.min_rows:,} {rows} for {fact.metric}{more}"


@words_of(facts.FewPredictionsReviewed)
def _few_predictions_reviewed(fact: facts.FewPredictionsReviewed) -> str:
    coverage_clause = f"the outcomes of {fact.rows:,} of its {fact.predictions:,} predictions have arrived"
    return f"{coverage_clause}, and at least {fact.needed:,} are needed"


@words_of(facts.SlicesOfKey)
def _slices_of_key(fact: facts.SlicesOfKey) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in fact.states.items() if count)
    more = f"{fact.few} more slice{' is' if fact.few == 1 else 's are'} left out"
    left = f"; {more}, with fewer than {fact.min_rows:,} rows" if fact.few else ""
    total = sum(fact.states.values())
    return f"of {total} slice{'' if total == 1 else 's'} by {fact.key}: {counts}{left}"


words_as(
    {
        facts.WindowOpenYet: "the window is still open",
        facts.MoreDaysDecide: "a longer window with more days would be enough",
        facts.IntervalUnknown: "the value has no confidence interval",
        facts.ComparedWithAllRows: "compared with all rows of the baseline, which has too few rows of the slice",
        facts.ComparedWithSlice: "compared with {rows:,} rows of the slice in the baseline",
        facts.SliceFolded: (
            "{slice} is not one of the values of {key} that are stored separately (the {most} with most rows); "
            "its rows, if there are any, are in {other}"
        ),
    }
)

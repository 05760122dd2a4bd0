"""Words for a policy's finding in a window and for its rate of false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from driftline_processor.core.evaluation import ObjectiveState, Verdict
from driftline_processor.core.facts import Fact
from driftline_processor.core.policy.replay import QuietTime
from driftline_processor.present.numbers import many
from driftline_processor.present.wording import format_percent, format_value, short

from .objectives import objective_sentence
from .register import clauses, voice_of, worded, words_as, words_of
from .verdict import verdict_sentence


def found_words(facts: Iterable[Fact]) -> str:
    """Return the finding as one clause."""
    return "; ".join(clauses(facts))


@worded
def quiet_sentence(quiet: QuietTime) -> str:
    """Return the expected number of false alarms per month."""
    rate = quiet.a_month
    if quiet.circular:
        return (
            "cannot be estimated: healthy windows are selected by the verdict, and this policy fires by the same "
            "verdict; if you know that nothing was wrong in these rows, add --quiet to count all windows as healthy"
        )
    if rate is None and quiet.untold:
        why = f"; {found_words(quiet.reasons)}" if quiet.reasons else ""
        return f"cannot be estimated: its condition is inconclusive in all {many(quiet.untold, 'healthy window')}{why}"
    if rate is None:
        return (
            "cannot be estimated: outcomes confirm no window as healthy; if you know that nothing was wrong, "
            "add --quiet"
        )
    # 30: with one false alarm per month, 37 % of such short histories contain none
    few = "; the history is short" if quiet.days < 30 else ""
    if not quiet.fired:
        return f"at most {rate.high:.2g} a month: it never fired in {quiet.days:.3g} healthy days{few}"
    times = "once" if quiet.fired == 1 else f"{quiet.fired:,} times"
    return (
        f"{rate.value:.2g} a month ({rate.low:.2g} to {rate.high:.2g}): it fired {times} in {quiet.days:.3g} "
        f"healthy days{few}"
    )


ENDINGS: Mapping[str, str] = {
    "revised": "With outcomes or rows that arrived later, the condition is no longer true",
    "unwatched": "It is no longer evaluated: its policy or its model was removed",
    "replaced": "Another version has taken over",
}
"""Kind of an alert's end that is not due to its windows → words."""


def ending_words(ending: str) -> str:
    """Return the end of an alert in words."""
    return voice_of(ENDINGS[ending])


@words_of("verdict")
def _verdict(verdict: Verdict) -> str:
    return verdict_sentence(verdict)


def _named(signal: str, slice: str) -> str:
    return short(signal, 80) + (f" in {short(slice, 80)}" if slice else "")


@words_of("signal_unknown")
def _signal_unknown(signal: str, slice: str, waits: bool) -> str:
    return f"{_named(signal, slice)} has no value{' yet: outcomes may still arrive' if waits else ''}"


@words_of("limit_unknown")
def _limit_unknown(signal: str, slice: str, of: str, windows: int) -> str:
    before = {"baseline": "in the baseline", "last week": "in the week before"}.get(
        of, f"in the {windows} windows before"
    )
    return f"{_named(signal, slice)} has no value {before}"


@words_of("signal_without_interval")
def _signal_without_interval(signal: str) -> str:
    return f"{short(signal, 80)} has no interval"


@words_of("signal_compared")
def _signal_compared(
    signal: str,
    signal_column: str,
    slice: str,
    value: float,
    low: float | None,
    high: float | None,
    side: str,
    limit: float,
    of: str,
    windows: int,
    is_fraction: bool,
) -> str:
    del signal_column  # for code only: the name of the signal contains it

    def write(number: float) -> str:
        return format_percent(number, 3) if is_fraction else format_value(number)

    sources = {"": "", "baseline": "the baseline", "last week": "the week before"}
    source = sources.get(of, f"the {windows} windows before")
    interval = "" if low is None or high is None else f" ({write(low)} to {write(high)})"
    from_source = f", the limit from {source}" if source else ""
    return f"{_named(signal, slice)} is {write(value)}{interval}, {side} {write(limit)}{from_source}"


@words_of("column_statistics")
def _column_statistics(name: str, statistics: Mapping[str, float], p_value: float | None, size: str) -> str:
    numbers = [f"{statistic} {format_value(value)}" for statistic, value in statistics.items()]
    numbers += [f"p {format_value(p_value)}"] if p_value is not None else []
    return f"{short(name, 40)}: {', '.join([*numbers, *([f'a {size} shift'] if size else [])])}"


@words_of("objective_broken")
def _objective_broken(objective: ObjectiveState) -> str:
    sentence = objective_sentence(objective)
    return f"{short(objective.rule, 120)} is broken" + (f": {sentence}" if sentence else "")


@words_of("objective_inconclusive")
def _objective_inconclusive(objective: ObjectiveState) -> str:
    return objective_sentence(objective) or f"{short(objective.rule, 120)}: inconclusive"


def _title(measure: str, attribute: str) -> str:
    return f"{measure.replace('_', ' ')} of {short(attribute, 40)}"


def _interval(low: float | None, high: float | None) -> str:
    ends = ["?" if end is None else format_percent(end, 3) for end in (low, high)]
    return "" if low is None and high is None else f" ({' to '.join(ends)})"


@words_of("no_two_groups")
def _no_two_groups(attribute: str) -> str:
    return f"fewer than two groups of {short(attribute, 40)} have data"


@words_of("groups_unknown")
def _groups_unknown(measure: str, attribute: str, yet: bool) -> str:
    return f"{_title(measure, attribute)} has no value{' yet' if yet else ''}"


@words_of("groups_inconclusive")
def _groups_inconclusive(
    measure: str, attribute: str, low: float | None, high: float | None, group: str, rate: str, rows: float
) -> str:
    few = f"group {short(group, 40)} has {rows:,.0f} rows for its {rate.replace('_', ' ')}"
    return f"{_title(measure, attribute)} is inconclusive{_interval(low, high)}: {few}"


@words_of("groups_compared")
def _groups_compared(
    measure: str,
    attribute: str,
    value: float | None,
    low: float | None,
    high: float | None,
    side: str,
    limit: float,
    apart: tuple[str, float, str, float, str] | None,
) -> str:
    value_words = "has no value" if value is None else f"is {format_percent(value, 3)}"
    words = f"{_title(measure, attribute)} {value_words}{_interval(low, high)}, {side} {format_percent(limit, 3)}"
    if apart is None:
        return words
    rate, lowest, group, highest, other = apart
    ends = f"{format_percent(lowest, 3)} for {short(group, 40)} and {format_percent(highest, 3)} for {short(other, 40)}"
    return f"{words}: {rate.replace('_', ' ')} is {ends}"


@words_of("outcomes_in_time")
def _outcomes_in_time(at_most: float, agreed: float) -> str:
    within = f"at most {format_percent(at_most)} of the outcomes arrived in time"
    return f"{within}, but the agreed minimum is {format_percent(agreed)}"


@words_of("burn_rate_unknown")
def _burn_rate_unknown(signal: str, window: str) -> str:
    return f"{short(signal, 80)} over {window} has no value"


@words_of("budget_spent")
def _budget_spent(signal: str, rule: str, short_rate: float, long_rate: float, short: str, long: str) -> str:
    del signal  # for code only: the rule contains it
    words = f"the error budget of {rule} is spent {short_rate:.3g} times too fast over {short}"
    return f"{words} and {long_rate:.3g} times over {long}"


words_as(
    {
        "drift_evaluated": "drift is conclusive for only {columns} of {of} columns",
        "no_more_drift": "no more drift than normal variation",
        "no_objective_evaluated": "no objective was evaluated",
        "no_objective_broken": "no objective is broken",
        "outcome_agreement_unknown": "it is inconclusive whether enough outcomes arrived in time",
        "no_grave_fault": "no serious fault was found",
    }
)

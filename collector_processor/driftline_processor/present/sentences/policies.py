"""Words for a policy: its condition, its finding and result in a window, why nobody was notified, its false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import structs

from driftline_processor.core import facts
from driftline_processor.core.fact import Fact
from driftline_processor.core.policy.condition import (
    AllOf,
    AnyOf,
    BurnRate,
    Comparison,
    Condition,
    DataFaulty,
    Drifts,
    GroupsApart,
    ObjectiveBroken,
    OutcomesLate,
    Sign,
    VerdictIs,
)
from driftline_processor.core.policy.firing import StepOutcome
from driftline_processor.core.policy.replay import QuietTime
from driftline_processor.present.numbers import many
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import capital, duration, format_percent, format_value, short

from .advice import advise
from .objectives import objective_sentence
from .register import clauses, voice_of, worded, words_as, words_of
from .verdict import verdict_sentence

Untold = Literal[
    "switched_off",
    "catching_up",
    "new_model",
    "undeclared",
    "pending",
    "no_channel",
    "silenced",
    "unless",
    "no_news",
    "cooling_down",
    "quiet_hours",
    "digest",
    "grouped",
    "not_taken",
    "refused",
    "expired",
    "approval",
    "held_back",
    "dry_run",
]
"""Reason why there was no notification or no action."""

ANSWERS = {True: "yes", False: "no", None: "inconclusive"}
"""Result of a condition's sentence in a window."""

CATCHING_UP = "Earlier windows are not evaluated yet; the policy waits until they are."
NEW_MODEL = (
    "It is one of many new models that the configuration does not declare, so it is not notified yet; declare it under "
    "'models', or raise limits.new_models."
)
UNDECLARED = "Its actions do not run, because the configuration does not declare the model; declare it under 'models'."
SWITCHED_OFF = "It is switched off by 'enabled: false'."
NO_CHANNEL = "It has no channel: set 'notify' in the policy or at the top of the file."
NO_NEWS = "It had ended before the policy was first evaluated, so it is not notified."

_SIGNS: Mapping[Sign, str] = {"<": "below {}", "<=": "{} or less", ">": "above {}", ">=": "{} or more"}


def claim_words(condition: Condition, *, past: bool = False) -> str:
    """Return a condition as a clause about a model in the present perfect; ``past``: in the past tense.

    >>> from driftline_processor.core.policy.condition import read_condition
    >>> claim_words(read_condition("accuracy < 85 %")), claim_words(read_condition("psi of age > 0.2"), past=True)
    ('accuracy has been below 85 %', 'psi of age was above 0.2')
    >>> claim_words(read_condition("3 features drift"), past=True), claim_words(read_condition("data faulty"))
    ('3 features drifted', 'data have been faulty')
    """
    return voice_of(_claim(condition, past))


def _claim(condition: Condition, past: bool) -> str:
    has_been, have_been = ("was", "were") if past else ("has been", "have been")
    match condition:
        case AllOf() | AnyOf():
            joined = " and " if isinstance(condition, AllOf) else " or "
            return joined.join(_claim(part, past) for part in condition.parts)
        case Comparison():
            where = f" in {condition.signal.slice}" if condition.signal.slice else ""
            return f"{condition.signal.name}{where} {has_been} {_SIGNS[condition.sign].format(condition.limit.text)}"
        case GroupsApart():
            limit = _SIGNS[condition.sign].format(format_percent(condition.limit, 3))
            return f"{condition.measure.replace('_', ' ')} of {short(condition.attribute, 40)} {has_been} {limit}"
        case VerdictIs(states=("no_data",)):
            return "no data"
        case VerdictIs():
            return f"verdict {has_been} {' or '.join(condition.states)}"
        case Drifts(column="features"):
            features = "features" if condition.count == 1 else f"{condition.count} features"
            return f"{features} {'drifted' if past else 'have drifted'}"
        case Drifts():
            return f"{condition.column} {'drifted' if past else 'has drifted'}"
        case ObjectiveBroken():
            return f"{condition.rule or 'an objective'} {has_been} broken"
        case OutcomesLate():
            return f"outcomes {have_been} late"
        case DataFaulty():
            return f"data {have_been} faulty"
        case BurnRate():
            return f"the error budget of {condition.objective.rule} {has_been} spent too fast"
        case _:
            return condition.text


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


@words_of(facts.Verdict)
def _verdict(fact: facts.Verdict) -> str:
    return verdict_sentence(structs.replace(fact.verdict, advice=None))


def _named(signal: str, slice: str) -> str:
    return short(signal, 80) + (f" in {short(slice, 80)}" if slice else "")


@words_of(facts.SignalUnknown)
def _signal_unknown(fact: facts.SignalUnknown) -> str:
    return f"{_named(fact.signal, fact.slice)} has no value{' yet: outcomes may still arrive' if fact.waits else ''}"


@words_of(facts.LimitUnknown)
def _limit_unknown(fact: facts.LimitUnknown) -> str:
    before = {"baseline": "in the baseline", "last week": "in the week before"}.get(
        fact.of, f"in the {fact.windows} windows before"
    )
    return f"{_named(fact.signal, fact.slice)} has no value {before}"


@words_of(facts.SignalWithoutInterval)
def _signal_without_interval(fact: facts.SignalWithoutInterval) -> str:
    return f"{short(fact.signal, 80)} has no interval"


@words_of(facts.SignalCompared)
def _signal_compared(fact: facts.SignalCompared) -> str:
    def write(number: float) -> str:
        return format_percent(number, 3) if fact.is_fraction else format_value(number)

    sources = {"": "", "baseline": "the baseline", "last week": "the week before"}
    source = sources.get(fact.of, f"the {fact.windows} windows before")
    interval, chance = "", ""
    if fact.low is not None and fact.high is not None:
        interval = f" ({write(fact.low)} to {write(fact.high)})"
        chance = "; the difference is not significant" if fact.low <= fact.limit <= fact.high else ""
    limit = f"{fact.side} {write(fact.limit)}" + (f", the limit from {source}" if source else "")
    return f"{_named(fact.signal, fact.slice)} is {write(fact.value)}{interval}, {limit}{chance}"


@words_of(facts.ColumnStatistics)
def _column_statistics(fact: facts.ColumnStatistics) -> str:
    numbers = [f"{statistic} {format_value(value)}" for statistic, value in fact.statistics.items()]
    numbers += [f"p {format_value(fact.p_value)}"] if fact.p_value is not None else []
    return f"{short(fact.name, 40)}: {', '.join([*numbers, *([f'a {fact.size} shift'] if fact.size else [])])}"


@words_of(facts.ObjectiveBroken)
def _objective_broken(fact: facts.ObjectiveBroken) -> str:
    sentence = objective_sentence(fact.objective)
    return f"{short(fact.objective.rule, 120)} is not met" + (f": {sentence}" if sentence else "")


@words_of(facts.ObjectiveInconclusive)
def _objective_inconclusive(fact: facts.ObjectiveInconclusive) -> str:
    return objective_sentence(fact.objective) or f"{short(fact.objective.rule, 120)}: inconclusive"


def _title(measure: str, attribute: str) -> str:
    return f"{measure.replace('_', ' ')} of {short(attribute, 40)}"


def _interval(low: float | None, high: float | None) -> str:
    ends = ["?" if end is None else format_percent(end, 3) for end in (low, high)]
    return "" if low is None and high is None else f" ({' to '.join(ends)})"


@words_of(facts.NoTwoGroups)
def _no_two_groups(fact: facts.NoTwoGroups) -> str:
    return f"fewer than two groups of {short(fact.attribute, 40)} have data"


@words_of(facts.GroupsUnknown)
def _groups_unknown(fact: facts.GroupsUnknown) -> str:
    return f"{_title(fact.measure, fact.attribute)} has no value{' yet' if fact.yet else ''}"


@words_of(facts.GroupsInconclusive)
def _groups_inconclusive(fact: facts.GroupsInconclusive) -> str:
    few = f"group {short(fact.group, 40)} has {fact.rows:,.0f} rows for its {fact.rate.replace('_', ' ')}"
    return f"{_title(fact.measure, fact.attribute)} is inconclusive{_interval(fact.low, fact.high)}: {few}"


@words_of(facts.GroupsCompared)
def _groups_compared(fact: facts.GroupsCompared) -> str:
    value_words = "has no value" if fact.value is None else f"is {format_percent(fact.value, 3)}"
    words = f"{_title(fact.measure, fact.attribute)} {value_words}{_interval(fact.low, fact.high)}"
    words += f", {fact.side} {format_percent(fact.limit, 3)}"
    if fact.apart is None:
        return words
    rate, lowest, group, highest, other = fact.apart
    ends = f"{format_percent(lowest, 3)} for {short(group, 40)} and {format_percent(highest, 3)} for {short(other, 40)}"
    return f"{words}: {rate.replace('_', ' ')} is {ends}"


@words_of(facts.OutcomesInTime)
def _outcomes_in_time(fact: facts.OutcomesInTime) -> str:
    within = f"at most {format_percent(fact.at_most)} of the outcomes arrived in time"
    return f"{within}, but the agreed minimum is {format_percent(fact.agreed)}"


@words_of(facts.BurnRateUnknown)
def _burn_rate_unknown(fact: facts.BurnRateUnknown) -> str:
    return f"{short(fact.signal, 80)} over {fact.window} has no value"


@words_of(facts.BudgetSpent)
def _budget_spent(fact: facts.BudgetSpent) -> str:
    words = f"the burn rate of the error budget of {fact.rule} is {fact.short_rate:.3g} over {fact.short}"
    return f"{words} and {fact.long_rate:.3g} over {fact.long}"


words_as(
    {
        facts.DriftEvaluated: "drift is conclusive for only {columns} of {of} columns",
        facts.NoMoreDrift: "no more drift than normal variation",
        facts.NoObjectiveEvaluated: "no objective was evaluated",
        facts.NoObjectiveBroken: "all objectives are met or inconclusive",
        facts.OutcomeAgreementUnknown: "it is inconclusive whether enough outcomes arrived in time",
        facts.NoGraveFault: "no serious fault was found",
    }
)


def step_words(outcome: StepOutcome, count: int, needed: int, cool_down: int = 0, *, fires: bool = False) -> str:
    """Return the result of a window in words.

    Args:
        outcome: The result.
        count: Number of consecutive windows that count.
        needed: Number of required windows.
        cool_down: Required time without the condition, nanoseconds.
        fires: Whether the policy fires at the end of the window.

    >>> step_words("counted", 1, 2), step_words("eased", 1, 1, 3600 * 10**9)
    ('not yet: condition true in 1 of 2 windows in a row', 'still fires: condition false for less than 1h')
    """
    windows = f"in {count} of {needed} windows in a row"
    if outcome == "counted":
        return f"not yet: condition true {windows}"
    if outcome == "fired":
        return "fires" if needed <= 1 else f"fires: condition true {windows}"
    if outcome == "eased":
        return f"still fires: condition false {windows if count < needed else f'for less than {duration(cool_down)}'}"
    unknown = "inconclusive, so the alert stays open" if fires else "inconclusive, so nothing changes"
    return {"inconclusive": unknown, "quiet": "does not fire", "lasts": "still fires", "resolved": "resolved"}[outcome]


def standing_words(
    outcome: StepOutcome | None, fires: bool, since: int | None, until: int | None, timezone: str
) -> str:
    """Return the current state of a policy in words.

    Args:
        outcome: Result of the newest window; None if no window was evaluated.
        fires: Whether its alert is open.
        since: Time since when its condition holds.
        until: Time until when it held; None while it holds.
        timezone: Time zone of the model.
    """
    if fires and until is not None:
        return "in its cool-down"
    if fires:
        return "fires" + ("" if since is None else f" since {date_words(since, timezone)}")
    if outcome is None:
        return "no window has closed yet"
    return {"counted": "not yet", "inconclusive": "inconclusive"}.get(outcome, "does not fire")


def policy_advice(policy: str, room: str) -> str:
    """Return what to do about a policy that fires without a degradation that the verdict shows.

    Args:
        policy: Name of the policy.
        room: Why its limit lies within the noise of the baseline, as a clause; "" if it does not.
    """
    return capital(f"{room}.") if room else advise(facts.CheckAlert(policy)).sentence


def pending_words(count: int, needed: int) -> str:
    """Return that a condition holds in too few windows."""
    return f"Not yet confirmed: the condition is true in {many(count, 'window')} in a row, and {needed} are required."


def silenced_words(until: int, timezone: str) -> str:
    """Return until when a silence suppresses the notification."""
    return (
        f"The alert is silenced until {date_words(until, timezone)}; if it is still open then, a notification is sent."
    )


def unless_words(policy: str) -> str:
    """Return that a policy in ``unless`` fires."""
    return f"The policy '{short(policy, 80)}' fires for the same model, and is listed in 'unless'."


def cooling_words(until: int, cool_down: int, timezone: str, *, degraded: bool) -> str:
    """Return that the condition no longer holds, and the cool-down or the fault in the verdict is not over."""
    end = "the model is healthy" if degraded else f"it has been false for {duration(cool_down)}"
    return f"The condition has been false since {date_words(until, timezone)}; a notification is sent when {end}."


def held_words(channel: str, until: int, *, digest: bool, timezone: str) -> str:
    """Return that a message waits for a digest or for the end of quiet hours."""
    reason = "collects this tier in a digest, which is sent" if digest else "has quiet hours until"
    return f"{short(channel, 80)} {reason} {date_words(until, timezone)}."


def grouped_words(channel: str, thread: str) -> str:
    """Return that a message was added to the thread of another alert."""
    return f"{short(channel, 80)} received it in the thread of the alert {short(thread, 80)}."


def failed_words(name: str, result: str, detail: str) -> str:
    """Return the error of a channel or an action."""
    failures = {
        "refused": "refused it",
        "expired": "did not accept it in time, so it was dropped",
        "held_back": "was held back",
        "dry_run": "is in dry-run mode, so nothing was done",
        "collected": "includes it in another message",
    }.get(result, "has not accepted it yet; Driftline will retry")
    return f"{short(name, 80)} {failures}" + (f": {short(detail, 300)}." if detail else ".")


def approval_words(action: str) -> str:
    """Return that an action waits for approval."""
    return f"{short(action, 80)} waits for approval."

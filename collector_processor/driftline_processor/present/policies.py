"""Sentences on the decisions of a policy: the result per window, and why there was no notification."""

from __future__ import annotations

from typing import Literal

from driftline_processor.core.policy.firing import StepOutcome
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import duration, short

from .numbers import many

Untold = Literal[
    "switched_off",
    "catching_up",
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


def pending_words(count: int, needed: int) -> str:
    """Return that a condition holds in too few windows."""
    return f"Not yet confirmed: the condition is true in {many(count, 'window')} in a row, and {needed} are required."


def silenced_words(until: int, timezone: str) -> str:
    """Return until when a silence suppresses the notification."""
    return f"The alert is silenced until {date_words(until, timezone)}; if it is still open then, it is notified."


def unless_words(policy: str) -> str:
    """Return that a policy in ``unless`` fires."""
    return f"The policy '{short(policy, 80)}' fires for the same model, and is listed in 'unless'."


def cooling_words(until: int, cool_down: int, timezone: str) -> str:
    """Return that the condition no longer holds and the cool-down is not over."""
    return (
        f"The condition has been false since {date_words(until, timezone)}; "
        f"the end of the alert is notified when it has been false for {duration(cool_down)}."
    )


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
        "held_back": "was not run because of its limit",
        "dry_run": "is in dry-run mode, so nothing was done",
        "collected": "includes it in another message",
    }.get(result, "has not accepted it yet; Driftline will retry")
    return f"{short(name, 80)} {failures}" + (f": {short(detail, 300)}." if detail else ".")


def approval_words(action: str) -> str:
    """Return that an action waits for approval."""
    return f"{short(action, 80)} waits for approval."


CATCHING_UP = "Earlier windows are not evaluated yet; the policy decides nothing before that."
SWITCHED_OFF = "It is switched off by 'enabled: false'."
NO_CHANNEL = "It has no channel: set 'notify' in the policy or at the top of the file."
NO_NEWS = "It had ended before the policy was first evaluated, so it is not notified."

"""Say an alert: the title and the text of each message, the same in every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftline_processor.core.dates import date_words
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.wording import iso_time, printable, short

SEVERITY_WORDS: Mapping[str, str] = {"critical": "critical", "warning": "warning", "info": "for information"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a message is about.

    Attributes:
        kind: ``opened``, ``worse``, ``over`` or ``passed``.
        alert: Id of the alert.
        policy: Its name.
        condition: As it is written.
        model: Name of the model.
        version: Of the model; "" where it has none.
        environment: Where it runs; "" where nobody said.
        severity: How grave it is.
        owner: Who answers for it.
        tier: How much depends on the model; None where nobody said.
        since: Since when, unix nanoseconds.
        until: Until when; None while it lasts.
        words: What was found.
        reason: Whether ``words`` say why it is over, instead of what was found.
        verdict: Whether the model is right now; None where nobody can say.
        timezone: The model's.
        links: Name of what is linked → its address.
        loss: What the model loses a day in money, as a sentence; "" where nothing tells it.
    """

    kind: str
    alert: str
    policy: str
    condition: str
    model: str
    version: str
    environment: str
    severity: str
    owner: str
    tier: int | None
    since: int | None
    until: int | None
    words: str
    reason: bool
    verdict: Verdict | None
    timezone: str
    links: Mapping[str, str]
    loss: str = ""


_HEADS = {"opened": "", "worse": "Worse: ", "over": "Over: ", "passed": "Seen late: "}
_STATES = {"wrong": "is wrong", "silent": "is silent", "at_risk": "is at risk", "behind": "waits to be judged"}


def title(told: Told, state: str) -> str:
    """Return the first line of a message: which model, what, and since when."""
    name = _name(told.model, told.environment)
    what = _STATES.get(state, f"fires {short(told.policy, 80)}")
    since = "" if told.since is None else f" since {date_words(told.since, told.timezone)}"
    if told.kind in ("over", "passed"):
        was = {"wrong": "was wrong", "silent": "was silent", "at_risk": "was at risk"}.get(
            state, f"fired {short(told.policy, 80)}"
        )
        until = "" if told.until is None else f" until {date_words(told.until, told.timezone)}"
        return f"{_HEADS[told.kind]}{name} {was}{since.replace(' since ', ' from ')}{until}"
    return f"{_HEADS[told.kind]}{name} {what}{since}"


def message_facts(told: Told, state: str) -> dict[str, Any]:
    """Return a message in parts, which JSON can hold: its title, its text, and what programs want of it."""
    verdict, ended = told.verdict, told.kind in ("over", "passed")
    found = _sentence(told.words)
    lines = [found if told.reason or not ended else f"What was found: {found}"]
    if ended and verdict is not None:
        lines.append(f"Now: {printable(verdict.sentence)}")
    elif verdict is not None:
        if not state:
            lines.append(printable(verdict.sentence))
        lines += [printable(verdict.sure), f"What to do: {printable(verdict.next)}"]
    if told.loss and not ended:
        lines.append(told.loss)
    if not state:
        lines.append(f"The condition of {short(told.policy, 80)}: {short(told.condition, 300)}.")
    who = [f"owner {short(told.owner, 80)}"] if told.owner else []
    who += [f"tier {told.tier}"] if told.tier else []
    lines.append(", ".join([f"Severity: {SEVERITY_WORDS[told.severity]}", *who]) + f". Alert {told.alert}.")
    return {
        "title": title(told, state),
        "text": "\n".join(line for line in lines if line.strip()),
        "links": dict(told.links),
        "kind": told.kind,
        "alert": told.alert,
        "policy": told.policy,
        "model": told.model,
        "version": told.version,
        "environment": told.environment,
        "severity": told.severity,
        "owner": told.owner,
        "tier": told.tier,
        "state": state,
        "since": None if told.since is None else iso_time(told.since),
        "until": None if told.until is None else iso_time(told.until),
        "found": printable(told.words),
        "verdict": None if verdict is None else verdict.state,
        "sentence": None if verdict is None else printable(verdict.sentence),
        "sure": None if verdict is None else printable(verdict.sure),
        "cause": None if verdict is None else printable(verdict.cause),
        "next": None if verdict is None else printable(verdict.next),
        "loss": told.loss or None,
    }


def acknowledgement_facts(
    alert: str, policy: str, model: str, environment: str, severity: str, by: str, why: str
) -> dict[str, Any]:
    """Return in parts that somebody has an alert in hand.

    Args:
        alert: Id of the alert.
        policy: Name of its policy.
        model: Name of the model.
        environment: Where it runs; "" where nobody said.
        severity: How grave it is.
        by: Who has it.
        why: What that person said; "" where nothing was.
    """
    who, said = short(by, 80), short(why, 500)
    return {
        "title": f"{who} has {_name(model, environment)} in hand",
        "text": "\n".join([*([said] if said else []), f"Alert {alert}."]),
        "links": {},
        "kind": "acknowledged",
        "alert": alert,
        "policy": policy,
        "model": model,
        "environment": environment,
        "severity": severity,
        "by": who,
        "why": said,
    }


def _name(model: str, environment: str) -> str:
    return short(model, 80) + (f" ({short(environment, 40)})" if environment else "")


def _sentence(words: str) -> str:
    text = printable(words).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""

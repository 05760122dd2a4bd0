"""The words of an alert: title and text of each message, the same in every channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, structs

from driftline_processor.core import facts
from driftline_processor.core.evaluation import FindingRole, LaterFinding, Verdict
from driftline_processor.core.verdict.record import RowFinding
from driftline_processor.core.verdict.transitions import Transition
from driftline_processor.present.sentences.policies import policy_advice
from driftline_processor.present.sentences.register import clause
from driftline_processor.present.sentences.verdict import (
    later_clause,
    verdict_action,
    verdict_cause,
    verdict_certainty,
    verdict_evidence,
    verdict_headline,
    verdict_later,
    verdict_now,
    verdict_sentence,
    verdict_since,
)
from driftline_processor.present.times import date_words, end_words, since_words
from driftline_processor.present.wording import iso_time, printable, short

from .times import lasted_words

SEVERITY_WORDS: Mapping[str, str] = {"critical": "critical", "warning": "warning", "info": "for information"}


class Notification(Struct, frozen=True):
    """The content of a message.

    Attributes:
        kind: ``opened``, ``cause_changed``, ``joined``, ``recovered``, ``worse``, ``resolved`` or ``passed``.
        alert: Id of the alert.
        policy: Name of the policy.
        condition: The condition as configured.
        model: Name of the model.
        version: Version of the model; "" if it has none.
        environment: Environment of the model; "" if not given.
        severity: Severity of the alert.
        owner: Owner of the model.
        tier: Tier of the model; None if not configured.
        since: Begin, unix nanoseconds.
        until: End; None while the alert is open.
        words: The finding in words.
        reason: Whether ``words`` are the reason of the end instead of the finding.
        verdict: Whether the model is healthy now; None if unknown.
        timezone: Time zone of the model.
        links: Name of a link → its address.
        loss: Loss of money per day, as a sentence; "" if unknown.
        told_to: For an escalation: the channels that were notified before.
        told_at: For an escalation: time since when the alert waits for an acknowledgement, unix nanoseconds.
            claim: The condition as a clause about the model, in the tense of ``kind``; "" if the policy no longer
            exists.
        unwatched: Whether the alert ended only because it is no longer evaluated.
        explained: Whether the verdict is about the same fault, so that the message has its words.
        findings: The findings of a degradation, which the next message is compared with.
        transitions: What changed among them since the message before.
        room: Why the limit of the policy lies within the noise of the baseline, as a clause; "" if it does not.
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
    told_to: tuple[str, ...] = ()
    told_at: int | None = None
    claim: str = ""
    unwatched: bool = False
    explained: bool = False
    room: str = ""
    findings: tuple[RowFinding, ...] = ()
    transitions: tuple[Transition, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the message is about the end of an alert."""
        return self.kind in ("resolved", "passed")

    @property
    def has_verdict_words(self) -> bool:
        """Whether the message has the words of the verdict, because it is about the same fault."""
        return self.explained and not self.has_ended and self.verdict is not None


class _VerdictFacts(Struct):
    """The fields of a message about the verdict."""

    verdict: str | None = None
    verdict_kind: str | None = None
    verdict_since: str | None = None
    sentence: str | None = None
    certainty: str | None = None
    headline: str | None = None
    evidence: str | None = None
    cause: str | None = None
    later: str | None = None
    now: str | None = None
    joined: list[str] = []
    findings: list[dict[str, Any]] = []


_HEADS = {
    "opened": "",
    "joined": "Also: ",
    "worse": "Worse: ",
    "cause_changed": "Cause changed: ",
    "recovered": "Partly recovered: ",
    "resolved": "Resolved: ",
    "passed": "Already resolved when detected: ",
    "escalated": "Not acknowledged: ",
}
_UNWATCHED = "No longer evaluated: "
_GROUP_HEADS = {kind: _HEADS[kind] for kind in ("joined", "worse", "cause_changed", "recovered")}
_GROUP_HEADS["eased"] = "Partly resolved: "

_KIND_WORDS = {
    "resolved": "resolved",
    "passed": "already resolved",
    "eased": "partly resolved",
    "joined": "added",
    "cause_changed": "cause changed",
    "recovered": "partly recovered",
}

SAID = 20
"""Upper limit of further alerts that a message lists; the others are counted."""
_STATES = {
    "degraded": "has been degraded",
    "no_data": "has had no data",
    "at_risk": "has been at risk",
    "lagging": "has been lagging",
}

_PAST_STATES = {"degraded": "was degraded", "no_data": "had no data", "at_risk": "was at risk"}


def kind_words(kind: str) -> str:
    """Return the kind of a message in words."""
    return _KIND_WORDS.get(kind, kind)


def title(told: Notification, state: str) -> str:
    """Return the first line of a message: model, state or finding, and begin."""
    name, verdict = _name(told.model, told.environment), told.verdict
    first = next((one for one in told.transitions if one.kind == told.kind), None)
    if first is not None and first.finding is not None and verdict is not None:
        more = f", and {len(told.transitions) - 1} more" if len(told.transitions) > 1 else ""
        return f"{_HEADS[told.kind]}{name}: {printable(_finding_words(first.finding, verdict))}{more}"
    if told.has_verdict_words and verdict is not None and verdict.state in _STATES:
        return f"{_HEADS[told.kind]}{name} {_STATES[verdict.state]}{verdict_since(verdict)}"
    since = "" if told.since is None else f" since {date_words(told.since, told.timezone)}"
    if told.has_ended:
        when = since.replace(" since ", " from ")
        if told.until is not None:
            when = lasted_words(told.since, told.until, told.timezone)
        head = _UNWATCHED if told.unwatched else _HEADS[told.kind]
        was = f" {_PAST_STATES[state]}{when}" if state in _PAST_STATES else _claimed(told, when)
        return f"{head}{name}{was}"
    return f"{_HEADS[told.kind]}{name}{f' {_STATES[state]}{since}' if state in _STATES else _claimed(told, since)}"


def _claimed(told: Notification, when: str) -> str:
    """Return the condition of a policy with the time and its name; ``when``: " since ..." or " from ... to ..."."""
    policy = f"policy '{short(told.policy, 80)}'"
    if told.claim:
        return f": {short(told.claim, 120)}{when} ({policy})"
    return f": {policy} {'fired' if told.has_ended else 'has been firing'}{when}"


def group_facts(
    kind: str,
    thread: str,
    first: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]],
    lasting: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of one message about several alerts of a model, in the parts of :func:`message_facts`.

    Args:
        kind: Kind of the message.
        thread: Thread id, which is the same as long as any of the alerts is open.
        first: Facts of the most severe alert.
        others: Facts of the other alerts, the most severe first.
        lasting: Facts of the open alerts of earlier messages.
    """
    titled, has_ended = str(first["title"]), kind in ("resolved", "passed", "eased")
    if kind in _GROUP_HEADS:
        titled = _GROUP_HEADS[kind] + titled.removeprefix(_HEADS.get(first["kind"], ""))
    if others and (has_ended or not first["explained"]):
        titled += f", and {len(others)} more"
    text = str(first["text"]).split("\n")[:-1]
    ended = [*_named("Also", others), *_named("Still open", lasting)]
    firing = [
        _policy_line(
            facts["policy"], facts["severity"], "" if facts["state"] else facts["finding"], over=bool(facts["until"])
        )
        for facts in (*others, *lasting)
    ]
    lines = ended if has_ended else _limited(firing)
    severity = min((str(facts["severity"]) for facts in (first, *others)), key=_GRAVEST.index)
    last_line = _last_line(severity, first["owner"], first["tier"], first["alert"], has_ended=has_ended)
    return {
        **first,
        "kind": kind,
        "alert": thread,
        "severity": severity,
        "title": titled,
        "text": "\n".join([*text, *lines, last_line]),
        "alerts": [_brief(alert_facts) for alert_facts in (first, *others)],
        "lasting": [_brief(alert_facts) for alert_facts in lasting],
    }


def _named(head: str, several: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each alert, up to :data:`SAID`."""
    return _limited([f"{head}: {facts['title']}. {_sentence(str(facts['finding']))}" for facts in several])


def _policy_line(policy: str, severity: str, finding: str, *, over: bool = False) -> str:
    """Return a policy with its severity and its finding."""
    text = ": ".join(
        part
        for part in (
            f"({SEVERITY_WORDS[severity]}{', no longer true' if over else ''})",
            printable(finding).rstrip("."),
        )
        if part
    )
    return f"Policy '{short(policy, 80)}' {text}."


def _last_line(severity: str, owner: str, tier: int | None, alert: str, *, has_ended: bool) -> str:
    """Return severity, owner, tier and id of an alert."""
    parts = [f"Severity{' until it was resolved' if has_ended else ''}: {SEVERITY_WORDS[severity]}"]
    parts += [f"owner {short(owner, 80)}"] if owner else []
    parts += [f"tier {tier}"] if tier else []
    return f"{', '.join(parts)}. Alert {alert}."


def _limited(lines: Sequence[str]) -> list[str]:
    return [*lines[:SAID], *([f"And {len(lines) - SAID} more."] if len(lines) > SAID else [])]


def _brief(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("alert", "policy", "severity", "kind", "since", "until", "finding")}


def message_facts(told: Notification, state: str) -> dict[str, Any]:
    """Return a message as JSON-serialisable parts: its title, its text, and fields for programs."""
    advice = _advice(told)
    lines = [*_waited(told), *_finding_lines(told, advice)]
    if not told.has_ended:
        lines.append(told.loss)
    if not state:
        lines.append(_condition_line(told))
    lines.append(_last_line(told.severity, told.owner, told.tier, told.alert, has_ended=told.has_ended))
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
        "since": _time(told.since),
        "until": _time(told.until),
        "finding": printable(told.words),
        "explained": told.explained,
        **_verdict_facts(told),
        "action": advice or None,
        "loss": told.loss or None,
    }


def _verdict_facts(told: Notification) -> dict[str, Any]:
    """Return the fields of the verdict; None, and nothing joined, without one."""
    verdict = told.verdict
    if verdict is None:
        return structs.asdict(_VerdictFacts())
    # an alert is not explained by a healthy verdict, so its "nothing to do" is not about the alert
    without_advice = verdict.state == "healthy" and not told.has_ended
    return structs.asdict(
        _VerdictFacts(
            verdict=verdict.state,
            verdict_kind=verdict.kind or None,
            verdict_since=_time(verdict.since),
            sentence=verdict_sentence(structs.replace(verdict, advice=None) if without_advice else verdict),
            certainty=verdict_certainty(verdict),
            headline=verdict_headline(verdict),
            evidence=verdict_evidence(verdict) or None,
            cause=verdict_cause(verdict) or None,
            later=verdict_later(verdict) or None,
            now=verdict_now(verdict) or None,
            joined=[one.subject for one in verdict.later if one.role == "joined" and one.until is None],
            findings=[*map(_stated, told.findings)],
        )
    )


def _advice(told: Notification) -> str:
    """Return what to do: the verdict's advice if the message is about its fault or about an end, else the policy's."""
    if told.verdict is None:
        return ""
    if told.has_verdict_words or told.has_ended:
        return verdict_action(told.verdict)
    return policy_advice(told.policy, told.room)


def _waited(told: Notification) -> list[str]:
    """Return who was notified of an escalated alert, and since when it waits for an acknowledgement."""
    if told.told_at is None:
        return []
    before = ", ".join(short(channel, 80) for channel in told.told_to)
    were, date = "was" if len(told.told_to) == 1 else "were", date_words(told.told_at, told.timezone)
    return [f"{before} {were} notified on {date}; nobody has acknowledged the alert since."]


def _finding_lines(told: Notification, advice: str) -> list[str]:
    """Return the finding, what the verdict says about the model now, and what to do."""
    sentence, verdict = _sentence(told.words), told.verdict
    if told.has_ended:
        now = [] if verdict is None else [f"Now: {verdict_headline(verdict)}."]
        return [sentence if told.reason else f"Finding: {sentence}", *now]
    if verdict is None:
        return [sentence]
    lines = [
        f"{verdict_headline(verdict)}.",
        verdict_evidence(verdict),
        verdict_cause(verdict),
        "Earlier messages named another cause." if told.kind == "cause_changed" else "",
        verdict_later(verdict),
        f"What to do: {advice}",
    ]
    return [*lines, verdict_certainty(verdict)] if told.has_verdict_words else [sentence, *lines]


def _condition_line(told: Notification) -> str:
    """Return the policy with its finding if the message has the verdict's words instead, else with its condition."""
    if told.has_verdict_words:
        return _policy_line(told.policy, told.severity, told.words)
    return f"The condition of the policy '{short(told.policy, 80)}': {short(told.condition, 300)}."


def _time(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else iso_time(nanoseconds)


def _finding_words(finding: RowFinding, verdict: Verdict) -> str:
    """Return a finding of a degradation as a clause, with its times."""
    same = (one for one in verdict.later if (one.subject, one.since) == (finding.subject, finding.since))
    later = next(same, None)
    if later is not None:
        return later_clause(later)
    timezone, days = verdict.timezone, verdict.of_days
    if finding.fact is None and finding.until is not None:
        return f"the first loss lasted until {end_words(finding.until, timezone, days=days)}"
    if finding.fact is None:
        return verdict_cause(verdict).rstrip(".") or "the cause is unknown"
    if finding.role == "cause" and finding.until is None:
        begin = since_words(finding.since, timezone, days=days, earliest=finding.since_earliest).strip()
        return ", ".join(filter(None, (begin, clause(finding.fact))))
    role: FindingRole = "mended" if finding.role == "cause" else finding.role
    times = finding.since, finding.until
    return later_clause(LaterFinding(role, finding.fact, *times, facts.NothingToDo(), finding.subject, timezone, days))


def _stated(finding: RowFinding) -> dict[str, Any]:
    times = {"since": _time(finding.since), "until": _time(finding.until)}
    return {"role": finding.role, "subject": finding.subject, **times}


class AlertPlace(NamedTuple):
    """The subject of an alert.

    Attributes:
        policy: Name of its policy.
        model: Name of the model.
        environment: Environment of the model; "" if not given.
        severity: Severity of the alert.
    """

    policy: str
    model: str
    environment: str
    severity: str


def acknowledgement_facts(alert: str, place: AlertPlace, by: str, why: str) -> dict[str, Any]:
    """Return the acknowledgement of an alert in parts.

    Args:
        alert: Id of the alert.
        place: Subject of the alert.
        by: Person who acknowledged it.
        why: The person's comment; "" if there is none.
    """
    person, reason = short(by, 80), short(why, 500)
    return {
        "title": f"{person} acknowledged the alert of {_name(place.model, place.environment)}",
        "text": "\n".join([*([reason] if reason else []), f"Alert {alert}."]),
        "links": {},
        "kind": "acknowledged",
        "alert": alert,
        **place._asdict(),
        "by": person,
        "why": reason,
    }


class AlertLine(Struct, frozen=True):
    """An alert in a digest or in the summary of quiet hours.

    Attributes:
        alert: Its id.
        policy: Name of the policy.
        model: Name of the model.
        environment: Environment of the model; "" if not given.
        severity: Severity of the alert.
        state: State of the verdict; "" if the policy has another condition.
        tier: Tier of the model; None if not configured.
        since: Begin, unix nanoseconds.
        until: End, unix nanoseconds; None while the alert is open.
        began: Whether it began in the period of the message.
        words: The finding in words.
        taken_by: Person who acknowledged it; "" = nobody.
        loss: Loss of money per day; 0 if unknown.
        loss_words: The loss in words; "" if unknown.
    """

    alert: str
    policy: str
    model: str
    environment: str
    severity: str
    state: str
    tier: int | None
    since: int | None
    until: int | None
    began: bool
    words: str
    taken_by: str
    loss: float = 0.0
    loss_words: str = ""


MOST_LINES = 40
"""Upper limit of alerts with a line in a digest; the others are counted."""

_GRAVEST = ("critical", "warning", "info")
_GRAVEST_STATES = ("degraded", "no_data", "at_risk", "lagging", "")


def rank_lines(lines: Sequence[AlertLine]) -> list[AlertLine]:
    """Sort alerts: open before closed, then by severity, loss of money, lowest tier number, and age."""
    return sorted(
        lines,
        key=lambda line: (
            line.until is not None,
            _GRAVEST.index(line.severity),
            _GRAVEST_STATES.index(line.state) if line.state in _GRAVEST_STATES else len(_GRAVEST_STATES),
            -line.loss,
            line.tier or 4,
            line.since or 0,
            line.model,
            line.policy,
        ),
    )


def collected_facts(kind: str, lines: Sequence[AlertLine], now: int, timezone: str, page: str) -> dict[str, Any]:
    """Return a message about several alerts as JSON-serialisable parts.

    Args:
        kind: ``digest``, or ``summary`` of quiet hours.
        lines: At least one alert.
        now: Time of the message, unix nanoseconds.
        timezone: Time zone of the channel.
        page: Address of the page of incidents; "" if unknown.
    """
    ranked = rank_lines(lines)
    lasting_lines = [alert_line for alert_line in ranked if alert_line.until is None]
    began, ended_count = sum(alert_line.began for alert_line in lasting_lines), len(ranked) - len(lasting_lines)
    counts = {"opened": began, "still open": len(lasting_lines) - began, "resolved": ended_count}
    count_words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    head = "Digest of" if kind == "digest" else "Quiet hours until"
    text = [f"{index}. {_line(alert_line, timezone)}" for index, alert_line in enumerate(ranked[:MOST_LINES], 1)]
    if len(ranked) > MOST_LINES:
        text.append(f"And {len(ranked) - MOST_LINES} more.")
    return {
        "title": f"{head} {date_words(now, timezone)}: {count_words}",
        "text": "\n".join(text),
        "links": {"page": page} if page else {},
        "kind": kind,
        "severity": lasting_lines[0].severity if lasting_lines else "info",
        "alerts": [_line_json(alert_line) for alert_line in ranked],
    }


def new_models_facts(count: int, limit: str) -> dict[str, Any]:
    """Return the message that more undeclared models appeared than become known, as JSON-serialisable parts.

    Args:
        count: Number of models that are not known yet.
        limit: The value of ``limits.new_models``.
    """
    appeared, their = ("1 new model", "Its") if count == 1 else (f"{count:,} new models", "Their")
    return {
        "title": f"{appeared} appeared that the configuration does not declare",
        "text": f"{their} alerts are not notified, because limits.new_models is {limit}. Declare the models that you "
        "know under 'models' in the configuration. If you know none of them, somebody sends telemetry with invented "
        "names.",
        "links": {},
        "kind": "summary",
        "severity": "warning",
        "alerts": [],
    }


def _line(alert_line: AlertLine, timezone: str) -> str:
    name, since = _name(alert_line.model, alert_line.environment), ""
    if alert_line.since is not None:
        since = f" since {date_words(alert_line.since, timezone)}"
    if alert_line.until is not None:
        state_words = _PAST_STATES.get(alert_line.state)
        since = f"{lasted_words(alert_line.since, alert_line.until, timezone)}, and is resolved"
    else:
        state_words = _STATES.get(alert_line.state)
    fired = "has been firing" if alert_line.until is None else "fired"
    what = f" {state_words}" if state_words else f": policy '{short(alert_line.policy, 80)}' {fired}"
    more = [SEVERITY_WORDS[alert_line.severity], *([f"tier {alert_line.tier}"] if alert_line.tier else [])]
    more += [alert_line.loss_words] if alert_line.loss_words else []
    if alert_line.taken_by and alert_line.until is None:
        more.append(f"acknowledged by {short(alert_line.taken_by, 60)}")
    return f"{name}{what}{since} ({'; '.join(more)}). {_sentence(short(alert_line.words, 160))}".strip()


def _line_json(alert_line: AlertLine) -> dict[str, Any]:
    return {
        "alert": alert_line.alert,
        "policy": alert_line.policy,
        "model": alert_line.model,
        "environment": alert_line.environment,
        "severity": alert_line.severity,
        "state": alert_line.state,
        "tier": alert_line.tier,
        "since": None if alert_line.since is None else iso_time(alert_line.since),
        "until": None if alert_line.until is None else iso_time(alert_line.until),
        "finding": short(alert_line.words, 500),
        "taken_by": alert_line.taken_by,
        "loss": alert_line.loss_words or None,
    }


def _name(model: str, environment: str) -> str:
    return short(model, 80) + (f" ({short(environment, 40)})" if environment else "")


def _sentence(words: str) -> str:
    text = printable(words).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""

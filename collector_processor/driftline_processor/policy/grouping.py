"""Grouping: the alerts of a model are one thread per channel, with one message for what one evaluation finds.

A thread has the id of its first alert and lasts as long as one of its alerts. Only a higher severity, the words of
the verdict, or a finding about another fault is a further message. The alerts that a channel considers open are read
from the messages to it, so nothing else is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from msgspec import Struct

from driftline_processor.core.evaluation import VerdictState
from driftline_processor.core.verdict.record import is_same_state
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.verdict.transitions import transitions
from driftline_processor.present.alerts import group_facts

from .alerts import Alert, Delivery
from .message import ENDS, SEVERITIES, UPDATES, Kind, Message, stated_row

LISTED: Final = "the verdict that was notified explains it, so the next message lists it"

BEGINS: Final[tuple[Kind, ...]] = ("opened", *UPDATES, "worse", "passed", "escalated")

_Audience = tuple[str, str, str]
"""Channel, environment and model of a thread."""

FactsOf = Callable[[Kind, Alert, bool], Mapping[str, Any]]
"""Returns the facts of a change of one alert; the last argument is whether they include links."""


class AlertChange(Struct, frozen=True):
    """A change of one alert to notify.

    Attributes:
        kind: ``opened``, ``worse``, ``resolved``, ``passed``, or one of :data:`~.message.UPDATES`.
        alert: The current alert.
        channels: Names of the channels to notify.
        rises: Whether it is more severe than in the last notification.
        repeats: Whether an earlier notification was never delivered because its channel was removed.
    """

    kind: Kind
    alert: Alert
    channels: Sequence[str]
    rises: bool = False
    repeats: bool = False


class Look(Struct, frozen=True):
    """One evaluation of the policies, from which messages and orders are made.

    Attributes:
        alerts: Every current alert by id.
        alone: Returns whether the policy of an alert excludes it from the messages and incidents of others.
        facts: Returns the facts of one alert.
        now: Wall time, unix nanoseconds.
    """

    alerts: Mapping[str, Alert]
    alone: Callable[[Alert], bool]
    facts: FactsOf
    now: int


class Threads:
    """The messages of one evaluation.

    Args:
        sent: The messages of threads about open or changed alerts, oldest first.
        look: The evaluation.
        new_id: Returns the id of a new message, from its thread, its channel and its number.
    """

    def __init__(self, sent: Collection[Message], look: Look, new_id: Callable[[str, str, int], str]) -> None:
        self._sent_messages, self._new_id, self._now = sent, new_id, look.now
        self._alerts, self._alone, self._facts = look.alerts, look.alone, look.facts
        self.listed: list[Delivery] = []
        """Deliveries of messages that are not sent, because a message of their thread has told the same fault."""

    def messages(self, changes: Sequence[AlertChange]) -> Iterator[Message]:
        """Yield the messages about changes: per model and channel first what began, then what ended."""
        changes_by_audience: dict[_Audience, list[AlertChange]] = {}
        for change in changes:
            for channel in change.channels:
                audience = channel, change.alert.environment, change.alert.model
                changes_by_audience.setdefault(audience, []).append(change)
        for audience, new in changes_by_audience.items():
            yield from self._begun(audience, [change for change in new if change.kind != "resolved"])
            yield from self._ended(audience, [change.alert for change in new if change.kind == "resolved"])

    @cached_property
    def _threads(self) -> dict[_Audience, dict[str, _Thread]]:
        """Threads of each channel about each model by their id, oldest first."""
        threads_by_audience: dict[_Audience, dict[str, _Thread]] = {}
        for message in self._sent_messages:
            about = self._alerts.get(message.gravest)
            if not message.is_order and about is not None:
                audience = message.channel, about.environment, about.model
                threads_by_audience.setdefault(audience, {}).setdefault(message.alert, _Thread()).hear(message)
        return threads_by_audience

    def _begun(self, audience: _Audience, alert_changes: Sequence[AlertChange]) -> Iterator[Message]:
        threads = self._threads.setdefault(audience, {})
        for name, changes in self._by_thread(alert_changes, threads).items():
            known_thread = threads.get(name, _Thread())
            lasting_alerts = self._lasting(known_thread, {change.alert.id for change in changes})
            rises = _has_risen(changes, known_thread, lasting_alerts)
            kind = kind_of({change.kind for change in changes}, rises=rises, lasts=bool(lasting_alerts))
            changed_alerts = [(change.kind, change.alert) for change in changes]
            yield self._message(name, audience, kind, changed_alerts, lasting_alerts, rises)

    def _by_thread(
        self, alert_changes: Sequence[AlertChange], threads: dict[str, _Thread]
    ) -> dict[str, list[AlertChange]]:
        """Return changes by the id of their thread: that of the alert, else the common one of the model."""
        opened = {change.alert.id for change in alert_changes if change.kind == "opened"}
        common = next((name for name, thread in threads.items() if self._may_join(thread, opened)), "")
        changes_by_thread: dict[str, list[AlertChange]] = {}
        for change in sorted(alert_changes, key=lambda change: gravity(change.alert)):
            thread_id = _thread_of(change.alert, threads)
            if change.kind == "opened" and thread_id is not None and self._lasting(threads[thread_id], opened):
                continue  # its end in between was not notified
            if self._alone(change.alert):
                thread = change.alert.id
            elif change.kind in (*UPDATES, "worse") and thread_id is not None:
                thread = thread_id
            else:
                thread = common = common or change.alert.id
            changes_by_thread.setdefault(thread, []).append(change)
        return changes_by_thread

    def _ended(self, audience: _Audience, alerts: Sequence[Alert]) -> Iterator[Message]:
        threads = self._threads.setdefault(audience, {})
        alerts_by_thread: dict[str, list[Alert]] = {}
        for alert in alerts:
            alerts_by_thread.setdefault(_thread_of(alert, threads) or alert.id, []).append(alert)
        for name, ended_alerts in alerts_by_thread.items():
            known_thread = threads.get(name, _Thread())
            ids = {alert.id for alert in ended_alerts}
            lasting_alerts = self._lasting(known_thread, ids)
            if lasting_alerts:
                is_healthy = any(alert.state and alert.ending != "unwatched" for alert in ended_alerts)
                if is_healthy or min(map(_severity, lasting_alerts)) > min(map(_severity, ended_alerts)):
                    yield self._message(
                        name, audience, "eased", [("resolved", one) for one in ended_alerts], lasting_alerts
                    )
                continue
            unsaid_alerts = [self._alerts[one] for one in known_thread.open if one not in ids and one in self._alerts]
            unsaid_alerts = [
                one for one in unsaid_alerts if one.resolved != one.first_seen
            ]  # past alerts were notified as ended
            yield self._message(
                name, audience, "resolved", [("resolved", one) for one in [*ended_alerts, *unsaid_alerts]], ()
            )

    def _may_join(self, thread: _Thread, opened: Iterable[str]) -> bool:
        """Return True for a thread with an open alert that others may join."""
        return any(self._is_open(id, opened) and not self._alone(self._alerts[id]) for id in thread.open)

    def _lasting(self, thread: _Thread, changed: Collection[str]) -> list[Alert]:
        """Return the open alerts of a thread that do not change."""
        return [self._alerts[id] for id in thread.open if id not in changed and self._is_open(id, ())]

    def _is_open(self, alert: str, opened: Iterable[str]) -> bool:
        return alert in self._alerts and self._alerts[alert].open and alert not in opened

    def _message(
        self,
        thread: str,
        audience: _Audience,
        kind: Kind,
        changes: Sequence[tuple[Kind, Alert]],
        alerts: Sequence[Alert],
        rises: bool = False,
    ) -> Message:
        known_thread, channel = self._threads[audience].setdefault(thread, _Thread()), audience[0]
        begins = kind in BEGINS

        def is_explained(change: tuple[Kind, Alert]) -> bool:
            return bool(self._facts(*change, False)["explained"])

        changes = sorted(
            changes,
            key=lambda one: (kind in UPDATES and one[0] != kind, begins and not is_explained(one), gravity(one[1])),
        )
        first, *other_changes = changes
        facts = group_facts(
            kind,
            thread,
            self._facts(*first, True),
            [self._facts(*one, False) for one in other_changes],
            [self._facts("opened", alert, False) for alert in sorted(alerts, key=gravity)],
        )
        verdict: VerdictState | Literal[""] = facts["verdict"] or "" if facts["explained"] and begins else ""
        id, about = self._new_id(thread, channel, len(known_thread.messages) + 1), tuple(one.id for _, one in changes)
        incident = known_thread.incident + rises
        message = Message(id, thread, channel, kind, self._now, facts, alerts=about, incident=incident, verdict=verdict)
        repeats = all(map(is_explained, changes)) and known_thread.has_told(message)
        if kind == "joined" and repeats and all(of_one not in UPDATES for of_one, _ in changes):
            self.listed.append(Delivery(id, self._now, "collected", LISTED, known_thread.messages[0].id))
        known_thread.hear(message)
        return message


class _Thread:
    """What a channel received under one thread id.

    Attributes:
        open: Alerts that the channel considers open, in the order of their notification.
        messages: All messages, oldest first.
        incident: Number of the newest incident of a pager.
        verdict: State of the verdict that was notified last; "" if its fault is over.
    """

    def __init__(self) -> None:
        self.open: dict[str, None] = {}
        self.messages = list[Message]()
        self.incident = 1
        self.verdict: VerdictState | Literal[""] = ""

    def has_told(self, message: Message) -> bool:
        """Return True if nothing changed from the verdict of earlier messages to the one of a message.

        The record has the findings of a degradation; those of another state are the same if its begin is.
        """
        told, now = stated_row(self.verdict, self.messages), stated_row(message.verdict, [message])
        if told is None or now is None or transitions(told, now):
            return False
        return told.state == "degraded" or is_same_state(told, now)

    def hear(self, message: Message) -> None:
        """Add a message."""
        self.messages.append(message)
        self.incident = max(self.incident, message.incident)
        self.verdict = "" if message.kind in ENDS else message.verdict or self.verdict
        for alert in message.about:
            if message.kind in BEGINS:
                self.open[alert] = None
            elif message.kind in ENDS:
                self.open.pop(alert, None)


def _thread_of(alert: Alert, threads: dict[str, _Thread]) -> str | None:
    """Return the id of the newest thread in which an alert is open; None without one."""
    return next((name for name, thread in reversed(threads.items()) if alert.id in thread.open), None)


def kind_of(changes: Collection[Kind], *, rises: bool, lasts: bool) -> Kind:
    """Return the kind of a message about kinds of changes; ``lasts``: whether other alerts of its thread last."""
    if {*changes} == {"passed"} and not lasts:
        return "passed"
    if rises or "worse" in changes:
        return "worse"
    update = next((kind for kind in UPDATES if kind in changes), None)
    if update is None or (update == "recovered" and "opened" in changes):
        return "joined" if lasts or update is not None else "opened"
    return update


def _has_risen(changes: Sequence[AlertChange], thread: _Thread, lasting: Sequence[Alert]) -> bool:
    """Return True if a known alert became, or a new one is, more severe than all other alerts of a thread."""
    rising = [
        change.alert
        for change in changes
        if (change.rises and change.alert.id in thread.open) or (change.kind == "opened" and lasting)
    ]
    return bool(rising) and min(map(_severity, rising)) < min(map(_severity, lasting), default=len(SEVERITIES))


def gravity(alert: Alert) -> tuple[int, int, int]:
    """Return the sort key of alerts, most severe first: severity, state, and begin."""
    state = rank_state(alert.state) if alert.state else 1  # a degraded model comes before a single metric
    return _severity(alert), state, alert.fired if alert.since is None else alert.since


def _severity(alert: Alert) -> int:
    return SEVERITIES.index(alert.severity)

"""Stored alerts and messages: after a crash, none is repeated and none is lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args

import pyarrow as pa
import xxhash
from msgspec import Struct, structs
from msgspec.structs import replace

from driftline_processor.config.channels import Severity
from driftline_processor.core.audit_chain import Entry
from driftline_processor.core.evaluation import VerdictState
from driftline_processor.present.alerts import kind_words
from driftline_processor.present.wording import without_half_surrogates
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Connection, UnreadableRows, insert, read, transaction

from .message import SEVERITIES, Kind, Message
from .new_models import Sighting

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

Ending = Literal["", "revised", "replaced", "unwatched"]
"""Kind of an alert's end that is not due to its windows.

Revised by later outcomes or rows, replaced by another version, or without its policy or model.
"""

Result = Literal["delivered", "refused", "expired", "dry_run", "held_back", "collected"]

ATTEMPTED: Sequence[Result] = ("delivered", "refused", "dry_run")
"""Results of a message that are answers to an attempt, which has its own entry."""

About = tuple[str, str, str]
"""Policy, environment and model, for which at most one alert is open."""

Place = tuple[str, str]
"""Environment and model."""


class Alert(Struct, frozen=True):
    """A policy that fires or fired for a model.

    Attributes:
        id: Constant id of the alert, the key of its messages and actions.
        policy: Name of the policy.
        model: Name of the model.
        environment: Environment of the model.
        version: First version for which the policy fired.
        severity: Severity of the alert.
        owner: Owner of the model, "" if not configured.
        state: State of the verdict if the policy is only about states; else "".
        since: Begin by the windows, unix nanoseconds; None if unknown.
        fired: End of the window that fired, or the model's clock.
        until: End of the condition; None while it holds.
        first_seen: Time when the alert was first seen, wall time.
        resolved: Time when the alert was closed, wall time; None while it is open.
        notified: Time of the first notification, wall time; None = not notified.
        window: Length of the windows that show it; "" if there are none.
        start: Start of the window to look at.
        words: The finding as it was sent; not used by code.
        subjects: Subjects of the finding: names of signals and checks, kinds of facts, ``column:NAME``.
        ending: Kind of an end that is not due to its windows: ``revised``, ``replaced``, ``unwatched``, or "".
        acknowledged: Time of the acknowledgement, wall time; None = not acknowledged.
        acknowledged_by: Person who acknowledged it.
        why: The person's comment.
        notified_state: State in the last notification; "" if not notified.
        silenced: End of the silence that suppresses its notification, wall time; None without a silence.
    """

    id: str
    policy: str
    model: str
    environment: str
    version: str
    severity: Severity
    owner: str
    state: VerdictState | Literal[""]
    since: int | None
    fired: int
    until: int | None
    first_seen: int
    resolved: int | None
    notified: int | None
    window: str
    start: int | None
    words: str
    acknowledged: int | None = None
    acknowledged_by: str = ""
    why: str = ""
    notified_state: VerdictState | Literal[""] = ""
    silenced: int | None = None
    subjects: tuple[str, ...] = ()
    ending: Ending = ""

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.resolved is None

    @property
    def lasts(self) -> bool:
        """Whether it is open and its condition is not over."""
        return self.open and self.until is None

    @property
    def about(self) -> About:
        """Its key, for which at most one alert is open."""
        return self.policy, self.environment, self.model

    @property
    def place(self) -> Place:
        """Its environment and model."""
        return self.environment, self.model


def alert_id(policy: str, environment: str, model: str, since: int, number: int = 1) -> str:
    """Return the id of a new alert: 16 hexadecimal digits that depend only on the arguments.

    Args:
        policy: Name of the policy.
        environment: Environment of the model.
        model: Name of the model.
        since: Begin by the windows, unix nanoseconds.
        number: Number of the alert among those with the same key and begin.
    """
    parts = (policy, environment, model, str(since), *([str(number)] if number > 1 else []))
    return xxhash.xxh3_64_hexdigest("\0".join(parts).encode("utf-8", "surrogatepass"))


class Delivery(Struct, frozen=True):
    """The result of a message.

    Attributes:
        message: Its id.
        time: Time of the result, wall time.
            result: ``delivered``; ``refused`` by the channel; ``expired`` after days of retries, or no longer
            needed; ``dry_run``: not sent because the action is configured so; ``held_back`` by the limit of its
            action or by the verdict; ``collected``: another message contains it.
        detail: Answer of the channel, result of an action, or why nothing was sent.
            reference: The channel's id of the message, for its thread; for a collected message, the id of the
            containing message; "" if there is none.
    """

    message: str
    time: int
    result: Result
    detail: str = ""
    reference: str = ""


class Approval(Struct, frozen=True):
    """The approval that a message of an action needs before it is sent.

    Attributes:
        message: Its id.
        time: Time of the approval, wall time; None while it is pending.
        by: Person who approved it.
        why: The person's comment.
        digest: Digest of what would be sent, as it was approved.
        first: If two people must approve it: time of the first approval, wall time; None without one.
        first_by: The first of two people.
        first_why: The comment of the first of two people.
    """

    message: str
    time: int | None = None
    by: str = ""
    why: str = ""
    digest: str = ""
    first: int | None = None
    first_by: str = ""
    first_why: str = ""

    @property
    def people(self) -> str:
        """The names of the people who approved it."""
        return " and ".join(filter(None, (self.first_by, self.by)))


class AlertStore:
    """Alerts, messages and deliveries. Written by one thread; others read its mappings, which are replaced as a whole.

    Args:
        connection: Connection of the writing thread.
        unreadable: Called with rows that cannot be read.
        audit: Every change is an entry of it, in the same transaction.
    """

    def __init__(self, connection: Connection, unreadable: UnreadableRows, audit: AuditLog) -> None:
        self._connection, self._audit = connection, audit
        rows = read(connection, "FROM alerts ORDER BY first_seen").to_pylist()
        readable = unreadable.skipped("alerts", rows, _alert)
        self.alerts: Mapping[str, Alert] = {alert.id: alert for _, alert in readable}
        rows = read(connection, "FROM deliveries").to_pylist()
        self.deliveries: Mapping[str, Delivery] = {row["message"]: Delivery(**row) for row in rows}
        rows = read(connection, "FROM messages ORDER BY created").to_pylist()
        messages = unreadable.skipped("messages", rows, _message)
        self.messages: Mapping[str, Message] = {message.id: message for _, message in messages}
        self._unread_ids = frozenset(row["id"] for row in rows if row["id"] not in self.messages)
        rows = read(connection, "FROM approvals").to_pylist()
        self.approvals: Mapping[str, Approval] = {row["message"]: _approval(row) for row in rows}
        rows = read(connection, "FROM looks").to_pylist()
        self.looks: Mapping[About, int] = {
            (row["policy"], row["environment"], row["model"]): row["since"] for row in rows
        }
        rows = read(connection, "FROM new_models").to_pylist()
        self.sightings: Mapping[str, Sighting] = {row["model"]: Sighting(**row) for row in rows}
        """Undeclared models by name."""
        rows = read(connection, "FROM policy_waits").to_pylist()
        self.waits: Mapping[tuple[str, str], int] = {(row["environment"], row["model"]): row["since"] for row in rows}
        """Environments and models whose policies wait → since when, wall time; a restart does not reset it."""
        self._index = _Index(self.alerts.values(), self.messages.values(), self.deliveries)

    @property
    def open(self) -> list[Alert]:
        """Open alerts."""
        return [self.alerts[id] for id in self._index.open]

    def alerts_of(self, about: About) -> list[Alert]:
        """Return the alerts of a policy, an environment and a model, oldest first."""
        return [self.alerts[id] for id in self._index.alerts.get(about, ())]

    def newest_of(self, about: About) -> Alert | None:
        """Return the open alert of a policy, an environment and a model, else the newest; None if there is none."""
        alert_ids = self._index.alerts.get(about, ())
        return self.alerts[self._index.lasting.get(about, alert_ids[-1])] if alert_ids else None

    @property
    def waiting(self) -> list[Message]:
        """Messages to send without a known result, oldest first."""
        awaited = self.awaited
        return [
            self._to_send(message)
            for message in self._pending
            if message.held_until is None and message.id not in awaited
        ]

    @property
    def held_messages(self) -> list[Message]:
        """Messages that wait for a digest or for the end of quiet hours, oldest first."""
        return [message for message in self._pending if message.held_until is not None]

    @property
    def _pending(self) -> list[Message]:
        """Messages without a known result, oldest first."""
        return [self.messages[id] for id in self._index.pending]

    def is_used(self, id: str) -> bool:
        """Return True if a message has this id, even an unreadable one."""
        return id in self.messages or id in self._unread_ids

    def new_id(self, thread: str, channel: str, number: int = 1) -> str:
        """Return the id of a new message of a thread; used numbers are skipped."""
        while self.is_used(id := f"{thread}-{number}-{channel}"):
            number += 1
        return id

    def unused(self, id: str) -> str:
        """Return an id, with the first number from 2 behind it that makes it an id of no message."""
        numbered = (id if number == 1 else f"{id}-{number}" for number in itertools.count(1))
        return next(unused for unused in numbered if not self.is_used(unused))

    def has_arrived(self, message: Message) -> bool:
        """Return True if a message, or one that contains it, was delivered, or if it is no longer needed."""
        delivery = self.deliveries.get(message.id)
        if delivery is None or delivery.result != "collected":
            return delivery is not None and delivery.result == "delivered"
        container = self.messages.get(delivery.reference)
        return container is None or self.has_arrived(container)

    def about(self, alert: str) -> list[Message]:
        """Return the messages and orders about an alert, oldest first."""
        return self._by_ids(self._index.about.get(alert, ()))

    def of_thread(self, thread: str) -> list[Message]:
        """Return the messages and orders of a thread, oldest first."""
        return self._by_ids(self._index.threads.get(thread, ()))

    def to_channel(self, channel: str) -> list[Message]:
        """Return all messages for a channel or an action, oldest first."""
        return self._by_ids(self._index.channels.get(channel, ()))

    def threads_about(self, alerts: Iterable[str]) -> list[Message]:
        """Return the messages of all threads about alerts: the oldest thread first, each oldest first."""
        alert_ids = {*alerts}
        threads = {
            message.alert for alert in alert_ids for message in self.about(alert) if not message.is_order
        } | alert_ids
        numbered_threads = sorted(
            (number, thread) for thread in threads if (number := self._index.numbers.get(thread)) is not None
        )
        return [message for _, thread in numbered_threads for message in self.of_thread(thread) if not message.is_order]

    def latest_digest(self, channel: str) -> int | None:
        """Return the time of a channel's latest digest, wall time; None if there is none."""
        return self._index.digests.get(channel)

    def _by_ids(self, ids: Iterable[str]) -> list[Message]:
        messages_by_id = self.messages
        return [messages_by_id[id] for id in ids if id in messages_by_id]

    def thread(self, message: Message) -> tuple[str, bool]:
        """Return the channel's id of the first message about the same alert, and whether that is about others, too.

        The id is "" if it is unknown.
        """
        for message_of_thread in self.of_thread(message.alert):
            if message_of_thread.channel == message.channel and message_of_thread.id != message.id:
                delivery, newest = self.deliveries.get(message_of_thread.id), message_of_thread
                if delivery is not None and delivery.result == "collected":
                    newest = self.messages.get(delivery.reference, message_of_thread)
                    delivery = self.deliveries.get(newest.id)
                if delivery is not None and delivery.result == "delivered" and delivery.reference:
                    return delivery.reference, newest.says_several
        return "", False

    @property
    def awaited(self) -> Mapping[str, Approval]:
        """Pending approvals by the id of their message."""
        approvals = (self.approvals.get(one) for one in self._index.pending)
        return {one.message: one for one in approvals if one is not None and one.time is None}

    def _to_send(self, message: Message) -> Message:
        """Return a message with the time of its approval, so that it does not expire while the approval is pending."""
        approval = self.approvals.get(message.id)
        return message if approval is None or approval.time is None else replace(message, created=approval.time)

    def write(
        self,
        alerts: Sequence[Alert],
        messages: Sequence[Message] = (),
        deliveries: Sequence[Delivery] = (),
        looks: Mapping[About, int] | None = None,
        approvals: Sequence[Approval] = (),
        released: Sequence[Message] = (),
        sightings: Collection[Sighting] = (),
    ) -> None:
        """Store all changes in one transaction.

        Args:
            alerts: New and changed alerts.
            messages: New messages.
            deliveries: New deliveries; the text of their messages is deleted, because it is no longer needed,
                but not what later messages are compared with.
            looks: Newly evaluated keys → the model's clock at the first evaluation.
            approvals: New and changed approvals.
            released: Messages that were held and are sent now.
            sightings: New and changed undeclared models.
        """
        delivered = [delivery.message for delivery in deliveries]
        new = {message.id: message for message in messages}
        candidates = (new.get(id) or self.messages.get(id) for id in delivered)
        done = [replace(message, facts=message.remembered) for message in candidates if message is not None]
        entries = self._entries(self.alerts, alerts, messages, deliveries, approvals)
        with self._audit.transaction(self._connection, entries):
            self._replace("alerts", "id", alerts)
            self._replace("approvals", "message", approvals)
            self._replace("new_models", "model", sightings)
            self._insert("messages", ({**structs.asdict(one), "facts": json.dumps(one.facts)} for one in messages))
            self._insert("deliveries", map(structs.asdict, deliveries))
            self._insert("looks", (_look(about, since) for about, since in (looks or {}).items()))
            for one in done:
                self._connection.execute("UPDATE messages SET facts = ? WHERE id = ?", [json.dumps(one.facts), one.id])
            for one in released:
                self._connection.execute(
                    "UPDATE messages SET held_until = NULL, created = ? WHERE id = ?", [one.created, one.id]
                )
        self.sightings = _with(self.sightings, {one.model: one for one in sightings})
        self.alerts = _with(self.alerts, {alert.id: alert for alert in alerts})
        self.messages = _with(self.messages, {one.id: one for one in (*messages, *released, *done)})
        self.deliveries = _with(self.deliveries, {delivery.message: delivery for delivery in deliveries})
        self._index.add(alerts, messages, delivered)
        self.looks = _with(self.looks, looks or {})
        self.approvals = _with(self.approvals, {approval.message: approval for approval in approvals})

    def _insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        if listed := [*rows]:
            insert(self._connection, table, _table(listed))

    def _replace(self, table: str, key: str, rows: Collection[Struct]) -> None:
        """Insert rows in place of those with the same key."""
        if rows:
            keys = [getattr(row, key) for row in rows]
            self._connection.execute(f"DELETE FROM {table} WHERE list_contains(?, {key})", [keys])
            self._insert(table, map(structs.asdict, rows))

    def history(self) -> list[Entry]:
        """Return the entries of the audit log about all stored alerts, for a state from before the log."""
        alerts, messages = [*self.alerts.values()], [*self.messages.values()]
        entries = self._entries({}, alerts, messages, [*self.deliveries.values()], [*self.approvals.values()], ())
        return [entry for entry in entries if entry.time]

    def _entries(
        self,
        before: Mapping[str, Alert],
        alerts: Sequence[Alert],
        messages: Sequence[Message],
        deliveries: Sequence[Delivery],
        approvals: Sequence[Approval],
        with_entry: Collection[Result] = ATTEMPTED,
    ) -> list[Entry]:
        """Return the entries of the audit log for changes.

        Args:
            before: The stored alerts by id.
            alerts: New and changed alerts.
            messages: New messages.
            deliveries: New deliveries.
            approvals: New and changed approvals.
            with_entry: Results whose attempt has an entry already.
        """
        new_alerts = {alert.id: alert for alert in alerts}
        new_messages = {message.id: message for message in messages}

        def alert_of(message: Message) -> Alert | None:
            found = (new_alerts.get(id) or self.alerts.get(id) for id in message.about)
            return next(filter(None, found), None)

        entries = [*_alert_entries(before, alerts)]
        entries += [_message_entry(message, alert_of(message)) for message in messages]
        for approval in approvals:
            message = new_messages.get(approval.message) or self.messages.get(approval.message)
            if message is not None and (approval.time is not None or approval.first is not None):
                entries.append(_approval_entry(message, alert_of(message), approval))
        for delivery in deliveries:
            message = new_messages.get(delivery.message) or self.messages.get(delivery.message)
            if message is not None and delivery.result not in with_entry:
                entries.append(_delivery_entry(message, alert_of(message), delivery))
        return entries

    def orders_to_approve(self, alert: str, action: str) -> list[Message]:
        """Return the orders of an action in the incidents of an alert that need or needed an approval, oldest first."""
        incidents = dict.fromkeys(message.alert for message in self.about(alert) if message.channel == action)
        orders = (message for id in incidents for message in self.of_thread(id) if message.channel == action)
        return [message for message in orders if message.id in self.approvals]

    def approved(self, approval: Approval) -> Message | None:
        """Store an approval; return the message to send, None if another person must approve it, too."""
        self.write((), approvals=[approval])
        return None if approval.time is None else self._to_send(self.messages[approval.message])

    def forget(self, before: int) -> None:
        """Delete alerts that were closed before a time, with their messages; wall time in unix nanoseconds."""
        old = [alert.id for alert in self.alerts.values() if alert.resolved is not None and alert.resolved < before]
        old += [
            message.alert for message in self.messages.values() if message.says_several and message.created < before
        ]
        if old:
            self._drop(old)

    def _drop(self, ids: Sequence[str]) -> None:
        dropped = {*ids}
        of_gone = "list_contains(?, message) OR message IN (SELECT id FROM messages WHERE list_contains(?, alert))"
        messages = [one.id for id in ids for one in self.of_thread(id)]
        with transaction(self._connection):
            self._connection.execute("DELETE FROM alerts WHERE list_contains(?, id)", [[*ids]])
            self._connection.execute(f"DELETE FROM deliveries WHERE {of_gone}", [messages, [*ids]])
            self._connection.execute(f"DELETE FROM approvals WHERE {of_gone}", [messages, [*ids]])
            self._connection.execute("DELETE FROM messages WHERE list_contains(?, alert)", [[*ids]])
        self.alerts = {one: alert for one, alert in self.alerts.items() if one not in dropped}
        self.messages = {one: message for one, message in self.messages.items() if message.alert not in dropped}
        self.deliveries = {one: delivery for one, delivery in self.deliveries.items() if one in self.messages}
        self.approvals = {one: approval for one, approval in self.approvals.items() if one in self.messages}
        self._index = _Index(self.alerts.values(), self.messages.values(), self.deliveries)

    def wait(self, waits: Mapping[tuple[str, str], int]) -> None:
        """Store the environments and models whose policies wait → since when, wall time."""
        if waits == self.waits:
            return
        gone = [place for place, since in self.waits.items() if waits.get(place) != since]
        new = [place for place, since in waits.items() if self.waits.get(place) != since]
        with transaction(self._connection):
            for place in gone:
                self._connection.execute("DELETE FROM policy_waits WHERE (environment, model) = (?, ?)", [*place])
            self._insert("policy_waits", ({"environment": one[0], "model": one[1], "since": waits[one]} for one in new))
        self.waits = dict(waits)

    def forget_models(self, gone: Collection[str]) -> None:
        """Delete undeclared models that no longer exist, or are declared now."""
        if not gone:
            return
        with transaction(self._connection):
            self._connection.execute("DELETE FROM new_models WHERE list_contains(?, model)", [[*gone]])
        self.sightings = {name: one for name, one in self.sightings.items() if name not in gone}

    def forget_looks(self, abouts: Collection[About]) -> None:
        """Delete the first evaluations of keys that are no longer evaluated."""
        if not abouts:
            return
        with transaction(self._connection):
            for one in abouts:
                self._connection.execute("DELETE FROM looks WHERE (policy, environment, model) = (?, ?, ?)", [*one])
        self.looks = {about: since for about, since in self.looks.items() if about not in abouts}


class _Index:
    """Indexes of alerts and messages, so that the cost of an evaluation depends on what is open, not on the history.

    Couriers read lists while the writing thread appends; collections with removals are replaced as a whole.

    Attributes:
        open: Ids of the open alerts → their keys.
        lasting: Keys of the open alerts → their ids.
        alerts: Ids of the alerts of a policy, an environment and a model, oldest first.
        pending: Ids of the messages without a known result, oldest first.
        about: Ids of the messages and orders about an alert.
        threads: Ids of the messages and orders of a thread.
        numbers: Number of threads before a thread.
        channels: Ids of the messages for a channel or an action.
        digests: Time of a channel's latest digest.
    """

    def __init__(self, alerts: Iterable[Alert], messages: Iterable[Message], delivered: Collection[str]) -> None:
        self.open: dict[str, About] = {}
        self.lasting: dict[About, str] = {}
        self.alerts: dict[About, list[str]] = {}
        self._ids: set[str] = set()
        self.pending: dict[str, None] = {}
        self.about: dict[str, list[str]] = {}
        self.threads: dict[str, list[str]] = {}
        self.numbers: dict[str, int] = {}
        self.channels: dict[str, list[str]] = {}
        self.digests: dict[str, int] = {}
        self.add([*alerts], [*messages], delivered)

    def add(self, alerts: Sequence[Alert], messages: Sequence[Message], delivered: Collection[str]) -> None:
        """Add new and changed alerts, new messages, and delivered ones."""
        for alert in alerts:
            if alert.id not in self._ids:
                self._ids.add(alert.id)
                self.alerts.setdefault(alert.about, []).append(alert.id)
        if alerts:
            closed = {alert.id for alert in alerts if not alert.open}
            opened = {alert.id: alert.about for alert in alerts if alert.open}
            self.open = {one: about for one, about in {**self.open, **opened}.items() if one not in closed}
            self.lasting = {about: one for one, about in self.open.items()}
        for message in messages:
            self.numbers.setdefault(message.alert, len(self.numbers))
            self.threads.setdefault(message.alert, []).append(message.id)
            self.channels.setdefault(message.channel, []).append(message.id)
            for one in dict.fromkeys(message.about):
                self.about.setdefault(one, []).append(message.id)
            if message.kind == "digest":
                self.digests[message.channel] = max(message.created, self.digests.get(message.channel, message.created))
        if messages or delivered:
            delivered_ids = {*delivered}
            self.pending = {
                one: None for one in (*self.pending, *(message.id for message in messages)) if one not in delivered_ids
            }


def _alert_entries(before: Mapping[str, Alert], alerts: Sequence[Alert]) -> Iterator[Entry]:
    """Yield what happened to alerts.

    Args:
        before: The stored alerts by id.
        alerts: New and changed ones.
    """
    for alert in alerts:
        was, policy = before.get(alert.id), alert.policy
        entry = _about(alert, Entry(kind="fired", subject=policy, words=f"fired, {alert.severity}", why=alert.words))
        if was is None:
            yield replace(entry, time=alert.first_seen)
        if alert.resolved is not None and (was is None or was.resolved is None):
            yield replace(entry, kind="resolved", words="resolved", time=alert.resolved)
        if alert.acknowledged is not None and (was is None or was.acknowledged != alert.acknowledged):
            entry = replace(entry, kind="acknowledged", words="acknowledged", time=alert.acknowledged)
            yield replace(entry, by=alert.acknowledged_by, why=alert.why)


def _message_entry(message: Message, alert: Alert | None) -> Entry:
    """Return that a notification was created, or an action ordered."""
    what = "action" if message.is_order else "notification"
    entry = Entry(
        kind="ordered" if message.is_order else "notified",
        subject=message.channel,
        words=f"{what}: {kind_words(message.kind)}",
        time=message.created,
    )
    return _about_message(message, alert, entry)


def attempt_entry(message: Message, alert: Alert | None, result: str, detail: str, time: int) -> Entry:
    """Return an attempt to send a message, with the result and the channel's answer."""
    words = f"{kind_words(message.kind)}: {result.replace('_', ' ')}"
    entry = Entry(kind="attempted", subject=message.channel, words=words, why=detail, time=time)
    return _about_message(message, alert, entry)


def _delivery_entry(message: Message, alert: Alert | None, delivery: Delivery) -> Entry:
    """Return the result of a message."""
    words = f"{kind_words(message.kind)}: {delivery.result.replace('_', ' ')}"
    entry = Entry(kind="answered", subject=message.channel, words=words, why=delivery.detail, time=delivery.time)
    return _about_message(message, alert, entry)


def _approval_entry(message: Message, alert: Alert | None, approval: Approval) -> Entry:
    """Return that a person approved an action."""
    entry = Entry(kind="approved", subject=message.channel, words="approved", by=approval.by, why=approval.why)
    entry = replace(entry, time=approval.time or 0, digests=(approval.digest,) if approval.digest else ())
    if approval.time is None:
        words = "approved; another person must approve it, too"
        entry = replace(entry, words=words, by=approval.first_by, why=approval.first_why, time=approval.first or 0)
    return _about_message(message, alert, entry)


def _about(alert: Alert, entry: Entry) -> Entry:
    """Return an entry with the model of an alert."""
    return replace(entry, model=alert.model, environment=alert.environment, alert=alert.id)


def _about_message(message: Message, alert: Alert | None, entry: Entry) -> Entry:
    """Return an entry with the model of a message; a digest is about several models and has none."""
    return entry if alert is None or message.says_several else _about(alert, entry)


_STATES, _KINDS = get_args(VerdictState), get_args(Kind)


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(**{name: value for name, value in row.items() if value is not None})


def _alert(row: dict[str, Any]) -> Alert:
    alert = Alert(**{**row, "subjects": tuple(row["subjects"])})
    if alert.severity not in SEVERITIES:
        raise ValueError(f"{alert.severity!r} is not a severity of an alert")
    if not {alert.state, alert.notified_state} <= {*_STATES, ""}:
        raise ValueError(
            f"the state {alert.state!r} or the notified state {alert.notified_state!r} is not a valid state"
        )
    return alert


def _message(row: dict[str, Any]) -> Message:
    facts = json.loads(row["facts"])
    if not isinstance(facts, dict) or row["kind"] not in _KINDS:
        raise ValueError(f"a message of the kind {row['kind']!r} cannot contain {row['facts']:.40}")
    return Message(**{**row, "facts": facts, "alerts": tuple(row["alerts"])})


def _look(about: About, since: int) -> dict[str, Any]:
    policy, environment, model = about
    return {"policy": policy, "environment": environment, "model": model, "since": since}


def _with(known: Mapping[_Key, _Value], new: Mapping[_Key, _Value]) -> Mapping[_Key, _Value]:
    """Return a mapping with new entries; without any, it is the same, because copies of all alerts cost time."""
    return {**known, **new} if new else known


def _table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(without_half_surrogates([*rows]))

"""Alerts and their messages, as the state keeps them: a processor that was killed repeats none, and forgets none."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import pyarrow as pa
import xxhash
from msgspec import Struct, structs
from msgspec.structs import replace

from driftline_processor.config.channels import Severity
from driftline_processor.core.evaluation import VerdictState
from driftline_processor.store.database import Connection, UnreadableRows, insert, read, transaction

from .message import SEVERITIES, Kind, Message

Ending = Literal["", "revised", "replaced", "unwatched"]
"""How an alert ended otherwise than by what its windows show: later outcomes or rows show it no more, another version
has taken over, or its policy or model is gone."""

Result = Literal["delivered", "refused", "expired", "dry_run", "held_back", "collected"]

About = tuple[str, str, str]
"""Policy, environment and model: what at most one open alert is about."""


class Alert(Struct, frozen=True):
    """A policy that fires for a model, or did.

    Attributes:
        id: Stays the same as long as the alert is known: the key of its messages and actions.
        policy: Name of the policy.
        model: Name of the model.
        environment: Where the model runs.
        version: The version that showed it first.
        severity: How grave it is.
        owner: Who answers for it, "" where nobody said.
        state: State of the verdict, of a policy that asks for nothing else; else "".
        since: Since when it is so, by the windows, unix nanoseconds; None where nobody knows.
        fired: End of the window that showed it, or the model's clock.
        until: Until when it was so; None while it is.
        seen: When the alert was first seen, wall time.
        over: When the alert was closed, wall time; None while it is open.
        told: When people were first told, wall time; None = they were not.
        window: Length of the windows that show it; "" where none does.
        start: Start of the window to look at.
        words: What was found, as it was sent; no code decides by it.
        subjects: What it is about: names of signals and checks, kinds of facts, ``column:NAME``.
        ending: How it ended otherwise than by what its windows show: ``revised``, ``replaced``, ``unwatched``, or "".
        acknowledged: When somebody took it on, wall time; None = nobody did.
        acknowledged_by: Who.
        why: What that person said.
        said: The state that people were told last; "" where they were not.
        silenced: Until when a silence keeps it from being told, wall time; None where none does.
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
    seen: int
    over: int | None
    told: int | None
    window: str
    start: int | None
    words: str
    acknowledged: int | None = None
    acknowledged_by: str = ""
    why: str = ""
    said: VerdictState | Literal[""] = ""
    silenced: int | None = None
    subjects: tuple[str, ...] = ()
    ending: Ending = ""

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.over is None

    @property
    def about(self) -> About:
        """What at most one open alert is about."""
        return self.policy, self.environment, self.model


def alert_id(policy: str, environment: str, model: str, since: int, number: int = 1) -> str:
    """Return the id of a new alert: 16 letters and digits, the same in every processor that sees the same windows.

    Args:
        policy: Its name.
        environment: Where the model runs.
        model: Its name.
        since: Since when it is so, by the windows, unix nanoseconds.
        number: Which alert of them it is.
    """
    parts = (policy, environment, model, str(since), *([str(number)] if number > 1 else []))
    return xxhash.xxh3_64_hexdigest("\0".join(parts).encode("utf-8", "surrogatepass"))


class Delivery(Struct, frozen=True):
    """What came of a message.

    Attributes:
        message: Its id.
        time: When that was known, wall time.
        result: ``delivered``; ``refused`` by the channel; ``expired`` after days of trying, or when nobody wanted it
            any more; ``dry_run``: nothing was sent, as its action asks; ``held_back`` by the limit of its action;
            ``collected``: another message says it, or did it already.
        detail: What the channel said, what an action did or would have done, or why nothing was sent.
        reference: By what the channel knows the message, so that what follows joins it; the id of the message that
            says it, where it is collected; "" where there is none.
    """

    message: str
    time: int
    result: Result
    detail: str = ""
    reference: str = ""


class Approval(Struct, frozen=True):
    """The consent that a message of an action needs before it is sent.

    Attributes:
        message: Its id.
        time: When somebody gave it, wall time; None while it is awaited.
        by: Who.
        why: What that person said.
    """

    message: str
    time: int | None = None
    by: str = ""
    why: str = ""


class AlertStore:
    """Alerts, messages and deliveries. One thread calls it; others read its mappings, which are exchanged as a whole.

    Args:
        connection: Of the keeper.
        unreadable: Where rows are noted that cannot be read.
    """

    def __init__(self, connection: Connection, unreadable: UnreadableRows) -> None:
        self._connection = connection
        rows = read(connection, "FROM alerts ORDER BY seen").to_pylist()
        readable = unreadable.skipped("alerts", rows, _alert)
        self.alerts: Mapping[str, Alert] = {alert.id: alert for _, alert in readable}
        rows = read(connection, "FROM deliveries").to_pylist()
        self.deliveries: Mapping[str, Delivery] = {row["message"]: _delivery(row) for row in rows}
        rows = read(connection, "FROM messages ORDER BY made").to_pylist()
        messages = unreadable.skipped("messages", rows, _message)
        self.messages: Mapping[str, Message] = {message.id: message for _, message in messages}
        self._unread = frozenset(row["id"] for row in rows if row["id"] not in self.messages)
        rows = read(connection, "FROM approvals").to_pylist()
        self.approvals: Mapping[str, Approval] = {row["message"]: Approval(**row) for row in rows}
        rows = read(connection, "FROM looks").to_pylist()
        self.looks: Mapping[About, int] = {
            (row["policy"], row["environment"], row["model"]): row["since"] for row in rows
        }
        self._index = _Index(self.alerts.values(), self.messages.values(), self.deliveries)

    @property
    def open(self) -> list[Alert]:
        """The alerts that are not closed."""
        return [self.alerts[id] for id in self._index.open]

    def alerts_of(self, about: About) -> list[Alert]:
        """Return the alerts of a policy, an environment and a model, the oldest first."""
        return [self.alerts[id] for id in self._index.alerts.get(about, ())]

    def newest_of(self, about: About) -> Alert | None:
        """Return the open alert of a policy, an environment and a model, else the newest; None where there is none."""
        alert_ids = self._index.alerts.get(about, ())
        return self.alerts[self._index.lasting.get(about, alert_ids[-1])] if alert_ids else None

    @property
    def waiting(self) -> list[Message]:
        """The messages to send of which nobody knows that they arrived, the oldest first."""
        awaited = self.awaited
        return [
            self._to_send(message) for message in self._pending if message.held is None and message.id not in awaited
        ]

    @property
    def held(self) -> list[Message]:
        """The messages that wait to be collected, or for the end of quiet hours, the oldest first."""
        return [message for message in self._pending if message.held is not None]

    @property
    def _pending(self) -> list[Message]:
        """The messages of which nobody knows what came of them, the oldest first."""
        return [self.messages[id] for id in self._index.pending]

    def is_used(self, id: str) -> bool:
        """Return True where a message has an id, also one that cannot be read."""
        return id in self.messages or id in self._unread

    def new_id(self, thread: str, channel: str, number: int = 1) -> str:
        """Return the id of a new message of a thread; its number is passed over where another message has it."""
        while self.is_used(id := f"{thread}-{number}-{channel}"):
            number += 1
        return id

    def has_arrived(self, message: Message) -> bool:
        """Return True where a message was taken, or one that says it, or where nobody wanted it any more."""
        delivery = self.deliveries.get(message.id)
        if delivery is None or delivery.result != "collected":
            return delivery is not None and delivery.result == "delivered"
        said = self.messages.get(delivery.reference)
        return said is None or self.has_arrived(said)

    def about(self, alert: str) -> list[Message]:
        """Return the messages and orders that tell of an alert, the oldest first."""
        return self._named(self._index.about.get(alert, ()))

    def of_thread(self, thread: str) -> list[Message]:
        """Return the messages and orders of a thread, the oldest first."""
        return self._named(self._index.threads.get(thread, ()))

    def to_channel(self, channel: str) -> list[Message]:
        """Return all messages that were written for a channel or an action, the oldest first."""
        return self._named(self._index.channels.get(channel, ()))

    def threads_about(self, alerts: Iterable[str]) -> list[Message]:
        """Return the messages of all threads that tell of alerts: the oldest thread first, each the oldest first."""
        alert_ids = {*alerts}
        threads = {
            message.alert for alert in alert_ids for message in self.about(alert) if not message.is_order
        } | alert_ids
        numbered_threads = sorted(
            (number, thread) for thread in threads if (number := self._index.numbers.get(thread)) is not None
        )
        return [message for _, thread in numbered_threads for message in self.of_thread(thread) if not message.is_order]

    def latest_digest(self, channel: str) -> int | None:
        """Return when the latest digest of a channel was written, wall time; None where none was."""
        return self._index.digests.get(channel)

    def _named(self, ids: Iterable[str]) -> list[Message]:
        messages_by_id = self.messages
        return [messages_by_id[id] for id in ids if id in messages_by_id]

    def thread(self, message: Message) -> tuple[str, bool]:
        """Return by what its channel knows the first message about the same alert, and whether that says others, too.

        Return "" where it knows none.
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
        """The approvals that nobody has given, by the id of their message."""
        approvals = (self.approvals.get(one) for one in self._index.pending)
        return {one.message: one for one in approvals if one is not None and one.time is None}

    def _to_send(self, message: Message) -> Message:
        """Return a message that is as old as its approval: it does not expire while nobody approves."""
        approval = self.approvals.get(message.id)
        return message if approval is None or approval.time is None else replace(message, made=approval.time)

    def write(
        self,
        alerts: Sequence[Alert],
        messages: Sequence[Message] = (),
        deliveries: Sequence[Delivery] = (),
        looks: Mapping[About, int] | None = None,
        approvals: Sequence[Approval] = (),
        released: Sequence[Message] = (),
    ) -> None:
        """Store what has changed, all of it or nothing.

        Args:
            alerts: New ones, and known ones as they are now.
            messages: New ones.
            deliveries: New ones; the text of these messages is forgotten, for nobody needs it any more.
            looks: What policies look at from now on → the model's clock at the first look.
            approvals: New ones, and known ones as they are now.
            released: Known messages that were held and are sent now, as they are now.
        """
        delivered = [delivery.message for delivery in deliveries]
        with transaction(self._connection):
            if alerts:
                ids = [alert.id for alert in alerts]
                self._connection.execute("DELETE FROM alerts WHERE list_contains(?, id)", [ids])
                insert(self._connection, "alerts", _table(map(structs.asdict, alerts), _ALERTS))
            if messages:
                rows = ({**structs.asdict(message), "facts": json.dumps(message.facts)} for message in messages)
                insert(self._connection, "messages", _table(rows, _MESSAGES))
            if deliveries:
                insert(self._connection, "deliveries", _table(map(structs.asdict, deliveries), _DELIVERIES))
                self._connection.execute("UPDATE messages SET facts = '{}' WHERE list_contains(?, id)", [delivered])
            for one in released:
                self._connection.execute("UPDATE messages SET held = NULL, made = ? WHERE id = ?", [one.made, one.id])
            if approvals:
                approved_messages = [approval.message for approval in approvals]
                self._connection.execute("DELETE FROM approvals WHERE list_contains(?, message)", [approved_messages])
                insert(self._connection, "approvals", _table(map(structs.asdict, approvals), _APPROVALS))
            if looks:
                rows = (dict(zip(_LOOKS.names, (*about, since), strict=True)) for about, since in looks.items())
                insert(self._connection, "looks", _table(rows, _LOOKS))
        if alerts:
            self.alerts = {**self.alerts, **{alert.id: alert for alert in alerts}}
        if messages or deliveries or released:
            messages_by_id = {**self.messages, **{one.id: one for one in (*messages, *released)}}
            messages_by_id.update(
                (one, replace(messages_by_id[one], facts={})) for one in delivered if one in messages_by_id
            )
            self.messages = messages_by_id
            self.deliveries = {**self.deliveries, **{delivery.message: delivery for delivery in deliveries}}
        self._index.add(alerts, messages, delivered)
        self.looks = {**self.looks, **(looks or {})}
        self.approvals = {**self.approvals, **{approval.message: approval for approval in approvals}}

    def approve(self, alert: str, action: str, by: str, why: str, now: int) -> tuple[Approval | None, Message | None]:
        """Note who approves an action for an alert, and why.

        Returns:
            The approval, None where the action was never to be carried out for the alert, or needs none; and the
            message to send, None where somebody has approved before, or the alert was over before.
        """
        incidents = dict.fromkeys(one.alert for one in self.about(alert) if one.channel == action)
        named = [one for id in incidents for one in self.of_thread(id) if one.channel == action]
        approvals = [self.approvals[one.id] for one in named if one.id in self.approvals]
        if not approvals:
            return None, None
        waiting = next((one for one in approvals if one.message in self.awaited), None)
        if waiting is None:
            return approvals[-1], None
        approval = Approval(waiting.message, now, by, why)
        self.write((), approvals=[approval])
        return approval, self._to_send(self.messages[approval.message])

    def forget(self, before: int) -> None:
        """Forget alerts that were closed before a time, with their messages; wall time in unix nanoseconds."""
        old = [alert.id for alert in self.alerts.values() if alert.over is not None and alert.over < before]
        old += [message.alert for message in self.messages.values() if message.says_several and message.made < before]
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

    def forget_looks(self, abouts: Collection[About]) -> None:
        """Forget what policies looked at, where nobody looks at it any more."""
        if not abouts:
            return
        with transaction(self._connection):
            for one in abouts:
                self._connection.execute("DELETE FROM looks WHERE (policy, environment, model) = (?, ?, ?)", [*one])
        self.looks = {about: since for about, since in self.looks.items() if about not in abouts}


class _Index:
    """Alerts and messages by what looks ask for: a look costs what is open and waits, not what is remembered.

    Couriers read lists while the keeper adds to them; what is taken away, too, is exchanged as a whole.

    Attributes:
        open: Ids of the alerts that are not closed, with what they are about.
        lasting: The other way round.
        alerts: Ids of the alerts of a policy, an environment and a model, the oldest first.
        pending: Ids of the messages of which nobody knows what came of them, the oldest first.
        about: Ids of the messages and orders that tell of an alert.
        threads: Ids of the messages and orders of a thread.
        numbers: How many threads there were before a thread.
        channels: Ids of the messages for a channel or an action.
        digests: When the latest digest of a channel was written.
    """

    def __init__(self, alerts: Iterable[Alert], messages: Iterable[Message], delivered: Collection[str]) -> None:
        self.open: dict[str, About] = {}
        self.lasting: dict[About, str] = {}
        self.alerts: dict[About, list[str]] = {}
        self._known: set[str] = set()
        self.pending: dict[str, None] = {}
        self.about: dict[str, list[str]] = {}
        self.threads: dict[str, list[str]] = {}
        self.numbers: dict[str, int] = {}
        self.channels: dict[str, list[str]] = {}
        self.digests: dict[str, int] = {}
        self.add([*alerts], [*messages], delivered)

    def add(self, alerts: Sequence[Alert], messages: Sequence[Message], delivered: Collection[str]) -> None:
        """Note new alerts, known ones as they are now, new messages, and those that were delivered."""
        for alert in alerts:
            if alert.id not in self._known:
                self._known.add(alert.id)
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
                self.digests[message.channel] = max(message.made, self.digests.get(message.channel, message.made))
        if messages or delivered:
            delivered_ids = {*delivered}
            self.pending = {
                one: None for one in (*self.pending, *(message.id for message in messages)) if one not in delivered_ids
            }


_ALERTS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "policy", "model", "environment", "version", "severity", "owner")),
        ("state", pa.string()),
        *((name, pa.int64()) for name in ("since", "fired", "until", "seen", "over", "told")),
        ("window", pa.string()),
        ("start", pa.int64()),
        ("words", pa.string()),
        ("acknowledged", pa.int64()),
        ("acknowledged_by", pa.string()),
        ("why", pa.string()),
        ("said", pa.string()),
        ("silenced", pa.int64()),
        ("subjects", pa.list_(pa.string())),
        ("ending", pa.string()),
    ]
)
_MESSAGES = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "alert", "channel", "kind")),
        ("made", pa.int64()),
        ("facts", pa.string()),
        ("held", pa.int64()),
        ("alerts", pa.list_(pa.string())),
        ("incident", pa.int64()),
    ]
)
_DELIVERIES = pa.schema(
    [
        ("message", pa.string()),
        ("time", pa.int64()),
        ("result", pa.string()),
        ("detail", pa.string()),
        ("reference", pa.string()),
    ]
)
_APPROVALS = pa.schema([("message", pa.string()), ("time", pa.int64()), ("by", pa.string()), ("why", pa.string())])
_LOOKS = pa.schema([*((name, pa.string()) for name in ("policy", "environment", "model")), ("since", pa.int64())])
_STATES, _KINDS = get_args(VerdictState), get_args(Kind)


def _alert(row: dict[str, Any]) -> Alert:
    fields = {name: row[name] for name in Alert.__struct_fields__}
    texts = {name: row[name] or "" for name in ("said", "ending")}
    alert = Alert(**fields | texts | {"subjects": tuple(row["subjects"] or ())})
    if alert.severity not in SEVERITIES:
        raise ValueError(f"{alert.severity!r} is not a severity of an alert")
    if not {alert.state, alert.said} <= {*_STATES, ""}:
        raise ValueError(f"the state {alert.state!r} or the notified state {alert.said!r} is not a valid state")
    return alert


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(**{**row, "reference": row["reference"] or ""})


def _message(row: dict[str, Any]) -> Message:
    facts = json.loads(row["facts"])
    if not isinstance(facts, dict) or row["kind"] not in _KINDS:
        raise ValueError(f"a message of the kind {row['kind']!r} cannot contain {row['facts']:.40}")
    return Message(**{**row, "facts": facts, "alerts": tuple(row["alerts"] or ()), "incident": row["incident"] or 1})


def _table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: _storable(value) for name, value in row.items()} for row in rows], schema)


def _storable(value: Any) -> Any:
    """Replace half surrogates, which names from the wire may hold and UTF-8 cannot."""
    if isinstance(value, tuple):
        return [_storable(one) for one in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

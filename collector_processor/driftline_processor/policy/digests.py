"""Held messages: until the time of a digest or the end of quiet hours, when one message contains all of them.

A message is stored as held in the transaction of its alert. The message that contains it and its delivery are
one transaction, too, so that a crash at any time does not repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.config.channels import Channel
from driftline_processor.present.alerts import AlertLine, collected_facts
from driftline_processor.present.money import loss_words
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView, leading_model
from driftline_processor.queries.money_lost import loss_of_model

from .alerts import Alert, AlertStore, Delivery
from .escalation import ASKING
from .message import Kind, Message

SUPERSEDED: Final = "a later message includes it"
LASTING: Final = (*ASKING, "recovered")
"""Kinds of messages about an alert that is open."""

NO_NEWS: Final = "it was resolved or acknowledged before quiet hours ended"


def hold(message: Message, channels: Mapping[str, Channel]) -> Message:
    """Return a message with the end of its hold by the channel's configuration; unchanged if it is sent at once."""
    keys = channels.get(message.channel)
    if keys is None:
        return message
    facts = message.facts
    state = str(facts.get("state") or facts.get("verdict") or "")
    until = keys.held_until(message.created, message.kind, state, str(facts.get("severity", "")), facts.get("tier"))
    return message if until is None else replace(message, held_until=until)


class _Pass(Struct):
    """One pass over the held messages with its results.

    Attributes:
        models: All versions of all models.
        now: Wall time, unix nanoseconds.
        page: Address of the page of incidents; "" if unknown.
    """

    models: Sequence[ModelView]
    now: int
    page: str
    messages: list[Message] = field(default_factory=list)
    released: list[Message] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


class Digests:
    """The held messages of all channels. Used by one thread.

    Args:
        store: Store of messages.
        channels: Channels by name.
    """

    def __init__(self, store: AlertStore, channels: Mapping[str, Channel]) -> None:
        self._store, self._channels = store, channels
        self._looked: dict[str, int] = {}

    def resumed(self, now: int) -> list[Message]:
        """Return the unsent messages from before this process started, including held ones of removed channels.

        An incident that a pager may have resolved already is not triggered again, because it would be a second
        incident.

        Args:
            now: Wall time, unix nanoseconds.
        """
        waiting = self._store.waiting
        ended = {
            (message.alert, message.channel): message
            for message in waiting
            if message.kind == "resolved" and self._pages(message.channel)
        }
        past = [message for message in waiting if message.kind in LASTING and (message.alert, message.channel) in ended]
        ends = (ended[message.alert, message.channel].id for message in past)
        deliveries = [
            Delivery(message.id, now, "collected", SUPERSEDED, end) for message, end in zip(past, ends, strict=True)
        ]
        released = [
            replace(message, held_until=None)
            for message in self._store.held_messages
            if message.channel not in self._channels
        ]
        if deliveries or released:
            self._store.write([], deliveries=deliveries, released=released)
        return self._store.waiting

    def _pages(self, name: str) -> bool:
        keys = self._channels.get(name)
        return keys is not None and keys.pages

    def due(self, models: Sequence[ModelView], now: int, page: str = "") -> list[Message]:
        """Store and return the messages to send now.

        Args:
            models: All versions of all models.
            now: Wall time, unix nanoseconds.
            page: Address of the page of incidents; "" if unknown.
        """
        messages_by_channel: dict[str, list[Message]] = {}
        for message in self._store.held_messages:
            if message.held_until is not None and (
                message.held_until <= now or message.created > now
            ):  # the clock was set back
                messages_by_channel.setdefault(message.channel, []).append(message)
        changes = _Pass(models, now, page)
        for name, keys in self._channels.items():
            waiting = messages_by_channel.get(name, [])
            if keys.pages and keys.digest is None:
                self._page(waiting, changes)
            elif keys.digest is None:
                self._end_quiet_hours(name, waiting, changes)
            else:
                self._digest(name, waiting, changes)
        if changes.messages or changes.released or changes.deliveries:
            self._store.write([], changes.messages, changes.deliveries, released=changes.released)
        return [*changes.messages, *changes.released]

    def _page(self, waiting: Sequence[Message], changes: _Pass) -> None:
        """Release the last message about each alert that still needs attention."""
        for messages in _by_thread(waiting).values():
            last = messages[-1]
            alerts = [self._store.alerts[alert] for alert in _about(messages) if alert in self._store.alerts]
            over = not any(alert.open and alert.until is None and alert.acknowledged is None for alert in alerts)
            if last.kind in (*LASTING, "eased") and over:
                changes.deliveries += [Delivery(message.id, changes.now, "collected", NO_NEWS) for message in messages]
                continue
            changes.deliveries += [
                Delivery(message.id, changes.now, "collected", SUPERSEDED, last.id) for message in messages[:-1]
            ]
            changes.released.append(replace(last, held_until=None, created=changes.now))

    def _end_quiet_hours(self, name: str, waiting: Sequence[Message], changes: _Pass) -> None:
        """Combine the held messages into one summary if there are several."""
        left = []
        for message in waiting:
            later_message = self._newer_message(message)
            if later_message is None:
                left.append(message)
            else:
                changes.deliveries.append(Delivery(message.id, changes.now, "collected", SUPERSEDED, later_message.id))
        if len(left) == 1:
            changes.released.append(replace(left[0], held_until=None, created=changes.now))
        elif left:
            self._say("summary", name, left, _about(left), changes)

    def _digest(self, name: str, waiting: Sequence[Message], changes: _Pass) -> None:
        """Combine what began, continued and ended since the last digest into one message, if anything."""
        keys = self._channels[name]
        assert keys.digest is not None
        period = keys.digest.latest(changes.now, keys.zone)
        if not waiting:
            if self._looked.get(name) == period:
                return
            self._looked[name] = period
            latest_digest = self._store.latest_digest(name)
            if latest_digest is None or latest_digest >= period:
                return
        collected = [
            alert.id
            for alert in self._store.open
            if alert.until is None
            and any(message.channel == name and self._is_collected(message) for message in self._store.about(alert.id))
        ]
        alerts = [*dict.fromkeys([*_about(waiting), *sorted(collected)])]
        if alerts:
            self._say("digest", name, waiting, alerts, changes)

    def _say(self, kind: Kind, name: str, waiting: Sequence[Message], alerts: Iterable[str], changes: _Pass) -> None:
        keys, now = self._channels[name], changes.now
        known_alerts = [self._store.alerts[alert] for alert in alerts if alert in self._store.alerts]
        lines = [*_lines(known_alerts, _opened_alerts(waiting), changes.models)]
        if lines:
            digest_time = keys.digest.latest(now, keys.zone) if keys.digest is not None else now
            id = self._store.unused(f"{kind}-{name}-{iso_time(digest_time)}")
            facts = collected_facts(kind, lines, now, keys.timezone, changes.page)
            changes.messages.append(Message(id, id, name, kind, now, facts))
            changes.deliveries += [Delivery(message.id, now, "collected", f"sent in {id}", id) for message in waiting]
        else:
            changes.deliveries += [Delivery(message.id, now, "expired", "its alert was deleted") for message in waiting]

    def _newer_message(self, message: Message) -> Message | None:
        """Return a later message about the same alert that was not held; None if there is none."""
        channel_messages = [
            other_message
            for other_message in self._store.of_thread(message.alert)
            if other_message.channel == message.channel
        ]
        index = channel_messages.index(message)
        return next(
            (
                other_message
                for other_message in channel_messages[index + 1 :]
                if other_message.held_until is None and other_message.kind != "acknowledged"
            ),
            None,
        )

    def _is_collected(self, message: Message) -> bool:
        delivery = self._store.deliveries.get(message.id)
        return delivery is not None and delivery.result == "collected"


def _about(messages: Iterable[Message]) -> list[str]:
    """Return the alerts of messages without duplicates."""
    return [*dict.fromkeys(alert for message in messages for alert in message.about)]


def _opened_alerts(messages: Iterable[Message]) -> set[str]:
    """Return the alerts whose begin the messages report."""
    return {*_about(message for message in messages if message.kind in ("opened", "joined", "passed", "escalated"))}


def _by_thread(messages: Iterable[Message]) -> dict[str, list[Message]]:
    messages_by_thread: dict[str, list[Message]] = {}
    for message in messages:
        messages_by_thread.setdefault(message.alert, []).append(message)
    return messages_by_thread


def _lines(alerts: Sequence[Alert], began: set[str], models: Sequence[ModelView]) -> Iterator[AlertLine]:
    """Yield the lines of alerts with their models' current tier and loss."""
    views: dict[tuple[str, str], list[ModelView]] = {}
    for view in models:
        views.setdefault((view.key.environment, view.key.model), []).append(view)
    for alert in alerts:
        versions = views.get((alert.environment, alert.model), [])
        loss, leading = loss_of_model(versions), leading_model(versions) if versions else None
        yield AlertLine(
            alert=alert.id,
            policy=alert.policy,
            model=alert.model,
            environment=alert.environment,
            severity=alert.severity,
            state=alert.state,
            tier=None if leading is None else leading.tier,
            since=alert.since,
            until=alert.until,
            began=alert.id in began,
            words=alert.words,
            taken_by=alert.acknowledged_by if alert.acknowledged is not None else "",
            loss=0.0 if loss is None else loss.amount,
            loss_words="" if loss is None or leading is None else loss_words(loss, leading.currency),
        )

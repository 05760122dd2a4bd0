"""Escalation of alerts that are not acknowledged: who is notified, and when.

It is computed from alerts, messages and deliveries at each evaluation, so a restart neither repeats nor skips
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from driftline_processor.config.channels import Channel, Escalation

from .alerts import Alert, AlertStore
from .message import Message

ASKING = ("opened", "joined", "worse", "cause_changed", "escalated")
"""Kinds of messages that request an acknowledgement."""


class Unanswered(Struct, frozen=True):
    """An alert that was not acknowledged in time.

    Attributes:
        to: Channels to notify now.
        notified: Channels that were notified before and still exist.
        since: Time of the first notification, wall time.
        thread: Id of the thread of these notifications.
    """

    to: Sequence[str]
    notified: tuple[str, ...]
    since: int
    thread: str


class Escalations:
    """The escalations of policies and channels.

    Args:
        store: Messages and their deliveries.
        channels: Channels by name.
    """

    def __init__(self, store: AlertStore, channels: Mapping[str, Channel]) -> None:
        self._store, self._channels = store, channels

    def due(self, alert: Alert, escalation: Escalation | None, tier: int | None, now: int) -> Unanswered | None:
        """Return the channels to notify of an alert now; None if there are none. Each channel is notified once.

        Args:
            alert: The current alert.
            escalation: Escalation of its policy.
            tier: Tier of the model; None if not configured.
            now: Wall time, unix nanoseconds.
        """
        if not alert.lasts:
            return None
        may_escalate = escalation is not None or any(
            channel.escalate is not None for channel in self._channels.values()
        )
        if not may_escalate:
            return None
        threads = dict.fromkeys(message.alert for message in self._store.about(alert.id) if not message.is_order)
        messages = self._store.threads_about([alert.id])
        asking = [message for message in messages if message.kind in ASKING and alert.id in message.about]
        told_channels = tuple(
            dict.fromkeys(message.channel for message in messages if message.channel in self._channels)
        )
        by_channel = [
            (self._channels[name].escalate, [message for message in asking if message.channel == name])
            for name in told_channels
        ]
        waiting = [(escalation, [message for message in asking if message.kind != "escalated"]), *by_channel]
        to: dict[str, None] = {}
        for step, started in waiting:
            if step is not None and self._is_due(step, self._since(started), alert, tier, now):
                to |= dict.fromkeys(name for name in step.to if name not in told_channels and name in self._channels)
        since = self._since(asking)
        return Unanswered([*to], told_channels, since, [*threads][-1]) if to and since is not None else None

    def _is_due(self, step: Escalation, since: int | None, alert: Alert, tier: int | None, now: int) -> bool:
        if since is None or (step.tiers and tier not in step.tiers):
            return False
        if alert.acknowledged is not None and step.until == "acknowledged":
            return False
        # If the clock was set back meanwhile, the escalation is too early rather than never.
        return abs(now - since) >= step.after // timedelta(microseconds=1) * 1_000

    def _since(self, messages: Iterable[Message]) -> int | None:
        """Return when the first of some messages was accepted; None while all of them are held.

        An undelivered message counts from its creation, because nobody was notified, which is worse.
        """
        times = []
        for message in messages:
            delivery = self._store.deliveries.get(message.id)
            if delivery is not None and delivery.result in ("delivered", "collected"):
                times.append(delivery.time)
            elif message.held_until is None:
                times.append(message.created)
        return min(times, default=None)

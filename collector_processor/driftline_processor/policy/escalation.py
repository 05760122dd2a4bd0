"""Who else is told of an alert that nobody has taken on, and when.

It is read anew from alerts, messages and deliveries at each look, so a restart neither repeats nor forgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from driftline_processor.config.channels import Channel, Escalation

from .alerts import Alert, AlertStore
from .message import Message

ASKING = ("opened", "joined", "worse", "escalated")
"""Kinds of message that ask somebody to take an alert on."""


class Unanswered(Struct, frozen=True):
    """An alert that nobody has taken on in time.

    Attributes:
        to: The channels that are told now.
        told: The channels that were told before, and are still there.
        since: When the first of them was, wall time.
        thread: Id of the thread in which they were.
    """

    to: Sequence[str]
    told: tuple[str, ...]
    since: int
    thread: str


class Escalations:
    """The escalations of policies and channels.

    Args:
        store: What was told, and what came of it.
        channels: By name.
    """

    def __init__(self, store: AlertStore, channels: Mapping[str, Channel]) -> None:
        self._store, self._channels = store, channels

    def due(self, alert: Alert, escalation: Escalation | None, tier: int | None, now: int) -> Unanswered | None:
        """Return who is told of an alert now; None where nobody is. Each channel is told once.

        Args:
            alert: As it is now.
            escalation: That of its policy.
            tier: Of the model; None where nobody said.
            now: Wall time, unix nanoseconds.
        """
        if not alert.open or alert.until is not None:
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
        # Where the clock was set back meanwhile, it asks too early rather than never.
        return abs(now - since) >= step.after // timedelta(microseconds=1) * 1_000

    def _since(self, messages: Iterable[Message]) -> int | None:
        """Return when the first of some messages was taken; None while all of them are held.

        A message that no channel takes counts from when it was written: nobody was told, which is worse.
        """
        times = []
        for message in messages:
            delivery = self._store.deliveries.get(message.id)
            if delivery is not None and delivery.result in ("delivered", "collected"):
                times.append(delivery.time)
            elif message.held is None:
                times.append(message.made)
        return min(times, default=None)

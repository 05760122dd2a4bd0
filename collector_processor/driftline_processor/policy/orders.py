"""Which actions are carried out for an alert now, which wait for an approval, and which the limit holds back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from driftline_processor.config.actions import Action

from .alerts import Alert, AlertStore, Approval, Delivery, Kind, Message

LAPSED: Final = "the alert was over before anybody approved it"


@dataclass(frozen=True, slots=True)
class Order:
    """A message to an action.

    Attributes:
        message: What it is told.
        approval: The approval that it waits for; None where it needs none.
        delivery: Why it is not sent; None where it is.
    """

    message: Message
    approval: Approval | None = None
    delivery: Delivery | None = None

    @property
    def due(self) -> bool:
        """Whether it is sent at once."""
        return self.approval is None and self.delivery is None


class Orders:
    """The orders of one look at the policies.

    An action is carried out once for each alert and occasion. What an alert ends, such as a comment, is for those alone
    that it began.

    Args:
        store: What was ordered before.
        actions: The keys of every action, by name.
        now: Wall time, unix nanoseconds.
    """

    def __init__(self, store: AlertStore, actions: Mapping[str, Action], now: int) -> None:
        self._store, self._actions, self._now = store, actions, now
        self._times: dict[str, list[int]] = {}

    def of(
        self, kind: Kind, alert: Alert, named: Sequence[str], facts: Callable[[], Mapping[str, Any]]
    ) -> Iterator[Order]:
        """Yield the orders that follow from a change of an alert.

        Args:
            kind: What has changed.
            alert: As it is now.
            named: The actions of its policy.
            facts: Returns what is to be said of it.
        """
        sent = self._sent(alert)
        for name in dict.fromkeys([*named, *(one.channel for one in sent)]) if kind == "over" else named:
            action = self._actions.get(name)
            if action is None or kind not in action.on:
                continue
            before = [one for one in sent if one.channel == name]
            number = sum(one.kind == kind for one in before) + 1
            if number > 1 and not action.follows:
                continue
            begun = [one for one in before if one.kind != "over"]
            begins = kind != "over" or action.on == ("over",)
            if not begins or (begun and action.follows):
                if any(map(self._alive, begun)):
                    yield Order(self._message(kind, alert, name, number, facts()))
                continue
            yield self._begin(action, self._message(kind, alert, name, number, facts()))

    def lapsed(self, alert: Alert) -> Iterator[Delivery]:
        """Yield what becomes of the orders of an alert that is over, and that nobody has approved."""
        awaited = self._store.awaited
        for one in self._sent(alert):
            if one.id in awaited:
                yield Delivery(one.id, self._now, "expired", LAPSED)

    def _sent(self, alert: Alert) -> list[Message]:
        return [one for one in self._store.about(alert.id) if one.channel in self._actions]

    def _begin(self, action: Action, message: Message) -> Order:
        if action.at_most is not None:
            times = self._times.get(message.channel)
            if times is None:
                known = self._store.to_channel(message.channel)
                times = [one.made for one in known if one.kind != "over" and not self._held_back(one)]
                self._times[message.channel] = times
            since = self._now - action.at_most.within // timedelta(microseconds=1) * 1_000
            if sum(time > since for time in times) >= action.at_most.count:
                said = f"at_most: {action.at_most}"
                return Order(message, delivery=Delivery(message.id, self._now, "held_back", said))
            times.append(self._now)
        asked = action.approval and not action.dry_run
        return Order(message, approval=Approval(message.id) if asked else None)

    def _message(self, kind: Kind, alert: Alert, name: str, number: int, facts: Mapping[str, Any]) -> Message:
        id = f"{alert.id}-{name}" if kind == "opened" else f"{alert.id}-{name}-{kind}"
        if number > 1 or self._store.is_used(id):
            first, number, facts = id, max(number, 2), {**facts, "again": True}
            while self._store.is_used(id := f"{first}-{number}"):  # by an order that cannot be read
                number += 1
        return Message(id, alert.id, name, kind, self._now, facts)

    def _alive(self, message: Message) -> bool:
        """Return True where an order was carried out, or is about to be."""
        delivery = self._store.deliveries.get(message.id)
        if delivery is None:
            return message.id not in self._store.awaited
        return delivery.result in ("delivered", "dry_run")

    def _held_back(self, message: Message) -> bool:
        delivery = self._store.deliveries.get(message.id)
        return delivery is not None and delivery.result == "held_back"

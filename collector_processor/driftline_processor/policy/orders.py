"""Orders of actions: which are performed now, which wait for an approval, and which a limit holds back.

An action is ordered once per incident: the alerts of a model that are open together. The incident has the id of
its first alert and lasts as long as one of its alerts. Earlier orders are read from the stored messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Final

from msgspec import Struct

from driftline_processor.config.actions import ActionKeys
from driftline_processor.present.alerts import group_facts

from .alerts import Alert, AlertStore, Approval, Delivery
from .grouping import AlertChange, Look, gravity
from .message import Kind, Message

LAPSED: Final = "the alert was over before the action was approved"

FAULTS: Final = {"data_fault": "the verdict shows a data fault", "output_fault": "the verdict shows a faulty output"}
"""Kinds of change that a retrained model would learn → reason why it is not retrained now."""

Place = tuple[str, str]
"""Environment and model of an incident."""


class Order(Struct, frozen=True):
    """A message to an action.

    Attributes:
        message: The message.
        approval: The approval that it waits for; None if it needs none.
        delivery: Why it is not sent; None if it is.
    """

    message: Message
    approval: Approval | None = None
    delivery: Delivery | None = None

    @property
    def due(self) -> bool:
        """Whether it is sent at once."""
        return self.approval is None and self.delivery is None


class Orders:
    """The orders of one evaluation of the policies.

    Args:
        store: Earlier orders.
        actions: Configuration of every action, by name.
        look: The evaluation.
        named: Returns the actions of an alert's policy.
    """

    def __init__(
        self,
        store: AlertStore,
        actions: Mapping[str, ActionKeys],
        look: Look,
        named: Callable[[Alert], Sequence[str]],
    ) -> None:
        self._store, self._actions, self._alerts, self._now = store, actions, look.alerts, look.now
        self._named, self._alone, self._facts = named, look.alone, look.facts
        self._times: dict[str, list[int]] = {}
        self._changed: Mapping[str, AlertChange] = {}
        self.lapsed: list[Delivery] = []
        """Deliveries of orders without approval whose incident has ended."""

    def orders(self, changes: Sequence[AlertChange]) -> Iterator[Order]:
        """Yield the orders for changes of alerts: per incident first what began, then what ended."""
        changes_by_place: dict[tuple[Place, str], list[AlertChange]] = {}
        changes = [change for change in changes if change.kind != "passed" and not change.repeats]
        self._changed = {change.alert.id: change for change in changes}
        for change in changes:
            place = _place(change.alert), change.alert.id if self._alone(change.alert) else ""
            changes_by_place.setdefault(place, []).append(change)
        for place_changes in changes_by_place.values():
            for name, action in self._actions_of(place_changes).items():
                asking = [
                    change for change in place_changes if change.kind in action.on and name in self._named(change.alert)
                ]
                joined = set[str]()
                for order in self._begun(name, [change for change in asking if change.kind != "resolved"]):
                    joined |= {order.message.alert}
                    yield order
                yield from self._ended(
                    name, action, [change.alert for change in place_changes if change.kind == "resolved"], joined
                )

    def _actions_of(self, alert_changes: Sequence[AlertChange]) -> dict[str, ActionKeys]:
        """Return the actions of changes by name; for ended alerts also those that their policy no longer has."""
        names = dict.fromkeys(name for change in alert_changes for name in self._named(change.alert))
        for change in alert_changes:
            if change.kind == "resolved":
                names |= dict.fromkeys(order.channel for order in self._store.about(change.alert.id))
        return {name: self._actions[name] for name in names if name in self._actions}

    # -- what begins --------------------------------------------------------------------------------------------------

    def _begun(self, name: str, alert_changes: Sequence[AlertChange]) -> Iterator[Order]:
        if not alert_changes:
            return
        opened = {new.alert.id for new in alert_changes if new.kind == "opened"}
        incidents = self._incidents(name, [new.alert for new in alert_changes])
        lasting_incidents = {
            id: incident
            for id, incident in incidents.items()
            if any(self._lasts(alert, opened) for alert in incident.alerts)
        }
        reopened = [id for id, incident in incidents.items() if any(alert in opened for alert in incident.about)]
        common = next(
            iter([*lasting_incidents, *reversed(reopened)]), min((new.alert for new in alert_changes), key=gravity).id
        )
        changes_by_incident: dict[str, list[AlertChange]] = {}
        for new in alert_changes:
            incident_id = next(
                (id for id, incident in lasting_incidents.items() if new.alert.id in incident.alerts), common
            )
            changes_by_incident.setdefault(incident_id if new.kind == "worse" else common, []).append(new)
        for id, incident_changes in changes_by_incident.items():
            yield from self._order(name, id, incidents.get(id, _Incident([])), incident_changes, opened)

    def _order(
        self,
        name: str,
        id: str,
        incident: _Incident,
        changes: Sequence[AlertChange],
        opened: Collection[str],
    ) -> Iterator[Order]:
        """Yield the order for changes of one incident: a new one, a follow-up, or a note that it exists.

        An alert that ends and begins again within an open incident is ignored, because its end was not notified.
        """
        action = self._actions[name]
        ids = {change.alert.id for change in changes}
        lasting_alerts = [alert for alert in incident.alerts if alert not in ids and self._lasts(alert, opened)]
        if lasting_alerts:
            changes = [change for change in changes if change.kind == "worse" or change.alert.id not in incident.alerts]
        if not changes:
            return
        kinds = {change.kind for change in changes}
        base: Kind = "worse" if "worse" in kinds and not (action.follows and "opened" in kinds) else "opened"
        before = [message for message in incident.messages if message.kind != "resolved"]
        before = before if action.follows else [message for message in before if message.kind == base]
        if action.follows and any(map(self._alive, before)):
            kind: Kind = "worse" if "worse" in kinds else "joined" if lasting_alerts else "opened"
            yield Order(self._message(name, id, kind, changes, lasting_alerts))
        elif standing_order := next((message for message in before if self._stands(message)), None):
            if new_changes := [change for change in changes if change.alert.id not in incident.about]:
                yield self._note(name, id, standing_order, new_changes)
        elif "opened" in kinds or not before:
            yield self._begin(name, action, self._message(name, id, base, changes, lasting_alerts))

    def _begin(self, name: str, action: ActionKeys, message: Message) -> Order:
        fault = FAULTS.get(message.facts["verdict_kind"])
        if fault is not None and action.is_retraining(name) and not action.approval and message.kind != "resolved":
            reason = f"{fault}, which a retrained model would learn"
            return Order(message, delivery=Delivery(message.id, self._now, "held_back", reason))
        if action.rate_limit is not None:
            if name not in self._times:
                self._times[name] = self._counted(name, action)
            within = action.rate_limit.within // timedelta(microseconds=1) * 1_000
            # If the clock was set back, the limit still applies, and at most for the time that it was set back longer.
            if sum(abs(self._now - time) < within for time in self._times[name]) >= action.rate_limit.count:
                rate_limit = f"rate_limit: {action.rate_limit}"
                return Order(message, delivery=Delivery(message.id, self._now, "held_back", rate_limit))
            self._times[name].append(self._now)
        needs_approval = action.approval and not action.dry_run
        return Order(message, approval=Approval(message.id) if needs_approval else None)

    def _counted(self, name: str, action: ActionKeys) -> list[int]:
        """Return the times of an action's first orders per incident, which its limit counts."""
        times, standing = list[int](), set[str]()
        for message in self._store.to_channel(name):
            if (
                message.kind == "joined"
                or (message.kind == "resolved") != (action.on == ("resolved",))
                or self._held_back(message)
            ):
                continue
            if action.follows and message.alert in standing:
                continue
            times.append(message.created)
            if self._stands(message):
                standing.add(message.alert)
        return times

    def _note(self, name: str, id: str, message: Message, changes: Sequence[AlertChange]) -> Order:
        """Return the note that an order exists already, for alerts that join its incident."""
        about = tuple(change.alert.id for change in changes)
        note = Message(
            self._store.unused(self._first_id(name, id, "joined")), id, name, "joined", self._now, {}, alerts=about
        )
        reason = f"it was already requested by the alert {message.about[0]}, which is still open"
        return Order(note, delivery=Delivery(note.id, self._now, "collected", reason, message.id))

    # -- what ends ----------------------------------------------------------------------------------------------------

    def _ended(
        self, name: str, action: ActionKeys, alerts: Sequence[Alert], joined: Collection[str]
    ) -> Iterator[Order]:
        if not alerts:
            return
        over = {alert.id for alert in alerts}
        incidents = self._incidents(name, alerts)
        for id, incident in incidents.items():
            alert_ids = [*incident.alerts]
            if over.isdisjoint(alert_ids) or id in joined or any(self._lasts(alert_id) for alert_id in alert_ids):
                continue
            awaited = [message for message in incident.messages if message.id in self._store.awaited]
            self.lapsed += [Delivery(order.id, self._now, "expired", LAPSED) for order in awaited]
            orders = [message for message in incident.messages if message.kind != "resolved"]
            if "resolved" not in action.on or not any(map(self._alive, orders)):
                continue
            if action.follows or len(orders) == len(incident.messages):
                changes = [
                    AlertChange("resolved", self._alerts[alert_id], ())
                    for alert_id in alert_ids
                    if alert_id in self._alerts
                ]
                yield Order(self._message(name, id, "resolved", changes))
        if action.on == ("resolved",):
            yield from self._at_the_end(
                name, action, [alert for alert in alerts if name in self._named(alert)], incidents
            )

    def _at_the_end(
        self, name: str, action: ActionKeys, ended_alerts: Sequence[Alert], incidents: Mapping[str, _Incident]
    ) -> Iterator[Order]:
        """Yield the order of an action that runs only at the end: after the last alert whose policy has it."""
        ended_alerts = [
            alert_here
            for alert_here in ended_alerts
            if not any(alert_here.id in incident.about for incident in incidents.values())
        ]
        if not ended_alerts:
            return
        is_alone = self._alone(ended_alerts[0])
        open_alerts = (
            []
            if is_alone
            else [
                alert_here for alert_here in self._open.get(_place(ended_alerts[0]), ()) if not self._alone(alert_here)
            ]
        )
        if not any(name in self._named(alert_here) for alert_here in open_alerts):
            changes = [AlertChange("resolved", alert_here, ()) for alert_here in sorted(ended_alerts, key=gravity)]
            first = changes[0].alert.id
            yield self._begin(name, action, self._message(name, first, "resolved", changes))

    # -- what is known ------------------------------------------------------------------------------------------------

    def _incidents(self, name: str, alerts: Sequence[Alert]) -> dict[str, _Incident]:
        """Return the incidents of alerts, or that they may join, with orders of an action, oldest first."""
        ids = dict.fromkeys(alert.id for alert in alerts)
        if alerts and not self._alone(alerts[0]):
            ids |= {one.id: None for one in self._open.get(_place(alerts[0]), ()) if not self._alone(one)}
        threads = dict.fromkeys(one.alert for id in ids for one in self._store.about(id) if one.channel == name)
        messages_by_thread = {id: [one for one in self._store.of_thread(id) if one.channel == name] for id in threads}
        return {
            id: _Incident(messages)
            for id, messages in sorted(messages_by_thread.items(), key=lambda one: one[1][0].created)
        }

    @cached_property
    def _open(self) -> dict[Place, list[Alert]]:
        """Open alerts by environment and model."""
        alerts_by_place: dict[Place, list[Alert]] = {}
        for id in dict.fromkeys([*(one.id for one in self._store.open), *self._changed]):
            if self._lasts(id):
                alerts_by_place.setdefault(_place(self._alerts[id]), []).append(self._alerts[id])
        return alerts_by_place

    def _lasts(self, alert: str, opened: Collection[str] = ()) -> bool:
        """Return True for an open alert that was notified or is notified now; the end of others is not notified."""
        known_alert = self._alerts.get(alert)
        is_told = (
            known_alert is not None
            and known_alert.open
            and (known_alert.notified is not None or alert in self._changed)
        )
        return is_told and alert not in opened

    def _message(
        self,
        name: str,
        id: str,
        kind: Kind,
        changes: Sequence[AlertChange],
        lasting: Sequence[str] = (),
    ) -> Message:
        changes = sorted(changes, key=lambda one: gravity(one.alert))
        first, *other_changes = changes
        first_id = self._first_id(name, id, kind)
        own_id = self._store.unused(first_id)
        facts = group_facts(
            kind,
            id,
            self._facts(first.kind, first.alert, True),
            [self._facts(one.kind, one.alert, False) for one in other_changes],
            [self._facts("opened", one, False) for one in sorted(map(self._alerts.__getitem__, lasting), key=gravity)],
        )
        if kind == "opened" and own_id != first_id:
            facts["again"] = True
        about = tuple(change.alert.id for change in changes)
        return Message(own_id, id, name, kind, self._now, facts, alerts=about)

    @staticmethod
    def _first_id(name: str, incident: str, kind: Kind) -> str:
        return f"{incident}-{name}" if kind == "opened" else f"{incident}-{name}-{kind}"

    def _stands(self, message: Message) -> bool:
        """Return True if an order was performed, is due, or waits for its approval."""
        return self._alive(message) or message.id in self._store.awaited

    def _alive(self, message: Message) -> bool:
        """Return True if an order was performed or is due."""
        delivery = self._store.deliveries.get(message.id)
        if delivery is None:
            return message.id not in self._store.awaited
        return delivery.result in ("delivered", "dry_run")

    def _held_back(self, message: Message) -> bool:
        delivery = self._store.deliveries.get(message.id)
        return delivery is not None and delivery.result == "held_back"


class _Incident:
    """The orders of an action for one incident.

    Attributes:
        messages: All orders, oldest first.
        about: Alerts with orders.
        alerts: Alerts whose end was not sent to the action.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.about = {alert for message in messages for alert in message.about}
        self.alerts: dict[str, None] = {}
        for message in messages:
            if message.kind == "resolved":
                self.alerts.clear()
            else:
                self.alerts |= dict.fromkeys(message.about)


def _place(alert: Alert) -> Place:
    return alert.environment, alert.model

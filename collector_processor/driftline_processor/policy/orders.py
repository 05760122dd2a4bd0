"""Orders of actions: which are performed now, which wait for an approval, and which a limit holds back.

An action is ordered once per incident: the alerts of a model that are open together. The incident has the id of
its first alert and lasts as long as one of its alerts. Earlier orders are read from the stored messages.

Names in telemetry are chosen by its sender. Therefore there are orders only for models that the configuration declares,
at most so many per model and in all, and none before enough rows support the alert.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Final, NamedTuple

from msgspec import Struct

from driftline_processor.config.actions import ActionKeys, ActionLimits, RateLimit
from driftline_processor.config.channels import rank_tier
from driftline_processor.config.model import Model
from driftline_processor.present.alerts import group_facts

from .alerts import Alert, AlertStore, Approval, Delivery, Place
from .grouping import AlertChange, Look, gravity, kind_of
from .message import UPDATES, Kind, Message

LAPSED: Final = "the alert was over before the action was approved"

FAULTS: Final = {"data_fault": "the verdict shows a data fault", "output_fault": "the verdict shows a faulty output"}
"""Kinds of change that a retrained model would learn → reason why it is not retrained now."""

TOO_FEW: Final = "too few rows"
"""Begin of the reason why an order waits for more rows."""


class ActionRules(Struct, frozen=True):
    """The configuration of actions.

    Attributes:
        actions: Every action, by name.
        limits: Limits of all actions together.
        models: The declared models, by name.
    """

    actions: Mapping[str, ActionKeys]
    limits: ActionLimits
    models: Mapping[str, Model]

    def tier(self, model: str) -> int | None:
        """Return the tier of a model; None without one."""
        return self.models[model].tier if model in self.models else None

    @property
    def has_tier_1(self) -> bool:
        """Whether a model of tier 1 is declared."""
        return any(model.tier == 1 for model in self.models.values())


class _Run(NamedTuple):
    """An order that the limits count: when it was given (wall time), and for which model."""

    time: int
    model: str


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
        rules: The configuration.
        look: The evaluation.
        named: Returns the actions of an alert's policy.
        rows: Returns the number of rows that support an alert.
    """

    def __init__(
        self,
        store: AlertStore,
        rules: ActionRules,
        look: Look,
        named: Callable[[Alert], Sequence[str]],
        rows: Callable[[Alert], int],
    ) -> None:
        self._store, self._rules, self._actions = store, rules, rules.actions
        self._alerts, self._now = look.alerts, look.now
        self._named, self._alone, self._facts, self._rows = named, look.alone, look.facts, rows
        self._runs_by_action: dict[str, list[_Run]] = {}
        self._changed: Mapping[str, AlertChange] = {}
        self.lapsed: list[Delivery] = []
        """Deliveries of orders without approval whose incident has ended."""

    def orders(self, changes: Sequence[AlertChange], lasting: Sequence[Alert] = ()) -> Iterator[Order]:
        """Yield the orders for changes of alerts, the most severe first: per incident what began, then what ended.

        Args:
            changes: The changes.
            lasting: Open alerts that were notified, whose orders may have waited for rows.
        """
        changes_by_place: dict[tuple[Place, str], list[AlertChange]] = {}
        changes = [change for change in changes if change.kind != "passed" and not change.repeats]
        changes = [change for change in changes if change.alert.model in self._rules.models]
        self._changed = {change.alert.id: change for change in changes}
        for change in sorted(changes, key=self._urgency):
            place = change.alert.place, change.alert.id if self._alone(change.alert) else ""
            changes_by_place.setdefault(place, []).append(change)
        for place_changes in changes_by_place.values():
            for name, action in self._actions_of(place_changes).items():
                asking = [
                    change
                    for change in place_changes
                    if _is_asked_by(action, change.kind) and name in self._named(change.alert)
                ]
                joined = set[str]()
                for order in self._begun(name, [change for change in asking if change.kind != "resolved"]):
                    joined |= {order.message.alert}
                    yield order
                yield from self._ended(
                    name, action, [change.alert for change in place_changes if change.kind == "resolved"], joined
                )
        for alert in sorted(lasting, key=gravity):
            if alert.id not in self._changed or self._changed[alert.id].kind in UPDATES:
                for name, kind in self._short_of_rows(alert).items():
                    yield from self._begun(name, [AlertChange(kind, alert, ())])

    def _urgency(self, change: AlertChange) -> tuple[int, ...]:
        """Return the sort key of a change: severity, tier, state, and begin."""
        severity, *others = gravity(change.alert)
        return severity, rank_tier(self._rules.tier(change.alert.model)), *others

    def _short_of_rows(self, alert: Alert) -> dict[str, Kind]:
        """Return the actions whose order waited for rows that are there now, and the kind of the order."""
        if alert.model not in self._rules.models or self._rows(alert) < self._rules.limits.min_rows:
            return {}
        newest = {order.channel: order for order in self._store.about(alert.id) if order.is_order}
        return {
            name: order.kind for name, order in newest.items() if name in self._named(alert) and self._is_short(order)
        }

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
            changes_by_incident.setdefault(common if new.kind == "opened" else incident_id, []).append(new)
        for id, incident_changes in changes_by_incident.items():
            order = self._order(name, id, incidents.get(id, _Incident([])), incident_changes, opened)
            if order is not None:
                yield order

    def _order(
        self,
        name: str,
        id: str,
        incident: _Incident,
        changes: Sequence[AlertChange],
        opened: Collection[str],
    ) -> Order | None:
        """Return the order for changes of one incident: a new one, a follow-up, or a note that it exists.

        An alert that ends and begins again within an open incident is ignored, because its end was not notified. What
        changes within an alert only follows an order.
        """
        action = self._actions[name]
        ids = {change.alert.id for change in changes}
        lasting_alerts = [alert for alert in incident.alerts if alert not in ids and self._lasts(alert, opened)]
        if lasting_alerts:
            changes = [
                change for change in changes if change.kind != "opened" or change.alert.id not in incident.alerts
            ]
        if changes and action.follows and any(map(self._alive, incident.orders)):
            kind = kind_of({change.kind for change in changes}, rises=False, lasts=bool(lasting_alerts))
            return Order(self._message(name, id, kind, changes, lasting_alerts))
        changes = [change for change in changes if change.kind not in UPDATES]
        kinds = {change.kind for change in changes}
        if not kinds:
            return None
        base: Kind = "worse" if "worse" in kinds and not (action.follows and "opened" in kinds) else "opened"
        before = [order for order in incident.orders if action.follows or order.kind == base]
        standing = next(filter(self._stands, before), None)
        if standing is not None:
            return self._note(name, id, standing, incident, changes)
        if "opened" in kinds or not before:
            return self._begin(name, action, self._message(name, id, base, changes, lasting_alerts))
        return None

    def _begin(self, name: str, action: ActionKeys, message: Message) -> Order:
        fault = FAULTS.get(message.facts["verdict_kind"])
        needs_approval, reason = action.needs_approval(name), ""
        alerts = [self._alerts[alert] for alert in message.about]
        rows, model = max(map(self._rows, alerts)), alerts[0].model
        if message.kind != "resolved" and fault is not None and action.is_retraining(name) and not needs_approval:
            reason = f"{fault}, which a retrained model would learn"
        elif message.kind != "resolved" and rows < self._rules.limits.min_rows:
            reason = f"{TOO_FEW}: {rows}, and limits.actions.min_rows is {self._rules.limits.min_rows}"
        reason = reason or self._limit(name, action, model)
        if reason:
            return Order(message, delivery=Delivery(message.id, self._now, "held_back", reason))
        self._runs(name).append(_Run(self._now, model))
        return Order(message, approval=Approval(message.id) if needs_approval else None)

    def _limit(self, name: str, action: ActionKeys, model: str) -> str:
        """Return the limit that holds an order back; "" if none does. Dry runs are only limited by their own limit."""
        own, limits = self._runs(name), self._rules.limits
        if action.rate_limit is not None and self._exceeds(own, action.rate_limit):
            return f"rate_limit: {action.rate_limit}"
        if action.dry_run:
            return ""
        if self._exceeds([run for run in own if run.model == model], limits.per_model):
            return f"limits.actions.per_model: {limits.per_model}"
        runs = [run for name, action in self._actions.items() if not action.dry_run for run in self._runs(name)]
        if self._exceeds(runs, limits.total):
            return f"limits.actions.total: {limits.total}"
        if self._rules.has_tier_1 and self._rules.tier(model) != 1:
            others = [run for run in runs if self._rules.tier(run.model) != 1]
            if self._exceeds(others, RateLimit(limits.total.count - limits.tier_1, limits.total.within)):
                return f"limits.actions.total: {limits.total}, of which {limits.tier_1} are for models of tier 1"
        return ""

    def _exceeds(self, runs: Sequence[_Run], limit: RateLimit) -> bool:
        """Return True if one more run would exceed a limit."""
        within = limit.within // timedelta(microseconds=1) * 1_000
        # If the clock was set back, the limit still applies, and at most for the time that it was set back longer.
        return sum(abs(self._now - run.time) < within for run in runs) >= limit.count

    def _runs(self, name: str) -> list[_Run]:
        if name not in self._runs_by_action:
            self._runs_by_action[name] = self._counted(name, self._actions[name])
        return self._runs_by_action[name]

    def _counted(self, name: str, action: ActionKeys) -> list[_Run]:
        """Return an action's first orders per incident, which the limits count."""
        runs, standing = list[_Run](), set[str]()
        for message in self._store.to_channel(name):
            if (
                message.kind == "joined"
                or (message.kind == "resolved") != (action.on == ("resolved",))
                or self._held_back(message)
                or message.gravest not in self._alerts
            ):
                continue
            if action.follows and message.alert in standing:
                continue
            runs.append(_Run(message.created, self._alerts[message.gravest].model))
            if self._stands(message):
                standing.add(message.alert)
        return runs

    def _note(
        self, name: str, id: str, order: Message, incident: _Incident, changes: Sequence[AlertChange]
    ) -> Order | None:
        """Return the note that an order exists already, for alerts that join its incident; None if none does."""
        about = tuple(change.alert.id for change in changes if change.alert.id not in incident.about)
        if not about:
            return None
        note = Message(
            self._store.unused(self._first_id(name, id, "joined")), id, name, "joined", self._now, {}, alerts=about
        )
        reason = f"it was already requested by the alert {order.about[0]}, which is still open"
        return Order(note, delivery=Delivery(note.id, self._now, "collected", reason, order.id))

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
            if "resolved" not in action.on or not any(map(self._alive, incident.orders)):
                continue
            if action.follows or len(incident.orders) == len(incident.messages):
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
            else [alert_here for alert_here in self._open.get(ended_alerts[0].place, ()) if not self._alone(alert_here)]
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
            ids |= {one.id: None for one in self._open.get(alerts[0].place, ()) if not self._alone(one)}
        threads = dict.fromkeys(one.alert for id in ids for one in self._store.about(id) if one.channel == name)
        messages_by_thread = {
            id: [one for one in self._store.of_thread(id) if one.channel == name and not self._is_short(one)]
            for id in threads
        }
        return {
            id: _Incident(messages)
            for id, messages in sorted(
                ((id, messages) for id, messages in messages_by_thread.items() if messages),
                key=lambda one: one[1][0].created,
            )
        }

    @cached_property
    def _open(self) -> dict[Place, list[Alert]]:
        """Open alerts by environment and model."""
        alerts_by_place: dict[Place, list[Alert]] = {}
        for id in dict.fromkeys([*(one.id for one in self._store.open), *self._changed]):
            if self._lasts(id):
                alerts_by_place.setdefault(self._alerts[id].place, []).append(self._alerts[id])
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
        changes = sorted(changes, key=lambda one: (kind in UPDATES and one.kind != kind, gravity(one.alert)))
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

    def _is_short(self, message: Message) -> bool:
        """Return True if an order waits for more rows."""
        delivery = self._store.deliveries.get(message.id)
        return delivery is not None and delivery.result == "held_back" and delivery.detail.startswith(TOO_FEW)

    def _held_back(self, message: Message) -> bool:
        delivery = self._store.deliveries.get(message.id)
        return delivery is not None and delivery.result == "held_back"


def _is_asked_by(action: ActionKeys, kind: Kind) -> bool:
    """Return True if an action runs for a kind of change. A ticket also follows what changes in its incident."""
    return kind in action.on or (action.follows and kind in UPDATES and "opened" in action.on)


class _Incident:
    """The orders of an action for one incident.

    Attributes:
        messages: All orders, oldest first.
        orders: Those that are not about its end.
        about: Alerts with orders.
        alerts: Alerts whose end was not sent to the action.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.orders = [message for message in messages if message.kind != "resolved"]
        self.about = {alert for message in messages for alert in message.about}
        self.alerts: dict[str, None] = {}
        for message in messages:
            if message.kind == "resolved":
                self.alerts.clear()
            else:
                self.alerts |= dict.fromkeys(message.about)

"""Evaluation of policies after each evaluation of windows: which alerts begin, get worse and end, and their messages.

Everything is computed from the windows each time and compared with the stored alerts. So a missed evaluation is
made up by the next one in the order of event time, and a restart neither repeats nor skips a message.
"""

from __future__ import annotations

import itertools
import operator
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import cache
from typing import Final, Literal, cast

from driftline.tables.table import ModelKey
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.policies import Policy
from driftline_processor.config.policy_warnings import no_room
from driftline_processor.config.schema import Config
from driftline_processor.core import facts
from driftline_processor.core.business import BusinessSeries
from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.policy.condition import objective_of
from driftline_processor.core.policy.firing import Firing, explains
from driftline_processor.core.policy.rule import WindowHistory
from driftline_processor.core.verdict.record import Episode, Row, RowFinding, findings_of
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.verdict.transitions import Transition, transitions
from driftline_processor.core.windows.window import HOUR, length
from driftline_processor.present.alerts import Notification, message_facts, new_models_facts
from driftline_processor.present.money import loss_sentence
from driftline_processor.present.sentences.policies import claim_words, ending_words, found_words
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView, verdict_of
from driftline_processor.queries.money_lost import loss_of_model

from .alerts import About, Alert, AlertStore, Delivery, Ending, Place, alert_id
from .digests import hold
from .escalation import Escalations, Unanswered
from .grouping import AlertChange, Look, Threads, gravity
from .message import SEVERITIES, UPDATES, Kind, Message, stated_row
from .new_models import NewModels, observe_models
from .orders import ActionRules, Order, Orders
from .past_windows import PastWindowWaits
from .silences import Silences
from .version_groups import VersionGroup, groups_of

SHORT: Final = HOUR
"""Length up to which windows are short, so that policies over them do not wait."""


MessageLinks = Callable[[ModelView, Alert], Mapping[str, str]]
"""Returns the addresses in a message about an alert."""


def no_links(_view: ModelView, _alert: Alert) -> Mapping[str, str]:
    """Return no links."""
    return {}


class _ViewedFiring(Struct, frozen=True):
    """A firing and its version."""

    firing: Firing
    view: ModelView


class _Read(Struct, frozen=True):
    """Firings of a policy for a version, and the windows that they were computed from."""

    windows: Mapping[str, Sequence[Evaluation]]
    verdict: Verdict | None
    business: tuple[BusinessSeries, ...]
    firings: Sequence[Firing]


class _Case(Struct, frozen=True):
    """Result of a policy for a model at one evaluation.

    Attributes:
        name: Name of the policy.
        policy: The policy.
        group: The versions of the model that are in use.
        firings: Firings, oldest first.
        now: Wall time, unix nanoseconds.
        waits: Whether it waits for past windows, so that only urgent firings begin an alert.
    """

    name: str
    policy: Policy
    group: VersionGroup
    firings: Sequence[_ViewedFiring]
    now: int
    waits: bool

    @property
    def about(self) -> About:
        """Its policy, environment and model."""
        return self.name, *self.group.place

    @property
    def lasting(self) -> list[_ViewedFiring]:
        """Firings that are not over."""
        return [one for one in self.firings if one.firing.until is None]


class _Recipients(Struct, frozen=True):
    """Channels of an alert.

    Attributes:
        first: For its first message: those of its policy.
        later: For later messages: those that had the first one, and the policy's in place of removed ones.
        missed: Those of the policy that still need the first message, because the removed ones never got it.
    """

    first: Sequence[str]
    later: Sequence[str]
    missed: Sequence[str] = ()


class PolicyWatch:
    """The configured policies over the models of a state. Used by one thread.

    Args:
        store: Store of alerts.
        config: The policies, channels and actions.
        silences: All silences.
        clock: Returns unix nanoseconds.
        links: Returns the links of messages.
    """

    def __init__(
        self, store: AlertStore, config: Config, silences: Silences, clock: Callable[[], int], links: MessageLinks
    ) -> None:
        policies = config.watched_policies
        self.store = store
        self._keys = config.all_channels
        self._escalations = Escalations(store, self._keys)
        self._rules = ActionRules(config.actions, config.limits.actions, config.models)
        self._policies = {name: policy for name, policy in policies.items() if policy.enabled}
        self._policy_names = frozenset(policies)
        self._places: set[Place] | None = None
        self._waiting: Collection[Place] = ()
        self.waits = PastWindowWaits(store, clock)
        self._recipients_of, self._silences = config.recipients_of, silences
        self._new_models, self._limit = NewModels({}, (), 0), config.limits.new_models
        self._clock, self._links = clock, links
        self._reading_cache: dict[tuple[str, ModelKey], _Read] = {}

    @property
    def active(self) -> bool:
        """Whether any policy is evaluated."""
        return bool(self._policies)

    def look(
        self, models: Sequence[ModelView], deliveries: Sequence[Delivery] = (), *, caught_up: bool = True
    ) -> list[Message]:
        """Evaluate all policies, store the changes, and return the new messages to send now.

        Args:
            models: All versions of all models.
            deliveries: Deliveries since the last call.
            caught_up: Whether the stored windows are as new as the messages that were sent; otherwise alerts may only
                begin.
        """
        if not self._policies and not deliveries and not self.store.open:
            return []
        now, groups = self._clock(), groups_of(models)
        by_place = {group.place: group for group in groups}
        self._observe_models(models, now)
        self.waits.update(groups, now, caught_up=caught_up)
        cases = self._cases(groups, now, caught_up)
        changed = self._changed_alerts(cases, models, now, caught_up)
        changes = [*self._due(changed, by_place, now)]

        @cache
        def facts_of(kind: Kind, alert: Alert, linked: bool) -> Mapping[str, object]:
            return self.facts(kind, alert, by_place.get(alert.place), linked=linked)

        look = Look(self._by_id(changed), self._is_alone, facts_of, now)
        orders, unsent_orders = self._orders(changes, changed, look, by_place)
        messages, unsent_messages = self._messages(changes, changed, look, by_place)
        deliveries = [*deliveries, *unsent_messages, *unsent_orders]
        self._write(self._notified(changed, changes, now), messages, orders, deliveries, self._first_looks(cases))
        unsent = {delivery.message for delivery in unsent_messages}
        return [
            *(message for message in messages if message.held_until is None and message.id not in unsent),
            *(order.message for order in orders if order.due),
        ]

    def _observe_models(self, models: Sequence[ModelView], now: int) -> None:
        """Find out which undeclared models are known now, if any policy is evaluated."""
        if self._policies:
            self._places = {(view.key.environment, view.key.model) for view in models}
            known = self.store.sightings
            self._new_models = observe_models(known, models, self._rules.models, self.store.looks, self._limit, now)

    def _write(
        self,
        alerts: Sequence[Alert],
        messages: Sequence[Message],
        orders: Sequence[Order],
        deliveries: Sequence[Delivery],
        looks: Mapping[About, int],
    ) -> None:
        """Store the changes of one evaluation in one transaction, if there are any."""
        sightings = self._new_models.changed
        if any((alerts, messages, orders, deliveries, looks, sightings)):
            to_send = [*messages, *(order.message for order in orders)]
            approvals = [order.approval for order in orders if order.approval is not None]
            self.store.write(alerts, to_send, deliveries, looks, approvals, sightings=sightings)

    def _first_looks(self, cases: Sequence[_Case]) -> dict[About, int]:
        """Return the model's clock of the cases that are evaluated for the first time."""
        known = self.store.looks
        return {case.about: case.group.watermark for case in cases if not case.waits and case.about not in known}

    def tidy(self) -> None:
        """Delete alerts that ended years ago, and evaluations whose policy or model no longer exists."""
        # 3 * 365 * 86_400 * 10**9: nanoseconds for which an ended alert is stored
        self.store.forget(self._clock() - (3 * 365 * 86_400 * 10**9))
        if self._places is not None:
            looks, policy_names = self.store.looks, self._policy_names
            gone_places = {about for about in looks if about[0] not in policy_names or about[1:] not in self._places}
            self.store.forget_looks(gone_places)
            present = {model for _, model in self._places} - {*self._rules.models}
            self.store.forget_models({name for name in self.store.sightings if name not in present})

    # -- what fires ---------------------------------------------------------------------------------------------------

    def _cases(self, groups: Sequence[VersionGroup], now: int, caught_up: bool) -> list[_Case]:
        """Return the result of each policy for each model that it covers; unchanged windows are not read again."""
        self._waiting = self.waits.places if caught_up else {group.place for group in groups}
        read: dict[tuple[str, ModelKey], _Read] = {}
        cases = [
            _Case(
                name=name,
                policy=policy,
                group=group,
                firings=self._viewed_firings(name, policy, group, read),
                now=now,
                waits=group.place in self._waiting,
            )
            for group in groups
            for name, policy in self._policies.items()
            if policy.covers(group.model, group.leading.tier)
        ]
        self._reading_cache = read
        return cases

    def _viewed_firings(
        self,
        name: str,
        policy: Policy,
        group: VersionGroup,
        read: dict[tuple[str, ModelKey], _Read],
    ) -> list[_ViewedFiring]:
        """Return the firings of a policy for the versions of a model, oldest first."""
        shown_firings: list[_ViewedFiring] = []
        for view in group.views:
            windows = {name: [*filter(counts_already, window)] for name, window in view.windows.items()}
            place = name, view.key
            known = self._reading_cache.get(place)
            same = known is not None and known.verdict is view.verdict and known.business == view.business
            if known is None or not same or not same_windows(known.windows, windows):
                history = WindowHistory(windows, view.timezone, view.record)
                firings = policy.rule.firings(history, view.verdict, view.watermark)
                known = _Read(windows, view.verdict, view.business, firings)
            read[place] = known
            shown_firings += [_ViewedFiring(firing, view) for firing in known.firings]
        return sorted(shown_firings, key=lambda one: one.firing.fired)

    # -- what that means for the alerts -------------------------------------------------------------------------------

    def _changed_alerts(
        self, cases: Sequence[_Case], models: Sequence[ModelView], now: int, caught_up: bool
    ) -> list[Alert]:
        """Return the current alert of each case that has or had one, and those that are no longer evaluated.

        An alert that the current one replaces, because the model recovered in between, comes before it.
        """
        current = [alert for case in cases for alert in self._current_alerts(case, caught_up)]
        if caught_up:
            watched = {case.about for case in cases}
            current += [_unwatched(alert, models, now) for alert in self.store.open if alert.about not in watched]
        return [self._silenced(alert, now) for alert in current]

    def _current_alerts(self, case: _Case, caught_up: bool) -> list[Alert]:
        """Return the current alert of a policy for a model, after the one that it replaces; [] without any."""
        alert = self.store.newest_of(case.about)
        ended: Alert | None = None
        if case.waits:
            alert = self._held_alert(case, alert, caught_up)
        elif case.lasting:
            ended = None if alert is None or not alert.open else _recovered(alert, case)
            alert = self._lasting_alert(case, ended or alert)
        else:
            if alert is not None and alert.open:
                alert = self._ending_alert(case, alert)
            alert = alert if alert is not None and alert.open else self._passed(case, alert) or alert
        return [one for one in (ended, alert) if one is not None]

    def _held_alert(self, case: _Case, alert: Alert | None, caught_up: bool) -> Alert | None:
        """Return the alert of a policy that waits: an open one is unchanged, and only urgent firings begin one.

        Until the state has caught up, no alert begins again, because windows on the disk may be older than its end.
        """
        if alert is not None and alert.open:
            return alert
        urgent = _urgent(case, caught_up)
        if not urgent:
            return None
        begun = self._lasting_alert(replace(case, firings=urgent), alert)
        return begun if caught_up or alert is None or begun.id != alert.id else None

    def _ending_alert(self, case: _Case, alert: Alert) -> Alert:
        """Return an open alert that no lasting firing shows: it is closed when the cool-down is over."""
        policy, group = case.policy, case.group
        firings = [shown_firing.firing for shown_firing in case.firings if _overlaps(alert, shown_firing.firing)]
        end = _end_of(alert, firings, group)
        if end is None:
            return alert
        until, ending = end
        # The cool-down of windows is in Patience; that of revised windows and of a verdict's end is not.
        cool_down = 0 if firings and not policy.rule.states else policy.rule.patience.cool_down
        is_over = group.watermark - until >= cool_down and not self._lasts_with_verdict(policy, alert, group)
        words = alert.words if ending == alert.ending else ending_words(ending)
        return replace(alert, until=until, resolved=case.now if is_over else None, words=words, ending=ending)

    @staticmethod
    def _lasts_with_verdict(policy: Policy, alert: Alert, group: VersionGroup) -> bool:
        """Return True for an alert about a fault that lasts by the verdict, although its condition is over."""
        return policy.group and not alert.ending and explains(verdict_of(group.views), alert.subjects)

    def _lasting_alert(self, case: _Case, alert: Alert | None) -> Alert:
        """Return the alert of the gravest firing that lasts."""
        shown_firing = min(case.lasting, key=lambda shown_firing: _rank(shown_firing.firing.state))
        firing = shown_firing.firing
        opens_again = alert is not None and not alert.open and _overlaps(alert, firing)
        if alert is None or not (alert.open or opens_again):
            return self._new(case, shown_firing)
        graver = _rank(firing.state) < _rank(alert.state)
        # a milder state that shows in between may have begun long before the graver one of the alert
        is_milder = alert.open and _rank(firing.state) > _rank(alert.state)
        begin = _recorded_begin(alert, case.group)
        return replace(
            alert,
            state=firing.state if graver or not alert.open else alert.state,
            severity=case.policy.severity_in(firing.state) if graver else alert.severity,
            since=firing.since if graver else _earlier(begin, None if is_milder else firing.since),
            until=None,
            resolved=None,
            notified=None if opens_again else alert.notified,
            window=firing.window,
            start=firing.start,
            words=found_words(firing.facts),
            subjects=firing.subjects,
            ending="",
            version=alert.version,
        )

    def _new(self, case: _Case, shown_firing: _ViewedFiring) -> Alert:
        name, policy, group, now = case.name, case.policy, case.group, case.now
        firing, view = shown_firing.firing, shown_firing.view
        since = firing.fired if firing.since is None else firing.since
        ids = (alert_id(name, group.environment, group.model, since, number) for number in itertools.count(1))
        return Alert(
            id=next(id for id in ids if id not in self.store.alerts),
            policy=name,
            model=group.model,
            environment=group.environment,
            version=view.key.version,
            severity=policy.severity_in(firing.state),
            owner=policy.owner or view.team,
            state=firing.state,
            since=firing.since,
            fired=firing.fired,
            until=firing.until,
            first_seen=now,
            resolved=None if firing.until is None else now,
            notified=None,
            window=firing.window,
            start=firing.start,
            words=found_words(firing.facts),
            subjects=firing.subjects,
        )

    def _passed(self, case: _Case, alert: Alert | None) -> Alert | None:
        """Return an alert for firings that began and ended between two evaluations; None if there are none.

        Firings before the first evaluation are ignored. Several firings are one alert.
        """
        since = self.store.looks.get(case.about, case.group.watermark)
        ended_firings = [
            shown_firing
            for shown_firing in case.firings
            if shown_firing.firing.until is not None and shown_firing.firing.fired > since
        ]
        if not ended_firings:
            return None
        known_alerts = [*self.store.alerts_of(case.about), *([] if alert is None else [alert])]
        unseen = [
            shown_firing
            for shown_firing in ended_firings
            if not any(_overlaps(known_alert, shown_firing.firing) for known_alert in known_alerts)
        ]
        if not unseen:
            return None
        newest = unseen[-1]
        return self._new(case, replace(newest, firing=replace(newest.firing, since=unseen[0].firing.since)))

    # -- notifications ------------------------------------------------------------------------------------------------

    def _silenced(self, alert: Alert, now: int) -> Alert:
        """Return an alert with the end of its silence, if there is one."""
        silenced = self._silences.covering(alert, now) if alert.open else None
        until = None if silenced is None else silenced.silence.until
        return alert if alert.silenced == until else replace(alert, silenced=until)

    def _due(self, changed: Sequence[Alert], by_place: Mapping[Place, VersionGroup], now: int) -> Iterator[AlertChange]:
        """Yield the changes of alerts to notify and act on now.

        A silenced alert is notified at the end of the silence if it is still open. The end of an alert is sent only to
        channels that were notified of it, even in a silence. The channels of the policy replace removed channels, and
        messages that those never delivered are sent again.
        """
        open_now = {alert.about for alert in changed if alert.open}
        for alert in changed:
            policy = self._policies.get(alert.policy)
            stored_alert = self.store.alerts.get(alert.id)
            kind = self._kind(alert, stored_alert, by_place.get(alert.place))
            if kind is None and not alert.lasts:
                continue
            recipients = self._recipients(policy, alert)
            if policy is None or self._is_kept_back(policy, alert, open_now, now):
                if kind == "resolved":
                    yield AlertChange(kind, alert, recipients.later)
                continue
            is_first = kind in ("opened", "passed")
            channels = recipients.first if is_first else recipients.later
            if kind is not None and (channels or kind not in UPDATES or self._is_followed(alert)):
                rises = kind == "worse" and self._has_risen(policy, alert)
                yield AlertChange(kind, alert, channels, rises)
            if recipients.missed and not is_first:
                late: Kind = "passed" if kind == "resolved" else "opened"
                yield AlertChange(late, alert, recipients.missed, repeats=True)

    def _recipients(self, policy: Policy | None, alert: Alert) -> _Recipients:
        """Return the channels of an alert."""
        of_policy = self._recipients_of(policy)
        notified = dict.fromkeys(message.channel for message in self.store.about(alert.id) if not message.is_order)
        left = [name for name in notified if name in self._keys]
        heirs = [name for name in of_policy if name not in notified] if len(left) < len(notified) else []
        if heirs and alert.acknowledged is None and self._is_unheard(alert):
            return _Recipients(of_policy, left, missed=heirs)
        return _Recipients(of_policy, [*left, *heirs])

    def _is_kept_back(self, policy: Policy, alert: Alert, open_now: Collection[About], now: int) -> bool:
        """Return True if a silence, a policy in ``unless`` or a new model suppresses the notification of an alert."""
        if self._new_models.waits(alert.model):
            return True
        silenced = self._silences.covering(alert, now) is not None
        return silenced or any((policy_name, *alert.about[1:]) in open_now for policy_name in policy.unless)

    def _is_unheard(self, alert: Alert) -> bool:
        """Return True if the last message of a removed channel about an alert was never delivered."""
        message_by_channel = {
            message.channel: message
            for message in self.store.about(alert.id)
            if message.kind in ("opened", "joined", "worse")
        }
        lost = (
            message
            for message in message_by_channel.values()
            if not message.is_order and message.channel not in self._keys
        )
        return any(not self.store.has_arrived(message) for message in lost)

    @staticmethod
    def _has_risen(policy: Policy, alert: Alert) -> bool:
        """Return True if an alert is more severe than in the last notification."""
        return SEVERITIES.index(alert.severity) < SEVERITIES.index(policy.severity_in(alert.notified_state))

    def _notified(self, changed: Sequence[Alert], changes: Sequence[AlertChange], now: int) -> list[Alert]:
        """Return the alerts to store: new and changed ones, with the notification that these changes are."""
        begun = [change for change in changes if change.kind != "resolved"]
        notified_ids = {
            change.alert.id
            for change in begun
            if change.channels or (self._actions_of(change.alert) and not change.repeats)
        }
        alerts = [
            replace(alert, notified=alert.notified or now, notified_state=alert.state)
            if alert.id in notified_ids
            else alert
            for alert in changed
        ]
        return [alert for alert in alerts if self.store.alerts.get(alert.id) != alert]

    def _orders(
        self,
        changes: Sequence[AlertChange],
        changed: Sequence[Alert],
        look: Look,
        by_place: Mapping[Place, VersionGroup],
    ) -> tuple[list[Order], list[Delivery]]:
        """Return the orders of actions, and the deliveries of those that are held back or no longer needed."""
        if not self._rules.actions:
            return [], []
        ordering = Orders(
            self.store,
            self._rules,
            look,
            self._actions_of,
            lambda alert: _rows_behind(alert, by_place.get(alert.place)),
        )
        orders = [*ordering.orders(changes, [*self._lasting(changed, look.now)])]
        held_back = [order.delivery for order in orders if order.delivery is not None]
        return orders, [*ordering.lapsed, *held_back]

    def _messages(
        self,
        changes: Sequence[AlertChange],
        changed: Sequence[Alert],
        look: Look,
        by_place: Mapping[Place, VersionGroup],
    ) -> tuple[list[Message], list[Delivery]]:
        """Return the messages to channels, and the deliveries of those that the next message of their thread lists."""
        threads = self._threads(changes, look)
        messages = [*threads.messages(changes)]
        messages += self._escalated(changed, by_place, messages, look.now)
        listed = {delivery.message for delivery in threads.listed}
        messages = [message if message.id in listed else hold(message, self._keys) for message in messages]
        return [*messages, *self._new_model_messages(look.now)], threads.listed

    def _threads(self, changes: Sequence[AlertChange], look: Look) -> Threads:
        """Return the threads that changes may join or end."""
        alerts = [*self.store.open, *(change.alert for change in changes)] if changes else []
        sent = self.store.threads_about(alert.id for alert in alerts)
        return Threads(sent, look, self.store.new_id)

    def _by_id(self, changed: Collection[Alert]) -> Mapping[str, Alert]:
        """Return every current alert by its id."""
        return ChainMap({alert.id: alert for alert in changed}, cast(MutableMapping[str, Alert], self.store.alerts))

    def _actions_of(self, alert: Alert) -> Sequence[str]:
        """Return the names of the actions of an alert's policy."""
        policy = self._policies.get(alert.policy)
        return () if policy is None else policy.actions

    def _is_followed(self, alert: Alert) -> bool:
        """Return True if an action of an alert's policy follows its incident, as a ticket does."""
        return any(self._rules.actions[name].follows for name in self._actions_of(alert))

    def _lasting(self, changed: Sequence[Alert], now: int) -> Iterator[Alert]:
        """Yield the alerts that last, were notified, and are not kept back."""
        open_now = {alert.about for alert in changed if alert.open}
        for alert in changed:
            policy = self._policies.get(alert.policy)
            is_told = alert.lasts and alert.notified is not None
            if is_told and policy is not None and not self._is_kept_back(policy, alert, open_now, now):
                yield alert

    def _is_alone(self, alert: Alert) -> bool:
        """Return True if an alert has its own messages."""
        policy = self._policies.get(alert.policy)
        return policy is not None and not policy.group

    def _new_model_messages(self, now: int) -> Iterator[Message]:
        """Yield the message that many undeclared models appeared: to ``notify``, else all channels, except pagers."""
        count = self._new_models.announced
        for name in (self._recipients_of(None) or self._keys) if count else ():
            if not self._keys[name].pages:
                id = self.store.unused(f"new-models-{name}-{iso_time(now)}")
                yield Message(id, id, name, "summary", now, new_models_facts(count, str(self._limit)))

    def _escalated(
        self,
        changed: Sequence[Alert],
        by_place: Mapping[Place, VersionGroup],
        messages: Sequence[Message],
        now: int,
    ) -> Iterator[Message]:
        """Yield the escalation messages of alerts that are not acknowledged, once per thread.

        Channels that this evaluation notifies anyway are skipped.
        """
        escalated = set[tuple[str, str]]()
        told_now = {(alert, message.channel) for message in messages for alert in message.about}
        for alert in sorted(changed, key=gravity):
            policy, group = self._policies.get(alert.policy), by_place.get(alert.place)
            if policy is None or self._silences.covering(alert, now) is not None:
                continue
            if self._new_models.waits(alert.model):
                continue
            tier = None if group is None else group.leading.tier
            unanswered = self._escalations.due(alert, policy.escalate, tier, now)
            if unanswered is None:
                continue
            thread = unanswered.thread
            to = [name for name in unanswered.to if (thread, name) not in escalated]
            to = [name for name in to if (alert.id, name) not in told_now]
            if not to:
                continue
            escalated |= {(thread, name) for name in to}
            content = {**self.facts("escalated", alert, group, unanswered, linked=True), "alert": thread}
            for name in to:
                id = self.store.new_id(thread, name)
                yield Message(id, thread, name, "escalated", now, content, alerts=(alert.id,))

    def _transitions(self, alert: Alert, group: VersionGroup | None) -> Sequence[Transition]:
        """Return what changed in the record since the messages about an alert on the verdict.

        The row that was notified is read from the messages, so that neither a restart nor late outcomes repeat it.
        While past windows are awaited, nothing changes.
        """
        if group is None or not alert.state or alert.place in self._waiting:
            return ()
        verdict = verdict_of(group.views)
        findings = () if verdict is None else _findings_now(verdict, group.leading)
        before = stated_row(alert.notified_state, self.store.about(alert.id))
        return transitions(before, Row(alert.fired, alert.state, alert.since, findings))

    def _kind(self, alert: Alert, stored_alert: Alert | None, group: VersionGroup | None) -> Kind | None:
        """Return the kind of message to send about an alert now; None for no message."""
        if alert.lasts and alert.notified is None:
            return "opened"
        if alert.lasts:
            kinds = {one.kind for one in self._transitions(alert, group)}
            return next((kind for kind in ("worse", *UPDATES) if kind in kinds), None)
        if alert.open:
            return None
        if alert.notified is None:
            return "passed" if stored_alert is None and alert.until is not None else None
        return "resolved" if stored_alert is not None and stored_alert.open else None

    def facts(
        self,
        kind: Kind,
        alert: Alert,
        group: VersionGroup | None,
        unanswered: Unanswered | None = None,
        *,
        linked: bool,
    ) -> dict[str, object]:
        """Return the facts of a change of an alert, optionally with links."""
        policy = self._policies.get(alert.policy)
        verdict, links, timezone, tier, loss = None, dict[str, str](), "UTC", None, ""
        explained, room = False, ""
        if group is not None:
            leading = group.leading
            verdict, timezone, tier = verdict_of(group.views), leading.timezone, leading.tier
            links = dict(self._links(leading, alert)) if linked else {}
            explained = bool(alert.state) or explains(verdict, alert.subjects)
            if policy is not None and not explained:
                room = _no_room(policy, alert, leading)
            if (lost := loss_of_model(group.views)) is not None:
                loss = loss_sentence(lost, leading.currency, timezone)
        if policy is not None and policy.runbook:
            links["runbook"] = policy.runbook
        content = Notification(
            kind=kind,
            alert=alert.id,
            policy=alert.policy,
            condition="" if policy is None else policy.condition.text,
            claim="" if policy is None else claim_words(policy.condition, past=kind in ("resolved", "passed")),
            model=alert.model,
            version=alert.version,
            environment=alert.environment,
            severity=alert.severity,
            owner=alert.owner,
            tier=tier,
            since=alert.since,
            until=alert.until,
            words=alert.words,
            findings=() if verdict is None or group is None else _findings_now(verdict, group.leading),
            transitions=tuple(self._transitions(alert, group)) if kind in UPDATES else (),
            reason=bool(alert.ending),
            unwatched=alert.ending == "unwatched",
            explained=explained,
            room=room,
            verdict=verdict,
            timezone=timezone,
            links=links,
            loss=loss,
            told_to=() if unanswered is None else unanswered.notified,
            told_at=None if unanswered is None or not unanswered.notified else unanswered.since,
        )
        return message_facts(content, alert.state)


def _rows_behind(alert: Alert, group: VersionGroup | None) -> int:
    """Return the rows of the window of an alert; without a window, or if few rows are the finding, all rows."""
    if group is None:
        return 0
    if alert.start is not None and "predictions" not in alert.subjects:
        windows = itertools.chain(*(view.windows.get(alert.window, ()) for view in group.views))
        rows = [one.rows for one in windows if one.window.start <= alert.start < one.window.end]
        if rows:
            return max(rows)
    return max(view.rows for view in group.views)


def _findings_now(verdict: Verdict, view: ModelView) -> tuple[RowFinding, ...]:
    """Return the findings of a degraded model: those of its newest row, which also knows windows before the memory."""
    if verdict.state != "degraded":
        return ()
    newest = view.record.rows[-1:]
    return newest[0].findings if newest and newest[0].since == verdict.since else findings_of(verdict)


def _no_room(policy: Policy, alert: Alert, view: ModelView) -> str:
    """Return why the limit of a policy lies within the noise of the baseline, as a clause.

    It is "" if it does not, or if the whole interval of the value is beyond the limit.
    """
    objective = objective_of(policy.condition)
    windows = (window for window in view.windows.get(alert.window, ()) if window.window.start == alert.start)
    evaluation = next(windows, None)
    if objective is None or objective.limit is None or objective.slice or evaluation is None:
        return ""
    value = evaluation.realized.get(objective.metric)
    if value is None or value.low is None or value.high is None or not value.low <= objective.limit <= value.high:
        return ""
    return no_room("the limit", objective.metric, objective.limit, evaluation.reference)


def _unwatched(alert: Alert, models: Sequence[ModelView], now: int) -> Alert:
    """Return an alert that is no longer evaluated as closed; it lasted until now by the model's clock."""
    clocks = [view.watermark for view in models if (view.key.environment, view.key.model) == alert.place]
    until = alert.until or max([alert.fired, *clocks])
    return replace(alert, resolved=now, until=until, words=ending_words("unwatched"), ending="unwatched")


def _end_of(alert: Alert, firings: Sequence[Firing], group: VersionGroup) -> tuple[int, Ending] | None:
    """Return when the condition of an open alert ended, and the kind of its end; None if the end is inconclusive.

    Args:
        alert: The alert.
        firings: The firings that belong to it, oldest first; none of them lasts.
        group: The versions of its model.
    """
    now = group.watermark
    if alert.until is not None:
        return alert.until, alert.ending
    if firings:
        until = firings[-1].until
        return now if until is None else until, alert.ending
    if all(view.key.version != alert.version for view in group.views):
        return now, "replaced"
    if _inconclusive(alert, group):
        return None
    healthy_since = _healthy_since(alert, group)
    if healthy_since is not None:
        return healthy_since, alert.ending
    return now, "revised" if alert.state in ("", "degraded") else alert.ending


def _inconclusive(alert: Alert, group: VersionGroup) -> bool:
    """Return True if the end of an alert is inconclusive although no window shows it any more.

    A degraded model without new outcomes is not healthy, pending windows prove nothing, and a model without data
    has no data until a row arrives, even if its normal rate is unknown after a restart.
    """
    if not alert.state:
        return False
    verdict = verdict_of(group.views)
    if verdict is None or verdict.state == "lagging":
        return True
    if alert.state == "no_data":
        newest = max(view.received for view in group.views)
        return alert.since is not None and newest <= alert.since
    return alert.state == "degraded" and verdict.state == "unknown"


def _healthy_since(alert: Alert, group: VersionGroup) -> int | None:
    """Return when the model became healthy after the begin of an alert about its state; None if it was all along."""
    verdict = verdict_of(group.views)
    if not alert.state or alert.since is None or verdict is None or verdict.state != "healthy":
        return None
    return verdict.since if verdict.since is not None and verdict.since > alert.since else None


def _episodes(alert: Alert, group: VersionGroup) -> Iterator[Episode]:
    """Yield the recorded states of the model of an alert about its state, the oldest first."""
    for view in group.views:
        if alert.state and view.key.version == alert.version:
            yield from view.record.episodes()


def _recovered(alert: Alert, case: _Case) -> Alert | None:
    """Return an open alert as closed if the model recovered for the cool-down before its newest degradation began.

    The current verdict does not show a recovery that lies between two evaluations; the record does.
    """
    closed = (
        replace(alert, until=one.since, resolved=case.now)
        for one in _episodes(alert, case.group)
        if one.state == "healthy" and one.since is not None and one.since > (alert.since or 0)
        if one.last > alert.fired and one.last - one.since >= case.policy.rule.patience.cool_down
    )
    return next((one for one in closed if not any(_overlaps(one, shown.firing) for shown in case.lasting)), None)


def _recorded_begin(alert: Alert, group: VersionGroup) -> int | None:
    """Return the begin of an alert; about a state, that of the episode in which it fired, as it is recorded now."""
    begins = [
        one.since
        for one in _episodes(alert, group)
        if one.state == alert.state and one.since is not None and one.since <= alert.fired <= one.last
    ]
    return min(begins, default=alert.since)


def _overlaps(alert: Alert, firing: Firing) -> bool:
    """Return True if a firing belongs to an alert."""
    end = alert.until if alert.until is not None else firing.fired
    begin = alert.since if alert.since is not None else alert.fired
    until = firing.until if firing.until is not None else max(end, firing.fired)
    since = firing.since if firing.since is not None else firing.fired
    return since <= end and until >= begin


def _urgent(case: _Case, caught_up: bool) -> list[_ViewedFiring]:
    """Return the lasting firings that do not wait for past windows: critical ones, and those of short windows."""
    policy = case.policy
    is_short = bool(policy.window) and length(policy.window or "") <= SHORT
    if policy.severity == "critical" or is_short or not caught_up:
        return case.lasting
    return [one for one in case.lasting if _rolls(one.firing)]


def _rolls(firing: Firing) -> bool:
    """Return True if a firing is about a rolling objective, which windows that wait cannot change."""
    for fact in firing.facts:
        if isinstance(fact, facts.ObjectiveBroken) and fact.objective.rolling:
            return True
        if isinstance(fact, facts.Verdict):
            return any(isinstance(reason, facts.ObjectiveMissed) and reason.rolling for reason in fact.verdict.reasons)
    return False


def _earlier(first: int | None, second: int | None) -> int | None:
    times = [time for time in (first, second) if time is not None]
    return min(times) if times else None


def _rank(state: VerdictState | Literal[""]) -> int:
    return rank_state(state) if state else 0


def same_windows(before: Mapping[str, Sequence[Evaluation]], now: Mapping[str, Sequence[Evaluation]]) -> bool:
    """Return True if windows are the same objects, length by length."""
    return before.keys() == now.keys() and all(
        len(before[name]) == len(window_list) and all(map(operator.is_, before[name], window_list))
        for name, window_list in now.items()
    )

"""Alerts of the state: their start and end, acknowledgements, silences, and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from driftline_processor.config.schema import Config
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alerts import Alert, Approval, Delivery, attempt_entry
from driftline_processor.policy.approvals import (
    ApprovalRequest,
    approve,
    refuse_unapproved,
    request_of,
    to_ask_again,
)
from driftline_processor.policy.channel import Answer, Channel
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.message import Message
from driftline_processor.policy.silences import NamedSilence
from driftline_processor.policy.watch import MessageLinks, no_links
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.audit_log import AuditLog

from .parts import Parts


class Notifications:
    """Tracks alerts, and passes messages to couriers. All methods except :meth:`look` are thread-safe.

    Args:
        config: The configuration.
        parts: Returns the current parts.
        writing: Context manager in which only the calling thread writes to the storage.
        clock: Unix nanoseconds.
        audit: Records each attempt to send a message.
    """

    def __init__(
        self,
        config: Config,
        parts: Callable[[], Parts],
        writing: Callable[[], AbstractContextManager[object]],
        clock: Callable[[], int],
        audit: AuditLog,
    ) -> None:
        self._config, self._parts, self._writing, self._clock = config, parts, writing, clock
        self._audit = audit
        self._couriers, self._incidents_page = Couriers({}), ""
        self._links: MessageLinks = no_links
        self._undelivered: list[Delivery] = []

    def send_by(self, couriers: Couriers, links: MessageLinks, page: str = "") -> None:
        """Send messages of alerts to channels, including waiting ones.

        Args:
            couriers: The couriers of the channels.
            links: Links in messages.
            page: The address of the page of incidents, for digests; "" if unknown.
        """
        self._couriers, self._links, self._incidents_page = couriers, links, page
        with self._writing():
            waiting = self._parts().digests.resumed(self._clock())
        couriers.resume(waiting, self._parts().alerts.thread)

    def replace(self, config: Config, channels: Mapping[str, Channel]) -> None:
        """Use another configuration.

        Args:
            config: The configuration.
            channels: New and changed channels and actions, by name.
        """
        self._config = config
        self._couriers.replace(channels, {*config.all_channels, *config.actions})

    def links(self, view: ModelView, alert: Alert) -> Mapping[str, str]:
        """Return the links of a message about an alert."""
        return self._links(view, alert)

    def put_off(self, channel: str) -> str:
        """Return why a channel sends nothing for now; "" if it does."""
        return self._couriers.put_off(channel)

    def note_attempt(self, message: Message, answer: Answer) -> None:
        """Record an attempt to send a message, with the channel's answer, in the audit log."""
        alerts = self._parts().alerts.alerts
        alert = next((alerts[id] for id in message.about if id in alerts), None)
        self._audit.append_or_keep(attempt_entry(message, alert, answer.result, answer.detail, self._clock()))

    def look(self, caught_up: bool) -> None:
        """Find alerts that begin or end, store them, and pass messages to the couriers.

        Until the state has ``caught_up`` after a start, only deliveries are stored, because stored windows may be
        older than the sent messages; after a minute of wall time, over all starts, alerts may begin. Without all
        models no alert begins or ends.
        """
        parts = self._parts()
        for delivery in self._couriers.deliveries():
            if to_ask_again(parts.alerts, self._config, delivery):
                parts.alerts.write((), approvals=[Approval(delivery.message)])
            else:
                self._undelivered.append(delivery)
        held = not caught_up and not (parts.policies.active and parts.policies.waits.has_waited())
        if held or parts.snapshots.newest.loading:
            if self._undelivered:
                parts.alerts.write([], deliveries=self._undelivered)
                self._undelivered = []
            return
        models = parts.snapshots.newest.models if parts.policies.active else ()
        messages = parts.policies.look(models, self._undelivered, caught_up=caught_up)
        self._undelivered = []
        self._couriers.post([*messages, *parts.digests.due(models, self._clock(), self._incidents_page)])

    def acknowledge(self, alert: str, by: str, why: str, take_over: bool = False) -> Alert | None:
        """Record who acknowledges an alert, possibly after somebody else; return it, None if there is none.

        Raises StorageOutage.
        """
        channels, now = self._config.all_channels, self._clock()
        with self._writing():
            acknowledged, messages = acknowledge(
                self._parts().alerts, channels, alert, by, why, now, take_over=take_over
            )
        self._couriers.post(messages)
        return acknowledged

    def silence(self, model: str, environment: str, policy: str, by: str, why: str, lasts: int) -> NamedSilence:
        """Silence a model from now on, and return the silence. Raises StorageOutage.

        Args:
            model: Name of the model.
            environment: Environment of the model; "" = all.
            policy: Name of the policy; "" = all.
            by: The person.
            why: The reason.
            lasts: Nanoseconds until its end.
        """
        now = self._clock()
        with self._writing():
            return self._parts().silences.record(model, environment, policy, by, why, now, now + lasts)

    def end_silence(self, id: str, by: str) -> NamedSilence | None:
        """End a person's silence, and return it; None if there is none. Raises StorageOutage."""
        with self._writing():
            return self._parts().silences.end(id, by, self._clock())

    def request_of(self, message: Message) -> ApprovalRequest | None:
        """Return the request for the approval of a message; None if its action no longer exists."""
        return request_of(self._config, message)

    def refuse_unapproved(self, message: Message, digest: str) -> Answer | None:
        """Return why a message must not be sent to an action now; None if it may."""
        return refuse_unapproved(self._parts().alerts, self._config, message, digest, self._clock())

    def approve(self, alert: str, action: str, by: str, why: str, digest: str) -> Approval | None:
        """Record the approval of an action for an alert, and execute it when enough people have approved it.

        Return the approval; None if the action was not ordered for the alert, or needs none. Raises ApprovalError
        and StorageOutage.
        """
        with self._writing():
            result = approve(self._parts().alerts, self._config, alert, action, by, why, digest, self._clock())
        if result is None:
            return None
        approval, message = result
        if message is not None:
            self._couriers.post([message])
        return approval

"""Alerts with their messages and deliveries, as the pages, the API and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.present.wording import iso_time, printable

from .alerts import Alert, AlertStore, Approval, Delivery, Result
from .approvals import ApprovalRequest, RequestOf, no_request
from .message import Message


class Sent(Struct, frozen=True):
    """A message and its delivery; None while it is unknown.

    Attributes:
        message: Message to a channel or an action.
        delivery: Its delivery.
        approval: The approval that it needs; None if it needs none.
        request: The request for that approval while it is pending.
    """

    message: Message
    delivery: Delivery | None
    approval: Approval | None = None
    request: ApprovalRequest | None = None

    @property
    def awaits_approval(self) -> bool:
        """Whether its approval is pending."""
        return self.delivery is None and self.approval is not None and self.approval.time is None

    @property
    def result(
        self,
    ) -> Literal["waiting", "held", "awaits_approval"] | Result:
        """Its result or pending state."""
        if self.delivery is not None:
            return self.delivery.result
        if self.message.held_until is not None:
            return "held"
        return "awaits_approval" if self.awaits_approval else "waiting"


class AlertHistory(Struct, frozen=True):
    """An alert with its messages in the order of their creation."""

    alert: Alert
    sent: Sequence[Sent]

    @property
    def escalated_to(self) -> list[str]:
        """Channels that were notified by an escalation."""
        return [sent_message.message.channel for sent_message in self.sent if sent_message.message.kind == "escalated"]


def alert_histories(
    store: AlertStore, model: str | None = None, request_of: RequestOf = no_request
) -> list[AlertHistory]:
    """Return alerts with their messages, open ones first, then newest first.

    Args:
        store: Store of alerts.
        model: Only alerts of this model.
        request_of: Returns the request for an approval.
    """
    messages: dict[str, list[Sent]] = {}
    for message in store.messages.values():
        sent = _sent(store, message, request_of)
        for alert in message.about:
            messages.setdefault(alert, []).append(sent)
    alerts = [alert for alert in store.alerts.values() if model is None or alert.model == model]
    alerts.sort(key=lambda alert: (not alert.open, -alert.first_seen))
    return [AlertHistory(alert, messages.get(alert.id, ())) for alert in alerts]


def alert_history(store: AlertStore, alert: Alert, request_of: RequestOf = no_request) -> AlertHistory:
    """Return one alert with its messages."""
    return AlertHistory(alert, [_sent(store, message, request_of) for message in store.about(alert.id)])


def _sent(store: AlertStore, message: Message, request_of: RequestOf) -> Sent:
    sent = Sent(message, store.deliveries.get(message.id), store.approvals.get(message.id))
    return replace(sent, request=request_of(message)) if sent.awaits_approval else sent


def alert_json(history: AlertHistory) -> dict[str, Any]:
    """Return an alert in the format of the API."""
    alert = history.alert
    times = {
        name: getattr(alert, name)
        for name in ("since", "fired", "until", "first_seen", "resolved", "notified", "silenced")
    }
    taken_on = _consent(alert.acknowledged, alert.acknowledged_by, alert.why)
    return {
        "id": alert.id,
        "policy": alert.policy,
        "model": alert.model,
        "environment": alert.environment,
        "version": alert.version,
        "severity": alert.severity,
        "owner": alert.owner,
        "state": alert.state or None,
        "open": alert.open,
        **{name: None if time is None else iso_time(time) for name, time in times.items()},
        "finding": printable(alert.words),
        "acknowledged": taken_on,
        "escalated_to": history.escalated_to,
        "messages": [
            {
                "id": sent.message.id,
                "channel": sent.message.channel,
                "kind": sent.message.kind,
                "created": iso_time(sent.message.created),
                "result": sent.result,
                "detail": "" if sent.delivery is None else printable(sent.delivery.detail),
                "approved": None
                if sent.approval is None
                else _consent(sent.approval.time, sent.approval.people, sent.approval.why),
                "approval": _approval_json(sent),
            }
            for sent in history.sent
        ],
    }


def _approval_json(sent: Sent) -> dict[str, Any] | None:
    """Return what a pending approval is about, and who has approved it already; None if none is pending."""
    if sent.approval is None or sent.request is None:
        return None
    return {
        "request": printable(sent.request.words),
        "digest": sent.request.digest,
        "approvers": sent.request.needed,
        "first": _consent(sent.approval.first, sent.approval.first_by, sent.approval.first_why),
    }


def _consent(time: int | None, by: str, why: str) -> dict[str, str] | None:
    """Return who agreed, when and why; None if nobody has."""
    return None if time is None else {"time": iso_time(time), "by": by, "why": why}

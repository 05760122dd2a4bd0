"""Acknowledgement of an alert: stored in one transaction with the messages about it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from driftline_processor.config.channels import Channel
from driftline_processor.present.alerts import AlertPlace, acknowledgement_facts

from .alerts import Alert, AlertStore
from .message import Message


def acknowledge(
    store: AlertStore,
    channels: Mapping[str, Channel],
    alert: str,
    by: str,
    why: str,
    now: int,
    *,
    take_over: bool = False,
) -> tuple[Alert | None, list[Message]]:
    """Record who acknowledges an alert and why.

    The first acknowledgement stays, and a second person gets it as the answer. It applies to all threads of the
    alert, because they were notified in the same messages.

    Args:
        store: Store of alerts.
        channels: Channels by name.
        alert: Id of the alert.
        by: Person who acknowledges it.
        why: The person's comment.
        now: Wall time, unix nanoseconds.
        take_over: Whether to replace an existing acknowledgement.

    Returns:
        The alert, None if it does not exist; and the messages to send now.
    """
    known_alert = store.alerts.get(alert)
    if known_alert is None or (
        known_alert.acknowledged is not None and not (take_over and known_alert.acknowledged_by != by)
    ):
        return known_alert, []
    sent = store.threads_about([alert])
    threads = {one.alert for one in sent}
    shared = dict.fromkeys([alert, *(other for one in sent for other in one.about)])
    alerts = [store.alerts[one] for one in shared if one in store.alerts]
    deliveries = [
        replace(one, acknowledged=now, acknowledged_by=by, why=why)
        for one in alerts
        if one.id == alert or (one.open and (one.acknowledged is None or take_over))
    ]
    held_channels = {one.channel for one in store.held_messages if one.alert in threads}
    incidents: dict[tuple[str, str], int] = {}
    for one in sent:
        place = one.alert, one.channel
        incidents[place] = max(one.incident, incidents.get(place, 1))
    about = AlertPlace(known_alert.policy, known_alert.model, known_alert.environment, known_alert.severity)
    facts = acknowledgement_facts(alert, about, by, why)
    messages = [
        Message(
            _id(thread, name, incident),
            thread,
            name,
            "acknowledged",
            now,
            {**facts, "alert": thread},
            incident=incident,
        )
        for (thread, name), incident in incidents.items()
        if name in channels and channels[name].hears_acknowledgements and name not in held_channels and known_alert.open
    ]
    messages = [message for message in messages if not store.is_used(message.id)]
    store.write(deliveries, messages)
    return deliveries[0], messages


def _id(thread: str, channel: str, incident: int) -> str:
    """Return the id of the message that notifies a channel of the acknowledgement of an incident."""
    return f"{thread}-acknowledged-{channel}" if incident == 1 else f"{thread}-acknowledged-{incident}-{channel}"

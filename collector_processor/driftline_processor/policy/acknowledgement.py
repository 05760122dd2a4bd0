"""Somebody takes an alert on: that is stored with the messages that say so, where a channel hears of it."""

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
    """Note who takes an alert on, and why.

    Who took it on first stays: a second person learns that from the answer. Who takes one alert on has all of its
    threads, which were told in the same messages.

    Args:
        store: Where alerts are kept.
        channels: By name.
        alert: Its id.
        by: Who takes it on.
        why: What that person says.
        now: Wall time, unix nanoseconds.
        take_over: Whether it is taken from who has it.

    Returns:
        The alert, None where there is none; and the messages to send now.
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
    held_channels = {one.channel for one in store.held if one.alert in threads}
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
    """Return the id of the message by which a channel hears that somebody has an incident in hand."""
    return f"{thread}-acknowledged-{channel}" if incident == 1 else f"{thread}-acknowledged-{incident}-{channel}"

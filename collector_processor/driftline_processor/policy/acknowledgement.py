"""Somebody takes an alert on: that is stored with the messages that say so, where a channel hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftline_processor.config.channels import Channel
from driftline_processor.present.alerts import acknowledgement_facts

from .alerts import Alert, AlertStore, Message


def acknowledge(
    store: AlertStore, channels: Mapping[str, Channel], alert: str, by: str, why: str, now: int
) -> tuple[Alert | None, list[Message]]:
    """Note who takes an alert on, and why.

    Who took it on first stays: a second person learns that from the answer.

    Args:
        store: Where alerts are kept.
        channels: By name.
        alert: Its id.
        by: Who takes it on.
        why: What that person says.
        now: Wall time, unix nanoseconds.

    Returns:
        The alert, None where there is none; and the messages to send now.
    """
    known = store.alerts.get(alert)
    if known is None or known.acknowledged is not None:
        return known, []
    taken = replace(known, acknowledged=now, acknowledged_by=by, why=why)
    held = {one.channel for one in store.held if one.alert == alert}
    told = dict.fromkeys(one.channel for one in store.messages.values() if one.alert == alert and not one.is_order)
    facts = acknowledgement_facts(alert, known.policy, known.model, known.environment, known.severity, by, why)
    messages = [
        Message(f"{alert}-acknowledged-{name}", alert, name, "acknowledged", now, facts)
        for name in told
        if name in channels and channels[name].hears_acknowledgements and name not in held and known.open
    ]
    store.write([taken], messages)
    return taken, messages

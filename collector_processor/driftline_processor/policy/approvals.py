"""Approvals of actions: by people with a name, of exactly what is sent, once, and for a limited time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.schema import Config
from driftline_processor.present.wording import iso_time, short

from .action import ActionChannel
from .alerts import AlertStore, Approval, Delivery
from .channel import Answer
from .message import Message

VALID: Final = 3_600 * 10**9
"""Nanoseconds within which an approved action is sent, and within which the second of two people must approve it."""


class ApprovalRequest(Struct, frozen=True):
    """An approval that is pending.

    Attributes:
        words: What the action would send, in one line without secrets.
        digest: Digest of everything that decides what is sent.
        needed: Number of people who must approve it.
    """

    words: str
    digest: str
    needed: int


RequestOf = Callable[[Message], ApprovalRequest | None]
"""Returns the request for the approval of a message; None if its action no longer exists."""


def no_request(_message: Message) -> None:
    """Return no request."""


class ApprovalError(Exception):
    """The approval cannot be given; the message says who approved or why, and when."""


def request_of(config: Config, message: Message) -> ApprovalRequest | None:
    """Return the request for the approval of a message; None if its action no longer exists."""
    keys = config.actions.get(message.channel)
    if keys is None:
        return None
    channel = ActionChannel(keys)
    model = config.models.get(str(message.facts.get("model")))
    return ApprovalRequest(channel.describe(message), channel.digest(message), 1 if model is None else model.approvers)


def approve(
    store: AlertStore, config: Config, alert: str, action: str, by: str, why: str, digest: str, now: int
) -> tuple[Approval, Message | None] | None:
    """Record that a person approves an action for an alert.

    Args:
        store: Store of alerts.
        config: The configuration.
        alert: Id of the alert.
        action: Name of the action.
        by: The person.
        why: The person's comment.
        digest: Digest of the request that the person read.
        now: Wall time, unix nanoseconds.

    Returns:
        The approval, and the message to send, None if another person must approve it, too. None if the action was not
        ordered for the alert, or needs no approval.

    Raises:
        ApprovalError: It was approved, sent or dropped before, or the request has changed.
    """
    orders = store.orders_to_approve(alert, action)
    if not orders:
        return None
    awaited = store.awaited
    order = next((message for message in orders if message.id in awaited), None)
    if order is None:
        last = orders[-1].id
        raise ApprovalError(_past_words(action, store.approvals[last], store.deliveries.get(last)))
    request, pending = request_of(config, order), awaited[order.id]
    if request is None:
        raise ApprovalError(f"{action} was removed from the configuration, so it cannot run")
    if digest != request.digest:
        raise ApprovalError(f"what {action} would send has changed; read it again, and approve that")
    first = pending if pending.first is not None and pending.digest == digest and now - pending.first <= VALID else None
    if first is not None and first.first_by.casefold() == by.casefold():  # a directory knows ANN as ann
        words = (
            f"{first.first_by} approved {action} at {iso_time(first.first or 0)}; another person must approve it, too"
        )
        raise ApprovalError(words)
    if request.needed > 1 and first is None:
        approval = Approval(order.id, digest=digest, first=now, first_by=by, first_why=why)
    else:
        approval = replace(first or pending, time=now, by=by, why=why, digest=digest)
    return approval, store.approved(approval)


def refuse_unapproved(store: AlertStore, config: Config, message: Message, digest: str, now: int) -> Answer | None:
    """Return why an action must not be sent now; None if it may.

    Args:
        store: Store of alerts.
        config: The configuration.
        message: Message to the action.
        digest: Digest of what would be sent.
        now: Wall time, unix nanoseconds.
    """
    model = str(message.facts.get("model"))
    if model not in config.models:
        words = f"actions run for declared models only; declare '{short(model, 60)}' under 'models'"
        return Answer("refused", words)
    keys, approval = config.actions.get(message.channel), store.approvals.get(message.id)
    if keys is None or not keys.needs_approval(message.channel):
        return None
    people = 0 if approval is None or approval.time is None else 1 if approval.first is None else 2
    if approval is None or people < config.models[model].approvers:
        reason = "it needs an approval by the current configuration"
    elif approval.digest != digest:
        reason = "what would be sent has changed since the approval"
    elif abs(now - (approval.time or 0)) > VALID:
        reason = "it was not sent within an hour of its approval"
    else:
        return None
    return Answer("expired", f"{reason}; approve it again")


def to_ask_again(store: AlertStore, config: Config, delivery: Delivery) -> bool:
    """Return True for an action whose approval expired while its alert is still open."""
    message = store.messages.get(delivery.message)
    keys = None if message is None else config.actions.get(message.channel)
    if message is None or keys is None or delivery.result != "expired" or not keys.needs_approval(message.channel):
        return False
    return any(alert.open for alert in map(store.alerts.get, message.about) if alert is not None)


def _past_words(action: str, approval: Approval, delivery: Delivery | None) -> str:
    """Return what became of an approval that is no longer pending."""
    past = "" if delivery is None else f"{delivery.result.replace('_', ' ')} at {iso_time(delivery.time)}"
    if approval.time is None:
        return f"{action} can no longer be approved: {past}: {'' if delivery is None else delivery.detail}"
    return f"{action} was approved by {approval.people} at {iso_time(approval.time)}{f', and {past}' if past else ''}"

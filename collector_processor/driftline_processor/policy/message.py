"""A message about an alert, for one channel or action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from driftline_processor.config.channels import Severity
from driftline_processor.core.evaluation import VerdictState
from driftline_processor.core.verdict.record import Row, RowFinding

Kind = Literal[
    "opened",
    "joined",
    "worse",
    "cause_changed",
    "recovered",
    "eased",
    "resolved",
    "passed",
    "acknowledged",
    "escalated",
    "digest",
    "summary",
]
"""Kind of a message.

Alerts began, joined open ones, got worse, the most severe ended while others are open, all ended, or they began
and ended unseen; they are acknowledged, or escalated. A digest and the summary of quiet hours are about several models.
:data:`UPDATES` are about the findings of an open alert.
"""

UPDATES: Final[tuple[Kind, ...]] = ("cause_changed", "joined", "recovered")
"""The cause of a degradation is another one, a finding joined it, or one of its findings is over while it lasts."""

ENDS: Final[tuple[Kind, ...]] = ("resolved", "eased")
"""The alerts of the message are over."""

SEVERITIES: Final = get_args(Severity)
"""The most severe first."""


class Message(Struct, frozen=True):
    """A message about an alert, for one channel or action.

    Attributes:
        id: Idempotency key for the channel.
            alert: Id of the alert; of several alerts, the one that began their thread; a digest or a summary has
            its own id.
        channel: Name of the channel or of the action.
        kind: Kind of the message.
        created: Time of creation, wall time.
        held_until: Time until when it is held, wall time; None if it is sent at once.
        facts: JSON-serialisable content: ``title``, ``text``, ``severity``, links.
        alerts: Ids of its alerts, that of its title first; () = only ``alert``.
        incident: Number of the pager incident in its thread: a higher severity begins the next one.
        verdict: State of the verdict if the message has the words of the verdict as its subject; else "".
    """

    id: str
    alert: str
    channel: str
    kind: Kind
    created: int
    facts: Mapping[str, Any]
    held_until: int | None = None
    alerts: Sequence[str] = ()
    incident: int = 1
    verdict: VerdictState | Literal[""] = ""

    @property
    def remembered(self) -> dict[str, Any]:
        """The facts that are kept once it is delivered: the begin and the findings of the verdict."""
        return {name: self.facts[name] for name in ("verdict_since", "findings") if self.facts.get(name)}

    @property
    def says_several(self) -> bool:
        """Whether it is a digest or a summary, which has its own id in place of an alert's."""
        return self.kind in ("digest", "summary")

    @property
    def about(self) -> Sequence[str]:
        """Ids of its alerts."""
        return self.alerts or (self.alert,)

    @property
    def gravest(self) -> str:
        """Id of the alert of its title; "" for a digest or a summary."""
        return "" if self.says_several else self.about[0]

    @property
    def is_order(self) -> bool:
        """Whether it is for an action, whose name contains a slash, unlike a channel's."""
        return "/" in self.channel


def stated_row(state: VerdictState | Literal[""], messages: Iterable[Message]) -> Row | None:
    """Return the row of the record that messages stated, to compare a later row with; None without a state.

    A finding that a later message left out is still known, except an earlier cause.

    Args:
        state: The state that they stated last; "" if none.
        messages: The messages, the oldest first.
    """
    stated, since = dict[str, RowFinding](), ""
    for message in messages:
        since = message.facts.get("verdict_since") or since
        findings = [
            RowFinding(one["role"], one["subject"], None, until=None if one["until"] is None else 0)
            for one in message.facts.get("findings", ())
        ]
        if message.kind in ENDS:
            stated.clear()
        elif findings:
            stated = {name: one for name, one in stated.items() if one.role != "cause"}
            stated |= {one.subject: one for one in sorted(findings, key=lambda one: one.until is None)}
    begin = round(datetime.fromisoformat(since).timestamp() * 10**9) if since else None
    return Row(0, state, begin, tuple(stated.values())) if state else None

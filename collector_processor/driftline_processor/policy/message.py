"""A message about an alert, for one channel or action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from driftline_processor.config.channels import Severity
from driftline_processor.core.evaluation import VerdictState

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
        """The facts that are kept once it is delivered: which fault it was about, and its findings."""
        kept = ("verdict_kind", "verdict_since", "findings")
        return {name: self.facts[name] for name in kept if self.facts.get(name)}

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

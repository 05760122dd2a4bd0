"""A message about an alert, for one channel or action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from driftline_processor.config.channels import Severity

Kind = Literal["opened", "joined", "worse", "eased", "over", "passed", "acknowledged", "escalated", "digest", "summary"]
"""What a message says of its alerts: they began, they joined others that last, one turned graver, the gravest is over
and others last, all are over, or they began and ended unseen; somebody has them in hand, or nobody has. A digest, and
the summary of quiet hours, say it of several models."""

SEVERITIES: Final = get_args(Severity)
"""The gravest first."""


class Message(Struct, frozen=True):
    """A message about an alert, for one channel or action.

    Attributes:
        id: The key by which a channel knows it again.
        alert: Id of the alert; of several, that of the one that began their thread; of a digest or a summary its own.
        channel: Name of the channel, or of the action.
        kind: What it says.
        made: When it was written, wall time.
        held: Until when it waits to be collected or sent, wall time; None where it is sent at once.
        facts: What it says in parts: ``title``, ``text``, ``severity``, links; JSON can hold all of it.
        alerts: Ids of the alerts that it tells of, the gravest first; () = of ``alert`` alone.
        incident: Which incident of its thread a pager has then: a rise in severity begins the next one.
    """

    id: str
    alert: str
    channel: str
    kind: Kind
    made: int
    facts: Mapping[str, Any]
    held: int | None = None
    alerts: Sequence[str] = ()
    incident: int = 1

    @property
    def says_several(self) -> bool:
        """Whether it is a digest or a summary, which says several alerts and has its own id in place of theirs."""
        return self.kind in ("digest", "summary")

    @property
    def about(self) -> Sequence[str]:
        """Ids of the alerts that it tells of."""
        return self.alerts or (self.alert,)

    @property
    def gravest(self) -> str:
        """Id of the gravest alert that it tells of; "" of a digest or a summary."""
        return "" if self.says_several else self.about[0]

    @property
    def is_order(self) -> bool:
        """Whether it is for an action: its name has a slash, which that of a channel never has."""
        return "/" in self.channel

"""The traffic and the backlog of a model: whether it went silent, and whether its windows wait."""

from __future__ import annotations

from msgspec import Struct

from driftline_processor.core.windows.window import PANE

PATIENCE = 2 * PANE
"""Nanoseconds that windows may wait if no deadline of their length is given."""


class Traffic(Struct, frozen=True):
    """What the processor knows of a model's traffic and backlog.

    Attributes:
        now: The present, unix nanoseconds.
        silent_since: When the newest row came, where the model's own pace says that the next is overdue, see
            :class:`~.pace.Pace`; None where it is not, or no pace is known.
        pause: Nanoseconds of open time that its pauses last at most.
        waiting: Windows that wait to be evaluated.
        waiting_since: When the first of them began to wait, unix nanoseconds; None where none waits.
        patience: Nanoseconds that windows may wait.
    """

    now: int
    silent_since: int | None = None
    pause: int = 0
    waiting: int = 0
    waiting_since: int | None = None
    patience: int = PATIENCE

    @property
    def silent(self) -> bool:
        """Whether no row comes, though the model's own pace says that one should have."""
        return self.silent_since is not None

    @property
    def behind(self) -> bool:
        """Whether windows wait longer than they may."""
        return self.waiting > 0 and self.waiting_since is not None and self.now - self.waiting_since > self.patience

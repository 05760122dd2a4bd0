"""The traffic and the backlog of a model: whether it went silent, and whether its windows wait."""

from __future__ import annotations

from dataclasses import dataclass

from driftline_processor.core.windows.window import PANE

EXPECTED_ROWS = 14.0
"""Rows that the usual pace promises, before none of them counts as silence: at random, none comes once in a million."""

LONGER_THAN_EVER = 2.0
"""How many times as long as the longest gap so far a silence is: traffic comes in bursts, which no pace tells."""

PATIENCE = 2 * PANE
"""How long windows may wait, unix nanoseconds: a window is judged anew each time a pane of it changes."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the processor knows of a model's traffic and backlog.

    Attributes:
        now: The present, unix nanoseconds.
        rows: Rows that ever came.
        last: When the newest row came, unix nanoseconds; None where none came.
        expected: Rows that the model's usual pace promised between ``last`` and ``now``, at the same hours of the
            week; None where too little is known of its pace.
        longest_gap: Nanoseconds of the longest time without a row before ``last``.
        waiting: Closed windows that wait to be evaluated.
        waiting_since: When the first of them began to wait, unix nanoseconds; None where none waits.
        patience: Nanoseconds that windows may wait.
    """

    now: int
    rows: int = 0
    last: int | None = None
    expected: float | None = None
    longest_gap: int = 0
    waiting: int = 0
    waiting_since: int | None = None
    patience: int = PATIENCE

    @property
    def silent(self) -> bool:
        """Whether no row came, though the pace promised some and no gap was ever half as long.

        >>> hour = 3600 * 10**9
        >>> Traffic(now=9 * hour, rows=500, last=0, expected=90.0, longest_gap=hour).silent
        True
        >>> Traffic(now=9 * hour, rows=500, last=0, expected=90.0, longest_gap=8 * hour).silent
        False
        """
        if self.last is None or self.expected is None or self.expected < EXPECTED_ROWS:
            return False
        return self.now - self.last > LONGER_THAN_EVER * self.longest_gap

    @property
    def behind(self) -> bool:
        """Whether windows wait longer than they may."""
        return self.waiting > 0 and self.waiting_since is not None and self.now - self.waiting_since > self.patience

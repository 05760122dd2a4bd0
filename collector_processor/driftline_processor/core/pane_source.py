"""A batch job that wrote panes of a model."""

from __future__ import annotations

from msgspec import Struct


class PaneSource(Struct, frozen=True):
    """The panes of one source of a series.

    Attributes:
        source: Name of the job.
        epoch: Its greatest epoch.
        panes: Number of panes of all rows.
        rows: Number of their rows.
        outcomes: Number of these rows with an outcome.
        first: Start of the first pane, unix nanoseconds.
        last: End of the last pane, unix nanoseconds.
        received: Arrival of the newest pane, unix nanoseconds.
    """

    source: str
    epoch: int
    panes: int
    rows: int
    outcomes: int
    first: int
    last: int
    received: int

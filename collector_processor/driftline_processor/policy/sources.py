"""What a message may bring along from the processor: the report of its window, and the rows to label next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.present.names import handle

from .message import Message

if TYPE_CHECKING:
    from driftline_processor.queries.label_queue import LabelBatch
    from driftline_processor.queries.state_snapshot import StateSnapshot
    from driftline_processor.queries.weak_slices import Queries

    from .alerts import AlertStore

LAST = 7 * 86_400 * 10**9
"""Nanoseconds to look back for rows where an alert names no window."""


class StateReader(Protocol):
    """What is read of the state. Each part may be another one after an outage, so nobody keeps it."""

    @property
    def snapshot(self) -> StateSnapshot:
        """What is known of all models."""

    @property
    def queries(self) -> Queries:
        """What is read from the state file on request."""

    @property
    def alerts(self) -> AlertStore:
        """All alerts, and the messages about them."""


class Report(NamedTuple):
    """A report as one file.

    Attributes:
        name: Of the file: ASCII, the same whenever it is written for the same message.
        html: What it holds.
    """

    name: str
    html: bytes


MakeReport = Callable[[Message], Report | None]
"""Returns the report of the window that a message is about; None where there is none."""


class RowsToLabel(NamedTuple):
    """What should be labelled of the model of a message.

    Attributes:
        key: The model.
        batch: The rows.
    """

    key: ModelKey
    batch: LabelBatch


class Sources(Struct, frozen=True):
    """What an action may ask of the processor. One thread an action calls them.

    Attributes:
        report: Returns the report of the window that a message is about; None where there is none.
        rows: Returns at most so many rows of that window to label; None where the model is not known any more.
    """

    report: MakeReport
    rows: Callable[[Message, int], RowsToLabel | None]


class AlertRows(Struct, frozen=True):
    """Draws the rows to label of alerts.

    Attributes:
        state: Has the models, what messages are about, and the rows.
    """

    state: StateReader

    def __call__(self, message: Message, most: int) -> RowsToLabel | None:
        """Return at most so many rows of the window of a message to label; None where the model is gone."""
        alert = self.state.alerts.alerts.get(message.gravest)
        if alert is None:
            return None
        key = ModelKey(alert.model, alert.version, alert.environment)
        model = next(
            (candidate for candidate in self.state.snapshot.named(handle(key.model)) if candidate.key == key), None
        )
        if model is None:
            return None
        windows = [
            candidate.window
            for candidate in model.windows.get(alert.window, ())
            if candidate.window.start == alert.start
        ]
        until = windows[0].end if windows else max(model.last, 0) + 1
        since = windows[0].start if windows else until - LAST
        return RowsToLabel(key, self.state.queries.labels.next(key, since, until, most))


NO_SOURCES = Sources(lambda _: None, lambda _, __: None)
"""Where there is no processor."""

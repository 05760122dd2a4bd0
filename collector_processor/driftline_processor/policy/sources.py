"""Attachments of a message from the processor: the report of its window, and the rows to label next."""

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
"""Nanoseconds to look back for rows if an alert has no window."""


class StateReader(Protocol):
    """Access to the state. Its parts may be replaced after an outage, so do not keep references."""

    @property
    def snapshot(self) -> StateSnapshot:
        """All models."""

    @property
    def queries(self) -> Queries:
        """Queries of the state file."""

    @property
    def alerts(self) -> AlertStore:
        """All alerts and their messages."""


class Report(NamedTuple):
    """A report as one file.

    Attributes:
        name: File name in ASCII, the same on each repeat of a message.
        html: Content.
    """

    name: str
    html: bytes


MakeReport = Callable[[Message], Report | None]
"""Returns the report of a message's window; None if there is none."""


class RowsToLabel(NamedTuple):
    """Rows to label for the model of a message.

    Attributes:
        key: The model.
        batch: The rows.
    """

    key: ModelKey
    batch: LabelBatch


class Sources(Struct, frozen=True):
    """Data of the processor for an action. Called by one thread per action.

    Attributes:
        report: Returns the report of a message's window; None if there is none.
        rows: Returns the rows of that window to label, up to a number; None if the model no longer exists.
    """

    report: MakeReport
    rows: Callable[[Message, int], RowsToLabel | None]


class AlertRows(Struct, frozen=True):
    """Draw the rows to label of alerts.

    Attributes:
        state: Source of models, alerts, and rows.
    """

    state: StateReader

    def __call__(self, message: Message, most: int) -> RowsToLabel | None:
        """Return at most ``most`` rows of the window of a message to label; None if the model no longer exists."""
        alert = self.state.alerts.alerts.get(message.gravest)
        if alert is None:
            return None
        key = ModelKey(alert.model, alert.version, alert.environment)
        model = next(
            (candidate for candidate in self.state.snapshot.versions_of(handle(key.model)) if candidate.key == key),
            None,
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
"""Sources without a processor."""

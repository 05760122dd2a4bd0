"""The report of the window of an alert, which notifications and actions attach."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct
from starlette.exceptions import HTTPException

from driftline_processor.policy.action import file_safe
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Report, StateReader
from driftline_processor.present.links import Links
from driftline_processor.present.names import handle
from driftline_processor.present.wording import iso_time

from .pages.report import file_name, report
from .place import Place
from .selection import select

_log = logging.getLogger("driftline")


class AlertReports(Struct, frozen=True):
    """Create the reports of alerts.

    Attributes:
        state: Source of the models and of the alerts.
        links: Addresses of the pages.
        clock: Returns unix nanoseconds.
    """

    state: StateReader
    links: Links
    clock: Callable[[], int]

    def __call__(self, message: Message) -> Report | None:
        """Return the report of a message's window; None if the model or its window no longer exists.

        An error while the report is created is logged. The message is sent without the report.
        """
        alert = self.state.alerts.alerts.get(message.gravest)
        if alert is None:
            return None
        start = "" if alert.start is None else iso_time(alert.start)
        place = Place(handle(alert.model), handle(alert.version), handle(alert.environment), alert.window, start)
        try:
            selection = select(place, self.state.snapshot.versions_of(place.model))
            html = report(selection, self.clock(), histories=self.state.queries.features, links=self.links)
        except HTTPException:
            return None
        except Exception:
            _log.exception("the report of an alert could not be written; the message is sent without it")
            return None
        name = file_name(selection).removesuffix(".html")
        return Report(f"{name}-{file_safe(message.id)}.html", html.encode("utf-8", "replace"))

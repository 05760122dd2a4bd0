"""The dependencies of pages and API as one object, the response to a request for a page, and how far evaluation is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from driftline_processor.access.access import Access
from driftline_processor.access.routes import principal_of, require_covered
from driftline_processor.config.reload import Reloaded, ReloadError, Reloads
from driftline_processor.evaluation.window_queue import LONG
from driftline_processor.exporters.prometheus_page import Striking
from driftline_processor.health import Health, Labels, SendingReport
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.queries.incidents import IncidentLog
from driftline_processor.queries.model_view import ModelView

from .page import Page, answer
from .parameters import unknown_model
from .place import read_place
from .selection import Selection, select

if TYPE_CHECKING:  # evaluating files writes pages without the state
    from driftline_processor.state import State

Answer = Callable[[Request], Response]

Counted = Mapping[tuple[str, Labels], float]
"""(Name of a metric, its sorted labels) → value."""

_MINUTE = 60 * 10**9


class Process(Struct, frozen=True):
    """Facts of the process besides its counters.

    Attributes:
        lines: Returns sentences on addresses, storage and destinations.
        memory: Returns the bytes in use; 0 if unknown.
        memory_limit: Upper limit of bytes, ``limits.memory``; 0 = no limit.
        limits: Name of another limit → the limit.
        started: Start of the process, unix nanoseconds; 0 if unknown.
        reloads: The file of the configuration, and its last reload; None without one.
        destinations: Returns how each destination of telemetry fares.
        channels: Returns how each channel and action fares.
        policies: Returns the names of the evaluated policies.
        directory: The directory of the state; None if it is in memory.
        log_limit: Maximum bytes of the log.
    """

    lines: Callable[[], Sequence[str]] = tuple
    memory: Callable[[], int] = int
    memory_limit: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    started: int = 0
    reloads: Reloads | None = None
    destinations: Callable[[], Sequence[SendingReport]] = tuple
    channels: Callable[[], Sequence[SendingReport]] = tuple
    policies: Callable[[], Sequence[str]] = tuple
    directory: Path | None = None
    log_limit: int = 0


NO_PROCESS = Process()
"""No facts besides the counters."""


def _no_reload(_by: str, _how: str) -> Reloaded:
    """Refuse to reload, without a process."""
    raise ReloadError(["this processor was not started by 'driftline up'"], 503)


class Site(Struct, frozen=True, kw_only=True):
    """Dependencies of pages and API. Each module creates its routes from it: ``routes(site)``.

    Attributes:
        state: Its snapshot, queries, alerts and decisions are read on every request, in a thread.
        health: Its problems determine the answer of ``/readyz``; its counters count unusable outcomes.
        access: Identifies senders.
        clock: Returns unix nanoseconds.
        addresses: Name of a receiver → its address, for the page on how to start.
        links: Addresses of traces and, for other machines, of the pages.
        process: Facts of the status page besides counters.
        exemplars: Returns the exemplars of the scrape page.
        reload: Reloads the configuration, asked by a person who logged in somehow. Raises ReloadError.
        incidents: Incidents of all models, updated only for what has changed.
    """

    state: State
    health: Health
    access: Access
    clock: Callable[[], int] = time.time_ns
    addresses: Mapping[str, str] = field(default_factory=dict)
    links: Links = NO_LINKS
    process: Process = NO_PROCESS
    exemplars: Striking = dict
    reload: Callable[[str, str], Reloaded] = _no_reload
    incidents: IncidentLog = field(default_factory=IncidentLog)

    @property
    def models(self) -> Sequence[ModelView]:
        """All versions and environments of all models, the busiest first."""
        return self.state.snapshot.models

    def paging(self) -> dict[str, list[str]]:
        """Return by model the policies with an open alert that has sent a notification."""
        policies: dict[str, list[str]] = {}
        for alert in self.state.alerts.open:
            if alert.notified is not None:
                policies.setdefault(alert.model, []).append(alert.policy)
        return policies

    def selection(self, request: Request) -> Selection:
        """Return the selection of the address of a model's page. Raises 404 or 400."""
        place = read_place(request)
        versions = self.state.snapshot.versions_of(place.model)
        if not versions:
            raise unknown_model(request, place.model, self.state.snapshot)
        require_covered(request, versions[0].key.model)
        return select(place, versions)

    def note_rows(self, request: Request, what: str, rows: int, model: str = "", environment: str = "") -> None:
        """Record in the audit log that the sender of a request reads rows, before they are sent.

        Args:
            request: The request.
            what: What is read.
            rows: Number of rows.
            model: Name of the model; "" = several.
            environment: Environment of the model.
        """
        reader = principal_of(request.scope)
        self.state.audit(
            "rows_read",
            by=reader.audited_name,
            how=reader.login,
            model=model,
            environment=environment,
            words=f"rows of {what} were read",
            count=rows,
        )

    def answer(self, request: Request, page: Page) -> Response:
        """Return a page in the requested format."""
        return answer(request, page, behind=evaluated_until(self.state.counters(), self.clock()))

    def shows(self, make: Callable[[Request], Page]) -> Answer:
        """Return a request handler for a page."""
        return lambda request: self.answer(request, make(request))

    def shows_model(self, make: Callable[[Selection, Request], Page]) -> Answer:
        """Return a request handler for a page of the model in the address."""
        return lambda request: self.answer(request, make(self.selection(request), request))


def evaluated_until(counted: Counted, now: int) -> int | None:
    """Return the end of the evaluated time in unix nanoseconds, whole minutes; None if no window is late."""
    lag = int(max(lags_in_seconds(counted).values(), default=0.0) * 1e9)
    return (now - lag) // _MINUTE * _MINUTE if lag >= LONG else None


def lags_in_seconds(counted: Counted) -> dict[str, float]:
    """Return the lag in seconds per length of windows."""
    return {
        dict(labels).get(a.DRIFTLINE_WINDOW, ""): value
        for (name, labels), value in counted.items()
        if name == m.DRIFTLINE_EVALUATION_LAG
    }

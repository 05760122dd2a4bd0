"""What pages and the API are made from, as one object, and how a page becomes the answer to a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from driftline_processor.config.policies import Silence
from driftline_processor.exporters.prometheus_page import Striking
from driftline_processor.governance.audit import Audit
from driftline_processor.health import Health
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.queries.incidents import IncidentLog
from driftline_processor.queries.overview import ModelView

from .page import Page, answer
from .place import read_place
from .selection import Selection, select
from .status_facts import NO_PROCESS, Process, evaluated_until

if TYPE_CHECKING:  # evaluating files writes pages, too, and needs no state
    from driftline_processor.state import State

Answer = Callable[[Request], Response]


class Site(Struct, frozen=True, kw_only=True):
    """What pages and the API are made from. Each module of pages makes its routes from it: ``routes(site)``.

    Attributes:
        state: Its snapshot, queries, alerts and decisions are read on every request, in a thread.
        health: Its problems are what ``/readyz`` answers; its counters count outcomes that cannot be used.
        silences: Of the configuration, by name.
        clock: Unix nanoseconds.
        addresses: Name of a receiver → where it listens, for the page that says how to start.
        links: Where traces and, from elsewhere, the pages are.
        process: What the status page says beside counters.
        exemplars: Returns the exemplars of the scrape page.
        incidents: The incidents of all models, read again only from what has changed.
    """

    state: State
    health: Health
    silences: Mapping[str, Silence] = field(default_factory=dict)
    clock: Callable[[], int] = time.time_ns
    addresses: Mapping[str, str] = field(default_factory=dict)
    links: Links = NO_LINKS
    process: Process = NO_PROCESS
    exemplars: Striking = dict
    incidents: IncidentLog = field(default_factory=IncidentLog)

    @property
    def audit(self) -> Audit:
        """Reads all that was done."""
        return Audit(self.state.alerts, self.state.parts.decisions, self.silences, self.clock)

    @property
    def models(self) -> Sequence[ModelView]:
        """All versions and environments of all models, the busiest first."""
        return self.state.snapshot.models

    def selection(self, request: Request) -> Selection:
        """Return what the address of a page of a model selects. Raises 404 or 400."""
        place = read_place(request)
        return select(place, self.state.snapshot.named(place.model))

    def answer(self, request: Request, page: Page) -> Response:
        """Answer a request with a page, in the form that it asks for."""
        return answer(request, page, behind=evaluated_until(self.state.counters(), self.clock()))

    def shows(self, make: Callable[[Request], Page]) -> Answer:
        """Return what answers with a page."""
        return lambda request: self.answer(request, make(request))

    def shows_model(self, make: Callable[[Selection, Request], Page]) -> Answer:
        """Return what answers with a page of the model that the address names."""
        return lambda request: self.answer(request, make(self.selection(request), request))

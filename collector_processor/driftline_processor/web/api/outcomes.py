"""``POST /v1/outcomes`` and its uploads on the port of the pages."""

from __future__ import annotations

from starlette.routing import BaseRoute

from driftline_processor.receivers import outcomes_http
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the same routes as the receiver's."""
    state, counters = site.state, site.health.counters
    received = outcomes_http.routes(state.submit_outcomes, counters, site.clock, state.submit_part)
    return [*received, *outcomes_http.upload_routes(state.uploaded)]

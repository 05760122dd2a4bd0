"""``POST /v1/outcomes`` on the port of the pages."""

from __future__ import annotations

from starlette.routing import BaseRoute

from driftline_processor.receivers import outcomes_http
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the same routes as the receiver's."""
    return outcomes_http.routes(site.state.submit_outcomes, site.health.counters, site.clock)

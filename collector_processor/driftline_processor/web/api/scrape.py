"""``GET /metrics``: the metric points that are also sent over OTLP, for Prometheus."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from driftline_processor.exporters import prometheus_page
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""
    return [Route("/metrics", lambda request: prometheus_page.scrape(request, site.state, site.exemplars))]

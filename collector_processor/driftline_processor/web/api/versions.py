"""``GET /api/v1/models/{name}/versions``: challengers beside the champion."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from driftline_processor.present.evaluation_json import json_of
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""
    return [Route("/api/v1/models/{name:path}/versions", lambda request: versions(request, site.state.snapshot))]


def versions(request: Request, snapshot: StateSnapshot) -> Response:
    """Answer with what is known of every version beside the champion; [] where there is one version only."""
    model = find_model(request, snapshot)
    return FiniteJSON(
        {
            "model": model.key.model,
            "environment": model.key.environment,
            "champion": model.versions[0].champion.name if model.versions else None,
            "challengers": [json_of(version) for version in model.versions],
        }
    )

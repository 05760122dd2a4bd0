"""``GET /api/v1/models/{name}/versions``: challengers compared with the champion."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.sections.section import TOP
from driftline_processor.present.sections.versions import comparison
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, read_flag
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""
    return [
        Guarded(
            "/api/v1/models/{name:path}/versions",
            lambda request: versions(request, site.state.snapshot),
            may="read",
            parameters="version environment sections",
        )
    ]


def versions(request: Request, snapshot: StateSnapshot) -> Response:
    """Return the comparison of each version with the champion; [] if the model has one version only.

    ``?sections=true`` adds the layout of the terminal.
    """
    model = find_model(request, snapshot)
    answer: dict[str, Any] = {
        "model": model.key.model,
        "environment": model.key.environment,
        "champion": model.versions[0].champion.name if model.versions else None,
        "challengers": [json_of(version) for version in model.versions],
    }
    if read_flag(request, "sections", False):
        laid_out = (comparison(version, model.timezone).on_surface(TOP) for version in model.versions)
        answer["sections"] = to_builtins([section for section in laid_out if section is not None])
    return FiniteJSON(answer)

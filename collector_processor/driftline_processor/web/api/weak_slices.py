"""``GET /api/v1/models/{name}/weak-slices``: slices of one or two features in which the model performs worse."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.wording import iso_time
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, moment, no_window
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def weak_slices(request: Request) -> FiniteJSON:
        model = find_model(request, site.state.snapshot)
        name = request.query_params.get("window") or next(iter(model.windows), "")
        if name not in model.windows:
            raise no_window(model, name)
        start = moment(request, "start") if request.query_params.get("start") else None
        closed = [
            evaluation.window
            for evaluation in model.windows[name]
            if evaluation.closed and start in (None, evaluation.window.start)
        ]
        if not closed:
            where = (
                "begins there; /evaluations lists them"
                if start is not None
                else "exists yet; a window closes after its end"
            )
            raise HTTPException(404, f"no closed window {name!r} {where}")
        window = closed[-1]
        found = site.state.queries.weak_slices.search(model.key, window.start, window.end)
        return FiniteJSON(
            {
                "model": model.key.model,
                "version": model.key.version,
                "environment": model.key.environment,
                "start": iso_time(window.start),
                "end": iso_time(window.end),
                "weak_slices": json_of(found),
            }
        )

    return [
        Guarded(
            "/api/v1/models/{name:path}/weak-slices",
            weak_slices,
            may="read",
            parameters="version environment window start",
        )
    ]

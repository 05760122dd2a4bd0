"""What was said of an id, and what was believed at some time, as JSON.

``GET /api/v1/models/{name}/outcomes?id=`` and ``GET /api/v1/models/{name}/evaluations?as_of=``.
"""

from __future__ import annotations

from typing import Any

from driftline.instants import instant
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core import render
from driftline_processor.core.estimate.record import recorded
from driftline_processor.runtime.history import History, Told
from driftline_processor.runtime.view import View

from .api import asked, find
from .times import iso


def routes(view: View, history: History) -> list[BaseRoute]:
    """Return the route of what was said."""

    def outcomes(request: Request) -> Response:
        model, id = find(request, view.models()), request.query_params.get("id", "")
        if not id:
            raise HTTPException(400, "name the prediction, as in ?id=A-1001")
        told = history.outcomes(model.key.model, id)
        return JSONResponse({"model": model.key.model, "id": id, "outcomes": [_told(one) for one in told]})

    return [Route("/api/v1/models/{name:path}/outcomes", outcomes)]


def believed(request: Request, view: View, history: History) -> Response:
    """Answer ``GET /api/v1/models/{name}/evaluations?as_of=``: closed windows as they were believed then."""
    model, window, limit, curves = asked(request, view.models())
    try:
        as_of = instant(request.query_params["as_of"])
    except ValueError:
        raise HTTPException(400, "as_of is a time, as in ?as_of=2026-03-03T00:00:00Z") from None
    known = history.believed(model.key, window, as_of, limit)
    windows = recorded([one.evaluation for one in known], 0)
    return JSONResponse(
        {
            "model": model.key.model,
            "version": model.key.version,
            "environment": model.key.environment,
            "window": window,
            "timezone": model.timezone,
            "as_of": iso(as_of),
            "windows": [
                {**render.to_json(one, curves), "believed": iso(belief.believed)}
                for one, belief in zip(windows, known, strict=True)
            ],
        }
    )


def _told(one: Told) -> dict[str, Any]:
    return {
        "time": iso(one.time),
        "received": iso(one.received),
        "environment": one.environment,
        "prediction_time": None if one.prediction_time is None else iso(one.prediction_time),
        "actual": one.actual,
        "item": one.item,
        "value": one.value,
        "weight": one.weight,
        "slices": dict(one.slices),
        "retracted": one.retracted,
        "belongs_to": [
            {"version": mine.version, "environment": mine.environment, "time": iso(mine.time), "counts": mine.counts}
            for mine in one.belongs_to
        ],
    }

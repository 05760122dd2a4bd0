"""What was said of an id, and what was believed at some time, as JSON.

``GET /api/v1/models/{name}/outcomes?id=`` and ``GET /api/v1/models/{name}/evaluations?as_of=``.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.estimate.record import recorded
from driftline_processor.core.render import iso_time
from driftline_processor.runtime.history import History, Told
from driftline_processor.runtime.view import View

from .api import asked
from .queries import find, moment


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
    wanted, as_of = asked(request, view.models()), moment(request, "as_of")
    known = history.believed(wanted.model.key, wanted.window, as_of, wanted.limit)
    windows = recorded([one.evaluation for one in known], 0)
    told = [
        {**wanted.rendered(one), "believed": iso_time(belief.believed)}
        for one, belief in zip(windows, known, strict=True)
    ]
    return wanted.answer(told, as_of=iso_time(as_of))


def _told(one: Told) -> dict[str, Any]:
    return {
        "time": iso_time(one.time),
        "received": iso_time(one.received),
        "environment": one.environment,
        "prediction_time": None if one.prediction_time is None else iso_time(one.prediction_time),
        "actual": one.actual,
        "item": one.item,
        "value": one.value,
        "weight": one.weight,
        "slices": dict(one.slices),
        "retracted": one.retracted,
        "belongs_to": [
            {
                "version": mine.version,
                "environment": mine.environment,
                "time": iso_time(mine.time),
                "counts": mine.counts,
            }
            for mine in one.belongs_to
        ],
    }

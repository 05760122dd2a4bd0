"""``/healthz`` and ``/readyz``, which answer as soon as the port is open, before the pages are loaded."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftline_processor.access.access import Access
from driftline_processor.access.routes import Guarded, address_of
from driftline_processor.health import Health

_UNNAMED = "log in with the capability 'read' to see the reason"


def probes(health: Health, access: Access) -> list[Guarded]:
    """Return the routes of the health probes. Only who may read results gets the sentences, which can name models."""

    def body_for(request: Request) -> dict[str, Any]:
        body: dict[str, Any] = health.body()
        if access.identify(request.headers.get, address_of(request.scope)).may("read"):
            return body
        return {**body, "problems": [{**problem, "message": _UNNAMED} for problem in body["problems"]]}

    def alive(request: Request) -> Response:
        return JSONResponse(body_for(request), status_code=200 if health.alive else 503)

    def ready(request: Request) -> Response:
        body = body_for(request)
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    return [Guarded("/healthz", alive, may="anyone"), Guarded("/readyz", ready, may="anyone")]

"""``/healthz`` and ``/readyz``, which answer as soon as the port is open, before the pages are loaded."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftline_processor.access.routes import Guarded
from driftline_processor.health import Health


def probes(health: Health) -> list[Guarded]:
    """Return the routes of the health probes."""

    def alive(_: Request) -> Response:
        return JSONResponse(health.body(), status_code=200 if health.alive else 503)

    def ready(_: Request) -> Response:
        body = health.body()
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    return [Guarded("/healthz", alive, may="anyone"), Guarded("/readyz", ready, may="anyone")]

"""The web application: pages, ``/metrics``, ``/api``, ``/healthz``, ``/readyz``, outcomes and baselines."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftline_processor.access.routes import Authentication, Guarded, check_routes
from driftline_processor.exporters import prometheus_page
from driftline_processor.otlp.protocol import retry_after
from driftline_processor.receipts import Overloaded
from driftline_processor.receivers import outcomes_http, panes_http
from driftline_processor.servers.http_body import MalformedBody

from .answers import FiniteJSON
from .api import alerts as alerts_api
from .api import annotations as annotations_api
from .api import audit as audit_api
from .api import backups as backups_api
from .api import baselines as baselines_api
from .api import decisions as decisions_api
from .api import deletion as deletion_api
from .api import evaluations as evaluations_api
from .api import label_queue as labels_api
from .api import mispredictions as mispredictions_api
from .api import policies as policies_api
from .api import reload as reload_api
from .api import retraining as retraining_api
from .api import silences as silences_api
from .api import snapshots as exports_api
from .api import status as status_api
from .api import tables as tables_api
from .api import versions as versions_api
from .api import weak_slices as weak_slices_api
from .downloads import remove_downloads_of_killed_processes
from .page import answer_failure
from .pages import (
    audit,
    data,
    drift,
    feature,
    glossary,
    home,
    incidents,
    login,
    overview,
    performance,
    predictions,
    report,
    review,
    runbooks,
    scorecard,
    search,
    status,
    unknown_outcomes,
    versions,
)
from .place import EncodedSlashes, with_slashes
from .site import Site

HERE = Path(__file__).parent

SECURITY_HEADERS = {
    # Scripts and styles are only our own files: a script in a model's name would not run even if escaping failed.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


PAGES = (
    login, home, search, incidents, audit, scorecard, review, status, unknown_outcomes, glossary, runbooks,
    feature,  # before all other routes of a model, because a feature may have the name of a page
    performance, drift, data, predictions, versions, report,
    overview,  # after all that go on behind the name of a model
)  # fmt: skip
"""Modules of the pages, in the order in which their routes are matched."""

API = (
    policies_api, alerts_api, silences_api, annotations_api, audit_api, backups_api, baselines_api, decisions_api,
    deletion_api, labels_api, mispredictions_api, reload_api, retraining_api, exports_api, versions_api,
    status_api, tables_api, weak_slices_api,
    evaluations_api,  # after all that go on behind the name of a model
)  # fmt: skip
"""Modules of the API, in the order in which their routes are matched."""


def create_app(site: Site) -> Starlette:
    """Build the application with the routes of all pages and of the API."""
    state = site.state
    remove_downloads_of_killed_processes()
    routes = [route for module in (*PAGES, *API) for route in module.routes(site)]
    routes.append(
        Guarded("/metrics", lambda request: prometheus_page.scrape(request, state, site.exemplars), may="metrics")
    )
    routes += outcomes_http.routes(
        state.submit_outcomes, site.health.counters, site.clock, state.unknown_outcomes, state.note_outcomes
    )
    routes += panes_http.routes(state.submit_panes, site.health.counters, state.note_panes)
    routes.append(Mount("/static", StaticFiles(directory=HERE / "static")))
    check_routes(routes)
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Authentication, access=site.access),  # first, so that also the page of an error knows the person
            Middleware(SecurityHeaders),
            Middleware(EncodedSlashes),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=4),
        ],
        exception_handlers={
            HTTPException: _sentence,
            MalformedBody: _malformed,
            Overloaded: _busy,
            ClientDisconnect: lambda _request, _error: Response(status_code=400),
            Exception: _sentence,
        },
    )


class SecurityHeaders:
    """Middleware that adds :data:`SECURITY_HEADERS` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request and add the headers to the response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):  # answers depend on the person
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


async def _busy(request: Request, error: Exception) -> Response:
    """Answer 503 if the storage is overloaded, without a traceback per request."""
    assert isinstance(error, Overloaded)
    return await _sentence(request, HTTPException(503, str(error), {"Retry-After": retry_after(error)}))


async def _malformed(request: Request, error: Exception) -> Response:
    return await _sentence(request, HTTPException(400, str(error)))


async def _sentence(request: Request, error: Exception) -> Response:
    """Return an error as a page to a browser and as JSON to a program."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    detail = error.detail if isinstance(error, HTTPException) else "this page failed; see the processor's log"
    if status == 404 and detail == "Not Found":
        detail = f"there is nothing at {with_slashes(request.scope['path'])[:200]}; start at /"
    if request.scope["path"].startswith(("/api/", "/v1/", "/-/")) or request.method not in ("GET", "HEAD"):
        return FiniteJSON({"error": detail}, status_code=status, headers=headers)
    if status == 401 and (leads := login.to_login(request)) is not None:
        return leads
    page = await run_in_threadpool(answer_failure, request, status, detail)
    page.headers.update(headers or {})
    page.headers.update(SECURITY_HEADERS)  # internal errors bypass the middleware
    return page

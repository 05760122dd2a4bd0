"""The web application: pages, ``/metrics``, ``/api``, ``/healthz``, ``/readyz``, ``POST /v1/outcomes`` and baselines.

Nothing here changes state except outcomes, which are a POST, and baselines, which are a PUT; every other route answers
GET and HEAD alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftline_processor.exporters import prometheus_page
from driftline_processor.governance.audit import Audit
from driftline_processor.governance.decisions import DecisionStore
from driftline_processor.health import Health
from driftline_processor.otlp.protocol import retry_after
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.explanation import PolicyExplanations
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.queries.baselines import BaselineShelf
from driftline_processor.queries.feature_history import FeatureHistories
from driftline_processor.queries.history import History
from driftline_processor.queries.incidents import IncidentLog
from driftline_processor.queries.label_queue import LabelQueue
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.overview import View
from driftline_processor.queries.predictions import KeptPredictions
from driftline_processor.queries.weak_slices import WeakSliceSearch, WeakSlicesOfWindows
from driftline_processor.receipts import Overloaded
from driftline_processor.receivers import outcomes_http
from driftline_processor.web.api import audit as audit_api
from driftline_processor.web.api import baselines, evaluations, label_queue, mispredictions, retraining
from driftline_processor.web.api import evaluations as histories
from driftline_processor.web.api import versions as versions_api
from driftline_processor.web.api.answers import FiniteJSON
from driftline_processor.web.api.parameters import number

from . import report
from .encoded_names import EncodedSlashes, with_slashes
from .page import Page, answer, answer_failure
from .pages import (
    alert,
    data,
    drift,
    feature,
    glossary,
    home,
    incidents,
    overview,
    performance,
    predictions,
    review,
    runbooks,
    scorecard,
    status,
    unknown_outcomes,
    versions,
)
from .pages import audit as audit_page
from .place import read_place
from .report import MakePage
from .selection import Selection, select

HERE = Path(__file__).parent

SECURITY_HEADERS = {
    # Scripts and styles are files of our own: a model's name that is a script stays text even if escaping failed.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def create_app(
    view: View,
    submit_outcomes: outcomes_http.SubmitOutcomes,
    health: Health,
    clock: Callable[[], int] = time.time_ns,
    addresses: Mapping[str, str] = home.DEFAULT_ADDRESSES,
    shelf: BaselineShelf | None = None,
    more: Sequence[BaseRoute] = (),
    submit_part: outcomes_http.SubmitPart | None = None,
    history: History | None = None,
    wrong: Mispredictions | None = None,
    striking: prometheus_page.Striking | None = None,
    links: Links = NO_LINKS,
    process: status.Process = status.Process(),  # noqa: B008 - it is frozen
    labels: LabelQueue | None = None,
    kept: KeptPredictions | None = None,
    features: FeatureHistories | None = None,
    told: AlertStore | None = None,
    weak: WeakSliceSearch | None = None,
    decided: DecisionStore | None = None,
    explained: PolicyExplanations | None = None,
    audit: Audit | None = None,
) -> Starlette:
    """Build the application over what there is to see.

    ``view``: read on every request, in a thread. ``submit_outcomes``: see :func:`outcomes_http.routes`. ``health``: its
    problems are what ``/readyz`` answers, and its counters count outcomes that cannot be used. ``clock``: unix
    nanoseconds. ``addresses``: of the OTLP receivers, for the page that says how to start. ``shelf``: where baselines
    are put and got; None = nowhere. ``more``: routes of what the view does not show.
    ``submit_part``: see :func:`outcomes_http.routes`. ``history``: outcomes and evaluations of earlier times;
    None = nobody knows.
    ``wrong``: where the worst predictions are looked up, None = nowhere.
    ``process``: what the status page says beside counters.
    ``features``: where features are looked up window by window, None = only what evaluations hold.
    ``weak``: searches slices in which a model is weak; None = nowhere.
    ``told``: the alerts, and what was sent of them; None = nobody is told.
    ``explained``: what policies decided, and why; None = there are none.
    ``audit``: reads all that was done; None = nobody keeps it.
    ``decided``: what people decided about models; None = nobody keeps it.
    ``striking``: the exemplars of the scrape page. ``links``: where traces and, from elsewhere, the pages are.
    ``labels``: chooses what to label next. ``kept``: single predictions as they are kept; None = nobody has them.
    """
    log = IncidentLog()

    def reply(request: Request, page: Page) -> Response:
        return answer(request, page, behind=status.evaluated_until(view.counters(), clock()))

    rows = predictions.Rows(wrong, kept, history, labels, links)

    def first(request: Request) -> Response:
        known, host, asked = view.models(), request.url.netloc, request.query_params
        if only := home.only_match(known, asked):
            return RedirectResponse(only, 303)
        where = "" if kept is None else unknown_outcomes.ADDRESS
        return reply(request, home.page(known, view.hints(), clock(), addresses, host, asked, where))

    def tab(of: Callable[[Selection, int], Page]) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            return reply(request, of(select(read_place(request), view.models()), clock()))

        return show

    def one_model(request: Request) -> Response:
        known, place = view.models(), read_place(request)
        if not place.model and all(one.key.model for one in known):
            return RedirectResponse("/", 303)  # /models, of which / is the list
        return reply(request, overview.page(select(place, known), clock(), log=log))

    tabs: dict[str, MakePage] = {
        "": partial(overview.page, log=log),
        "performance": performance.page,
        "drift": drift.page,
        "data": data.page,
        "predictions": partial(predictions.page, rows=rows),
        "versions": versions.page,
        "incidents": partial(incidents.model_page, log=log, alerts=told, explained=explained),
        "scorecard": partial(scorecard.model_page, log=log, made=decided),
    }

    def one_report(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        written = report.report(selection, tabs, partial(feature.page, histories=features, links=links), clock(), links)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": report.content_security_policy()}
        if "download" in request.query_params:
            headers["Content-Disposition"] = f'attachment; filename="{report.file_name(selection)}"'
        return HTMLResponse(written.encode("utf-8", "replace"), headers=headers)

    weak_slices = None if weak is None else WeakSlicesOfWindows(weak)

    def show_performance(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        asked = "weak" in request.query_params
        return reply(request, performance.page(selection, clock(), weak_slices, find_weak=asked))

    def drift_of_features(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        return reply(request, drift.page(selection, clock(), request.query_params))

    def one_feature(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        return reply(
            request, feature.page(selection, with_slashes(request.path_params["feature"]), clock(), features, links)
        )

    def all_incidents(request: Request) -> Response:
        return reply(request, incidents.page(view.models(), request.query_params, log, told))

    def all_done(request: Request) -> Response:
        if audit is None:
            raise HTTPException(404, "nobody keeps what was done here")
        return reply(request, audit_page.page(audit, request.query_params))

    def all_scorecards(request: Request) -> Response:
        return reply(request, scorecard.page(view.models(), request.query_params, clock(), log))

    def one_scorecard(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        return reply(request, scorecard.model_page(selection, clock(), request.query_params, log=log, made=decided))

    def one_review(request: Request) -> Response:
        return reply(request, review.page(view.models(), request.query_params, clock(), log, told, decided))

    def review_file(request: Request) -> Response:
        found = review.page(view.models(), request.query_params, clock(), log, told, decided)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": report.content_security_policy()}
        return HTMLResponse(review.to_file(found).encode("utf-8", "replace"), headers=headers)

    def of_unknown_models(request: Request) -> Response:
        most = number(request, "limit", unknown_outcomes.SHOWN, unknown_outcomes.MOST)
        return reply(request, unknown_outcomes.page(kept, most, request.query_params.get("model") or None))

    def all_words(request: Request) -> Response:
        return reply(request, glossary.page())

    def all_runbooks(request: Request) -> Response:
        return reply(request, runbooks.list_page())

    def one_runbook(request: Request) -> Response:
        return reply(request, runbooks.page(request.path_params["name"]))

    def of_model_incidents(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        shown = incidents.model_page(
            selection, clock(), request.query_params, log=log, alerts=told, explained=explained
        )
        return reply(request, shown)

    def one_alert(request: Request) -> Response:
        return reply(request, alert.page(request.path_params["alert"], view.models(), told, explained))

    def of_processor(request: Request) -> Response:
        known = (view.counters(), health.problems(), view.hints(), view.models())
        return reply(request, status.page(*known, process, addresses, clock()))

    def show_predictions(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        most = number(request, "limit", predictions.SHOWN, predictions.MOST)
        search = predictions.Search(request.query_params.get("id", "").strip(), most, "label" in request.query_params)
        return reply(request, predictions.page(selection, clock(), rows, search))

    def show_versions(request: Request) -> Response:
        selection = select(read_place(request), view.models())
        return reply(request, versions.page(selection, clock(), request.query_params.get("compare", "")))

    def list_models(_: Request) -> Response:
        return evaluations.models(view.models(), view.hints())

    def show_model(request: Request) -> Response:
        return evaluations.model(request, view.models())

    def list_evaluations(request: Request) -> Response:
        if history is not None and "as_of" in request.query_params:
            return histories.evaluations_as_of(request, view, history)
        return evaluations.evaluations(request, view.models())

    def list_versions(request: Request) -> Response:
        return versions_api.versions(request, view.models())

    def weigh_retraining(request: Request) -> Response:
        return retraining.retraining(request, view.models())

    def list_training_runs(request: Request) -> Response:
        return retraining.training_runs(request, view.models())

    def list_formatted(request: Request) -> Response:
        return evaluations.in_format(request, view.models(), clock())

    def scrape(request: Request) -> Response:
        return prometheus_page.scrape(request, view, striking)

    def alive(_: Request) -> Response:
        return JSONResponse(health.body(), status_code=200 if health.alive else 503)

    def ready(_: Request) -> Response:
        body = health.body()
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    return Starlette(
        routes=[
            Route("/", first),
            Route("/incidents", all_incidents),
            Route("/alerts/{alert}", one_alert),
            Route("/audit", all_done),
            Route("/scorecard", all_scorecards),
            Route("/review", one_review),
            Route("/status", of_processor),
            Route("/unknown-outcomes", of_unknown_models),
            Route("/glossary", all_words),
            Route("/runbooks", all_runbooks),
            Route("/runbooks/{name}", one_runbook),
            # before all others, because a feature may be named as a page is
            Route("/models/{name:path}/features/{feature:path}", one_feature),
            Route("/models/{name:path}/incidents", of_model_incidents),
            Route("/models/{name:path}/scorecard", one_scorecard),
            Route("/models/{name:path}/performance", show_performance),
            Route("/models/{name:path}/drift", drift_of_features),
            Route("/models/{name:path}/data", tab(tabs["data"])),
            Route("/models/{name:path}/predictions", show_predictions),
            Route("/models/{name:path}/versions", show_versions),
            Route("/models/{name:path}/report", one_report),
            Route("/models/{name:path}", one_model),  # after all that go on behind a name
            Route("/metrics", scrape),
            Route("/api/v1/models", list_models),
            Route("/api/v1/review", review_file),
            Route("/api/v1/models/{name:path}/evaluations", list_evaluations),
            Route("/api/v1/models/{name:path}/versions", list_versions),
            Route("/api/v1/models/{name:path}/retraining", weigh_retraining),
            Route("/api/v1/models/{name:path}/training-runs", list_training_runs),
            Route("/api/v1/models/{name:path}/formats/{format}", list_formatted),
            Route("/api/v1/models/{name:path}/report", one_report),
            Route("/healthz", alive),
            Route("/readyz", ready),
            *outcomes_http.routes(submit_outcomes, health.counters, clock, submit_part),
            *([] if shelf is None else baselines.routes(shelf)),
            *([] if history is None else histories.outcome_history_routes(view, history)),
            *more,
            *([] if audit is None else audit_api.routes(audit)),
            *([] if labels is None else label_queue.routes(view, labels)),
            *([] if wrong is None else mispredictions.routes(view, wrong, links)),
            Route("/api/v1/models/{name:path}", show_model),  # after all that go on behind a name
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(EncodedSlashes),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=4),
        ],
        exception_handlers={HTTPException: _sentence, Overloaded: _busy, Exception: _sentence},
    )


class SecurityHeaders:
    """Add :data:`SECURITY_HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with its headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


async def _busy(request: Request, error: Exception) -> Response:
    """Answer what the storage cannot tell for now; without a handler of its own each request would be a traceback."""
    assert isinstance(error, Overloaded)
    return await _sentence(request, HTTPException(503, str(error), {"Retry-After": retry_after(error)}))


async def _sentence(request: Request, error: Exception) -> Response:
    """Answer an error as a page to a browser, and as JSON to a program."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    detail = error.detail if isinstance(error, HTTPException) else "this page failed; the processor's log says why"
    if status == 404 and detail == "Not Found":
        detail = f"there is nothing at {with_slashes(request.scope['path'])[:200]}; start at /"
    if request.scope["path"].startswith(("/api/", "/v1/")) or request.method not in ("GET", "HEAD"):
        return FiniteJSON({"error": detail}, status_code=status, headers=headers)
    page = await run_in_threadpool(answer_failure, request, status, detail)
    page.headers.update(headers or {})
    page.headers.update(SECURITY_HEADERS)  # an internal error is answered outside the middleware
    return page

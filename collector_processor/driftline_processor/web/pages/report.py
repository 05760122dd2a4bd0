"""The report of a model's pages as one file, for the pages and the API."""

from __future__ import annotations

from functools import partial

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.web.report import MakePage, content_security_policy, file_name, report
from driftline_processor.web.site import Site

from . import data, drift, feature, incidents, overview, performance, predictions, scorecard, versions


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the report."""

    def show(request: Request) -> Response:
        selection = site.selection(request)
        features = partial(feature.page, histories=site.state.queries.features, links=site.links)
        html = report(selection, chapters(site), features, site.clock(), site.links)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": content_security_policy()}
        if "download" in request.query_params:
            headers["Content-Disposition"] = f'attachment; filename="{file_name(selection)}"'
        return HTMLResponse(html.encode("utf-8", "replace"), headers=headers)

    return [Route("/models/{name:path}/report", show), Route("/api/v1/models/{name:path}/report", show)]


def chapters(site: Site) -> dict[str, MakePage]:
    """Return the current pages of a model by the end of their address."""
    queries, nothing = site.state.queries, QueryParams()
    rows = predictions.Rows(queries.mispredictions, queries.predictions, queries.history, queries.labels, site.links)
    return {
        "": partial(overview.page, log=site.incidents),
        "performance": performance.page,
        "drift": drift.page,
        "data": data.page,
        "predictions": partial(predictions.page, rows=rows),
        "versions": versions.page,
        "incidents": lambda selection, _: incidents.model_page(selection, site, nothing),
        "scorecard": lambda selection, _: scorecard.model_page(selection, site, nothing),
    }

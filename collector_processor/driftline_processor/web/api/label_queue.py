"""``GET /api/v1/models/{name}/label-next``: the predictions that are most useful to label, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.labels.sampling import REASONS, Reason
from driftline_processor.queries.label_sheets import MEDIA_TYPES, label_document, label_sheet
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, moment, number
from driftline_processor.web.site import Site

MOST = 10_000


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def label_next(request: Request) -> Response:
        model = find_model(request, site.state.snapshot)
        until = moment(request, "until", max(model.last, 0) + 1)
        # 7 * 86_400 * 10**9: nanoseconds to look back if the request has no start
        since = moment(request, "since", until - (7 * 86_400 * 10**9))
        limit = number(request, "limit", 100, MOST)
        batch = site.state.queries.labels.next(model.key, since, until, limit, tuple(_reasons(request.query_params)))
        form = request.query_params.get("format", "json")
        if form not in MEDIA_TYPES:
            raise HTTPException(400, f"format={form[:40]} is not supported; use json, csv or spreadsheet")
        site.note_rows(request, "the label queue", len(batch.rows), model.key.model, model.key.environment)
        if form == "json":
            return FiniteJSON(label_document(model.key, batch))
        return PlainTextResponse(label_sheet(form, model.key, batch), media_type=MEDIA_TYPES[form])

    return [
        Guarded(
            "/api/v1/models/{name:path}/label-next",
            label_next,
            may="read_rows",
            parameters="version environment since until limit by format",
        )
    ]


def _reasons(asked: Mapping[str, str]) -> Iterator[Reason]:
    names = asked.get("by", ",".join(REASONS)).split(",")
    for name in filter(None, (text.strip() for text in names)):
        known_reason = next((reason for reason in REASONS if reason == name), None)
        if known_reason is None and name != "random":
            raise HTTPException(
                400, f"by={name[:40]} is not supported; use one or more of {', '.join(REASONS)}, or random"
            )
        if known_reason is not None:
            yield known_reason

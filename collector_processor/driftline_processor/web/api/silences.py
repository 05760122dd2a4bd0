"""``GET /v1/silences``: who suppresses which notifications, until when and why.

``POST`` adds a silence, ``DELETE`` ends it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of, require
from driftline_processor.config.values import parse_duration
from driftline_processor.core.nearest_names import near
from driftline_processor.policy.silences import silence_json
from driftline_processor.present.names import usable
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.site import Site

from .forms import find_model, read_form, return_to_page

FIELDS: Final = ("model", "environment", "policy", "for", "by", "why")

LONGEST: Final = timedelta(days=90)
"""Upper limit of a silence, so that a forgotten one ends."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes."""
    state = site.state

    def silences(request: Request) -> Response:
        model, now = request.query_params.get("model", ""), site.clock()
        lasting = [one for one in state.parts.silences.all if now < one.silence.until]
        may = principal_of(request.scope).may
        chosen = [
            one
            for one in lasting
            if (not model or one.silence.names(model)) and all(may("read", name) for name in one.silence.models)
        ]
        return FiniteJSON({"silences": [silence_json(one) for one in chosen]})

    async def silence(request: Request) -> Response:
        needed = {"model": "add the name of the model", "for": "add how long, such as 8h"}
        form = await read_form(request, FIELDS, {**needed, "why": "add the reason"})
        models = find_model(request, state.snapshot, form["model"])
        policies, environments = [*state.parts.explanations.policies], [view.key.environment for view in models]
        if form["policy"] and form["policy"] not in policies:
            raise HTTPException(
                400, f"policy: there is no policy '{form['policy'][:80]}'; {near(form['policy'], policies)}"
            )
        if form["environment"] and form["environment"] not in environments:
            fix = near(form["environment"], usable(environments))
            raise HTTPException(400, f"environment: the model has no environment '{form['environment'][:80]}'; {fix}")
        place = models[0].key.model, form["environment"], form["policy"]
        lasts = _nanoseconds(form["for"])
        made = await run_in_threadpool(state.notifications.silence, *place, form["by"], form["why"], lasts)
        if "text/html" in request.headers.get("accept", ""):
            return return_to_page(request, "/incidents")
        return FiniteJSON(silence_json(made), status_code=201)

    async def end(request: Request) -> Response:
        form, id = await read_form(request, ("by",), {}), request.path_params["id"]
        for one in state.parts.silences.all:
            for model in one.silence.models if one.id == id else ():
                require(request, "decide", model)
        ended = await run_in_threadpool(state.notifications.end_silence, id, form["by"])
        if ended is None:
            raise HTTPException(
                404,
                "nobody set a silence with this id; GET /v1/silences lists all silences, and those without 'by' are "
                "ended in the configuration",
            )
        if "text/html" in request.headers.get("accept", ""):
            return return_to_page(request, "/incidents")
        return FiniteJSON(silence_json(ended))

    return [
        Guarded("/v1/silences", silences, may="read", by_model=True, parameters="model"),
        Guarded("/v1/silences", silence, methods=["POST"], may="decide", by_model=True, form=True, parameters=""),
        Guarded("/v1/silences/{id}", end, methods=["DELETE"], may="decide", by_model=True, form=True, parameters=""),
        Guarded(
            "/v1/silences/{id}/end", end, methods=["POST"], may="decide", by_model=True, form=True, parameters=""
        ),  # for forms, which cannot send DELETE
    ]


def _nanoseconds(text: str) -> int:
    """Return the length of a silence. Raises 400."""
    try:
        lasts = parse_duration(text, "h", "d")
    except ValueError as wrong:
        raise HTTPException(400, f"for: {wrong}") from None
    if not timedelta() < lasts <= LONGEST:
        raise HTTPException(400, f"for: '{text[:40]}' is not allowed; use a time of up to {LONGEST.days}d, such as 8h")
    return round(lasts.total_seconds()) * 10**9

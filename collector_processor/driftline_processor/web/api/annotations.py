"""``POST /v1/annotations``: a note or a deployment, shown as a mark on the timeline of its model."""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.nearest_names import near
from driftline_processor.governance.decisions import ANNOTATIONS, decision_json
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import read_moment
from driftline_processor.web.site import Site

from .forms import find_model, read_form, return_to_page

FIELDS: Final = ("model", "text", "by", "kind", "version", "time")


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""
    state = site.state

    async def annotate(request: Request) -> Response:
        needed = {"model": "add the name of the model", "text": "add what happened"}
        form = await read_form(request, FIELDS, needed)
        models = find_model(request, state.snapshot, form["model"])
        kind = next((kind for kind in ANNOTATIONS if kind == (form["kind"] or "note")), None)
        if kind is None:
            raise HTTPException(
                400, f"kind: {form['kind'][:40]!r} is not a kind of annotation; {near(form['kind'], ANNOTATIONS)}"
            )
        time = read_moment(form["time"], "time") if form["time"] else None
        arguments = models[0].key.model, form["version"], kind, form["by"], form["text"], time
        annotation = await run_in_threadpool(state.decide, *arguments)
        if "text/html" in request.headers.get("accept", ""):
            return return_to_page(request, "/")
        return FiniteJSON(decision_json(annotation), status_code=201)

    return [
        Guarded("/v1/annotations", annotate, methods=["POST"], may="annotate", by_model=True, form=True, parameters="")
    ]

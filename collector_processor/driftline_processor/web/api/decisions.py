"""``GET /api/v1/models/{model}/decisions``: people's decisions about a model; ``POST`` adds a decision."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.nearest_names import near
from driftline_processor.governance.decisions import KINDS, Decision, decision_json
from driftline_processor.present.names import handle, usable
from driftline_processor.present.wording import short
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model
from driftline_processor.web.site import Site

from .forms import read_form


def _warning(decision: Decision, model_views: Sequence[ModelView]) -> str | None:
    """Return a warning if no predictions of the decision's version exist, else None; the decision is stored anyway."""
    versions = list(dict.fromkeys(view.key.version for view in model_views))
    if not decision.version or decision.version in versions:
        return None
    fix = near(decision.version, [version for version in usable(versions) if version])
    return f"there are no predictions of version '{short(decision.version, 80)}' of {short(decision.model, 80)}; {fix}"


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes."""
    state = site.state

    def decisions(request: Request) -> Response:
        name = find_model(request, state.snapshot).key.model
        return FiniteJSON({"decisions": [decision_json(decision) for decision in state.parts.decisions.of(name)]})

    async def record(request: Request) -> Response:
        model = find_model(request, state.snapshot)
        needed = {"kind": f"use {' or '.join(KINDS)}", "why": "add the reason"}
        form = await read_form(request, ("kind", "by", "why", "version"), needed)
        kind = next((kind for kind in KINDS if kind == form["kind"]), None)
        if kind is None:
            raise HTTPException(
                400, f"kind: {form['kind'][:40]!r} is not a kind of decision; {near(form['kind'], KINDS)}"
            )
        decision = await run_in_threadpool(
            state.decide, model.key.model, form["version"], kind, form["by"], form["why"]
        )
        return FiniteJSON(
            {
                **decision_json(decision),
                "warning": _warning(decision, state.snapshot.versions_of(handle(decision.model))),
            }
        )

    return [
        Guarded("/api/v1/models/{name:path}/decisions", decisions, may="read", parameters="version environment"),
        Guarded(
            "/api/v1/models/{name:path}/decisions",
            record,
            methods=["POST"],
            may="decide",
            form=True,
            parameters="version environment",
        ),
    ]

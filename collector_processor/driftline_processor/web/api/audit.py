"""``GET /api/v1/audit``: the audit log, newest entries first."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.nearest_names import near
from driftline_processor.governance.audit import KINDS, Audit, Entry, entry_json
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import number
from driftline_processor.web.site import Site

MOST = 10_000
"""Upper limit of entries per response."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def entries(request: Request) -> Response:
        limit = number(request, "limit", 1_000, MOST)
        found = entries_of(site.audit, request.query_params)
        return FiniteJSON({"entries": [entry_json(entry) for entry in found[:limit]], "all": len(found)})

    return [Guarded("/api/v1/audit", entries, may="admin")]


def entries_of(audit: Audit, query_params: QueryParams) -> list[Entry]:
    """Return the requested entries. Raises 400 for an unknown kind."""
    kind = query_params.get("kind", "")
    if kind and kind not in KINDS:
        raise HTTPException(400, f"kind: {kind[:40]!r} is not a kind of entry; {near(kind, KINDS)}")
    return audit.entries(query_params.get("model", ""), kind)

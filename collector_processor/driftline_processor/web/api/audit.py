"""``GET /api/v1/audit``: the audit log, newest entries first; ``/api/v1/audit/export``: all of it, oldest first."""

from __future__ import annotations

import json
from collections.abc import Iterator

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.nearest_names import near
from driftline_processor.governance.audit import KINDS, AuditLog, Entry, entry_document
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import number
from driftline_processor.web.site import Site

MOST = 10_000
"""Upper limit of entries per response."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes."""

    def entries(request: Request) -> Response:
        limit, log = number(request, "limit", 1_000, MOST), site.state.audit_log
        found, count = entries_of(log, request.query_params, limit)
        return FiniteJSON({"entries": [*map(entry_document, found)], "all": count, "head": str(log.head)})

    def export(_: Request) -> Response:
        # not compressed, so that the command line can write it to a file as it comes
        headers = {"Content-Encoding": "identity"}
        return StreamingResponse(_lines(site.state.audit_log), media_type="application/x-ndjson", headers=headers)

    return [
        Guarded("/api/v1/audit", entries, may="admin", parameters="model kind limit"),
        Guarded("/api/v1/audit/export", export, may="admin", parameters=""),
    ]


def entries_of(log: AuditLog, query_params: QueryParams, limit: int, skip: int = 0) -> tuple[list[Entry], int]:
    """Return the requested entries and the number of all that match. Raises 400 for an unknown kind."""
    kind = query_params.get("kind", "")
    if kind and kind not in KINDS:
        raise HTTPException(400, f"kind: {kind[:40]!r} is not a kind of entry; {near(kind, KINDS)}")
    return log.entries(query_params.get("model", ""), [kind] if kind else (), limit=limit, skip=skip)


def _lines(log: AuditLog) -> Iterator[str]:
    """Yield all entries as JSON lines."""
    for entry in log.oldest_first():
        yield f"{json.dumps(entry_document(entry))}\n"

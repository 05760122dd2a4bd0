"""The audit log: what policies, channels and people did, who read or deleted data, and who logged in; newest first."""

from __future__ import annotations

from typing import Final

from msgspec.structs import fields
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.governance.audit import KINDS, AuditLog, Entry, EntryKind, entry_document
from driftline_processor.web.api.audit import MOST, entries_of
from driftline_processor.web.page import Page, Table, first_shown
from driftline_processor.web.site import Site

SHOWN: Final = 100
"""Entries per page; CSV and JSON have up to :data:`~driftline_processor.web.api.audit.MOST`."""

_COLUMNS: Final = tuple(field.name for field in fields(Entry))

KIND_WORDS: dict[EntryKind, str] = {
    "fired": "alerts",
    "resolved": "resolved",
    "notified": "notifications",
    "ordered": "actions",
    "attempted": "attempts",
    "answered": "results",
    "approved": "approvals",
    "acknowledged": "acknowledgements",
    "decided": "decisions",
    "annotated": "annotations",
    "silenced": "silences",
    "rows_read": "rows read",
    "outcomes_sent": "outcomes",
    "panes_sent": "panes",
    "baseline_set": "baselines",
    "erasure_ordered": "deletion orders",
    "erased": "deletions",
    "configured": "configuration",
    "login": "log-ins",
    "login_failed": "failed log-ins",
    "backed_up": "backups",
    "imported": "imports",
    "pruned": "expired entries",
}
"""Kinds of entries and their words in the filter."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(request: Request) -> Page:
        return page(site.state.audit_log, request.query_params)

    return [Guarded("/audit", site.shows(show), may="admin")]


def page(log: AuditLog, query_params: QueryParams) -> Page:
    """Return the page.

    Args:
        log: The audit log.
        query_params: ``model`` and ``kind`` filter; ``skip`` is the number of entries to skip.
    """
    _, count = entries_of(log, query_params, 0)
    first = first_shown(query_params, count, SHOWN)
    is_html = query_params.get("format", "html") == "html"
    entries, _ = entries_of(log, query_params, *((SHOWN, first) if is_html else (MOST, 0)))
    context = {
        "entries": entries,
        "first": first,
        "listed": count,
        "step": SHOWN,
        "kinds": KINDS,
        "kind": query_params.get("kind", ""),
        "kind_words": KIND_WORDS,
        "model_name": query_params.get("model", ""),
        "zone": "UTC",
        "head": str(log.head),
    }
    return Page("audit.html", context, {"entries": Table(_COLUMNS, [_row(entry) for entry in entries])})


def _row(entry: Entry) -> list[object]:
    document = entry_document(entry)
    return [document[name] for name in _COLUMNS]

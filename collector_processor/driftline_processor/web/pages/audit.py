"""The audit log: actions of policies, channels and people, newest first."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.governance.audit import KINDS, Audit, Entry, EntryKind, entry_json
from driftline_processor.web.api.audit import entries_of
from driftline_processor.web.page import Page, Table, first_shown
from driftline_processor.web.site import Site

SHOWN: Final = 100
"""Entries per page; CSV and JSON have all."""

_COLUMNS: Final = ("time", "kind", "model", "environment", "subject", "words", "by", "why", "alert")


_KIND_WORDS: dict[EntryKind, str] = {
    "fired": "alerts",
    "resolved": "resolved",
    "notified": "notifications",
    "ordered": "actions",
    "answered": "results",
    "approved": "approvals",
    "acknowledged": "acknowledgements",
    "decided": "decisions",
    "silenced": "silences",
}


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""
    return [Guarded("/audit", site.shows(lambda request: page(site.audit, request.query_params)), may="admin")]


def page(audit: Audit, query_params: QueryParams) -> Page:
    """Return the page.

    Args:
        audit: Reads the audit log.
        query_params: ``model`` and ``kind`` filter; ``skip`` is the number of entries to skip.
    """
    entries = entries_of(audit, query_params)
    first = first_shown(query_params, len(entries), SHOWN)
    context = {
        "entries": entries[first : first + SHOWN],
        "first": first,
        "listed": len(entries),
        "step": SHOWN,
        "kinds": KINDS,
        "kind": query_params.get("kind", ""),
        "kind_words": _KIND_WORDS,
        "model_name": query_params.get("model", ""),
        "zone": "UTC",
    }
    return Page("audit.html", context, {"entries": Table(_COLUMNS, [_row(entry) for entry in entries])})


def _row(entry: Entry) -> list[object]:
    document = entry_json(entry)
    return [document[name] for name in _COLUMNS]

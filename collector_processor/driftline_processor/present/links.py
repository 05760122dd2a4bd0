"""Addresses of pages, traces and dashboards."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from driftline.tables.table import ModelKey
from msgspec import Struct
from msgspec.structs import fields

from driftline_processor.core.performance.mispredictions import Misprediction

from .names import LINKED, handle
from .runbooks import ADDRESS

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}")


class LinkedMisprediction(Misprediction, frozen=True):
    """A wrong prediction with the address of its trace, "" if there is none."""

    trace_url: str


class Links(Struct, frozen=True):
    """Addresses of traces, and the public address of the pages.

    Attributes:
        trace_url: Address of a trace with ``{trace_id}`` and optionally ``{span_id}``; "" = unknown.
        public_url: Prefix of links from outside, without a trailing slash; "" = unknown.
    """

    trace_url: str = ""
    public_url: str = ""

    def trace_link(self, trace_id: str, span_id: str = "") -> str:
        """Return the address of a trace; "" if ``trace_url`` is not configured or the row has no trace.

        >>> Links("http://localhost:16686/trace/{trace_id}?uiFind={span_id}").trace_link("ab" * 16, "cd" * 8)
        'http://localhost:16686/trace/abababababababababababababababab?uiFind=cdcdcdcdcdcdcdcd'
        """
        if not self.trace_url or not _TRACE_ID.fullmatch(trace_id):
            return ""
        return self.trace_url.format(trace_id=trace_id, span_id=span_id if _SPAN_ID.fullmatch(span_id) else "")

    def with_trace(self, misprediction: Misprediction) -> LinkedMisprediction:
        """Return a wrong prediction with the address of its trace."""
        values = {field.name: getattr(misprediction, field.name) for field in fields(Misprediction)}
        return LinkedMisprediction(**values, trace_url=self.trace_link(misprediction.trace_id, misprediction.span_id))

    def model_link(self, key: ModelKey) -> str:
        """Return the public address of a model's page; "" if ``public_url`` is not configured.

        >>> Links("", "https://driftline.example.com").model_link(ModelKey("a/b", "v 2", ""))
        'https://driftline.example.com/models/a%2Fb?version=v+2'
        """
        return self._page(key, "")

    def window_link(self, key: ModelKey, window: str, at: str, page: str = "") -> str:
        """Return the public address of a window on a page of its model; "" as for :meth:`model_link`.

        >>> Links("", "http://127.0.0.1:8780").window_link(ModelKey("churn", "", ""), "1d", "2026-11-04T00:00:00Z")
        'http://127.0.0.1:8780/models/churn?window=1d&at=2026-11-04T00%3A00%3A00Z'
        """
        return self._page(key, page, **({"window": window, "at": at} if window and at else {}))

    def prediction_link(self, key: ModelKey, id: str) -> str:
        """Return the public address of a prediction's page; the model's page if there is no id.

        >>> Links("", "https://driftline.example.com").prediction_link(ModelKey("churn", "7", ""), "A 1")
        'https://driftline.example.com/models/churn/predictions?id=A+1&version=7'
        """
        usable = 0 < len(id) <= LINKED and id.isprintable()
        return self._page(key, "/predictions", id=id) if usable else self.model_link(key)

    def runbook_link(self, name: str) -> str:
        """Return the public address of a runbook; "" without a name, or as for :meth:`model_link`.

        >>> Links("", "https://driftline.example.com").runbook_link("unit-change")
        'https://driftline.example.com/runbooks/unit-change'
        """
        return f"{self.public_url}{ADDRESS}/{quote(name, safe='')}" if self.public_url and name else ""

    def _page(self, key: ModelKey, tab: str, **asked: str) -> str:
        if not self.public_url:
            return ""
        chosen = {**asked, "version": handle(key.version), "environment": handle(key.environment)}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"{self.public_url}/models/{quote(handle(key.model), safe='')}{tab}" + ("?" + query if query else "")


NO_LINKS = Links()
"""Links without configured addresses."""

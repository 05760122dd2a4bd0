"""Links of a message: the window, a report, the trace of a wrong prediction, and a runbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from driftline_processor.present.links import Links
from driftline_processor.present.runbooks import runbook_for
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.model_view import ModelView

from .alerts import Alert


class AlertLinks(Struct, frozen=True):
    """Find the links of a message.

    Attributes:
        links: Addresses of pages and traces.
        mispredictions: Returns the source of a model's wrong predictions.
    """

    links: Links
    mispredictions: Callable[[], Mispredictions]

    def __call__(self, view: ModelView, alert: Alert) -> Mapping[str, str]:
        """Return name → address of the existing links: ``page``, ``report``, ``trace`` and ``runbook``."""
        start = "" if alert.start is None else iso_time(alert.start)
        links = {
            "page": self.links.window_link(view.key, alert.window, start),
            "report": self.links.window_link(view.key, alert.window, start, "/report"),
            "trace": self._trace(view, alert),
            "runbook": self.links.runbook_link(runbook_for(view.verdict, alert.subjects, alert.state)),
        }
        return {name: address for name, address in links.items() if address}

    def _trace(self, view: ModelView, alert: Alert) -> str:
        if not self.links.trace_url or alert.until is not None:
            return ""
        windows = [
            evaluation.window
            for evaluation in view.windows.get(alert.window, ())
            if evaluation.window.start == alert.start
        ]
        if not windows:
            return ""
        # 20: worst wrong predictions that are searched for one with a trace
        worst = self.mispredictions().worst(view.key, windows[0].start, windows[0].end, 20)
        return next(filter(None, (self.links.trace_link(row.trace_id, row.span_id) for row in worst.rows)), "")

"""What a message links to: the window that shows it, a report, the trace of a wrong prediction, and a runbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from driftline_processor.present.links import Links
from driftline_processor.present.runbooks import runbook_for
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.overview import ModelView

from .alerts import Alert


class AlertLinks(Struct, frozen=True):
    """Finds the links of a message.

    Attributes:
        links: Where pages and traces are.
        mispredictions: Returns where the wrong predictions of a model are looked up.
    """

    links: Links
    mispredictions: Callable[[], Mispredictions]

    def __call__(self, view: ModelView, alert: Alert) -> Mapping[str, str]:
        """Return name → address: ``page``, ``report``, ``trace`` and ``runbook``, as far as there are any."""
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
        # 20: wrong predictions, the worst first, among which one with a trace is looked for
        worst = self.mispredictions().worst(view.key, windows[0].start, windows[0].end, 20)
        return next(filter(None, (self.links.trace_link(row.trace_id, row.span_id) for row in worst.rows)), "")

"""Whether the data can be trusted: faults, expectations, completeness, and how late outcomes come."""

from __future__ import annotations

from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context


def page(selection: Selection, now: int) -> Page:
    """Return the quality of the data of a window."""
    context = common_context(selection, "data", now)
    columns = ("check", "features", "severity", "was", "now", "p_value", "sentence")
    found = () if selection.chosen is None else selection.chosen.findings
    rows = [
        (one.check, ", ".join(one.features), one.severity, one.was, one.now, one.p_value, one.sentence) for one in found
    ]
    return Page("model/data.html", context, {"findings": Table(columns, rows)}, about(selection))

"""One feature: its distribution beside the baseline's, and how far it moved, window by window."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from driftline_processor.core.wording import iso_time
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import finite
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context


def page(selection: Selection, feature: str, now: int) -> Page:
    """Return the page of a feature; ``feature``: the handle of its name. Raises 404 where no window has it."""
    name = next((name for one in reversed(selection.known) for name in one.features if handle(name) == feature), None)
    if name is None:
        raise HTTPException(404, f"no feature {feature[:80]!r} has arrived in these windows; the page Drift has all")
    context = common_context(selection, "drift", now)
    target = None if selection.chosen is None else selection.chosen.features.get(name)
    context |= {"feature": name, "target": target}
    columns = ("start", "end", "state", "size", "value", "p_value", "psi", "missing", "rows")
    rows = [
        (
            *(iso_time(one.window.start), iso_time(one.window.end), found.state, found.size or None),
            *((by.value, by.p_value) if (by := found.methods.get(found.decided_by)) else (None, None)),
            finite(psi.value) if (psi := found.methods.get("psi")) else None,
            *(found.missing_now, found.rows),
        )
        for one in selection.shown
        if (found := one.features.get(name)) is not None
    ]
    return Page("model/feature.html", context, {"windows": Table(columns, rows)}, {**about(selection), "feature": name})

"""The first page of a model: whether it is right, since when, why, and what to do, in one screen."""

from __future__ import annotations

from driftline_processor.core.drift.rule import MIN_ROWS
from driftline_processor.core.windows.window import closes_at
from driftline_processor.core.wording import iso_time
from driftline_processor.present import states, titles
from driftline_processor.present.versions import comparison_cells, sentence
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context

DRIFTED = 6
"""Features that are named, the most drifted first."""


def page(selection: Selection, now: int) -> Page:
    """Return the overview of a model."""
    chosen, context = selection.chosen, common_context(selection, "", now)
    context |= {"version_sentence": sentence, "version_cells": comparison_cells}
    if chosen is None:
        return Page("model/overview.html", context, {"windows": windows_table(selection)}, about(selection))
    ranked = states.rank(chosen.features.values())
    context |= {
        "measured": selection.model.measured(selection.window),
        "closes": closes_at(chosen.window),
        "needed": MIN_ROWS,
        "drifted": [target for target in ranked if target.state == "drift"][:DRIFTED],
    }
    return Page("model/overview.html", context, {"windows": windows_table(selection)}, about(selection))


def windows_table(selection: Selection) -> Table:
    """Return a row for each window that is shown, with all metrics of its performance."""
    metrics = titles.metric_names({name for one in selection.shown for name in one.realized})
    columns = ("start", "end", "closed", "rows", "outcomes", "coverage", "state", "drifted", "compared", *metrics)
    return Table(
        columns,
        [
            (
                *(iso_time(one.window.start), iso_time(one.window.end), one.closed),
                *(one.rows, one.outcome_rows, one.coverage),
                *(states.overall(one), states.drifted(one), states.compared(one)),
                *(one.realized[name].value if name in one.realized else None for name in metrics),
            )
            for one in selection.shown
        ],
    )

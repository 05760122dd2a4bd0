"""Versions of a model side by side."""

from __future__ import annotations

from driftline_processor.present.versions import comparison_cells, sentence
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context


def page(selection: Selection, now: int) -> Page:
    """Return the versions of a model, and who of them is better."""
    context = common_context(selection, "versions", now)
    context |= {"version_sentence": sentence, "version_cells": comparison_cells}
    columns = ("version", "environment", "state", "sentence", "rows", "outcomes", "in_use")
    rows = [
        (
            *(one.key.version, one.key.environment),
            *((one.verdict.state, one.verdict.sentence) if one.verdict else (None, None)),
            *(one.rows + one.distributed, one.outcomes, one.in_use),
        )
        for one in selection.same
    ]
    return Page("model/versions.html", context, {"versions": Table(columns, rows)}, about(selection))

"""Single predictions: the most wrong ones of a window, each with its trace."""

from __future__ import annotations

from driftline_processor.core.wording import iso_time
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context


def page(selection: Selection, now: int, wrong: Mispredictions | None) -> Page:
    """Return the most wrong predictions of a window; ``wrong`` finds them, None = nobody can."""
    context, chosen, asked = (
        common_context(selection, "predictions", now),
        selection.chosen,
        selection.place.slice_values(),
    )
    worst = None
    if wrong is not None and chosen is not None and chosen.outcome_rows:
        worst = wrong.worst(selection.model.key, chosen.window.start, chosen.window.end, slices=asked)
    context |= {"worst": worst, "worst_slices": asked}
    columns = ("id", "time", "predicted", "score", "actual", "loss", "trace_id", "span_id")
    rows = [
        (one.id, iso_time(one.time), one.predicted, one.score, one.actual, one.loss, one.trace_id, one.span_id)
        for one in (worst.rows if worst else ())
    ]
    return Page("model/predictions.html", context, {"predictions": Table(columns, rows)}, about(selection))

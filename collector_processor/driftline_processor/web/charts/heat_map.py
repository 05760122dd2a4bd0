"""Heat map of drift: a row per feature and a column per window.

With 200 features and 90 windows, all cells of one shade are one mark. Rows link to features and columns to windows;
static/table.js makes each cell lead to the feature in its window, by pointer and by arrow keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short

from . import svg
from .plot import MOST_MARKS, Address, Area, Plot, in_places, merged, place_of
from .svg import Box, Point

SHADES = {
    "drift-large": "l",
    "drift-moderate": "m",
    "drift-small": "s",
    "is-within_normal_variation": "u",
    "is-ok": "o",
    "is-inconclusive": "c",
    "is-no_baseline": "n",
}
"""Class of a cell → its letter in ``data-cells``, which static/table.js reads; the most severe first."""

NO_VALUE = "."

_LABEL, _WIDTH, _ROW = 150.0, 570.0, 16.0
"""Widths of the names and of the cells, and the height of a row; static/driftline.css repeats the widths."""


def shade_of(evaluation: Evaluation, feature: str) -> str:
    """Return the class of a feature's cell in a window, "" without values. Only drift has a size."""
    drift = evaluation.drift
    place = drift.places.get(feature)
    if place is None:
        return ""
    state = drift.states[place]
    return f"drift-{drift.sizes[place] or 'small'}" if state == "drift" else f"is-{state}"


def worst_shades(plot: Plot, shades: Sequence[str]) -> list[tuple[str, Point]]:
    """Return the most severe class of each column of a plot with its begin and end; "" without values."""
    if not plot.column:
        return [*zip(shades, plot.spans, strict=True)]
    severity = [*SHADES].index
    return [
        (min(filter(None, (shades[place] for place in places)), key=severity, default=""), span)
        for places, span in plot.columns()
    ]


def heat_map(
    evaluations: Sequence[Evaluation],
    features: Sequence[str],
    chosen: Evaluation,
    of_window: Address | None,
    of_feature: Callable[[str], str],
    timezone: str,
) -> Markup:
    """Draw the drift of features over windows.

    Args:
        evaluations: The windows, oldest first.
        features: Names, from top to bottom.
        chosen: The selected window.
        of_window: Returns the link of a column; None = no links, as in a report file: many windows share a column
            there, which has the shade of the worst, and equal neighbours are one mark.
        of_feature: Returns the link of a row.
        timezone: Time zone of the model.
    """
    linked, windows, bottom = of_window is not None, len(evaluations), _ROW * len(features)
    plot = in_places(windows, Area(0.0, _WIDTH, 0.0, bottom))
    plot.columns_at = windows if linked else MOST_MARKS
    opened = ["" if evaluation.closed else " open" for evaluation in evaluations]
    rows = [[shade_of(evaluation, feature) for evaluation in evaluations] for feature in features]
    boxes: list[tuple[str, Box]] = []
    for down, row in enumerate(rows):
        cells = worst_shades(plot, row)
        if linked:
            cells = [(shade and shade + is_open, span) for (shade, span), is_open in zip(cells, opened, strict=True)]
        boxes += [
            (f"cell {shade}", (begin + 0.4, down * _ROW + 1, end - begin - 0.8, _ROW - 2))
            for shade, (begin, end) in (cells if linked else merged(cells))
            if shade
        ]
    plot.boxes(boxes)
    if of_window is not None:
        titles = [f"{window_name(one.window, timezone)}: {drift_words(one)}" for one in evaluations]
        plot.links(titles, map(of_window, evaluations), stop=False, css="column")
    plot.select(place_of(chosen, evaluations), css="frame")
    plot.times(bottom + 14, evaluations, timezone)
    label = f"drift of {len(features)} features in {windows} windows; the table below lists them in words"
    letter = {"": NO_VALUE, **SHADES}
    lines = " ".join("".join(letter[shade] for shade in row) for row in rows)
    step = plot.spans[0][1] - plot.spans[0][0]
    data = f' data-step="{step:.3f}" data-row="{_ROW:.0f}" data-cells="{lines}"' if linked else ""
    names = [
        svg.link(
            of_feature(name),
            [svg.text((_LABEL - 8, down * _ROW + 12), short(name, 22), anchor="end")],
            short(name, 80),
            "row",
        )
        for down, name in enumerate(features)
    ]
    return Markup('<div class="heat">{}{}</div>').format(
        svg.picture(_LABEL, bottom + 20, names, "features", "heat-names"),  # does not scroll with the cells
        plot.picture(_WIDTH, bottom + 20, label, "heat-cells", data=data),
    )

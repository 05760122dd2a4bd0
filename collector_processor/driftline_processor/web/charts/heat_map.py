"""Heat map of drift: a row per feature and a column per window.

With 200 features and 90 windows, all cells of one shade are one mark. Rows link to features and columns to windows;
static/table.js makes each cell lead to the feature in its window, by pointer and by arrow keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short

from . import svg
from .plot import MOST_MARKS, Address, Area, in_places, merged, place_of
from .svg import Box

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
    drawn = windows if linked else min(windows, MOST_MARKS)
    first = [place * windows // drawn for place in range(drawn + 1)]
    plot = in_places(drawn, Area(0.0, _WIDTH, 0.0, bottom))
    opened = [" open" if linked and not evaluations[place].closed else "" for place in first[:-1]]
    rows = [[shade_of(evaluation, feature) for evaluation in evaluations] for feature in features]
    boxes: list[tuple[str, Box]] = []
    for down, row in enumerate(rows):
        worst = [min(filter(None, row[a:b]), key=[*SHADES].index, default="") for a, b in pairwise(first)]
        classes = [shade and f"cell {shade}{is_open}" for shade, is_open in zip(worst, opened, strict=True)]
        cells = [*zip(classes, plot.spans, strict=True)]
        boxes += [
            (css, (begin + 0.4, down * _ROW + 1, end - begin - 0.8, _ROW - 2))
            for css, (begin, end) in (cells if linked else merged(cells))
            if css
        ]
    plot.boxes(boxes)
    if of_window is not None:
        titles = [f"{window_name(one.window, timezone)}: {drift_words(one)}" for one in evaluations]
        plot.links(titles, map(of_window, evaluations), stop=False, css="column")
    place = place_of(chosen, evaluations)
    plot.select(None if place is None else place * drawn // windows, css="frame")
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

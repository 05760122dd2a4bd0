"""Heat map of drift: a row per feature and a column per window, and the trend of one feature in a line of text.

With 200 features and 90 windows, all cells of one shade are one mark. Rows link to features and columns to windows;
static/table.js makes each cell lead to the feature in its window, by pointer and by arrow keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

from markupsafe import Markup, escape

from driftline_processor.core.evaluation import Evaluation, Size, State
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short

from . import svg
from .plot import MOST_MARKS, Address, Plot

SHADES = {
    "drift-large": "l",
    "drift-moderate": "m",
    "drift-small": "s",
    "is-within_normal_variation": "u",
    "is-ok": "o",
    "is-inconclusive": "c",
    "is-no_baseline": "n",
}
"""Class of a cell → its letter in ``data-cells``, which static/table.js reads."""

NO_VALUE = "."

_LABEL, _WIDTH, _ROW = 150.0, 570.0, 16.0
"""Widths of the names and of the cells, and the height of a row; static/driftline.css repeats the widths."""

_MOST_PSI = 0.5
"""PSI at the top of a trend line: twice the threshold of large drift."""


def shade_of(state: State, size: Size) -> str:
    """Return the class of a cell. Only drift has a size."""
    return f"drift-{size or 'small'}" if state == "drift" else f"is-{state}"


def shades_of(evaluation: Evaluation, features: Sequence[str]) -> list[str]:
    """Return the class of each feature's cell in a window, "" for features without values."""
    drift = evaluation.drift
    places = [drift.places.get(name) for name in features]
    return ["" if place is None else shade_of(drift.states[place], drift.sizes[place]) for place in places]


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
    linked, windows = of_window is not None, len(evaluations)
    drawn_columns = windows if linked else min(windows, MOST_MARKS)
    step, bottom, severity = _WIDTH / max(drawn_columns, 8), _ROW * len(features), list(SHADES)
    first = [across * windows // drawn_columns for across in range(drawn_columns + 1)]
    opened = [linked and not evaluation.closed for evaluation in evaluations]
    letter = {"": NO_VALUE, **SHADES}
    names, lines, cells = list[Markup](), list[str](), dict[str, list[str]]()
    shades = [*zip(*(shades_of(evaluation, features) for evaluation in evaluations), strict=True)]
    for down, (name, row) in enumerate(zip(features, shades, strict=True)):
        y, across = down * _ROW + 1, 0
        worst = [
            (min(filter(None, row[begin:end]), key=severity.index, default=""), opened[begin])
            for begin, end in pairwise(first)
        ]
        # equal neighbours without links are one mark
        runs = (
            [(shade_and_open, 1) for shade_and_open in worst]
            if linked
            else [(shade_and_open, len(list(run))) for shade_and_open, run in groupby(worst)]
        )
        for (shade, is_open), many in runs:
            if shade:
                width = f"{many * step - 0.8:.1f}"
                box = f"M{across * step + 0.4:.1f} {y:.0f}h{width}v{_ROW - 2:.0f}h-{width}z"
                cells.setdefault(f"{shade}{' open' if is_open else ''}", []).append(box)
            across += many
        lines.append("".join(letter[shade] for shade in row) if linked else "")
        names.append(_row_name(name, y, of_feature))
    marks = [Markup(f'<path class="cell {css}" d="{"".join(boxes)}"/>') for css, boxes in cells.items()]
    for across, evaluation in enumerate(evaluations):
        if of_window is not None:
            title = escape(f"{window_name(evaluation.window, timezone)}: {drift_words(evaluation)}")
            box = f'x="{across * step:.1f}" y="0" width="{step:.1f}" height="{bottom:.0f}"'
            place = f'class="column" href="{escape(of_window(evaluation))}" tabindex="-1"'
            marks.append(Markup(f'<a {place}><title>{title}</title><rect class="ground" {box}/></a>'))
        if evaluation.window == chosen.window:
            marks.append(svg.rect(across * drawn_columns // windows * step, 0, step, bottom, "frame"))
    marks += Plot(0, step * drawn_columns, 0, bottom, windows=evaluations).times(bottom + 14, timezone)
    label = f"drift of {len(features)} features in {windows} windows; the table below lists them in words"
    if not linked:
        return _with_row_names(names, svg.picture(_WIDTH, bottom + 20, marks, label, "heat-cells"), bottom)
    rows_markup = Markup(
        f'<svg class="heat-cells" viewBox="0 0 {_WIDTH:.0f} {bottom + 20:.0f}" role="group" aria-label="{label}" '
        f'data-step="{step:.3f}" data-row="{_ROW:.0f}" data-cells="{" ".join(lines)}">'
        f"{Markup('').join(marks)}</svg>"
    )
    return _with_row_names(names, rows_markup, bottom)


def _with_row_names(names: Sequence[Markup], cells: Markup, bottom: float) -> Markup:
    """Draw the names of rows in a separate picture, which does not scroll with the cells."""
    left = svg.picture(_LABEL, bottom + 20, names, "features", "heat-names")
    return Markup('<div class="heat">{}{}</div>').format(left, cells)


def _row_name(name: str, y: float, of_feature: Callable[[str], str]) -> Markup:
    return Markup(
        f'<a class="row" href="{escape(of_feature(name))}" tabindex="-1"><title>{escape(short(name, 80))}</title>'
        f'<text class="axis" x="{_LABEL - 8:.0f}" y="{y + 11:.0f}" text-anchor="end">{escape(short(name, 22))}'
        "</text></a>"
    )


def trend(name: str, evaluations: Sequence[Evaluation]) -> Markup:
    """Draw the drift of a feature in the newest windows at the height of a text line, coloured by size."""
    # 60: windows in a trend line
    newest = evaluations[-60:]
    runs: list[list[Any]] = []  # shade, height, place and number of equal bars: most windows have no drift
    for place, evaluation in enumerate(newest, max(12 - len(newest), 0)):
        drift = evaluation.drift
        at = drift.places.get(name)
        if at is not None:
            size = drift.moved.item(at)
            height = max(8, min(round(100 * (size if size == size else 0.0) / _MOST_PSI), 100))
            shade = shade_of(drift.states[at], drift.sizes[at])
            if runs and runs[-1][:2] == [shade, height] and runs[-1][2] + runs[-1][3] == place:
                runs[-1][3] += 1
            else:
                runs.append([shade, height, place, 1])
    marks: dict[str, list[str]] = {}
    for shade, height, place, many in runs:
        width = 10 * many - 2
        marks.setdefault(shade, []).append(f"M{10 * place} 100h{width}v-{height}h-{width}z")
    paths = "".join(f'<path class="size {shade}" d="{"".join(bars)}"/>' for shade, bars in marks.items())
    box = f'viewBox="0 0 {10 * max(len(newest), 12)} 100" preserveAspectRatio="none"'
    return Markup(f'<svg class="trend" {box} aria-hidden="true">{paths}</svg>')

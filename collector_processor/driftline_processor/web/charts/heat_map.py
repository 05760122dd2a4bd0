"""What drifts, and since when: a row per feature and a column per window, and the same in a line of text.

A model has 200 features and 90 windows, so all cells of one shade are one mark. Rows lead to features and columns to
windows; static/table.js makes each cell lead to the feature in its window, by pointer and by arrow keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup, escape

from driftline_processor.core.evaluation import Evaluation, TargetDrift
from driftline_processor.core.wording import short
from driftline_processor.present.features import size_of
from driftline_processor.present.sentences import drift_words
from driftline_processor.present.times import window_name

from . import svg
from .timelines import Address, time_ticks

SHADES = {
    "drift-large": "l",
    "drift-moderate": "m",
    "drift-small": "s",
    "is-usual": "u",
    "is-ok": "o",
    "is-blind": "b",
    "is-cannot_tell": "c",
    "is-no_baseline": "n",
}
"""Class of a cell → its letter in ``data-cells``, which static/table.js reads."""

NO_VALUE = "."

_LABEL, _WIDTH, _ROW = 150.0, 720.0, 16.0

TREND = 60
"""Windows in a line of text."""

_MOST_PSI = 0.5
"""PSI that reaches the top of a line: twice what is called large."""


def shade_of(target: TargetDrift) -> str:
    """Return the class of a cell: only drift has a size."""
    return f"drift-{target.size or 'small'}" if target.state == "drift" else f"is-{target.state}"


def heat_map(
    evaluations: Sequence[Evaluation],
    features: Sequence[str],
    chosen: Evaluation,
    of_window: Address,
    of_feature: Callable[[str], str],
    timezone: str,
) -> Markup:
    """Draw the drift of features over windows.

    Args:
        evaluations: The windows, oldest first.
        features: Names, from above.
        chosen: The window that is looked at.
        of_window: Where a column leads.
        of_feature: Where a row leads.
        timezone: Of the model.
    """
    step = (_WIDTH - _LABEL) / max(len(evaluations), 8)
    bottom = _ROW * len(features)
    box = f"h{step - 0.8:.1f}v{_ROW - 2:.0f}h-{step - 0.8:.1f}z"
    marks, cells = [], dict.fromkeys(SHADES, "")
    opened = dict.fromkeys(SHADES, "")
    lines = []
    for down, name in enumerate(features):
        y, letters = down * _ROW + 1, ""
        for across, evaluation in enumerate(evaluations):
            target = evaluation.features.get(name)
            if target is None:
                letters += NO_VALUE
                continue
            shade = shade_of(target)
            letters += SHADES[shade]
            into = cells if evaluation.closed else opened
            into[shade] += f"M{_LABEL + across * step + 0.4:.1f} {y:.0f}{box}"
        lines.append(letters)
        marks.append(
            Markup(
                f'<a class="row" href="{escape(of_feature(name))}" tabindex="-1">'
                f"<title>{escape(short(name, 80))}</title>"
                f'<text class="axis" x="{_LABEL - 8:.0f}" y="{y + 11:.0f}" text-anchor="end">{escape(short(name, 22))}'
                "</text></a>"
            )
        )
    marks += [
        Markup(f'<path class="cell {shade}{css}" d="{path}"/>')
        for css, of in (("", cells), (" open", opened))
        for shade, path in of.items()
        if path
    ]
    for across, evaluation in enumerate(evaluations):
        title = escape(f"{window_name(evaluation.window, timezone)}: {drift_words(evaluation)}")
        marks.append(
            Markup(
                f'<a class="column" href="{escape(of_window(evaluation))}" tabindex="-1"><title>{title}</title><rect '
                f'class="ground" x="{_LABEL + across * step:.1f}" y="0" width="{step:.1f}" height="{bottom:.0f}"/></a>'
            )
        )
        if evaluation is chosen:
            marks.append(svg.rect(_LABEL + across * step, 0, step, bottom, "frame"))
    marks += time_ticks(evaluations, _LABEL, _LABEL + step * len(evaluations), bottom + 14, timezone)
    label = f"drift of {len(features)} features in {len(evaluations)} windows; the table below says it in words"
    return Markup(
        f'<svg class="heat" viewBox="0 0 {_WIDTH:.0f} {bottom + 20:.0f}" role="group" aria-label="{label}" '
        f'data-left="{_LABEL:.0f}" data-step="{step:.3f}" data-row="{_ROW:.0f}" data-cells="{" ".join(lines)}">'
        f"{Markup('').join(marks)}</svg>"
    )


def trend(name: str, evaluations: Sequence[Evaluation]) -> Markup:
    """Draw how far a feature moved in the newest windows, in the height of a line of text, by size."""
    shown = evaluations[-TREND:]
    runs: list[list[Any]] = []  # shade, height, place and number of equal bars: most are quiet
    for place, evaluation in enumerate(shown, max(12 - len(shown), 0)):
        target = evaluation.features.get(name)
        if target is not None:
            height = max(8, min(round(100 * (size_of(target) or 0.0) / _MOST_PSI), 100))
            shade = shade_of(target)
            if runs and runs[-1][:2] == [shade, height] and runs[-1][2] + runs[-1][3] == place:
                runs[-1][3] += 1
            else:
                runs.append([shade, height, place, 1])
    marks: dict[str, list[str]] = {}
    for shade, height, place, many in runs:
        width = 10 * many - 2
        marks.setdefault(shade, []).append(f"M{10 * place} 100h{width}v-{height}h-{width}z")
    drawn = "".join(f'<path class="size {shade}" d="{"".join(bars)}"/>' for shade, bars in marks.items())
    box = f'viewBox="0 0 {10 * max(len(shown), 12)} 100" preserveAspectRatio="none"'
    return Markup(f'<svg class="trend" {box} aria-hidden="true">{drawn}</svg>')

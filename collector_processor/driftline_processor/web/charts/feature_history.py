"""One feature over windows: a fan of quantiles or stacked fractions of categories, and missing values.

Marks are built as text, because a year of days has a thousand of them. Only received text, that is categories, is
escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from driftline.tables.table import F64, I64
from markupsafe import Markup, escape

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import number, percent
from driftline_processor.present.states import state_word
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short
from driftline_processor.queries.feature_history import FeatureWindow

from . import svg
from .heat_map import SHADES, shades_of
from .plot import MOST_MARKS, Address, Box, Plot, Point, bars, levels

MOST_STACKED = 7
"""Number of categories with their own colour; the others share one."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 700.0, 10.0, 190.0
_OPEN = 8.0
"""Height of the hatch of an open end."""

_BASELINE = 26.0
"""Width of the baseline's column of stacked fractions."""


def fan(
    evaluations: Sequence[Evaluation],
    quantiles: Mapping[int, F64],
    baseline: F64 | None,
    name: str,
    chosen: Evaluation,
    address: Address | None,
    timezone: str,
    open_ends: Mapping[int, I64] | None = None,
    unread: Collection[int] = (),
) -> Markup | None:
    """Draw quantiles of a number over windows in the band of the baseline; None if no window has quantiles.

    A quantile in an open outer bin is drawn at the bin's edge with a hatch beyond it.

    Args:
        evaluations: The windows, oldest first.
        quantiles: Start of a window → its quantiles at 5, 25, 50, 75 and 95 %, float64 (5,).
        baseline: The same quantiles of the baseline's rows.
        name: The feature, whose unit the axis has.
        chosen: The selected window.
        address: Returns the link of a window; None = no links, as in a report file.
        timezone: Time zone of the model.
        open_ends: Start of a window → per quantile 1 if it is a lower bound, -1 if an upper bound, else 0, int64 (5,).
        unread: Starts of windows that are not loaded yet, which are hatched.
    """
    beyond = {} if open_ends is None else open_ends
    complete = [
        evaluation
        for evaluation in evaluations
        if np.isfinite(quantiles.get(evaluation.window.start, np.array([np.nan]))).all()
    ]
    if not complete:
        return None
    values = [float(value) for evaluation in complete for value in quantiles[evaluation.window.start][[0, -1]]]
    if baseline is not None and np.isfinite(baseline).all():
        values += [float(baseline[0]), float(baseline[-1])]
    scale = levels(values)
    plot = Plot(left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM, low=scale[0], high=scale[-1], windows=evaluations)
    y, marks = plot.y, [*plot.grid(scale), plot.chosen(chosen, 6, 8), *_hatched(plot, unread)]
    if baseline is not None and np.isfinite(baseline).all():
        for low, high, css in ((0, 4, "fan-was"), (1, 3, "fan-was")):
            top, bottom = y(baseline[high]), y(baseline[low])
            marks.append(svg.rect(_LEFT, top, _RIGHT - _LEFT, max(bottom - top, 1.5), css))
        marks.append(plot.across(float(baseline[2]), "was"))
    for run in _runs(complete):
        shared = [
            (span, np.array([quantiles[run[index].window.start] for index in places]), places)
            for places, span in plot.columns(run)
        ]
        for low, high, css in ((0, 4, "fan"), (1, 3, "fan inner")):
            over = [(span, y(inside[:, high].max())) for span, inside, _ in shared]
            under = [(span, y(inside[:, low].min())) for span, inside, _ in shared]
            marks.append(_area(over, under, css))
        middle = "".join(
            f"{svg.short(smallest)}{f'V{svg.short(greatest)}' if greatest != smallest else ''}H{svg.short(end)}V"
            for (_, end), inside, _ in shared
            for smallest, greatest in [(y(inside[:, 2].min()), y(inside[:, 2].max()))]
        )
        marks.append(Markup(f'<path class="line" d="M{svg.short(shared[0][0][0])} {middle[:-1]}"/>'))
        hatched: list[tuple[str, Box]] = []
        for (begin, end), inside, places in shared:
            sides = np.array([beyond.get(run[index].window.start, np.zeros(5, np.int64)) for index in places])
            if (sides > 0).any():
                hatched.append(("gap open-end", (begin, y(inside[:, -1].max()) - _OPEN, end - begin, _OPEN)))
            if (sides < 0).any():
                hatched.append(("gap open-end", (begin, y(inside[:, 0].min()), end - begin, _OPEN)))
        marks += bars(hatched)

    def said(evaluation: Evaluation) -> str:
        start = evaluation.window.start
        return "not loaded yet" if start in unread else _said_quantiles(quantiles.get(start), beyond.get(start), name)

    marks += [*_windows(plot, said, address, timezone, name), *plot.times(_BOTTOM + 26, timezone)]
    label = f"{short(name, 40)} over time: median, 50 % and 90 % of the rows of each window"
    return svg.picture(720, 222, marks, label, "chart fan-chart")


def stacked(
    evaluations: Sequence[Evaluation],
    categories: Sequence[str],
    windows: Mapping[int, F64],
    baseline: F64 | None,
    name: str,
    chosen: Evaluation,
    address: Address | None,
    timezone: str,
    unread: Collection[int] = (),
) -> Markup | None:
    """Draw stacked fractions of categories over windows, preceded by the baseline's; None if there are none.

    ``categories``: names of the entries of all fractions. The categories with the largest fractions have their own
    colour. ``unread``: starts of windows that are not loaded yet, which are hatched.
    """
    known_shares = {start: shares for start, shares in windows.items() if shares.sum() > 0}
    if not known_shares or not categories:
        return None
    highest = np.max([*known_shares.values(), *([] if baseline is None else [baseline])], axis=0)
    category_indices = sorted(np.argsort(-highest, kind="stable")[:MOST_STACKED].tolist())
    rest = [index for index in range(len(categories)) if index not in category_indices and highest[index] > 0]
    names = [categories[index] for index in category_indices] + (
        [f"{len(rest)} others" if len(rest) > 1 else categories[rest[0]]] if rest else []
    )

    def parts(shares: F64) -> list[float]:
        return [float(shares[index]) for index in category_indices] + ([float(shares[rest].sum())] if rest else [])

    frame = Plot(_LEFT, _RIGHT, _TOP, _BOTTOM)
    left = _LEFT + (_BASELINE + 8 if baseline is not None else 0)
    plot = Plot(left, _RIGHT - 96, _TOP, _BOTTOM, windows=evaluations)
    y, marks = plot.y, frame.grid([0.0, 0.25, 0.5, 0.75, 1.0], lambda share: f"{100 * share:.0f} %")
    marks += _hatched(plot, unread)
    usual = np.mean(list(known_shares.values()), axis=0) if baseline is None else baseline
    arrived = [evaluation for evaluation in evaluations if evaluation.window.start in known_shares]
    curves = []
    for shared, span in plot.columns(arrived):
        farthest = max(shared, key=lambda index: float(np.abs(known_shares[arrived[index].window.start] - usual).sum()))
        curves.append((span, parts(known_shares[arrived[farthest].window.start])))
    if baseline is not None:
        curves.append(((_LEFT, _LEFT + _BASELINE), parts(baseline)))
        marks.append(svg.text(_LEFT + _BASELINE / 2, _BOTTOM + 14, "baseline", "axis", "middle"))
    for place in range(len(names)):
        cells = []
        for (begin, end), shares in curves:
            low = sum(shares[:place])
            top, bottom = y(low + shares[place]), y(low)
            if bottom - top >= 0.05:
                gap = 0.4 if end - begin > 3 else 0.0
                cells.append(f"M{begin + gap:.1f} {top:.1f}H{end - gap:.1f}V{bottom:.1f}H{begin + gap:.1f}z")
        marks.append(Markup(f'<path class="share share-{place}" d="{"".join(cells)}"/>'))
    marks.append(plot.chosen(chosen, 6, 8))
    marks += _category_names([*_middles(curves, y)], names)

    def said(evaluation: Evaluation) -> str:
        shares = known_shares.get(evaluation.window.start)
        if evaluation.window.start in unread:
            return "not loaded yet"
        return "no value" if shares is None else _said_shares(names, parts(shares))

    marks += [*_windows(plot, said, address, timezone, name), *plot.times(_BOTTOM + 26, timezone)]
    label = f"{short(name, 40)} over time: fraction of each category in each window"
    return svg.picture(720, 222, marks, label, "chart fan-chart")


def missing(
    evaluations: Sequence[Evaluation],
    windows: Mapping[int, FeatureWindow],
    baseline: FeatureWindow | None,
    name: str,
    timezone: str,
) -> Markup | None:
    """Draw the fractions of missing and of unusable values over windows; None if both are always 0."""
    known_windows = [
        (evaluation, windows[evaluation.window.start])
        for evaluation in evaluations
        if evaluation.window.start in windows
    ]
    shares = [
        share
        for _, evaluation in known_windows
        for share in (evaluation.missing, evaluation.invalid)
        if share is not None
    ]
    was = [] if baseline is None else [share for share in (baseline.missing, baseline.invalid) if share is not None]
    if not any([*shares, *was]):
        return None
    top = max([*shares, *was])
    scale = [value for value in levels([0.0, top]) if value >= 0]
    plot = Plot(left=_LEFT, right=_RIGHT, top=10.0, bottom=70.0, low=0.0, high=scale[-1], windows=evaluations)
    marks = plot.grid(scale[:: max(len(scale) - 1, 1)], lambda share: percent(float(share)))
    for part, css in (("missing", "line"), ("invalid", "line beside")):
        before = None if baseline is None else getattr(baseline, part)
        if before:
            marks.append(plot.across(before, "was"))
        values = {
            evaluation.window.start: share
            for evaluation, window_shares in known_windows
            if (share := getattr(window_shares, part)) is not None
        }
        if any(values.values()) or part == "missing":
            for run in _runs([evaluation for evaluation, _ in known_windows if evaluation.window.start in values]):
                steps = [
                    (span, plot.y(max(values[run[index].window.start] for index in places)))
                    for places, span in plot.columns(run)
                ]
                marks.append(Markup(f'<path class="{css}" d="{svg.steps(steps)}"/>'))
    marks += plot.times(86, timezone)
    label = f"{short(name, 40)}: fraction of missing and of invalid values over time"
    return svg.picture(720, 92, marks, label, "chart fan-chart")


def _hatched(plot: Plot, unread: Collection[int]) -> list[Markup]:
    """Hatch the windows that are not loaded yet, as one mark."""
    runs = _runs([evaluation for evaluation in plot.windows if evaluation.window.start in unread])
    ends = [(plot.span(run[0])[0], plot.span(run[-1])[1]) for run in runs]
    places = [(begin, _TOP, end - begin, _BOTTOM - _TOP) for begin, end in ends]
    return [svg.boxes(places, "gap", "not loaded yet")] if places else []


def _runs(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Return windows grouped into runs without a gap."""
    runs: list[list[Evaluation]] = []
    for evaluation in evaluations:
        if runs and runs[-1][-1].window.end == evaluation.window.start:
            runs[-1].append(evaluation)
        else:
            runs.append([evaluation])
    return runs


def _area(
    over: list[tuple[tuple[float, float], float]], under: list[tuple[tuple[float, float], float]], css: str
) -> Markup:
    backward = [((end, begin), value + 0.7) for (begin, end), value in reversed(under)]
    return Markup(f'<path class="{css}" d="{svg.steps([*over, *backward])}z"/>')


def _windows(
    plot: Plot, words: Callable[[Evaluation], str], address: Address | None, timezone: str, name: str
) -> list[Markup]:
    """Return a strip of states below a chart, and a link with a tooltip per window if there are few windows."""
    evaluations = plot.windows
    if address is not None and len(evaluations) <= MOST_MARKS:
        return [
            _window(evaluation, words(evaluation), plot.span(evaluation), address(evaluation), timezone, name)
            for evaluation in evaluations
        ]
    strips: dict[str, list[Box]] = {}
    for places, (begin, end) in plot.columns():
        shade = min((_shade(evaluations[index], name) for index in places), key=list(SHADES).index)
        before = strips.setdefault(shade, [])
        left = before.pop()[0] if before and abs(before[-1][0] + before[-1][2] - begin) < 0.01 else begin
        before.append((left, _BOTTOM + 3, end - left, 7))
    return [svg.boxes(places, f"cell {shade}") for shade, places in strips.items()]


def _shade(evaluation: Evaluation, name: str) -> str:
    return shades_of(evaluation, [name])[0] or "is-no_baseline"


def _window(evaluation: Evaluation, words: str, span: Point, address: str, timezone: str, name: str) -> Markup:
    """Return the link of a window in a chart: its tooltip, and below it the state."""
    begin, end = span
    column = evaluation.features.get(name)
    state = "no_baseline" if column is None else column.state
    sentence = (
        ""
        if column is None
        else f", {state_word(state, column.reason)}" + (f", {column.size}" if state == "drift" and column.size else "")
    )
    title = escape(f"{window_name(evaluation.window, timezone)}: {words}{sentence}")
    width = end - begin
    strip = f'x="{begin:.1f}" y="{_BOTTOM + 3}" width="{max(width * 0.9, 0.6):.1f}" height="7"'
    return Markup(
        f'<a href="{escape(address)}" tabindex="-1"><title>{title}</title>'
        f'<rect class="ground" x="{begin:.1f}" y="{_TOP}" width="{width:.1f}" height="{_BOTTOM - _TOP}"/>'
        f'<rect class="cell {_shade(evaluation, name)}" {strip}/></a>'
    )


def _said_quantiles(f64: F64 | None, ends: I64 | None, name: str) -> str:
    if f64 is None or not np.isfinite(f64).all():
        return "no value"
    sides = [0] * len(f64) if ends is None else ends.tolist()
    words = {0: "", 1: "at least ", -1: "at most "}
    smallest, low, middle, high, greatest = (
        words[side] + number(value) for side, value in zip(sides, f64.tolist(), strict=True)
    )
    return f"{short(name, 40)} median {middle}, 50 % {low} to {high}, 90 % {smallest} to {greatest}"


def _said_shares(names: Sequence[str], shares: Sequence[float]) -> str:
    largest = sorted(zip(shares, names, strict=True), key=lambda pair: -pair[0])[:3]
    return ", ".join(f"{short(name, 24)} {percent(share)}" for share, name in largest if share > 0)


def _middles(
    columns: Sequence[tuple[tuple[float, float], Sequence[float]]], y: Callable[[float], float]
) -> list[tuple[float, float]]:
    """Return the middle and the height of each part of the newest column."""
    _, shares = max(columns, key=lambda column: column[0][1])
    middles, low = [], 0.0
    for share in shares:
        middles.append(((y(low) + y(low + share)) / 2, y(low) - y(low + share)))
        low += share
    return middles


def _category_names(middles: Sequence[tuple[float, float]], names: Sequence[str]) -> list[Markup]:
    """Write the names of categories next to the newest column in their colour, without overlap."""
    marks, free = [], math.inf
    for place, ((middle, height), name) in enumerate(zip(middles, names, strict=True)):
        if height < 3:
            continue
        line = min(middle + 3.5, free)
        if line < _TOP + 4:
            break
        marks.append(svg.rect(_RIGHT - 90, line - 8, 8, 8, f"share share-{place}"))
        marks.append(svg.text(_RIGHT - 78, line, short(name, 15), "axis"))
        free = line - 12
    return marks

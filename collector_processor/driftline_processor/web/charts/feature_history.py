"""One feature over windows: a fan of quantiles or stacked fractions of categories, and missing values."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from driftline.tables.table import F64, I64
from markupsafe import Markup
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import number, percent
from driftline_processor.present.states import state_word
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short
from driftline_processor.queries.feature_history import FeatureWindow

from . import svg
from .heat_map import shade_of, worst_shades
from .plot import Address, Area, Plot, levels, merged, over_time, percent_tick, place_of
from .svg import Box, Point
from .timeline_rows import numbers_of

MOST_STACKED = 7
"""Number of categories with their own colour; the others share one."""

_AREA = Area(58.0, 700.0, 10.0, 190.0)
_SMALL_AREA = Area(44.0, 396.0, 8.0, 112.0)
_OPEN = 8.0
"""Height of the hatch of an open end."""

_BASELINE = 26.0
"""Width of the baseline's column of stacked fractions."""


class FeatureRange(Struct, frozen=True):
    """A feature and the windows over which it is drawn.

    Attributes:
        name: The feature.
        windows: The windows, oldest first.
        chosen: The selected window.
        timezone: Time zone of the model.
        address: Returns the link of a window; None = no links, as in a report file.
        unread: Starts of windows that are not loaded yet, which are hatched.
        small: Drawn for a narrow column.
    """

    name: str
    windows: Sequence[Evaluation]
    chosen: Evaluation
    timezone: str
    address: Address | None = None
    unread: Collection[int] = ()
    small: bool = False

    @property
    def area(self) -> Area:
        """The place of the drawing inside the picture."""
        return _SMALL_AREA if self.small else _AREA


def fan(
    feature: FeatureRange, quantiles: Mapping[int, F64], baseline: F64 | None, open_ends: Mapping[int, I64]
) -> Markup | None:
    """Draw quantiles of a number over windows in the band of the baseline; None if no window has quantiles.

    A quantile in an open outer bin is drawn at the bin's edge with a hatch beyond it.

    Args:
        feature: The feature and its windows.
        quantiles: Start of a window → its quantiles at 5, 25, 50, 75 and 95 %, float64 (5,).
        baseline: The same quantiles of the baseline's rows.
        open_ends: Start of a window → per quantile 1 if it is a lower bound, -1 if an upper bound, else 0, int64 (5,).
    """
    none = np.full(5, np.nan)
    values = np.array([quantiles.get(evaluation.window.start, none) for evaluation in feature.windows])
    sides = np.array([open_ends.get(evaluation.window.start, np.zeros(5)) for evaluation in feature.windows])
    is_known = np.isfinite(values).all(axis=1)
    if not is_known.any():
        return None
    before = none if baseline is None else baseline
    ends = np.concatenate([values[is_known], [before]])[:, [0, -1]]
    plot = over_time(feature.windows, feature.area, levels(ends[np.isfinite(ends)].tolist()))
    plot.grid()
    plot.select(place_of(feature.chosen, feature.windows), 6, 8)
    _hatch_unread(plot, feature)
    if np.isfinite(before).all():
        for low, high in ((0, 4), (1, 3)):
            plot.stripe(float(before[low]), float(before[high]), "fan-was", 1.5)
        plot.level(float(before[2]), "was")
    for run in plot.runs(is_known.tolist()):
        least, most = ([plot.shared(values[:, at].tolist(), of, run) for at in range(5)] for of in (min, max))
        for low, high, css in ((0, 4, "fan"), (1, 3, "fan inner")):
            plot.step_area(most[high], least[low], css, 0.7)
        medians = zip(least[2], most[2], strict=True)
        plot.steps([step for (at, low), (_, high) in medians for step in (((at[0], at[0]), low), (at, high))], "line")
        for side, outermost, shift in ((1, most[-1], -_OPEN), (-1, least[0], 0.0)):
            is_open = plot.shared((sides == side).any(axis=1).tolist(), max, run)
            plot.boxes(
                ("gap open-end", (begin, plot.y(end) + shift, stop - begin, _OPEN))
                for ((begin, stop), end), (_, opened) in zip(outermost, is_open, strict=True)
                if opened
            )

    def words(place: int) -> str:
        return _quantile_words(values[place], sides[place], feature.name) if is_known[place] else "no value"

    return _picture(plot, feature, words, "median, 50 % and 90 % of the rows of each window")


def stacked(
    feature: FeatureRange, categories: Sequence[str], windows: Mapping[int, F64], baseline: F64 | None
) -> Markup | None:
    """Draw stacked fractions of categories over windows, preceded by the baseline's; None if there are none.

    ``categories``: names of the entries of all fractions; ``windows``: start of a window → its fractions. The
    categories with the largest fractions have their own colour.
    """
    rows = [windows.get(evaluation.window.start, np.zeros(0)) for evaluation in feature.windows]
    known = [place for place, shares in enumerate(rows) if shares.sum() > 0]
    if not known or not categories:
        return None
    highest = np.max([rows[place] for place in known] + ([] if baseline is None else [baseline]), axis=0)
    largest = sorted(np.argsort(-highest, kind="stable")[:MOST_STACKED].tolist())
    rest = [index for index in range(len(categories)) if index not in largest and highest[index] > 0]
    names = [categories[index] for index in largest]
    names += [f"{len(rest)} others" if len(rest) > 1 else categories[rest[0]]] if rest else []

    def parts(shares: F64) -> list[float]:
        return [float(shares[index]) for index in largest] + ([float(shares[rest].sum())] if rest else [])

    frame = Plot(feature.area, (0.0, 0.25, 0.5, 0.75, 1.0))
    frame.grid(percent_tick)
    left = feature.area.left + (0.0 if baseline is None else _BASELINE + 8)
    area = feature.area._replace(left=left, right=feature.area.right - 96)
    plot = over_time(feature.windows, area, marks=frame.marks)
    _hatch_unread(plot, feature)
    usual = np.mean([rows[place] for place in known], axis=0) if baseline is None else baseline
    columns: list[tuple[Point, list[float]]] = []
    for places, span in plot.columns(known):
        farthest = max(places, key=lambda place: float(np.abs(rows[place] - usual).sum()))
        columns.append((span, parts(rows[farthest])))
    newest = columns[-1][1]
    if baseline is not None:
        columns.append(((feature.area.left, feature.area.left + _BASELINE), parts(baseline)))
        plot.marks.append(
            svg.text((feature.area.left + _BASELINE / 2, feature.area.bottom + 14), "baseline", anchor="middle")
        )
    boxes: list[tuple[str, Box]] = []
    for index in range(len(names)):
        for (begin, end), shares in columns:
            gap, low = 0.4 if end - begin > 3 else 0.0, sum(shares[:index])
            box = plot.box((begin + gap, end - gap), low + shares[index], low)
            if box[3] >= 0.05:
                boxes.append((f"share share-{index}", box))
    plot.boxes(boxes)
    plot.select(place_of(feature.chosen, feature.windows), 6, 8)
    _name_categories(plot, feature.area, names, newest)

    def words(place: int) -> str:
        return _share_words(names, parts(rows[place])) if place in known else "no value"

    return _picture(plot, feature, words, "fraction of each category in each window")


def missing(
    feature: FeatureRange, windows: Mapping[int, FeatureWindow], baseline: FeatureWindow | None
) -> Markup | None:
    """Draw the fractions of missing and of unusable values over windows; None if both are always 0."""
    rows = [windows.get(evaluation.window.start) for evaluation in feature.windows]
    series = numbers_of([*rows, baseline], "missing", "invalid")
    highest = max(share or 0.0 for shares in series for share in shares)
    if not highest:
        return None
    plot = over_time(feature.windows, _AREA._replace(bottom=70.0), (0.0, levels([0.0, highest])[-1]))
    plot.grid(percent_tick)
    for (*shares, before), css in zip(series, ("line", "line beside"), strict=True):
        plot.level(before or None, "was")
        if any(shares) or css == "line":
            for run in plot.runs(share is not None for share in shares):
                plot.steps(plot.shared(shares, max, run), css)
    plot.times(86, feature.windows, feature.timezone)
    label = f"{short(feature.name, 40)}: fraction of missing and of invalid values over time"
    return plot.picture(720, 92, label, "chart fan-chart")


def _hatch_unread(plot: Plot, feature: FeatureRange) -> None:
    spans = zip(feature.windows, plot.spans, strict=True)
    unread = merged(("", span) for evaluation, span in spans if evaluation.window.start in feature.unread)
    plot.hatch([span for _, span in unread], "not loaded yet")


def _picture(plot: Plot, feature: FeatureRange, words: Callable[[int], str], label: str) -> Markup:
    """Add a strip of states below the chart, and a link with a tooltip per window if there are few windows."""
    shades = [shade_of(evaluation, feature.name) or "is-no_baseline" for evaluation in feature.windows]
    strips = worst_shades(plot, shades)
    address = None if plot.column else feature.address
    if address is not None:
        strips = [(shade, (begin, begin + max(0.9 * (end - begin), 0.6))) for shade, (begin, end) in strips]
    plot.boxes(
        (f"cell {shade}", (begin, feature.area.bottom + 3, end - begin, 7)) for shade, (begin, end) in merged(strips)
    )
    if address is not None:
        titles = [_tooltip(feature, place, words) for place in range(len(feature.windows))]
        plot.links(titles, map(address, feature.windows), stop=False, below=10)
    plot.times(feature.area.bottom + 26, feature.windows, feature.timezone)
    size = (feature.area.right + 20, feature.area.bottom + 32)
    return plot.picture(*size, f"{short(feature.name, 40)} over time: {label}", "chart fan-chart")


def _tooltip(feature: FeatureRange, place: int, words: Callable[[int], str]) -> str:
    evaluation = feature.windows[place]
    parts = ["not loaded yet" if evaluation.window.start in feature.unread else words(place)]
    if (column := evaluation.features.get(feature.name)) is not None:
        parts.append(state_word(column.state, column.reason))
        parts += [column.size] if column.state == "drift" and column.size else []
    return f"{window_name(evaluation.window, feature.timezone)}: {', '.join(parts)}"


def _quantile_words(values: F64, sides: F64, name: str) -> str:
    bound = {0: "", 1: "at least ", -1: "at most "}
    ends = zip(sides.tolist(), values.tolist(), strict=True)
    smallest, low, middle, high, greatest = (bound[side] + number(value) for side, value in ends)
    return f"{short(name, 40)} median {middle}, 50 % {low} to {high}, 90 % {smallest} to {greatest}"


def _share_words(names: Sequence[str], shares: Sequence[float]) -> str:
    largest = sorted(zip(shares, names, strict=True), key=lambda pair: -pair[0])[:3]
    return ", ".join(f"{short(name, 24)} {percent(share)}" for share, name in largest if share > 0)


def _name_categories(plot: Plot, area: Area, names: Sequence[str], shares: Sequence[float]) -> None:
    """Write the names of categories next to the newest column in their colour, without overlap."""
    low, free = 0.0, math.inf
    for index, (name, share) in enumerate(zip(names, shares, strict=True)):
        _, top, _, height = plot.box((0.0, 0.0), low + share, low)
        low += share
        if height < 3:
            continue
        line = min(top + height / 2 + 3.5, free)
        if line < area.top + 4:
            break
        plot.marks.append(svg.rect((area.right - 90, line - 8, 8, 8), f"share share-{index}"))
        plot.marks.append(svg.text((area.right - 78, line), short(name, 15)))
        free = line - 12

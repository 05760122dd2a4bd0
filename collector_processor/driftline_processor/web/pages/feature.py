"""One feature: its distribution compared with the baseline, over time, by slice, and its rows out of range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from driftline.tables.table import F64
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.drift.number_shape import LEVELS, shape_of_cells
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, SliceDrift, size_of
from driftline_processor.present import states
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import number, percent
from driftline_processor.present.sentences.causes import carried_words
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.feature_history import FeatureHistories, FeatureHistory, FeatureWindow
from driftline_processor.web.charts import feature_history as charts
from driftline_processor.web.charts.distributions import distribution, is_category, own_range
from driftline_processor.web.page import Page, Table
from driftline_processor.web.place import feature_page, with_slashes
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, request: Request) -> Page:
        feature = with_slashes(request.path_params["feature"])
        return page(selection, feature, site.clock(), site.state.queries.features, site.links)

    return [Guarded("/models/{name:path}/features/{feature:path}", site.shows_model(show), may="read")]


def page(
    selection: Selection,
    feature: str,
    now: int,
    histories: FeatureHistories | None = None,
    links: Links = NO_LINKS,
) -> Page:
    """Return the page of a feature.

    Args:
        selection: The model, the range, and the selected window.
        feature: The handle of its name.
        now: Unix nanoseconds.
        histories: Source of its windows and rows; None = only the drawings of evaluations are available.
        links: Addresses of traces.

    Raises:
        HTTPException: 404 if no window has the feature.
    """
    name = next(
        (name for one in reversed(selection.windows_of_length) for name in one.drift.places if handle(name) == feature),
        None,
    )
    if name is None or selection.chosen is None:
        raise HTTPException(
            404, f"no feature {feature[:80]!r} has arrived in these windows; the page Drift lists all features"
        )
    model, chosen = selection.model, selection.chosen
    column = chosen.features.get(name)
    history = None if histories is None else histories.history(model.key, name, selection.shown_windows, chosen)
    windows = _windows(selection, name, history)
    context = common_context(selection, "drift", now)
    importance = {} if model.baseline is None else model.baseline.importance
    ranked = [one.name for one in states.rank(chosen.features.values())]
    place = ranked.index(name) if name in ranked else None
    outside = None
    if histories is not None:
        outside = histories.outside(model.key, name, chosen.window.start, chosen.window.end)
    drawn = charts.FeatureRange(
        name=name,
        windows=selection.shown_windows,
        chosen=chosen,
        timezone=model.timezone,
        address=lambda one: selection.to(one, feature_page(name)),
        unread=frozenset[int]() if history is None else history.unread_starts,
    )
    # 0.01: minimum fraction of a window in one step beyond the baseline's bins for the page to name that step
    context |= {
        "feature": name,
        "column": column,
        "facts": feature_facts(name, selection.windows_of_length, chosen, importance, model.timezone),
        "at": lambda evaluation: selection.to(evaluation, feature_page(name)),
        "history": _over_time(selection, drawn, column, windows, history),
        "missing": charts.missing(drawn, windows, _baseline(column, history)),
        "drawing": _drawing(column, history, name),
        "own_axis": _out_of_range(history),
        "steps": "" if history is None or history.now is None else steps_beyond(history.now.steps_beyond(0.01)),
        "unread": 0 if history is None else len(history.unread_starts),
        "open_ends": any(window.open_ends is not None and window.open_ends.any() for window in windows.values()),
        "slices": _by_slice(chosen, name),
        "size": size_of,
        "kept": histories is not None,
        "outside": outside,
        "links": links,
        "before": ranked[place - 1] if place else None,
        "after": ranked[place + 1] if place is not None and place + 1 < len(ranked) else None,
        "rank": None if place is None else (place + 1, len(ranked)),
        "windows": _table(selection, name, windows),
    }
    tables = {"windows": context["windows"]}
    if outside:
        rows = [(one.id, iso_time(one.time), one.value, one.trace_id, one.span_id) for one in outside]
        tables["outside"] = Table(("id", "time", "value", "trace_id", "span_id"), rows)
    return Page("model/feature.html", context, tables, {**about(selection), "feature": name})


class Picture(NamedTuple):
    """A feature over time; with a single window, that window next to the baseline."""

    name: str
    address: str
    over_time: Any
    drawing: Any
    is_fan: bool = False


def picture_of(
    selection: Selection,
    name: str,
    evaluation: Evaluation,
    histories: FeatureHistories | None = None,
    *,
    linked: bool = True,
) -> Picture | None:
    """Return the drawings of a feature for another page; None if it has none.

    Args:
        selection: The model and the range.
        name: The feature.
        evaluation: The window that is compared with the baseline.
        histories: Source of its windows; None = only the drawings of evaluations are available.
        linked: Whether each window is a link.
    """
    column, model = evaluation.features.get(name), selection.model
    history = None if histories is None else histories.history(model.key, name, selection.shown_windows, evaluation)
    drawn = charts.FeatureRange(
        name=name,
        windows=selection.shown_windows,
        chosen=evaluation,
        timezone=model.timezone,
        address=selection.to if linked else None,
        unread=frozenset[int]() if history is None else history.unread_starts,
        small=True,
    )
    over_time, windows = None, dict[int, FeatureWindow]()
    if len(selection.shown_windows) > 1:
        windows = _windows(selection, name, history)
        over_time = _over_time(selection, drawn, column, windows, history)
    drawing = None if over_time is not None else _drawing(column, history, name)
    if over_time is None and drawing is None:
        return None
    is_fan = any(window.quantiles is not None for window in windows.values())
    return Picture(name, selection.place.address(feature_page(name)), over_time, drawing, is_fan)


def _windows(selection: Selection, name: str, feature_history: FeatureHistory | None) -> dict[int, FeatureWindow]:
    """Return the feature per window from the stored sums, or from its drawing if there are none.

    A window that is not loaded yet is left out, because its drawing would be replaced on the next load.
    """
    windows = dict(feature_history.windows if feature_history is not None else {})
    for evaluation in selection.shown_windows:
        if evaluation.window.start in windows or name not in evaluation.drift.places:
            continue
        if feature_history is not None and evaluation.window.start in feature_history.unread_starts:
            continue
        column = evaluation.features[name]
        if (drawing := _of_drawing(column, column.now)) is not None:
            windows[evaluation.window.start] = drawing
    return windows


def _of_drawing(column: ColumnDrift, shares: F64 | None) -> FeatureWindow | None:
    """Return one side of a column's drawing as window; None if nothing is drawn."""
    if shares is None or len(shares) != len(column.cells) or not float(shares.sum()):
        return None
    missing = column.missing_now if shares is column.now else column.missing_was
    if is_category(column):
        return FeatureWindow(float(column.rows), missing, None, shares=shares)
    shape = shape_of_cells(column.cells, shares)
    if shape is None:
        return FeatureWindow(float(column.rows), missing, None)
    quantiles, ends = shape.quantiles(), shape.open_ends()
    return FeatureWindow(float(column.rows), missing, None, quantiles, ends, below=shape.below, above=shape.above)


def _baseline(column: ColumnDrift | None, feature_history: FeatureHistory | None) -> FeatureWindow | None:
    if feature_history is not None:
        return feature_history.baseline
    return None if column is None else _of_drawing(column, column.was)


def _over_time(
    selection: Selection,
    drawn: charts.FeatureRange,
    column: ColumnDrift | None,
    windows: Mapping[int, FeatureWindow],
    feature_history: FeatureHistory | None,
) -> Any:
    """Draw the feature over the windows shown; None if nothing is known about it."""
    was = _baseline(column, feature_history)
    fans = {start: window.quantiles for start, window in windows.items() if window.quantiles is not None}
    if fans:
        ends = {start: window.open_ends for start, window in windows.items() if window.open_ends is not None}
        return charts.fan(drawn, fans, None if was is None else was.quantiles, ends)
    categories, shares = _labelled(selection, drawn.name, windows, feature_history)
    before = None if was is None else was.shares
    if before is not None and feature_history is None and column is not None:
        before = _shares_by_category(column.cells, before, categories)
    return charts.stacked(drawn, categories, shares, before)


def _labelled(
    selection: Selection, name: str, windows: Mapping[int, FeatureWindow], feature_history: FeatureHistory | None
) -> tuple[tuple[str, ...], dict[int, F64]]:
    """Return categories and their fractions by start of the window, since drawings differ in their categories."""
    if feature_history is not None:
        categories = (*feature_history.categories, "other")
        evaluation_by_start = {evaluation.window.start: evaluation for evaluation in selection.shown_windows}
        shares = {}
        for start, window in windows.items():
            if start in feature_history.windows and window.shares is not None:
                shares[start] = window.shares
            elif (column := evaluation_by_start[start].features.get(name)) is not None and window.shares is not None:
                shares[start] = _shares_by_category(column.cells, window.shares, categories)
        return categories, shares
    columns_by_start = [
        (evaluation.window.start, column)
        for evaluation in selection.shown_windows
        if (column := evaluation.features.get(name)) is not None
    ]
    categories = tuple(dict.fromkeys(cell for _, column in columns_by_start for cell in column.cells))
    shares_by_start = {start: window.shares for start, window in windows.items() if window.shares is not None}
    return categories, {
        start: _shares_by_category(column.cells, shares_by_start[start], categories)
        for start, column in columns_by_start
        if start in shares_by_start
    }


def _shares_by_category(cells: tuple[str, ...], shares: F64, categories: tuple[str, ...]) -> F64:
    place = {category: index for index, category in enumerate(categories)}
    spread = np.zeros(len(categories))
    for cell, share in zip(cells, shares.tolist(), strict=True):
        spread[place.get(cell, len(categories) - 1)] += share
    return spread


def _out_of_range(feature_history: FeatureHistory | None) -> bool:
    # 0.05: minimum fraction of a window beyond the baseline's bins for the distribution to have its own axis
    return (
        feature_history is not None
        and feature_history.now is not None
        and feature_history.now.below + feature_history.now.above > 0.05
    )


def _drawing(column: ColumnDrift | None, feature_history: FeatureHistory | None, name: str) -> Any:
    """Draw the window next to the baseline, on its own axis if it left the baseline's bins."""
    if column is None:
        return None
    if (
        _out_of_range(feature_history)
        and feature_history is not None
        and feature_history.was is not None
        and feature_history.now is not None
    ):
        return own_range(feature_history.was, feature_history.now, column, name)
    return distribution(column, name)


def _by_slice(chosen: Evaluation, name: str) -> list[tuple[str, SliceDrift, ColumnDrift | None]]:
    """Return the slices of a window: drifted ones first, the largest drift first."""
    columns_by_slice = [(cut, evaluation, evaluation.features.get(name)) for cut, evaluation in chosen.slices.items()]
    return sorted(
        columns_by_slice, key=lambda row: (row[2] is None, -(size_of(row[2]) or 0.0) if row[2] else 0.0, row[0])
    )


_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def _table(selection: Selection, name: str, windows: Mapping[int, FeatureWindow]) -> Table:
    columns = ("start", "end", "state", "size", "value", "p_value", "psi", "missing", "invalid", "rows", "open_ends")
    quantiles = tuple(f"p{100 * level:.0f}" for level in LEVELS)
    sides = {1: "≥", -1: "≤"}
    rows = []
    for evaluation in selection.shown_windows:
        drift = evaluation.drift
        if (place := drift.places.get(name)) is None:
            continue
        window, numbers = (
            windows.get(evaluation.window.start),
            (drift.values, drift.p_values, drift.moved, drift.missing),
        )
        ends = [0] * len(LEVELS) if window is None or window.open_ends is None else window.open_ends.tolist()
        quantile_words = " ".join(f"{level} {sides[side]}" for level, side in zip(quantiles, ends, strict=True) if side)
        values = [None] * len(LEVELS) if window is None or window.quantiles is None else window.quantiles.tolist()
        rows.append(
            (
                *(
                    iso_time(evaluation.window.start),
                    iso_time(evaluation.window.end),
                    drift.states[place],
                    drift.sizes[place] or None,
                ),
                *(drift.of(name, number) for number in numbers),
                *(None if window is None else window.invalid, drift.rows.item(place)),
                *(quantile_words, *values),
            )
        )
    return Table((*columns, *quantiles), rows)


def drifting_since(name: str, evaluations: Sequence[Evaluation], chosen: Evaluation) -> int | None:
    """Return the begin of a feature's drift, unix nanoseconds: its incident, else its run of windows with drift.

    An inconclusive window does not end a run.

    Args:
        name: The feature.
        evaluations: Windows of one length, oldest first.
        chosen: The selected window, one of them.
    """
    if chosen.drift.state(name) != "drift":
        return None
    if (began := chosen.incident.get(f"feature:{name}")) is not None:
        return began
    since = chosen.window.start
    for evaluation in reversed(evaluations):
        if evaluation.window.start < chosen.window.start:
            before = evaluation.drift.state(name)
            if before == "drift":
                since = evaluation.window.start
            elif before in ("ok", "within_normal_variation"):
                break
    return since


def ordinal(number: int) -> str:
    """Return an ordinal number.

    >>> [ordinal(place) for place in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    return f"{number}{'th' if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, 'th')}"


def importance_rank(name: str, importance: Mapping[str, float]) -> str:
    """Return the rank of a feature by importance; "" if unknown.

    >>> importance_rank("temp", {"dewp": 0.5, "temp": 0.3, "carrier": 0.2})
    '2nd of 3'
    """
    if name not in importance:
        return ""
    place = 1 + sum(weight > importance[name] for weight in importance.values())
    return f"{ordinal(place)} of {len(importance)}"


def steps_beyond(steps: Sequence[tuple[float, float]]) -> str:
    """Return how precisely values outside the baseline's range are known; "" if there are none.

    Args:
        steps: Begin and end of ranges whose number of rows alone is known; infinite at an open end.

    >>> steps_beyond([(54.0, 64.0), (64.0, 100.4)])
    'Between 54 and 64 and between 64 and 100, only the number of rows is known, so the bars are level.'
    >>> steps_beyond([(64.0, float("inf"))])
    'The rows have no known upper limit above 64.'
    """
    closed = [f"between {number(low)} and {number(high)}" for low, high in steps if isfinite(low) and isfinite(high)]
    words = []
    if closed:
        step_words = " and ".join([", ".join(closed[:-1]), closed[-1]] if closed[1:] else closed)
        words.append(
            f"{step_words[0].upper()}{step_words[1:]}, only the number of rows is known, so the bars are level."
        )
    for low, high in steps:
        if not isfinite(low):
            words.append(f"The rows have no known lower limit below {number(high)}.")
        elif not isfinite(high):
            words.append(f"The rows have no known upper limit above {number(low)}.")
    return " ".join(words)


def feature_facts(
    name: str, evaluations: Sequence[Evaluation], chosen: Evaluation, importance: Mapping[str, float], timezone: str
) -> list[str]:
    """Return the important facts of a feature in a window, a few words each."""
    facts = []
    if (since := drifting_since(name, evaluations, chosen)) is not None:
        facts.append(f"since {date_words(since, timezone)}")
    if rank := importance_rank(name, importance):
        facts.append(f"importance {rank}, {percent(importance[name])}")
    causes = () if chosen.explanation is None else chosen.explanation.causes
    carried = (carried_words(cause) for cause in causes if name in cause.features)
    return [*facts, *([words] if (words := next(carried, "")) else [])]

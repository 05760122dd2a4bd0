"""Drift of inputs and scores: a table of features, a heat map over time, and slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MethodValue, size_of
from driftline_processor.present import states
from driftline_processor.present.json_shapes import Key, or_null, time_at
from driftline_processor.present.sections.drift import lasting
from driftline_processor.present.sections.section import PAGE
from driftline_processor.present.times import date_label
from driftline_processor.web.charts.heat_map import heat_map
from driftline_processor.web.charts.plot import Address
from driftline_processor.web.charts.sparklines import mini_of, trend
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.place import feature_page
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

from .feature import drifting_since, importance_rank

SORTS = ("size", "since", "importance", "name")
"""Orders of the table; the first is the default."""

LONGEST_SEARCH = 200
"""Upper limit of characters of a search."""


class FeatureRow(Struct, frozen=True):
    """A row of the table of features.

    Attributes:
        column: Its drift in the window.
        size: Size of the drift; None if unknown.
        since: Begin of the drift, unix nanoseconds; None without drift.
        importance: Fraction of the model's total importance; None if unknown.
    """

    column: ColumnDrift
    size: float | None
    since: int | None
    importance: float | None


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, request: Request) -> Page:
        return page(selection, site.clock(), request.query_params)

    return [Guarded("/models/{name:path}/drift", site.shows_model(show), may="read")]


def page(selection: Selection, now: int, asked: Mapping[str, str] | None = None) -> Page:
    """Return the drift of a model in a window and over the range.

    Args:
        selection: The model, the range, and the selected window.
        now: Unix nanoseconds.
        asked: ``q``, a part of a feature's name; ``sort``, one of :data:`SORTS`; ``heat``, "all" for all rows.
    """
    context, chosen = common_context(selection, "drift", now), selection.chosen
    if chosen is None:
        return Page("model/drift.html", context, {"features": _table(())}, about(selection))
    asked = asked or {}
    search = asked.get("q", "")[:LONGEST_SEARCH].strip()
    sort = asked.get("sort", "") if asked.get("sort", "") in SORTS else SORTS[0]
    ranked = states.rank(chosen.features.values())
    rows = _sorted(_rows(selection, chosen, ranked), sort)
    matches = [row for row in rows if search.casefold() in row.column.name.casefold()]
    heatable = len(_heated(selection.shown_windows, ranked))
    # 40: features in the heat map unless all are requested: those that drift in most windows
    heated = heatable if asked.get("heat") == "all" else min(heatable, 40)
    importance = {} if selection.model.baseline is None else selection.model.baseline.importance
    context |= {
        "rows": matches,
        "features": len(rows),
        "drifted": states.drifted(chosen),
        "search": search,
        "sort": sort,
        "sorts": SORTS,
        "importance_rank": lambda name: importance_rank(name, importance),
        "has_importance": bool(importance),
        "date": lambda time: date_label(time, selection.model.timezone),
        "mini": mini_of,
        "trend": lambda name: trend(name, selection.shown_windows),
        "heat": heat_of(selection, chosen, heated, context["lead"]),
        "heated": heated,
        "heatable": heatable,
        "lasting": lasting(chosen, selection.model.timezone).on_surface(PAGE),
    }
    return Page("model/drift.html", context, {"features": _table(rows)}, about(selection))


def heat_of(selection: Selection, chosen: Evaluation, most: int, lead: Address | None) -> Markup | None:
    """Draw the drift of the features that drift in most windows; None for a single window.

    Args:
        selection: The model and the range.
        chosen: The selected window.
        most: Upper limit of features.
        lead: Returns the link of a window; None = no links.
    """
    features = _heated(selection.shown_windows, states.rank(chosen.features.values()))[:most]
    if not features or len(selection.shown_windows) < 2:
        return None
    return heat_map(
        *(selection.shown_windows, features, chosen, lead),
        lambda name: selection.place.address(feature_page(name)),
        selection.model.timezone,
    )


def _rows(selection: Selection, chosen: Evaluation, ranked: Sequence[ColumnDrift]) -> list[FeatureRow]:
    importance = {} if selection.model.baseline is None else selection.model.baseline.importance
    return [
        FeatureRow(
            *(column, size_of(column), drifting_since(column.name, selection.windows_of_length, chosen)),
            importance.get(column.name),
        )
        for column in ranked
    ]


def _sorted(rows: list[FeatureRow], sort: str) -> list[FeatureRow]:
    """Return rows in an order; ties and unknown values by rank."""
    if sort == "since":
        return sorted(rows, key=lambda row: (row.since is None, row.since or 0))
    if sort == "importance":
        return sorted(rows, key=lambda row: -(row.importance or 0.0))
    if sort == "name":
        return sorted(rows, key=lambda row: row.column.name.casefold())
    return rows


def _heated(evaluations: Sequence[Evaluation], ranked: Sequence[ColumnDrift]) -> list[str]:
    """Features by how often they drift in the windows shown, then by their rank in the selected window."""
    often: dict[str, int] = {column.name: 0 for column in ranked}
    for evaluation in evaluations:
        for name, state in zip(evaluation.drift.places, evaluation.drift.states, strict=True):
            often[name] = often.get(name, 0) + (state == "drift")
    return sorted(often, key=lambda name: -often[name])


def _table(rows: Sequence[FeatureRow]) -> Table:
    def decided(row: FeatureRow) -> MethodValue | None:
        return row.column.methods.get(row.column.decided_by)

    return table_of(
        rows,
        "feature=column.name state=column.state",
        or_null("size", "column.size"),
        time_at("since"),
        "importance method=column.decided_by",
        Key("value", "", lambda row: (one := decided(row)) and one.value),
        Key("p_value", "", lambda row: (one := decided(row)) and one.p_value),
        "psi=size missing_was=column.missing_was missing_now=column.missing_now rows=column.rows",
    )

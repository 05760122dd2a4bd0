"""Single predictions and their traces: by id, the most wrong of a window, what to label next, and pending outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import methodcaller
from typing import Any

from driftline.tables.ids import id_text
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.labels.sampling import Reason
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.present.json_shapes import Key, or_null, time_of
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.history import History, RecordedOutcome
from driftline_processor.queries.label_queue import LabelBatch, LabelQueue
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.predictions import KeptPrediction, KeptPredictions
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.parameters import number
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

SHOWN = 10
"""Default number of predictions per table."""

MOST = 100
"""Upper limit of predictions per table."""

QUICK = 200_000
"""Upper limit of predictions without an outcome for an immediate choice of what to label; more need a request."""

REASON_WORDS: dict[Reason, str] = {
    "uncertain": "uncertain score",
    "drifted": "drifted values",
    "weak": "weak slice",
}
"""Reason to label a prediction → its words."""


class Rows(Struct, frozen=True):
    """Sources of single predictions; None = not available.

    Attributes:
        wrong: Finds the most wrong predictions.
        predictions: Reads stored predictions.
        history: Reads all outcomes of an id.
        labels: Chooses what to label next.
        links: Addresses of traces.
    """

    wrong: Mispredictions | None = None
    predictions: KeptPredictions | None = None
    history: History | None = None
    labels: LabelQueue | None = None
    links: Links = NO_LINKS


class Search(Struct, frozen=True):
    """The parameters of the page.

    Attributes:
        id: Id of a prediction; "" = those of the window.
        max_rows: Rows per table.
        label: Choose what to label next, however long it takes.
    """

    id: str = ""
    max_rows: int = SHOWN
    label: bool = False


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, request: Request) -> Page:
        queries, query_params = site.state.queries, request.query_params
        rows = Rows(queries.mispredictions, queries.predictions, queries.history, queries.labels, site.links)
        search = Search(id_text(query_params.get("id")), number(request, "limit", SHOWN, MOST), "label" in query_params)
        shown, key = page(selection, site.clock(), rows, search), selection.model.key
        # the features of a prediction are not rows of their own
        count = sum(len(table.rows) for name, table in shown.tables.items() if name != "features")
        site.note_rows(request, "the predictions page", count, key.model, key.environment)
        return shown

    return [Guarded("/models/{name:path}/predictions", site.shows_model(show), may="read_rows")]


def page(selection: Selection, now: int, rows: Rows, search: Search | None = None) -> Page:
    """Return the predictions of a window, or all data of one prediction."""
    selection = selection.with_outcomes()
    context = common_context(selection, "predictions", now)
    search = search or Search()
    context |= {"links": rows.links, "search": search}
    if search.id:
        return _of_id(selection, context, rows, search.id)
    chosen, slices = selection.chosen, selection.place.slice_values()
    worst, newest, batch, waits = Worst(), list[KeptPrediction](), None, False
    key = selection.model.key
    waiting = (
        []
        if rows.predictions is None or not selection.model.pending
        else rows.predictions.waiting(key.model, search.max_rows)
    )
    if chosen is not None:
        stretch = chosen.window.start, chosen.window.end
        if rows.wrong is not None and chosen.outcome_rows:
            worst = rows.wrong.worst(key, *stretch, search.max_rows, slices)
        if rows.predictions is not None:
            newest = rows.predictions.newest(key, *stretch, search.max_rows)
        waits = rows.labels is not None and not search.label and chosen.rows - chosen.outcome_rows > QUICK
        if rows.labels is not None and not waits and chosen.rows > chosen.outcome_rows:
            # 10: predictions to label next on the page; the file has as many as requested
            batch = rows.labels.next(key, *stretch, 10)
    context |= {
        "worst": worst,
        "asked_slices": slices,
        "chips": _chips(selection),
        "newest": newest,
        "batch": batch,
        "label_waits": waits,
        "reasons": REASON_WORDS,
        "stretch": () if chosen is None else (iso_time(chosen.window.start), iso_time(chosen.window.end)),
        "waiting": waiting,
        "searchable": rows.predictions is not None or rows.history is not None,
    }
    tables = {
        "predictions": _wrong_table(worst, rows.links),
        "label_next": _label_table(batch),
        "newest": _kept_table(newest, rows.links),
        "waiting": table_of(waiting, "id", time_of("received")),
    }
    return Page("model/predictions.html", context, tables, {**about(selection), "slices": slices})


def _of_id(selection: Selection, context: dict[str, Any], rows: Rows, id: str) -> Page:
    """Return all data of one id."""
    model = selection.model.key.model
    predictions = [] if rows.predictions is None else rows.predictions.of_id(model, id)
    outcomes = [] if rows.history is None else rows.history.outcomes(model, id)
    drifting = {} if selection.chosen is None else selection.chosen.features
    context |= {"found": predictions, "told": outcomes, "drifting": drifting}
    tables = {
        "predictions": _kept_table(predictions, rows.links),
        "features": _feature_table(predictions),
        "outcomes": _outcome_table(outcomes),
    }
    return Page("model/prediction.html", context, tables, {**about(selection), "id": id})


def _chips(selection: Selection) -> list[tuple[str, str, bool]]:
    """Return the slices of the window as filters: text, address, and whether it is selected."""
    place, chosen = selection.place, selection.chosen
    if chosen is None:
        return []
    rows_by_slice = {name: performance_slice.rows for name, performance_slice in chosen.performance_slices.items()}
    rows_by_slice |= {name: chosen.slices[name].rows for name in chosen.slices if name not in rows_by_slice}
    # 24: slices in the filter, those with most rows
    names = sorted(rows_by_slice, key=lambda name: (-rows_by_slice[name], name))[:24]
    names = [*(slice_name for slice_name in place.slices if slice_name not in names), *names]
    chips = []
    for name in names:
        without = tuple(slice_name for slice_name in place.slices if slice_name != name)
        key = name.partition("=")[0]
        other_slices = tuple(slice_name for slice_name in place.slices if slice_name.partition("=")[0] != key)
        is_on = name in place.slices
        address = place.address("predictions", "mispredictions", slices=without if is_on else (*other_slices, name))
        chips.append((name, address, is_on))
    return chips


def _trace(links: Links) -> tuple[Key, ...]:
    """Return the columns of a row's trace."""
    link = Key("trace_url", "", lambda row: links.trace_link(row.trace_id, row.span_id) or None)
    return or_null("trace_id"), or_null("span_id"), link


def _wrong_table(worst: Worst, links: Links) -> Table:
    return table_of(worst.rows, "id", time_of("time"), "predicted score actual loss", *_trace(links))


def _label_table(batch: LabelBatch | None) -> Table:
    return table_of(
        batch.rows if batch else (),
        "id",
        time_of("time"),
        "predicted score",
        *(Key(name, "reasons", methodcaller("get", name)) for name in REASON_WORDS),
        Key("weight", "probability", lambda probability: 1 / probability),
    )


def _kept_table(kept_predictions: Sequence[KeptPrediction], links: Links) -> Table:
    return table_of(
        kept_predictions,
        "id version=key.version environment=key.environment",
        time_of("time"),
        time_of("received"),
        or_null("predicted"),
        "score weight",
        or_null("error"),
        *_trace(links),
    )


def _feature_table(kept_predictions: Sequence[KeptPrediction]) -> Table:
    rows = [
        (prediction.key.version, iso_time(prediction.time), name, value)
        for prediction in kept_predictions
        for name, value in prediction.features.items()
    ]
    return Table(("version", "time", "feature", "value"), rows)


def _outcome_table(recorded_outcomes: Sequence[RecordedOutcome]) -> Table:
    counts = Key("counts", "belongs_to", lambda predictions: any(prediction.counts for prediction in predictions))
    return table_of(
        recorded_outcomes, time_of("time"), time_of("received"), "actual item value weight retracted", counts
    )

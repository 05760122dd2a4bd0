"""``GET /api/v1/models/{name}/label-next``: which predictions somebody should look at next, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from driftline.tables.classes import number_text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.labels.sampling import REASONS, Reason
from driftline_processor.core.wording import iso_time
from driftline_processor.queries.label_queue import LabelBatch, LabelQueue, ReweightedLabel
from driftline_processor.queries.overview import View
from driftline_processor.readers.outcomes.documents import MARK
from driftline_processor.readers.outcomes.fields import SLICE

from .answers import FiniteJSON
from .parameters import find_model, moment, number

MOST = 10_000
LAST = 7 * 86_400 * 10**9
"""Nanoseconds to look back for rows where the request names no start."""

_SHEET = ("id", "prediction_time", "weight", "actual")


def routes(view: View, queue: LabelQueue) -> list[BaseRoute]:
    """Return the route."""

    def label_next(request: Request) -> Response:
        model = find_model(request, view.models())
        until = moment(request, "until", max(model.last, 0) + 1)
        since = moment(request, "since", until - LAST)
        most = number(request, "limit", 100, MOST)
        found = queue.next(model.key, since, until, most, tuple(_reasons(request.query_params)))
        form = request.query_params.get("format", "json")
        if form in _SHEETS:
            return PlainTextResponse(_SHEETS[form](found), media_type="text/csv")
        if form != "json":
            raise HTTPException(400, f"format={form[:40]} is not known; write json, {' or '.join(_SHEETS)}")
        return FiniteJSON(
            {
                "model": model.key.model,
                "version": model.key.version,
                "environment": model.key.environment,
                "candidates": found.candidates,
                "rows": [
                    {
                        "id": row.id,
                        "time": iso_time(row.time),
                        "score": row.score,
                        "predicted": row.predicted,
                        "slices": dict(row.slices),
                        "reasons": dict(row.reasons),
                        "weight": 1 / row.probability,
                    }
                    for row in found.rows
                ],
                "labelled": [_outcome(row) for row in found.labelled],
            }
        )

    return [Route("/api/v1/models/{name:path}/label-next", label_next)]


def _outcome(row: ReweightedLabel) -> dict[str, Any]:
    """Return a label in the form of ``POST /v1/outcomes``: its earlier values with another weight."""
    said = {"environment": row.environment, "value": row.value, "slices": dict(row.slices) or None}
    return {
        "id": row.id,
        "prediction_time": iso_time(row.prediction_time),
        "time": iso_time(row.time),
        "actual": row.actual,
        "weight": 1 / row.probability,
        **{name: value for name, value in said.items() if value is not None},
    }


def _csv(found: LabelBatch) -> str:
    """Return a file to fill in and send back to ``POST /v1/outcomes``, whose columns these are."""
    text = io.StringIO()
    names, rows = _sheet(found)
    sheet = csv.writer(text)
    sheet.writerow(names)
    sheet.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue()


def _spreadsheet(found: LabelBatch) -> str:
    """Return that file with an apostrophe before every text and the names of text columns.

    So that a program for spreadsheets runs no id as a formula, and makes no number or date of it.
    """
    text = io.StringIO()
    names, rows = _sheet(found)
    sheet = csv.writer(text)
    sheet.writerow([name if name in _NUMBERS else f"{MARK}{name}" for name in names])
    for row in rows:
        known = ((name, row.get(name, "")) for name in names)
        sheet.writerow([value if name in _NUMBERS or not value else f"{MARK}{value}" for name, value in known])
    return text.getvalue()


_SHEETS = {"csv": _csv, "spreadsheet": _spreadsheet}
_NUMBERS = ("weight", "value")


def _sheet(found: LabelBatch) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns, and the cells of each row: rows to label, and rows with a label."""
    known = [_outcome(row) for row in found.labelled]
    for one, row in zip(known, found.labelled, strict=True):
        one |= {f"{SLICE}{name}": value for name, value in one.pop("slices", {}).items()}
        one["actual"] = number_text(row.actual) if isinstance(row.actual, float) else row.actual
        one["prediction_time"], one["time"] = row.prediction_time, row.time
    names = dict.fromkeys((*_SHEET, *(name for one in known for name in one)))
    new = [{"id": row.id, "prediction_time": row.time, "weight": 1 / row.probability} for row in found.rows]
    return list(names), [{**row, "weight": repr(row["weight"])} for row in (*new, *known)]


def _reasons(asked: Mapping[str, str]) -> Iterator[Reason]:
    named = asked.get("by", ",".join(REASONS)).split(",")
    for name in filter(None, (one.strip() for one in named)):
        known = next((reason for reason in REASONS if reason == name), None)
        if known is None and name != "random":
            raise HTTPException(400, f"by={name[:40]} is not known; write some of {', '.join(REASONS)}, or random")
        if known is not None:
            yield known

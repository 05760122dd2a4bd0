"""Rows to label for people and programs: a JSON document, or a sheet to fill in and upload."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from driftline.tables.classes import number_text
from driftline.tables.table import ModelKey

from driftline_processor.present.csv_cells import FORMULA, without_controls
from driftline_processor.present.wording import iso_time
from driftline_processor.readers.outcomes.documents import MARK
from driftline_processor.readers.outcomes.fields import SLICE

from .label_queue import LabelBatch, ReweightedLabel

MEDIA_TYPES: Final[Mapping[str, str]] = {"json": "application/json", "csv": "text/csv", "spreadsheet": "text/csv"}
"""Form of :func:`label_sheet` → media type."""

_SHEET = ("id", "prediction_time", "weight", "actual")


def label_sheet(form: str, key: ModelKey, label_batch: LabelBatch) -> bytes:
    """Return rows to label in one of the forms of :data:`MEDIA_TYPES`.

    Args:
        form: ``json``, ``csv`` or ``spreadsheet``.
        key: The model.
        label_batch: The rows.
    """
    if form == "json":
        return json.dumps(label_document(key, label_batch), allow_nan=False).encode()
    return (_spreadsheet(label_batch) if form == "spreadsheet" else _csv(label_batch)).encode("utf-8", "replace")


def label_document(key: ModelKey, label_batch: LabelBatch) -> dict[str, Any]:
    """Return rows to label as a document; ``labelled`` has the form of ``POST /v1/outcomes``.

    Args:
        key: The model.
        label_batch: The rows.
    """
    return {
        "model": key.model,
        "version": key.version,
        "environment": key.environment,
        "candidates": label_batch.candidates,
        "rows": [
            {
                "id": row.id,
                "time": iso_time(row.time),
                "score": row.score if row.score is None or math.isfinite(row.score) else None,
                "predicted": row.predicted,
                "slices": dict(row.slices),
                "reasons": dict(row.reasons),
                "weight": 1 / row.probability,
            }
            for row in label_batch.rows
        ],
        "labelled": [_outcome(row) for row in label_batch.labelled],
    }


def _outcome(row: ReweightedLabel) -> dict[str, Any]:
    """Return a label in the form of ``POST /v1/outcomes``: its earlier values with another weight."""
    fields = {"environment": row.environment, "value": row.value, "slices": dict(row.slices) or None}
    return {
        "id": row.id,
        "prediction_time": iso_time(row.prediction_time),
        "time": iso_time(row.time),
        "actual": row.actual,
        "weight": 1 / row.probability,
        **{name: value for name, value in fields.items() if value is not None},
    }


def _csv(label_batch: LabelBatch) -> str:
    """Return a CSV file to fill in and upload to ``POST /v1/outcomes``.

    A column with a text that a spreadsheet may evaluate has an apostrophe before its name and before such texts, which
    the receiver removes.
    """
    text = io.StringIO()
    names, rows = _sheet(label_batch)
    marked = {
        name
        for name in names
        if name not in _NUMBERS and any(str(cell).startswith(FORMULA) for cell in (name, *_cells(name, rows)))
    }
    sheet = csv.writer(text)
    sheet.writerow([f"{MARK}{name}" if name in marked else name for name in names])
    for row in rows:
        cells = ((name, row.get(name, "")) for name in names)
        sheet.writerow([f"{MARK}{cell}" if name in marked and _may_run(cell) else cell for name, cell in cells])
    return text.getvalue()


def _cells(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    return (row.get(name, "") for row in rows)


def _may_run(cell: Any) -> bool:
    """Return True for a formula, and for an apostrophe, of which the receiver removes the first."""
    return str(cell).startswith((*FORMULA, MARK))


def _spreadsheet(label_batch: LabelBatch) -> str:
    """Return the CSV file with an apostrophe before texts and names of text columns.

    The apostrophe prevents a spreadsheet from evaluating an id as a formula or converting it to a number or a date.
    """
    text = io.StringIO()
    names, rows = _sheet(label_batch)
    sheet = csv.writer(text)
    sheet.writerow([name if name in _NUMBERS else f"{MARK}{name}" for name in names])
    for row in rows:
        cells = ((name, row.get(name, "")) for name in names)
        sheet.writerow([value if name in _NUMBERS or not value else f"{MARK}{value}" for name, value in cells])
    return text.getvalue()


_NUMBERS = ("weight", "value")


def _sheet(label_batch: LabelBatch) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns, and the cells of each row: rows to label, and labelled rows."""
    outcomes = [_outcome(row) for row in label_batch.labelled]
    for outcome, row in zip(outcomes, label_batch.labelled, strict=True):
        outcome |= {f"{SLICE}{name}": value for name, value in outcome.pop("slices", {}).items()}
        outcome["actual"] = number_text(row.actual) if isinstance(row.actual, float) else row.actual
        outcome["prediction_time"], outcome["time"] = row.prediction_time, row.time
    names = dict.fromkeys((*_SHEET, *(name for outcome in outcomes for name in outcome)))
    new = [{"id": row.id, "prediction_time": row.time, "weight": 1 / row.probability} for row in label_batch.rows]
    rows = ({**row, "weight": repr(row["weight"])} for row in (*new, *outcomes))
    # an id with an escape character then joins no prediction; in JSON it does
    return [without_controls(name) for name in names], [
        {without_controls(name): without_controls(value) for name, value in row.items()} for row in rows
    ]

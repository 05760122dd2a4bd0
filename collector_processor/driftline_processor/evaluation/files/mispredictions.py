"""The most wrong predictions of each window, as the page of a running processor shows them."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64
from driftline.tables.task import Task

from driftline_processor.core.performance.mispredictions import Worst, describe_mispredictions, row_losses_of
from driftline_processor.readers.arrow_columns import ids, positions
from driftline_processor.readers.column_roles import TRACES
from driftline_processor.readers.source import readable

from .dataset import Dataset
from .outcomes import LabelledWindows


def worst_predictions(read: Dataset, labelled_windows: LabelledWindows | None, task: Task, limit: int) -> list[Worst]:
    """Return the worst rows per window; [] if not requested, without outcomes, or for a task without losses."""
    rows = (
        None if labelled_windows is None or not labelled_windows.rows.labelled or not limit else labelled_windows.rows
    )
    if labelled_windows is None or rows is None:
        return []
    worst = [_worst_of(labelled_windows, window, task, limit) for window in range(labelled_windows.windows)]
    if any(worst_rows is None for worst_rows in worst):
        return []
    of_windows = [worst_rows for worst_rows in worst if worst_rows is not None]
    chosen = np.concatenate([of_window.places for of_window in of_windows])
    texts = [_texts(read, name, chosen) for name in (read.roles.id, *TRACES)]
    wrong = rows.take(chosen)
    row_losses = row_losses_of(task, wrong.scores, wrong.predicted, wrong.actual)
    descriptions = iter(()) if row_losses is None else describe_mispredictions(task, wrong, row_losses, *texts)
    return [
        Worst(tuple(islice(descriptions, len(of_window.places))), of_window.wrong, of_window.labelled_count)
        for of_window in of_windows
    ]


class _WorstRows(NamedTuple):
    """The positions of the worst rows of a window, int64 (k,), with the numbers of wrong and of all labelled rows."""

    places: I64
    wrong: int
    labelled_count: int


def _worst_of(labelled_windows: LabelledWindows, window: int, task: Task, limit: int) -> _WorstRows | None:
    """Return the worst rows of a window, chunk by chunk; None for a task without losses."""
    places, losses, wrong, outcomes = [np.zeros(0, np.int64)], [np.zeros(0)], 0, 0
    for chunk, rows in labelled_windows.chunks(window):
        row_losses = row_losses_of(task, rows.scores, rows.predicted, rows.actual)
        if row_losses is None:
            return None
        worst_places = row_losses.worst(limit)
        places.append(chunk[worst_places])
        losses.append(row_losses.loss[worst_places])
        wrong += int(row_losses.wrong.sum())
        outcomes += int(row_losses.has_outcome.sum())
    order = np.argsort(-np.concatenate(losses), kind="stable")[:limit]
    return _WorstRows(np.concatenate(places)[order], wrong, outcomes)


def _texts(read: Dataset, name: str, rows: I64) -> list[str]:
    """Return a column of the given rows of all files, in order; "" for a missing value."""
    row_texts, start = [""] * len(rows), 0
    for row in read.rows:
        matching_rows = np.flatnonzero((rows >= start) & (rows < start + len(row)))
        if len(matching_rows) and name in row.source.schema.names:
            with readable(row.source.path):
                values = row.source.column(name).take(positions(rows[matching_rows] - start))
                binary = pa.types.is_binary(values.type) or pa.types.is_fixed_size_binary(values.type)
                texts = [value and value.hex() for value in values.to_pylist()] if binary else ids(values).to_pylist()
            for place, text in zip(matching_rows.tolist(), texts, strict=True):
                row_texts[place] = text or ""
        start += len(row)
    return row_texts

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


def worst_predictions(read: Dataset, known: LabelledWindows | None, task: Task, most: int) -> list[Worst]:
    """Return the worst rows of each window; [] where nobody asks, no outcome is known, or nothing can be wrong."""
    rows = None if known is None or not known.rows.labelled or not most else known.rows
    if known is None or rows is None:
        return []
    worst = [_worst_of(known, window, task, most) for window in range(known.windows)]
    if any(one is None for one in worst):
        return []
    of_windows = [one for one in worst if one is not None]
    chosen = np.concatenate([one.places for one in of_windows])
    texts = [_texts(read, name, chosen) for name in (read.roles.id, *TRACES)]
    wrong = rows.take(chosen)
    found = row_losses_of(task, wrong.scores, wrong.predicted, wrong.actual)
    told = iter(()) if found is None else describe_mispredictions(task, wrong, found, *texts)
    return [Worst(tuple(islice(told, len(one.places))), one.wrong, one.known) for one in of_windows]


class _WorstRows(NamedTuple):
    """The worst rows of a window: their places among all, int64 (k,), and of how many rows so many are wrong."""

    places: I64
    wrong: int
    known: int


def _worst_of(known: LabelledWindows, window: int, task: Task, most: int) -> _WorstRows | None:
    """Return the worst rows of a window, those of each chunk first; None where nothing can be wrong."""
    places, losses, wrong, outcomes = [np.zeros(0, np.int64)], [np.zeros(0)], 0, 0
    for chunk, rows in known.chunks(window):
        found = row_losses_of(task, rows.scores, rows.predicted, rows.actual)
        if found is None:
            return None
        at = found.worst(most)
        places.append(chunk[at])
        losses.append(found.loss[at])
        wrong += int(found.wrong.sum())
        outcomes += int(found.known.sum())
    order = np.argsort(-np.concatenate(losses), kind="stable")[:most]
    return _WorstRows(np.concatenate(places)[order], wrong, outcomes)


def _texts(read: Dataset, name: str, rows: I64) -> list[str]:
    """Return a column of some rows of all files, in order; "" for a missing value."""
    found, start = [""] * len(rows), 0
    for one in read.rows:
        at = np.flatnonzero((rows >= start) & (rows < start + len(one)))
        if len(at) and name in one.source.schema.names:
            with readable(one.source.path):
                values = one.source.column(name).take(positions(rows[at] - start))
                binary = pa.types.is_binary(values.type) or pa.types.is_fixed_size_binary(values.type)
                texts = [value and value.hex() for value in values.to_pylist()] if binary else ids(values).to_pylist()
            for place, text in zip(at.tolist(), texts, strict=True):
                found[place] = text or ""
        start += len(one)
    return found

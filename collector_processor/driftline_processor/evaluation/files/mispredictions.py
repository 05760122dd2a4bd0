"""The most wrong predictions of each window, as the page of a running processor shows them."""

from __future__ import annotations

from itertools import islice

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
    found = None if rows is None else row_losses_of(task, rows.scores, rows.predicted, rows.actual)
    if known is None or rows is None or found is None:
        return []
    windows = [known.places(window) for window in range(known.windows)]
    worst = [places[found.of(places).worst(most)] for places in windows]
    chosen = np.concatenate(worst)
    texts = [_texts(read, name, chosen) for name in (read.roles.id, *TRACES)]
    told = describe_mispredictions(task, rows.take(chosen), found.of(chosen), *texts)
    return [
        Worst(tuple(islice(told, len(some))), int(found.wrong[of].sum()), int(found.known[of].sum()))
        for some, of in zip(worst, windows, strict=True)
    ]


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

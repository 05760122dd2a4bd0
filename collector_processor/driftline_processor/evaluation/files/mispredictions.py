"""The most wrong predictions of each window, as the page of a running processor shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_column
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import I64, Column, length
from driftline.tables.task import Task

from driftline_processor.core.performance.mispredictions import Misprediction, RowLosses, Worst, row_losses_of
from driftline_processor.readers.arrow_columns import ids, positions
from driftline_processor.readers.column_roles import TRACES
from driftline_processor.readers.source import readable

from .dataset import Dataset
from .outcomes import LabelledPredictions, outcomes_of_all_rows


def worst_predictions(read: Dataset, groups: Sequence[I64], windows: int, task: Task, most: int) -> list[Worst]:
    """Return the worst rows of each window; [] where nobody asks, no outcome is known, or nothing can be wrong."""
    truth = outcomes_of_all_rows(read.rows, read.weights) if most else None
    found = None if truth is None else row_losses_of(task, truth.scores, truth.predicted, truth.actual)
    if truth is None or found is None:
        return []
    group = np.concatenate(groups)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.searchsorted(group[order], np.arange(windows + 1)))[1:-1]
    worst = [some[found.of(some).worst(most)] for some in parts]
    rows = np.concatenate(worst)
    told = iter(_mispredictions(read, truth.taken(rows), found.of(rows), task, rows))
    wrong, known = (np.bincount(group[(group >= 0) & of], minlength=windows) for of in (found.wrong, found.known))
    return [Worst(tuple(islice(told, len(some))), int(wrong[at]), int(known[at])) for at, some in enumerate(worst)]


def _mispredictions(
    read: Dataset, truth: LabelledPredictions, found: RowLosses, task: Task, rows: I64
) -> Iterator[Misprediction]:
    id, trace, span = (_texts(read, name, rows) for name in (read.roles.id, *TRACES))
    actual, classes = actual_numbers(truth.actual), dict(enumerate(task.classes))
    slices = {key: _labels(column) for key, column in truth.slices.items()}
    for at in range(len(rows)):
        scores = () if truth.scores is None else tuple(truth.scores[at].tolist())
        weight = 1.0 if truth.weight is None else float(truth.weight[at])
        yield Misprediction(
            id=id[at],
            time=0 if truth.time is None else int(truth.time[at]),
            score=scores[0] if len(scores) == 1 and scores[0] == scores[0] else None,
            scores=scores if len(scores) > 1 else None,
            predicted=classes.get(int(found.decided[at])),
            actual=float(actual[at]) if task.predicts_number else classes.get(int(found.happened[at])),
            outcome_time=0 if truth.outcome_time is None else int(truth.outcome_time[at]),
            loss=float(found.loss[at]),
            weight=weight if weight == weight else 1.0,
            slices={key: text for key, texts in slices.items() if (text := texts[at])},
            trace_id=trace[at],
            span_id=span[at],
        )


def _texts(read: Dataset, name: str, rows: I64) -> list[str]:
    """A column of some rows of all files, in their order; "" where there is none."""
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


def _labels(column: Column) -> list[str]:
    known = class_column(column)
    return [""] * length(column) if known.codes is None else np.array([*known.labels, ""])[known.codes].tolist()

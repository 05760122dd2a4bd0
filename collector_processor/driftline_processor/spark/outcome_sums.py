"""Fold outcomes with the rows of their predictions on an executor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from driftline.batch_panes import RowOutcomes
from driftline.tables.column_codec import texts
from driftline.tables.table import ModelKey, PredictionTable

from driftline_processor.store.arrow_tables import (
    actual_of,
    integers_of,
    numbers_of,
    text_column,
)

from .models import FoldedModel, Models
from .record_batches import by_key
from .row_columns import scores_of, slices_of


def fold_labelled(models: Models, rows: pa.Table, sign: int) -> Iterator[pa.RecordBatch]:
    """Yield the sums of outcomes, as rows of :mod:`.pane_rows`.

    Args:
        models: The models of the configuration.
        rows: Rows of predictions with their outcomes.
        sign: -1 for outcomes that no longer hold, else 1.
    """
    for key, same in by_key(rows, ["model", "version", "environment"]):
        if key[0] in models:
            yield _folded(models[key[0]], ModelKey(*key), same, sign)


def _folded(model: FoldedModel, key: ModelKey, rows: pa.Table, sign: int) -> pa.RecordBatch:
    task = model.task
    scores = numbers_of(rows, "score")[:, np.newaxis]
    if np.isnan(scores).all():
        scores = scores_of(rows["scores"].combine_chunks(), task.score_columns)
    table = PredictionTable(
        key=key,
        task=task,
        time=integers_of(rows, "time"),
        id=texts([""] * len(rows)),
        scores=None if np.isnan(scores).all() else scores,
        predicted=text_column(rows, "predicted") if task.may_have_classes else None,
        slices=slices_of(rows["slices"].combine_chunks(), model.settings.sliced),
    )
    weight, own = numbers_of(rows, "outcome_weight"), numbers_of(rows, "weight")
    weight = np.where(np.isnan(weight), own, weight)
    outcomes = RowOutcomes(
        actual_of(rows),
        time=integers_of(rows, "outcome_time"),
        weight=None if np.isnan(weight).all() else weight,
    )
    return model.fold(table, outcomes, sign)

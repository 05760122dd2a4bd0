"""Fold outcomes with the rows of their predictions on an executor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals
from driftline.batch_panes import RowOutcomes
from driftline.panes.relevance import Relevance, take_rankings
from driftline.tables.column_codec import texts
from driftline.tables.table import ModelKey, PredictionTable
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.resolution import OutcomeHistories, resolve_rankings
from driftline_processor.store.arrow_tables import (
    actual_of,
    integers_of,
    numbers_of,
    text_column,
)

from .models import FoldedModel, Models
from .record_batches import by_key, positions_by_key
from .row_columns import items_of, scores_of, slices_of


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


def fold_rankings(
    models: Models, rows: pa.Table, row: NDArray[np.intp], labels: pa.Table, sign: int
) -> Iterator[pa.RecordBatch]:
    """Yield the sums of all outcomes of rankings, as rows of :mod:`.pane_rows`.

    Args:
        models: The models of the configuration.
        rows: n rankings.
        row: int64 (m,), the ranking of each outcome.
        labels: Their m outcomes, columns as :data:`.outcome_columns.LABEL`, with the weights that apply.
        sign: -1 for outcomes that no longer are all, else 1.
    """
    for key, members in positions_by_key(rows, ["model", "version", "environment"]):
        if key[0] in models:
            place = np.full(len(rows), -1, np.intp)
            place[members] = np.arange(len(members))
            own = np.flatnonzero(place[row] >= 0)
            model, lists = models[key[0]], rows.take(pa.array(members))
            lists, relevance = _resolved(lists, place[row[own]], labels.take(pa.array(own)))
            yield _folded(model, ModelKey(*key), lists, sign, relevance)


def is_retracted(outcomes: pa.Table) -> NDArray[np.bool_]:
    """Return which outcomes are retractions."""
    return np.asarray(pc.fill_null(outcomes["retracted"], False))


def _resolved(rows: pa.Table, row: NDArray[np.intp], labels: pa.Table) -> tuple[pa.Table, Relevance]:
    """Return the rankings whose outcomes are known, with time and weight of the latest, and their relevance."""
    times, arrived = integers_of(labels, "outcome_time"), integers_of(labels, "arrived")
    order = OutcomeHistories(row, times, arrived, is_retracted(labels)).order
    labels = labels.take(pa.array(order))
    gain, relevant, sets = read_actuals(actual_of(labels))
    item, retracted = text_column(labels, "item"), is_retracted(labels)
    statements = ListStatements(row[order], item, gain, retracted, relevant, sets)
    rankings = resolve_rankings(items_of(rows["items"].combine_chunks(), rows["left_out"]), statements)
    with_outcome = np.flatnonzero(rankings.last >= 0)
    rows, latest = rows.take(pa.array(with_outcome)), labels.take(pa.array(rankings.last[with_outcome]))
    for name in ("outcome_time", "outcome_weight"):
        rows = rows.append_column(name, latest[name])
    return rows, take_rankings(rankings.relevance, with_outcome)


def _folded(
    model: FoldedModel, key: ModelKey, rows: pa.Table, sign: int, relevance: Relevance | None = None
) -> pa.RecordBatch:
    task = model.task
    scores = numbers_of(rows, "score")[:, np.newaxis]
    if task.score_columns > 1 and np.isnan(scores).all():
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
        actual_of(rows) if relevance is None else None,
        relevance,
        time=integers_of(rows, "outcome_time"),
        weight=None if np.isnan(weight).all() else weight,
    )
    return model.fold(table, outcomes, sign)

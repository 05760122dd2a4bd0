"""Decode outcomes: log records named ``ml.outcome``. An invalid one does not affect the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables.column_codec import texts
from driftline.tables.performance_columns import no_weight
from driftline.tables.table import F64, I64, Column, OutcomeTable, Text

from .attributes import MAX_TABLES, Fields, Where, grouped, sent_columns
from .otlp_rows import Rows


def from_records(rows: Rows, now: int, rejected: Counter[str]) -> list[OutcomeTable]:
    """Return the outcomes by model and environment.

    ``now``: unix nanoseconds, for outcomes without a usable time. ``rejected`` is updated with the first reason per
    outcome of ``no_model_name``, ``no_id``, ``no_actual``, ``bad_retracted``, ``bad_weight``.
    """
    grid = rows.grid
    fields = Fields(grid, slice(None), rejected)
    n = fields.n
    if n == 0:
        return []
    models, model_names = fields.texts(a.ML_MODEL_NAME)
    ids, id_texts = fields.texts(a.ML_PREDICTION_ID)
    actual = fields.values(a.ML_OUTCOME_ACTUAL, lists=True) or Column(np.full(n, np.nan))
    weight = fields.numbers(a.DRIFTLINE_OUTCOME_WEIGHT)
    weights = np.full(n, np.nan) if weight is None else weight
    items, item_texts = fields.texts(a.DRIFTLINE_OUTCOME_ITEM)
    item_texts = [*item_texts, ""]  # the last is where code -1 lands
    value, (retracted, unclear) = fields.numbers(a.DRIFTLINE_OUTCOME_VALUE), fields.flags(a.DRIFTLINE_OUTCOME_RETRACTED)
    known = retracted.copy() if actual.codes is None else _has_text(actual) | retracted
    if actual.numbers is not None:
        known |= np.isfinite(actual.numbers)
    keep = np.ones(n, np.bool_)
    for reason, bad in (
        ("no_model_name", models < 0),
        ("no_id", ids < 0),
        ("no_actual", ~known),
        ("bad_retracted", unclear),
        ("bad_weight", no_weight(weights)),
    ):
        rejected[reason] += int((keep & bad).sum())
        keep &= ~bad
    outcome_time, happened = fields.times(a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO), rows.time
    time = np.where(outcome_time > 0, outcome_time, np.where(happened > 0, happened, now))
    predicted_at = fields.times(a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO)
    environment, environments = rows.environment
    chosen = np.flatnonzero(keep)
    group, first = grouped(models[chosen], environment[chosen])
    rejected["too_many_models"] += int((group >= MAX_TABLES).sum())
    tables = []
    for number, row in enumerate(chosen[first[:MAX_TABLES]].tolist()):
        members: Where = chosen[group == number]
        tables.append(
            OutcomeTable(
                model=model_names[models[row]],
                environment=environments[environment[row]],
                id=texts([id_texts[code] for code in ids[members].tolist()]),
                actual=Column(
                    None if actual.numbers is None else actual.numbers[members],
                    None if actual.codes is None else actual.codes[members],
                    actual.categories,
                ),
                time=time[members],
                prediction_time=predicted_at[members],
                weight=weights[members],
                item=_items(items[members], item_texts),
                value=_finite(value, members),
                retracted=retracted[members] if retracted[members].any() else None,
                slices=sent_columns(grid.slices, members, rejected, whole=True),
            )
        )
    return tables


def _has_text(actual: Column) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    filled = np.array(
        [bool(category.strip()) for category in actual.categories] + [False]
    )  # the last is where code -1 lands
    return filled[actual.codes]


def _finite(value: F64 | None, members: Where) -> F64 | None:
    """Return the finite values of some rows; None without any."""
    if value is None:
        return None
    finite = np.where(np.isfinite(value[members]), value[members], np.nan)
    return None if np.isnan(finite).all() else finite


def _items(codes: I64, categories: list[str]) -> Text | None:
    """Return the items of outcomes, "" for an outcome without an item; None if no outcome has one."""
    return texts([categories[code] for code in codes.tolist()]) if (codes >= 0).any() else None

"""Some rows of a table as a table, and several tables as one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
from driftline import items
from driftline.frames import concatenate, taken
from driftline.tables import Column, OutcomeTable, PredictionTable, Text
from numpy.typing import NDArray

from .rows import text_array

Rows = NDArray[np.intp]
_Table = TypeVar("_Table", PredictionTable, OutcomeTable)
_Array = TypeVar("_Array", bound=NDArray[np.generic])


def take_predictions(table: PredictionTable, rows: Rows) -> PredictionTable:
    """Return the rows with these positions, in this order."""
    return replace(
        table,
        time=table.time[rows],
        id=take_text(table.id, rows),
        scores=_taken(table.scores, rows),
        predicted=None if table.predicted is None else taken(table.predicted, rows),
        items=None if table.items is None else items.taken(table.items, rows),
        duration=_taken(table.duration, rows),
        weight=_taken(table.weight, rows),
        trace_id=_taken(table.trace_id, rows),
        span_id=_taken(table.span_id, rows),
        features={name: taken(column, rows) for name, column in table.features.items()},
        slices={name: taken(column, rows) for name, column in table.slices.items()},
        observed=_taken(table.observed, rows),
    )


def take_outcomes(table: OutcomeTable, rows: Rows) -> OutcomeTable:
    """Return the rows with these positions, in this order."""
    return replace(
        table,
        id=take_text(table.id, rows),
        actual=taken(table.actual, rows),
        time=table.time[rows],
        prediction_time=table.prediction_time[rows],
        weight=table.weight[rows],
        item=None if table.item is None else take_text(table.item, rows),
        value=_taken(table.value, rows),
        retracted=_taken(table.retracted, rows),
        slices={name: taken(column, rows) for name, column in table.slices.items()},
    )


def apart(table: _Table, subject: str | None) -> tuple[_Table, Column | None]:
    """Return a table whose subject is no feature of it, and the subjects of its rows, None where it names none.

    ``subject``: the feature or slice that says whom a row is about, None where nobody said so. Among predictions it is
    still there as a slice, by which rows may be clustered; nothing keeps it but its own column.
    """
    if subject is None:
        return table, None
    if isinstance(table, OutcomeTable):
        found = table.slices.get(subject)
        return replace(table, slices={n: c for n, c in table.slices.items() if n != subject}), found
    found = table.slices.get(subject, table.features.get(subject))
    if found is None:
        return table, None
    features = {name: column for name, column in table.features.items() if name != subject}
    return replace(table, features=features, slices={**table.slices, subject: found}), found


def take_text(text: Text, rows: Rows) -> Text:
    """Return the texts with these positions."""
    taken = text_array(text).take(pa.array(rows))
    _, offsets, data = taken.buffers()
    whole = np.frombuffer(offsets, dtype=np.int32)[taken.offset : taken.offset + len(taken) + 1]
    return Text(whole - whole[0], b"" if data is None else data.to_pybytes()[whole[0] : whole[-1]])


def concatenate_predictions(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Return the rows of tables that are alike (:func:`likeness`) as one table; a feature that one lacks is missing."""
    first = tables[0]
    if len(tables) == 1:
        return first
    return replace(
        first,
        time=np.concatenate([table.time for table in tables]),
        id=_concatenate_texts([table.id for table in tables]),
        scores=_joined([table.scores for table in tables]),
        predicted=concatenate([column for table in tables if (column := table.predicted) is not None])
        if first.predicted is not None
        else None,
        items=items.joined([one for table in tables if (one := table.items) is not None])
        if first.items is not None
        else None,
        duration=_joined([table.duration for table in tables]),
        weight=_joined([table.weight for table in tables]),
        trace_id=_joined([table.trace_id for table in tables]),
        span_id=_joined([table.span_id for table in tables]),
        features=_concatenate_columns([(len(table), table.features) for table in tables]),
        slices=_concatenate_columns([(len(table), table.slices) for table in tables]),
        observed=_joined([table.observed for table in tables]),
    )


def likeness(table: PredictionTable) -> Hashable:
    """Return what tables must have in common to become one: key, task, keyed, and which arrays there are.

    And whether they have features at all: those of a table without are not missing, they come as distributions.
    """
    optional = (
        table.predicted,
        table.items,
        table.duration,
        table.weight,
        table.trace_id,
        table.span_id,
        table.observed,
    )
    width = None if table.scores is None else table.scores.shape[1]
    return (table.key, table.task, table.keyed, width, bool(table.features), *(array is None for array in optional))


def _concatenate_texts(texts: Sequence[Text]) -> Text:
    shifts = np.cumsum([0, *(int(text.offsets[-1]) for text in texts)])
    offsets = [text.offsets[1:] + shift for text, shift in zip(texts, shifts[:-1].tolist(), strict=True)]
    whole = np.concatenate([[0], *offsets]).astype(np.int32)
    return Text(whole, b"".join(text.data[: int(text.offsets[-1])] for text in texts))


def _concatenate_columns(parts: Sequence[tuple[int, Mapping[str, Column]]]) -> dict[str, Column]:
    names = dict.fromkeys(name for _, columns in parts for name in columns)
    return {name: concatenate([_filled(columns.get(name), n) for n, columns in parts]) for name in names}


def _filled(column: Column | None, n: int) -> Column:
    if column is None or (column.numbers is None and column.codes is None):
        return Column(numbers=np.full(n, np.nan))
    return column


def _joined(arrays: Sequence[_Array | None]) -> _Array | None:
    found = [array for array in arrays if array is not None]
    return np.concatenate(found) if found else None  # type: ignore[return-value]  # of one dtype


def _taken(values: _Array | None, rows: Rows) -> _Array | None:
    return None if values is None else values[rows]  # type: ignore[return-value]  # indexing keeps the dtype

"""Recorded traffic: rows of files, as ``driftline evaluate`` reads them, as the traffic of a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import I64, Column, Items, ModelKey, concatenate, length, take_rows
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.files.dataset import read_dataset
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.reference import baseline_of
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import Reference, Rows
from driftline_processor.readers.prediction_rows import FileRows, table_batches
from msgspec.structs import replace

from .traffic import Traffic

DELAY: Final = DAY // 2
"""Nanoseconds after which an outcome is taken to be known where nobody said when it was: half a day."""

MOST_ROWS: Final = 2_000_000
"""Rows of a drill: they are held in memory, and sent again for each fault."""


def recorded_traffic(
    data: Sequence[Rows],
    reference: Reference | None,
    outcomes: Rows | None,
    options: ColumnOptions,
    name: str,
    sends: bool,
    say: Say,
) -> Traffic:
    """Read rows of files.

    Args:
        data: The files.
        reference: Their baseline, or the rows to build it from; None = the processor learns it from the first rows.
        outcomes: A file of what really happened.
        options: Which column plays which part.
        name: Of the model; "" = that of the baseline.
        sends: Whether the service sends the baseline; False where the configuration names it.
        say: Hears what was guessed or left out.

    Raises:
        BadInput: A file or a column cannot be made sense of, or rows have no times.
    """
    options = replace(options, model=name or options.model)
    baseline = baseline_of(data[0] if reference is None else reference, data[0], options, say)
    if reference is not None and outcomes is not None:
        options = replace(options, actual="")
    key = ModelKey(name or baseline.model, options.version or baseline.version)
    read = read_dataset(EvaluationInputs(data, outcomes=outcomes), baseline, options, say)
    if not read.roles.time:
        raise BadInput(
            f"{data[0]}: a drill replays the rows in the order of their times; set the column with --time COL"
        )
    if sum(map(len, read.rows)) > MOST_ROWS:
        raise BadInput(f"{data[0]}: a drill can use at most {MOST_ROWS:,} rows; pass fewer files")
    parts = [
        _traffic(rows, [*table_batches(rows, read.roles, key, baseline.task, baseline)], key, baseline)
        for rows in read.rows
    ]
    traffic = _joined(parts)
    if not len(traffic):
        raise BadInput(f"{data[0]}: contains no row with a time; a drill has nothing to replay")
    return replace(traffic, baseline=baseline.to_json() if sends and reference is not None else "")


def _traffic(rows: FileRows, tables: Sequence[object], key: ModelKey, baseline: Baseline) -> Traffic:
    from driftline.tables.table import PredictionTable

    batches = [table for table in tables if isinstance(table, PredictionTable)]
    n = len(rows)
    time = np.zeros(n, np.int64) if rows.time is None else np.asarray(rows.time)
    usable = np.ones(n, np.bool_) if rows.usable is None else rows.usable
    names = dict.fromkeys(name for table in batches for name in table.features)
    features = {
        name: concatenate([table.features[name] for table in batches if name in table.features]) for name in names
    }
    actual = rows.actual
    if baseline.task.ranks_items:
        actual = None  # what was relevant travels otherwise, and no fault is about it
    traffic = Traffic(
        key=key,
        task=baseline.task,
        time=time,
        number=np.arange(n, dtype=np.int64),
        features={name: column for name, column in features.items() if length(column) == n},
        scores=None if rows.scores is None or rows.items is not None else np.asarray(rows.scores),
        predicted=rows.predicted,
        items=_plain(rows.items),
        actual=actual,
        known=_known(rows, time),
        duration=None if rows.duration is None else np.asarray(rows.duration),
        slices=rows.slices,
    )
    return traffic.take(usable)


def _known(rows: FileRows, time: I64) -> I64:
    """Return when each outcome was known; where nobody said, so long after its prediction as :data:`DELAY`."""
    if rows.outcome_time is None:
        return time + DELAY
    return np.where(rows.outcome_time > 0, np.maximum(rows.outcome_time, time), time + DELAY)


def _plain(items: Items | None) -> Items | None:
    return None if items is None else Items(items.offsets, items.ids, items.scores)


def _joined(parts: Sequence[Traffic]) -> Traffic:
    """Return the rows of several files by time, each with a number of its own."""
    if len(parts) > 1 and any(part.items is not None for part in parts):
        raise BadInput("rankings in several files: a drill can use only one file of rankings; pass one file")
    first = parts[0]
    if len(parts) > 1:
        first = replace(
            first,
            time=np.concatenate([part.time for part in parts]),
            number=np.arange(sum(map(len, parts)), dtype=np.int64),
            features=_columns([part.features for part in parts], [len(part) for part in parts]),
            scores=None
            if any(part.scores is None for part in parts)
            else np.concatenate([part.scores for part in parts]),
            predicted=_column([part.predicted for part in parts], [len(part) for part in parts]),
            actual=_column([part.actual for part in parts], [len(part) for part in parts]),
            known=np.concatenate([part.known for part in parts]),
            duration=None
            if any(part.duration is None for part in parts)
            else np.concatenate([part.duration for part in parts]),
            slices=_columns([part.slices for part in parts], [len(part) for part in parts]),
        )
    ordered = first.take(np.argsort(first.time, kind="stable"))
    return replace(ordered, number=np.arange(len(ordered), dtype=np.int64))


def _columns(parts: Sequence[object], sizes: Sequence[int]) -> dict[str, Column]:
    columns_of_parts = [dict(part) for part in parts]  # type: ignore[call-overload]
    names = dict.fromkeys(name for columns_of_part in columns_of_parts for name in columns_of_part)
    columns = {
        name: _column([columns_of_part.get(name) for columns_of_part in columns_of_parts], sizes) for name in names
    }
    return {name: column for name, column in columns.items() if column is not None}


def _column(parts: Sequence[Column | None], sizes: Sequence[int]) -> Column | None:
    """Return the values of several files as one column, missing where a file has none."""
    if all(part is None for part in parts):
        return None
    filled = [
        Column(np.full(size, np.nan)) if part is None else take_rows(part, slice(None))
        for part, size in zip(parts, sizes, strict=True)
    ]
    return concatenate(filled)

"""Recorded rows of files as the traffic of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.relevance import Relevance
from driftline.tables.table import I64, Column, Items, ModelKey, PredictionTable, concatenate, length
from msgspec.structs import replace

from driftline_processor.config.model import Model
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.files.configuration import keys_of_options
from driftline_processor.evaluation.files.dataset import read_dataset
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.reference import baseline_of, load_baseline
from driftline_processor.evaluation.settings import settings_of
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import Reference, Rows
from driftline_processor.readers.prediction_rows import FileRows, table_batches
from driftline_processor.readers.sources import expand_reference

from .traffic import Traffic, joined, values_of

DELAY: Final = DAY // 2
"""Assumed delay of outcomes without a time in nanoseconds: half a day, and at most half of ``outcome_delay``."""

MOST_ROWS: Final = 2_000_000
"""Upper limit of rows of a replay: they are in memory."""


def recorded_traffic(
    data: Sequence[Rows],
    reference: Reference | None,
    outcomes: Rows | None,
    options: ColumnOptions,
    settings: Model,
    say: Say,
) -> Traffic:
    """Read rows of files.

    Args:
        data: The files.
        reference: Their baseline, or the rows to build it from; None = that of the configuration, else one that is
            learned from the first rows.
        outcomes: A file of outcomes.
        options: Meaning of the columns.
        settings: Configuration of the model; its baseline is not sent by the service.
        say: Called with sentences on inferred or skipped data.

    Raises:
        BadInput: A file or a column is invalid, or rows have no times.
    """
    given, live = reference is not None, settings_of(settings)
    reference = expand_reference(reference or settings.baseline, say)
    options = replace(options, **keys_of_options(settings, options, with_task=load_baseline(reference) is None))
    baseline = baseline_of(data[0] if reference is None else reference, data[0], options, say)
    if reference is not None and outcomes is not None:
        options = replace(options, actual="")
    key = ModelKey(options.model or baseline.model, options.version or baseline.version)
    read = read_dataset(EvaluationInputs(data, outcomes=outcomes), baseline, options, say, live.performance)
    if not read.roles.time:
        raise BadInput(
            f"{data[0]}: a replay sends the rows in the order of their times; set the column with --time COL"
        )
    if sum(map(len, read.rows)) > MOST_ROWS:
        raise BadInput(f"{data[0]}: a replay can use at most {MOST_ROWS:,} rows; pass fewer files")
    delay = DELAY if live.outcome_delay is None else min(DELAY, live.outcome_delay.nanoseconds // 2)
    parts = []
    for rows, weight in zip(read.rows, read.weights, strict=True):
        tables = [*table_batches(rows, read.roles, key, baseline.task, baseline)]
        part = replace(_traffic(rows, tables, key, baseline, delay), weight=weight)
        parts.append(part if rows.usable is None else part.take(rows.usable))
    if len(parts) > 1 and any(part.items is not None for part in parts):
        raise BadInput("rankings in several files: a replay can use only one file of rankings; pass one file")
    traffic = joined(parts)
    traffic = replace(traffic, number=np.arange(len(traffic), dtype=np.int64))
    if not len(traffic):
        raise BadInput(f"{data[0]}: contains no row with a time; there is nothing to replay")
    sends = given and settings.baseline is None
    return replace(traffic, baseline=baseline.to_json() if sends else "")


def _traffic(
    rows: FileRows, tables: Sequence[PredictionTable], key: ModelKey, baseline: Baseline, delay: int
) -> Traffic:
    n = len(rows)
    time = np.zeros(n, np.int64) if rows.time is None else np.asarray(rows.time)
    return Traffic(
        key=key,
        task=baseline.task,
        time=time,
        number=np.arange(n, dtype=np.int64),
        features=_joined_columns([table.features for table in tables], n),
        scores=None if rows.scores is None or rows.items is not None else np.asarray(rows.scores),
        predicted=rows.predicted,
        items=None if rows.items is None else Items(rows.items.offsets, rows.items.ids, rows.items.scores),
        actual=_list_outcomes(rows.items, rows.relevance) if baseline.task.ranks_items else rows.actual,
        outcome_time=_outcome_times(rows, time, delay),
        value=rows.value,
        outcome_slices=rows.outcome_slices,
        duration=None if rows.duration is None else np.asarray(rows.duration),
        errors=rows.errors,
        slices=_joined_columns([table.slices for table in tables], n),
    )


def _joined_columns(parts: Sequence[Mapping[str, Column]], n: int) -> dict[str, Column]:
    """Return the columns of batches, without those that some batches lack."""
    names = dict.fromkeys(name for part in parts for name in part)
    columns = {name: concatenate([part[name] for part in parts if name in part]) for name in names}
    return {name: column for name, column in columns.items() if length(column) == n}


def _outcome_times(rows: FileRows, time: I64, delay: int) -> I64:
    """Return the time of each outcome; if missing, a delay after its prediction."""
    if rows.outcome_time is None:
        return time + delay
    return np.where(rows.outcome_time > 0, np.maximum(rows.outcome_time, time), time + delay)


def _list_outcomes(items: Items | None, relevance: Relevance | None) -> Column | None:
    """Return the outcome of each ranking: its relevant items with their gains as JSON, or whether any was clicked."""
    if items is None or relevance is None:
        return None
    names, texts = values_of(items.ids), list[str]()
    listed, gains = items.offsets.tolist(), relevance.gains.tolist()
    pairs = zip(pairwise(relevance.offsets.tolist()), pairwise(relevance.missed_offsets.tolist()), strict=True)
    for row, ((first, last), (first_missed, last_missed)) in enumerate(pairs):
        relevant = {names[listed[row] + rank]: gain for rank, gain in enumerate(gains[first:last]) if gain > 0}
        missed = relevance.missed[first_missed:last_missed].tolist()
        relevant |= {f"not listed {number}": gain for number, gain in enumerate(missed, 1)}
        texts.append(json.dumps(relevant) if relevance.ranked[row] else "")
    categories, codes = np.unique(texts, return_inverse=True)
    return Column(
        np.where(relevance.ranked, np.nan, relevance.clicked),
        np.where(relevance.ranked, codes.reshape(-1), -1).astype(np.int32),
        tuple(map(str, categories)),
    )

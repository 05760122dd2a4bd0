"""Join outcomes with their predictions on an executor, and fold what changes: a task has all rows of some ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.matching import match_outcomes
from driftline_processor.core.outcomes.resolution import OutcomeHistories, lacks_weight
from driftline_processor.core.stable_hash import U64, bytes_of, hash_bits, hash_texts, numbers_of_ids
from driftline_processor.store.arrow_tables import integers_of, numbers_of

from . import pane_rows
from .models import Models
from .outcome_columns import KEY, LABEL, OUTCOME, ROW, SAID
from .outcome_sums import fold_labelled, fold_rankings, is_retracted
from .record_batches import (
    PACKED,
    REJECTED,
    as_kind,
    days_of,
    ddl_of,
    pack_table,
    positions_by_key,
    rejected_rows,
    together,
    unpack_table,
)

PART = pa.schema([("part", pa.int32()), ("of", pa.string()), *PACKED])
"""Some rows for the task with the number ``part``, packed; ``of``: what they are."""

PART_DDL = ddl_of(PART)
"""The same columns for Spark."""

SCHEMA = pa.unify_schemas(
    [pa.schema([("kind", pa.string()), ("day", pa.string())]), LABEL, OUTCOME, pane_rows.SCHEMA, REJECTED]
)
"""Columns of labels, outcomes that wait, partial panes and counts; those of other kinds are null."""

DDL = ddl_of(SCHEMA)
"""The same columns for Spark."""

_SCHEMAS = {"row": ROW, "label": LABEL, "outcome": OUTCOME}
_TOGETHER = 100_000
Places = NDArray[np.intp]


def split(of: str, parts: int, arrived: int | None, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield rows as rows of :data:`PART`: those of an id have the same part.

    Args:
        of: ``row``, ``label`` or ``outcome``.
        parts: Number of parts.
        arrived: Only outcomes of this epoch; None = of all.
        batches: The rows, or tables of them in the column ``packed``.
    """
    for rows in together(_unpacked(batches), _TOGETHER):
        if arrived is not None:
            rows = rows.filter(pc.equal(rows["arrived"], arrived))
        part = (numbers_of_ids(rows["id"]) % np.uint64(parts)).astype(np.int32)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part, minlength=parts))
        ordered = rows.take(pa.array(order))
        packed = {
            number: pack_table(ordered.slice(first, last - first))
            for number, (first, last) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
            if last > first
        }
        columns = {"part": list(packed), "of": [of] * len(packed), "packed": list(packed.values())}
        yield pa.RecordBatch.from_pydict(columns, PART)


def ids_of(arrived: int | None, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the ids of outcomes of an epoch, as :func:`split` takes them."""
    for batch in _unpacked(batches):
        rows = batch if arrived is None else batch.filter(pc.equal(batch.column("arrived"), arrived))
        yield rows.select(["id"])


def _unpacked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.schema.names == PACKED.names:
            for packed in batch.column(0):
                yield from unpack_table(packed.as_buffer()).to_batches()
        else:
            yield batch


def join_outcomes(models: Models, oldest: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what becomes of outcomes, as rows of :data:`SCHEMA`.

    Args:
        models: The models of the configuration.
        oldest: Outcomes before this time, unix nanoseconds, no longer wait for their prediction.
        batches: Rows of :data:`PART` with all rows, labels and outcomes of some ids.
    """
    tables: dict[str, list[pa.Table]] = {of: [schema.empty_table()] for of, schema in _SCHEMAS.items()}
    for batch in batches:
        for of, packed in zip(batch.column("of").to_pylist(), batch.column("packed"), strict=True):
            tables[of].append(unpack_table(packed.as_buffer()).cast(_SCHEMAS[of]))
    rows, labels, outcomes = (pa.concat_tables(tables[of]).combine_chunks() for of in _SCHEMAS)
    row, outcome = _matches(rows, outcomes)
    is_alone = np.ones(len(outcomes), np.bool_)
    is_alone[outcome] = False
    alone = np.flatnonzero(is_alone)
    young = integers_of(outcomes, "outcome_time")[alone] >= oldest
    yield as_kind("waiting", None, outcomes.take(pa.array(alone[young])), SCHEMA)
    yield from rejected_rows({"outcome_without_prediction": int((~young).sum())}, SCHEMA)
    rankings = pa.array([name for name, model in models.items() if model.task.ranks_items], pa.string())
    is_ranking = np.asarray(pc.is_in(rows["model"], rankings))[row]
    yield from _join_rankings(models, rows, labels, outcomes, row[is_ranking], outcome[is_ranking])
    row, outcomes = _latest(outcomes, row[~is_ranking], outcome[~is_ranking])
    rows = rows.take(pa.array(row))
    before, known = _labels_of(rows, labels)
    weight = pc.if_else(pa.array(known), before["outcome_weight"], None)
    outcomes = _with_weight(outcomes, pc.coalesce(outcomes["outcome_weight"], weight))
    lacking = _lacking_weight(models, outcomes)
    yield from rejected_rows({"no_weight": int(lacking.sum())}, SCHEMA)
    if lacking.any():
        rows, outcomes, before = (table.filter(pa.array(~lacking)) for table in (rows, outcomes, before))
        known = known[~lacking]
    is_later, repeats = _compared(outcomes, before, known)

    said = outcomes.select([*SAID, "arrived"]).append_column("latest", outcomes["outcome_time"])
    kept = pa.table(
        {
            name: pc.if_else(pa.array(repeats), before[name], said[name]) if name in SAID else said[name]
            for name in said.column_names
        }
    )
    for name in KEY:
        kept = kept.append_column(name, rows[name])
    kept = kept.select(LABEL.names).filter(pa.array(is_later))
    yield as_kind("label", days_of(integers_of(kept, "time")), kept, SCHEMA)

    changed = is_later & ~repeats
    for sign, words, has in ((-1, before, known), (1, said, np.True_)):
        labelled = rows
        for name in SAID:
            labelled = labelled.append_column(name, words[name])
        for panes in fold_labelled(models, labelled.filter(pa.array(changed & has & ~is_retracted(words))), sign):
            yield as_kind("pane", None, panes, SCHEMA)


def _join_rankings(
    models: Models, rows: pa.Table, labels: pa.Table, outcomes: pa.Table, row: Places, outcome: Places
) -> Iterator[pa.RecordBatch]:
    """Yield labels and partial panes of rankings with new outcomes: all outcomes of a ranking count together."""
    if not len(row):
        return
    named, place = np.unique(row, return_inverse=True)
    rows = rows.take(pa.array(named))
    new = outcomes.take(pa.array(outcome)).select([*SAID, "arrived"])
    new = new.append_column("latest", new["outcome_time"])
    for name in KEY:
        new = new.append_column(name, rows[name].take(pa.array(place)))
    new = new.select(LABEL.names)
    yield as_kind("label", days_of(integers_of(new, "time")), new, SCHEMA)
    of_label = _rows_of(labels, rows)
    before, of_before = labels.filter(pa.array(of_label >= 0)), of_label[of_label >= 0]
    both, of_both = pa.concat_tables([before, new]), np.concatenate([of_before, place])
    for sign, statements, of_row in ((-1, before, of_before), (1, both, of_both)):
        statements = _with_weight(statements, _weight_of_rankings(statements, of_row))
        lacking = _lacking_weight(models, statements)
        if sign > 0:
            yield from rejected_rows({"no_weight": int(lacking[len(before) :].sum())}, SCHEMA)
        usable = np.flatnonzero(~lacking)
        for panes in fold_rankings(models, rows, of_row[usable], statements.take(pa.array(usable)), sign):
            yield as_kind("pane", None, panes, SCHEMA)


def _weight_of_rankings(outcomes: pa.Table, row: Places) -> pa.Array:
    """Return the weight of each outcome, its own or that of an outcome before it; null without one."""
    times, arrived = integers_of(outcomes, "outcome_time"), integers_of(outcomes, "arrived")
    of_item, weight = outcomes["item"].is_valid().to_numpy(), numbers_of(outcomes, "outcome_weight")
    histories = OutcomeHistories(row, times, arrived, is_retracted(outcomes), of_item)
    source = histories.source_of(~np.isnan(weight))
    return outcomes["outcome_weight"].take(pa.array(source, mask=source < 0))


def _matches(rows: pa.Table, outcomes: pa.Table) -> tuple[Places, Places]:
    """Return the positions of predictions and their outcomes: for each outcome one at most of each series."""
    ids, asked = (numbers_of_ids(table["id"]).view(np.int64) for table in (rows, outcomes))
    time, at = integers_of(rows, "time"), integers_of(outcomes, "outcome_time")
    named = integers_of(outcomes, "prediction_time")
    of_series = list(positions_by_key(outcomes, ["model", "environment"]))
    found = [(np.empty(0, np.intp), np.empty(0, np.intp))]
    for (model, _, environment), members in positions_by_key(rows, ["model", "version", "environment"]):
        wanted = [places for (about, where), places in of_series if about == model and where in (None, environment)]
        if wanted:
            outcome = np.concatenate(wanted)
            place = match_outcomes(ids[members], time[members], asked[outcome], at[outcome], named[outcome])
            found.append((members[place[place >= 0]], outcome[place >= 0]))
    row, outcome = (np.concatenate(one) for one in zip(*found, strict=True))
    same = np.asarray(pc.equal(rows["id"].take(pa.array(row)), outcomes["id"].take(pa.array(outcome))), np.bool_)
    return row[same], outcome[same]


def _latest(outcomes: pa.Table, row: Places, outcome: Places) -> tuple[Places, pa.Table]:
    """Return each prediction with its latest outcome, of equal times the last to arrive.

    An outcome without a weight keeps that of the outcome before it.
    """
    about = outcomes.take(pa.array(outcome))
    order = pa.table({"row": row, **{name: about[name] for name in _ORDER}})
    place = np.asarray(pc.sort_indices(order, sort_keys=[(name, "ascending") for name in order.column_names]))
    row = row[place]
    is_last = np.ones(len(place), np.bool_)
    is_last[:-1] = row[1:] != row[:-1]
    weight = numbers_of(about, "outcome_weight")[place]
    with_weight = np.maximum.accumulate(np.where(np.isnan(weight), 0, np.arange(len(place))))
    weight = np.where(row[with_weight] == row, weight[with_weight], np.nan)
    latest = about.take(pa.array(place[is_last]))
    return row[is_last], _with_weight(latest, pa.array(weight[is_last], mask=np.isnan(weight[is_last])))


def _lacking_weight(models: Models, outcomes: pa.Table) -> NDArray[np.bool_]:
    """Return which outcomes have no weight although those of their model are sampled."""
    sampled = [name for name, model in models.items() if model.settings.performance.outcomes == "sampled"]
    of_samples = np.asarray(pc.is_in(outcomes["model"], pa.array(sampled, pa.string())))
    weighted = ~np.isnan(numbers_of(outcomes, "outcome_weight"))
    return of_samples & lacks_weight(weighted, is_retracted(outcomes))


def _with_weight(outcomes: pa.Table, weight: pa.Array | pa.ChunkedArray) -> pa.Table:
    return outcomes.set_column(outcomes.column_names.index("outcome_weight"), "outcome_weight", weight)


_ORDER = ("outcome_time", "arrived", "retracted", "actual", "number")
"""The later ones only make a repeated epoch choose the same."""


def _labels_of(rows: pa.Table, labels: pa.Table) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Return the label of each prediction from earlier epochs, and which have one."""
    of_label, last = _rows_of(labels, rows), np.full(len(rows), -1, np.int64)
    place = np.asarray(pc.sort_indices(labels, sort_keys=[("latest", "ascending"), ("arrived", "ascending")]))
    place = place[of_label[place] >= 0]
    last[of_label[place]] = place  # numpy keeps the last of equal rows
    return labels.take(pa.array(last, mask=last < 0)), last >= 0


def _rows_of(labels: pa.Table, rows: pa.Table) -> Places:
    """Return the prediction of each label: int64 (n,), -1 if it is none of the rows."""
    if not len(labels) or not len(rows):
        return np.full(len(labels), -1, np.intp)
    numbers = _numbers(rows)
    order = np.argsort(numbers, kind="stable")
    found = order[np.minimum(np.searchsorted(numbers[order], _numbers(labels)), len(rows) - 1)]
    same = np.ones(len(labels), np.bool_)
    for name in ("id", "time"):
        same &= np.asarray(pc.equal(rows[name].take(pa.array(found)), labels[name]))
    return np.where(same, found, -1)


def _numbers(rows: pa.Table) -> U64:
    """Return a hash of the columns of :data:`KEY`: uint64 (n,)."""
    found = hash_bits(numbers_of_ids(rows["id"]) ^ hash_bits(integers_of(rows, "time").view(np.uint64)))
    series = np.zeros(len(rows), np.uint64)
    for key, places in positions_by_key(rows, KEY[:3]):
        series[places] = hash_texts(*bytes_of(pa.array([repr(key)])))[0]
    return hash_bits(found ^ series)


def _compared(
    outcomes: pa.Table, before: pa.Table, known: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which outcomes are later than the labels before them, and which of them repeat the label."""
    same = known.copy()
    for name in SAID:
        if name != "outcome_time":
            one, other = outcomes[name], before[name]
            equal = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
            same &= np.asarray(equal)
    at, latest = integers_of(outcomes, "outcome_time"), _filled(before["latest"])
    is_last = (at == latest) & (integers_of(outcomes, "arrived") >= _filled(before["arrived"])) & ~same
    return ~known | (at > latest) | is_last, same


def _filled(numbers: pa.ChunkedArray) -> I64:
    return np.asarray(pc.fill_null(numbers, 0), np.int64)

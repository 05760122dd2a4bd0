"""Apply the rule of :mod:`driftline_processor.core.outcomes.resolution` to matched rows of the store.

Unusable outcomes are counted and left out; the others inherit fields of earlier outcomes; the outcomes of a ranking
become one row; and the latest outcome of each prediction replaces the previous one.

If the latest outcome is a retraction, it is stored in the table ``retractions``, so that an older outcome that arrives
later stays retracted.

The row of a ranking has three fields of its own. ``number``: whether anything was clicked. ``relevance``: gains by
rank, up to the last relevant item, null if unknown. ``missed``: the gains of relevant items that are not in the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals
from driftline.panes.relevance import Relevance
from driftline.tables.classes import seen_classes
from driftline.tables.table import F64, I64, is_present
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import number_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.resolution import (
    OutcomeHistories,
    impossible_actual_reason,
    impossible_actuals,
    lacks_weight,
    resolve_rankings,
)
from driftline_processor.store.arrow_tables import (
    actual_of,
    filter_rows,
    integers_of,
    is_among,
    items_of,
    numbers_of,
    slices_array,
    take_table_rows,
    text_column,
)
from driftline_processor.store.database import Connection, read
from driftline_processor.store.panes import performance_fold
from driftline_processor.store.pruning import ROWS_APART, lies_near
from driftline_processor.store.series import Series, SeriesRegister

from .candidates import JoinProgress, Matches

Mask = NDArray[np.bool_]


def carry_outcomes_forward(connection: Connection, rows: pa.Table, rankings: Collection[int]) -> pa.Table:
    """Return matched rows with the weight, the value and the slices that apply to them.

    Args:
        connection: Connection to the store, for maps of slices.
        rows: Usable rows of :class:`.candidates.Matches`.
        rankings: The numbers of ranking series; :func:`merge_rankings` adds the values of their items.
    """
    histories = _histories(rows, rankings)
    several = histories.several()
    if not several.any():
        return rows
    words = rows.take(pa.array(histories.order[several[histories.order]]))
    histories = _histories(words, rankings)
    row_index = np.arange(len(words))
    weight = histories.source_of(flags_of(words, "weighted"))
    value = np.where(_of_series(words, rankings), row_index, histories.source_of(_valid(words, "value")))
    columns = {
        # outcomes of one prediction have the same weight of their own
        "weight": pa.array(numbers_of(words, "weight")[np.where(weight < 0, row_index, weight)]),
        "weighted": pa.array(weight >= 0),
        "value": words["value"].take(pa.array(value, mask=value < 0)),
        "slices": _slices(connection, words, histories),
    }
    for name, column in columns.items():
        words = words.set_column(words.column_names.index(name), name, column)
    return pa.concat_tables([filter_rows(rows, ~several), words.cast(rows.schema)])


def _histories(rows: pa.Table, rankings: Collection[int] = ()) -> OutcomeHistories:
    """Order matched rows by the rule of all outcomes; a retraction of a ranked item affects that item only."""
    partial = _of_series(rows, rankings) & _valid(rows, "item") if rankings else None
    prediction, time, outcome = (integers_of(rows, name) for name in ("prediction", "outcome_time", "outcome"))
    return OutcomeHistories(prediction, time, outcome, flags_of(rows, "retracted"), partial)


def _of_series(rows: pa.Table, numbers: Collection[int]) -> Mask:
    return is_among(integers_of(rows, "series"), np.array(sorted(numbers), np.int64))


def _slices(connection: Connection, words: pa.Table, histories: OutcomeHistories) -> pa.Array | pa.ChunkedArray:
    """Return the slices of each outcome: those of its prediction, with the latest value per key from outcomes."""
    stated_slices = words["told"].combine_chunks()
    keys = sorted(pc.unique(stated_slices.keys.drop_null()).to_pylist()) if len(stated_slices.keys) else []
    if not keys:
        return words["slices"]
    columns = {}
    for key in keys:
        texts = pc.map_lookup(stated_slices, pa.scalar(key), "first")
        source_rows = histories.source_of(texts.is_valid().to_numpy(zero_copy_only=False))
        columns[key] = text_column(pa.table({key: texts.take(pa.array(source_rows, mask=source_rows < 0))}), key)
    slice_columns = words.select(["slices"]).append_column("told", slices_array(columns, len(words)))
    return read(connection, "SELECT map_concat(slices, told) AS slices FROM words", words=slice_columns)["slices"]


def flags_of(rows: pa.Table, name: str) -> Mask:
    """Read a column of booleans without nulls."""
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=bool)


def _valid(rows: pa.Table, name: str) -> Mask:
    return np.asarray(rows[name].is_valid().to_numpy(), dtype=bool)


def merge_rankings(connection: Connection, rows: pa.Table, rankings: Collection[int]) -> pa.Table:
    """Return matched rows with one row per list, which must have all of its outcomes among them.

    ``rows``: usable rows of :class:`.candidates.Matches`. ``rankings``: the numbers of ranking series. A list whose
    outcomes were all retracted gets a retracted row.
    """
    nothing = pa.nulls(len(rows), pa.list_(pa.float64()))
    rows = rows.append_column("relevance", nothing).append_column("missed", nothing)
    of_lists = _of_series(rows, rankings)
    if not of_lists.any():
        return rows
    list_rows = rows.filter(pa.array(of_lists))
    list_rows = list_rows.take(pa.array(_histories(list_rows).order))
    predictions, row = np.unique(integers_of(list_rows, "prediction"), return_inverse=True)
    row = row.reshape(-1)
    retracted, item = flags_of(list_rows, "retracted"), text_column(list_rows, "item")
    gain, item_rows, sets = read_actuals(actual_of(list_rows))
    statements = ListStatements(row, item, gain, retracted, item_rows, sets)
    lists = items_of(_lists(connection, predictions))
    resolved_rankings = resolve_rankings(lists, statements, numbers_of(list_rows, "value"))

    has_last = resolved_rankings.last >= 0
    latest = np.flatnonzero(np.diff(row, append=len(predictions)))
    last_rows = list_rows.take(pa.array(np.where(has_last, resolved_rankings.last, latest)))
    columns = {
        "actual": pa.nulls(len(last_rows), pa.string()),
        "number": pa.array(resolved_rankings.relevance.clicked, mask=~has_last),
        "retracted": pa.array(~has_last),
        "value": number_array(resolved_rankings.worth, len(predictions)),
        "relevance": _gains(resolved_rankings.relevance),
        "missed": pa.ListArray.from_arrays(
            resolved_rankings.relevance.missed_offsets.astype(np.int32), pa.array(resolved_rankings.relevance.missed)
        ),
    }
    for name, column in columns.items():
        last_rows = last_rows.set_column(last_rows.column_names.index(name), name, column)
    return pa.concat_tables([rows.filter(pa.array(~of_lists)), last_rows.cast(rows.schema)])


def relevance_of(rows: pa.Table) -> Relevance:
    """Read the relevance from rows of ``joined``."""
    gains, offsets = _flat(rows, "relevance")
    missed, missed_offsets = _flat(rows, "missed")
    is_valid = rows["relevance"].is_valid().to_numpy()
    return Relevance(numbers_of(rows, "number"), is_valid, offsets, gains, missed_offsets, missed)


def of_lists(rows: pa.Table) -> dict[str, pa.Array]:
    """Return the relevance in each list, from its ``items``, ``relevance`` and ``missed``.

    ``gains``: per item; ``clicked``: the items with a gain; ``missed_gains``: of relevant items that are not in the
    list. All are null if unknown.
    """
    items, has_relevance = rows["items"].combine_chunks(), rows["relevance"].is_valid().to_numpy()
    lengths = np.nan_to_num(items.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    relevance, starts = _flat(rows, "relevance")
    row = np.repeat(np.arange(len(rows)), np.minimum(np.diff(starts), lengths))
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    gains = np.zeros(offsets[-1])
    gains[offsets[row] + rank] = relevance[starts[row] + rank]
    hit = gains > 0
    of_row = np.bincount(np.repeat(np.arange(len(rows)), lengths)[hit], minlength=len(rows))
    hits = np.concatenate([[0], np.cumsum(of_row)])
    unknown = pa.array(~has_relevance)
    return {
        "gains": pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(gains), mask=unknown),
        "clicked": pa.ListArray.from_arrays(
            pa.array(hits.astype(np.int32)), items.flatten().filter(pa.array(hit)), mask=unknown
        ),
        "missed_gains": pc.if_else(unknown, pa.scalar(None, pa.list_(pa.float64())), rows["missed"].combine_chunks()),
    }


def _lists(connection: Connection, predictions: I64) -> pa.Table:
    """Return the ranking of each prediction, in this order."""
    prediction_rows = pa.table({"seq": predictions})
    where, parameters = lies_near("t.seq", predictions, ROWS_APART)
    query = "SELECT t.seq, t.items, t.left_out FROM predictions t SEMI JOIN wanted USING (seq)"
    list_rows = read(connection, f"{query} WHERE {where} ORDER BY t.seq", *parameters, wanted=prediction_rows)
    return list_rows.take(pa.array(np.searchsorted(integers_of(list_rows, "seq"), predictions)))


def _gains(relevance: Relevance) -> pa.Array:
    """Return gains by rank without trailing zeros; null if unknown."""
    index = np.flatnonzero(relevance.gains != 0)
    row = np.searchsorted(relevance.offsets, index, side="right") - 1
    ends = relevance.offsets[:-1].copy()
    ends[row] = index + 1
    lengths = np.where(relevance.ranked, ends - relevance.offsets[:-1], 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(relevance.offsets[:-1] - offsets[:-1], lengths)
    return pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)), pa.array(relevance.gains[places]), mask=pa.array(~relevance.ranked)
    )


def _flat(rows: pa.Table, name: str) -> tuple[F64, I64]:
    lists = rows.column(name).combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float64)
    return values, np.concatenate([[0], np.cumsum(lengths)])


_TOLD, _RETRACTED, _KEPT = range(3)

_MEANT = (("actual", ""), ("number", 0.0), ("weight", 1.0), ("value", 0.0))
"""The columns in which equal outcomes agree, and their empty value."""


class OutcomeChanges(Struct):
    """The changes to write; at most one row per prediction and table.

    ``rows``: matched rows that count from now on: ``first`` if none counted before, ``corrected`` if another one did;
    the rest repeat the outcome at another time. ``seq``: the replaced row of ``joined``, 0 = none. ``withdrawn``: rows
    of ``joined`` without a replacement. ``retracted``: matched retractions that are the latest outcome. ``forgotten``:
    rows of ``retractions`` that no longer are.
    """

    rows: pa.Table
    first: Mask
    corrected: Mask
    seq: I64
    withdrawn: pa.Table
    retracted: pa.Table
    forgotten: pa.Table

    def changed(self) -> tuple[I64, I64, I64]:
        """Return the predictions, series and times of outcomes that no longer count."""
        rows = [filter_rows(self.rows, self.corrected), self.withdrawn]
        prediction, series, time = (
            np.concatenate([integers_of(row, name) for row in rows]) for name in ("prediction", "series", "time")
        )
        return prediction, series, time

    def without(self, refused: I64) -> OutcomeChanges:
        """Return the changes without those of some predictions."""
        if not len(refused):
            return self

        def allowed(rows: pa.Table) -> Mask:
            return ~is_among(integers_of(rows, "prediction"), refused)

        is_kept = allowed(self.rows)
        return OutcomeChanges(
            self.rows.filter(pa.array(is_kept)),
            *(self.first[is_kept], self.corrected[is_kept], self.seq[is_kept]),
            *(rows.filter(pa.array(allowed(rows))) for rows in (self.withdrawn, self.retracted, self.forgotten)),
        )


def resolve_outcomes(connection: Connection, matches: Matches, usable: pa.Table) -> OutcomeChanges:
    """Return the changes of all matches. ``usable``: the rows with a retraction or a usable actual value."""
    held_rows = matches.predictions.sort_by("prediction")
    of_held, of_gone = integers_of(held_rows, "prediction"), integers_of(matches.withdrawn, "prediction")
    words = [_sort_keys(usable, np.where(flags_of(usable, "retracted"), _RETRACTED, _TOLD))]
    for rows in (held_rows, matches.withdrawn):  # unless all outcomes are matched again, the previous one takes part
        part_rows = filter_rows(rows, ~is_among(integers_of(rows, "prediction"), matches.complete))
        words.append(_sort_keys(part_rows, np.full(len(part_rows), _KEPT)))
    prediction, time, outcome, kind, row = (np.concatenate(columns) for columns in zip(*words, strict=True))
    last = OutcomeHistories(prediction, time, outcome, kind == _RETRACTED).latest()

    rows = take_table_rows(usable, row[last[kind[last] == _TOLD]])
    retracted = usable.take(pa.array(row[last[kind[last] == _RETRACTED]]))
    of_rows = integers_of(rows, "prediction")
    has = is_among(of_rows, of_held)
    before = held_rows.take(pa.array(np.searchsorted(of_held, of_rows[has])))
    same, is_new, seq = np.zeros(len(rows), bool), np.ones(len(rows), bool), np.zeros(len(rows), np.int64)
    same[has] = equal_outcomes(connection, filter_rows(rows, has), before)
    is_new[has] = ~same[has] | (integers_of(rows, "outcome_time")[has] != integers_of(before, "outcome_time"))
    seq[has] = integers_of(before, "seq")

    silent = is_among(of_held, matches.complete) & ~is_among(of_held, prediction)
    silent |= is_among(of_held, integers_of(retracted, "prediction"))
    outspoken = is_among(of_gone, matches.complete) | is_among(of_gone, prediction[last[kind[last] != _KEPT]])
    return OutcomeChanges(
        rows=filter_rows(rows, is_new),
        first=(~has)[is_new],
        corrected=(has & ~same)[is_new],
        seq=seq[is_new],
        withdrawn=filter_rows(held_rows, silent),
        retracted=retracted,
        forgotten=filter_rows(matches.withdrawn, outspoken),
    )


def first_outcomes(matches: Matches, usable: pa.Table) -> pa.Table:
    """Return the first outcome that counted, in order of arrival, of each prediction without an earlier one.

    An outcome that had been retracted on arrival never counted.
    """
    words = [_sort_keys(usable, np.where(flags_of(usable, "retracted"), _RETRACTED, _TOLD))]
    withdrawn = matches.withdrawn
    words.append(_sort_keys(withdrawn, np.full(len(withdrawn), _RETRACTED)))
    prediction, time, outcome, kind, row = (np.concatenate(columns) for columns in zip(*words, strict=True))
    counted = OutcomeHistories(prediction, time, outcome, kind == _RETRACTED).first()
    fed = integers_of(withdrawn, "prediction")[withdrawn["fed"].to_numpy(zero_copy_only=False).astype(bool)]
    known_predictions = np.concatenate([integers_of(matches.predictions, "prediction"), fed])
    counted = counted[~is_among(prediction[counted], known_predictions)]
    counted = counted[
        ~is_among(outcome[counted], integers_of(matches.predictions, "outcome"))
    ]  # its previous row belonged to another prediction
    return take_table_rows(usable, row[counted])


def equal_outcomes(connection: Connection, rows: pa.Table, before: pa.Table) -> Mask:
    """Return which outcomes equal others; matched rows or rows of ``joined``, pairwise."""
    same = np.ones(len(rows), dtype=bool)
    for name, nothing in _MEANT:
        equal = pc.equal(pc.fill_null(rows[name], nothing), pc.fill_null(before[name], nothing))
        same &= equal.to_numpy() & pc.equal(pc.is_null(rows[name]), pc.is_null(before[name])).to_numpy()
    for name in ("relevance", "missed"):  # for rankings
        if rows[name].null_count < len(rows) or before[name].null_count < len(rows):
            same &= _equal_lists(rows[name], before[name])
    if rows["slices"].null_count < len(rows) or before["slices"].null_count < len(rows):
        query = "SELECT a.slices IS NOT DISTINCT FROM b.slices AS same FROM ours a POSITIONAL JOIN theirs b"
        slice_rows, before_slices = rows.select(["slices"]), before.select(["slices"])
        same &= read(connection, query, ours=slice_rows, theirs=before_slices)["same"].to_numpy()
    return same


def _equal_lists(before: pa.ChunkedArray, after: pa.ChunkedArray) -> Mask:
    lengths = [pc.fill_null(pc.list_value_length(lists), -1).to_numpy() for lists in (before, after)]
    equal: Mask = lengths[0] == lengths[1]
    nonempty_rows = np.flatnonzero(equal & (lengths[0] > 0))
    values = [pc.list_flatten(lists.take(pa.array(nonempty_rows))).to_numpy() for lists in (before, after)]
    differs = np.repeat(nonempty_rows, lengths[0][nonempty_rows])[values[0] != values[1]]
    equal[differs] = False
    return equal


def _sort_keys(rows: pa.Table, kind: NDArray[np.int_]) -> tuple[NDArray[np.int64], ...]:
    columns = (integers_of(rows, name) for name in ("prediction", "outcome_time", "outcome"))
    return (*columns, kind.astype(np.int64), np.arange(len(rows)))


OutcomeReason = tuple[int, str]
"""A series and the fold of its outcomes, see :func:`~driftline_processor.store.panes.performance_fold`."""


class RefusedOutcomes(Struct):
    """Matched but unusable outcomes: by series and fold, and by reason."""

    unusable: Counter[OutcomeReason] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


class UsableOutcomes:
    """Filters usable outcomes, and learns undeclared classes. Not thread-safe."""

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series

    def wholly(self) -> set[str]:
        """Return the models whose predictions need all of their outcomes: rankings, and rows sampled for review."""
        return {series.key.model for series in self._series if series.task.ranks_items or self._is_sampled(series)}

    def of(self, matched: pa.Table, join_progress: JoinProgress, refused: RefusedOutcomes) -> pa.Table:
        """Return the rows that count, with fields inherited from earlier outcomes, and one row per list.

        ``matched``: that of :class:`.candidates.Matches`. ``join_progress``: the previous progress; newer unusable rows
        are counted in ``refused``.
        """
        connection = self._connection
        rankings = [series.number for series in self._series if series.task.ranks_items]
        usable = filter_rows(matched, self._usable_mask(matched, join_progress, refused))
        usable = self._weighted(carry_outcomes_forward(connection, usable, rankings), join_progress, refused)
        return merge_rankings(connection, usable, rankings)

    def _usable_mask(self, rows: pa.Table, join_progress: JoinProgress, refused: RefusedOutcomes) -> Mask:
        """Return which rows have a usable actual value or a retraction; the others are counted."""
        retracted = flags_of(rows, "retracted")
        usable = np.ones(len(rows), dtype=bool)
        numbers = integers_of(rows, "series")
        reasons: dict[int, str] = {}
        for series in self._series:
            row_index = np.flatnonzero((numbers == series.number) & ~retracted)
            if not len(row_index):
                continue
            actual = actual_of(take_table_rows(rows, row_index))
            if series.task.may_have_classes and not series.declared:
                series = self._series.learn(self._connection, series, seen_classes([actual]))
            bad = impossible_actuals(actual, series.task) | ~is_present(actual)
            reasons[series.number] = impossible_actual_reason(series.task)
            usable[row_index[bad]] = False
        if not usable.all():
            self._count(filter_rows(rows, ~usable), reasons, join_progress, refused)
        return usable

    def _weighted(self, rows: pa.Table, join_progress: JoinProgress, refused: RefusedOutcomes) -> pa.Table:
        """Return the rows without those that have no weight, for models whose rows are sampled for review."""
        of_samples = [series.number for series in self._series if self._is_sampled(series)]
        lacking = lacks_weight(flags_of(rows, "weighted"), flags_of(rows, "retracted"))
        lacking &= _of_series(rows, of_samples)
        if lacking.any():
            refused.rejected["no_weight"] += len(self._new(filter_rows(rows, lacking), join_progress))
        return filter_rows(rows, ~lacking)

    def _is_sampled(self, series: Series) -> bool:
        return self._series.settings(series.key.model).performance.outcomes == "sampled"

    def _count(
        self, rows: pa.Table, reasons: dict[int, str], join_progress: JoinProgress, refused: RefusedOutcomes
    ) -> None:
        """Count the outcomes that matched only now and are unusable; they stay stored."""
        by_number, new = self._series.by_number(), self._new(rows, join_progress)
        numbers: I64
        numbers, counts = np.unique(integers_of(new, "series"), return_counts=True)
        for number, rows_of in zip(numbers.tolist(), counts.tolist(), strict=True):
            refused.unusable[number, performance_fold(by_number[number].task)] += rows_of
            refused.rejected[reasons[number]] += rows_of

    def _new(self, rows: pa.Table, join_progress: JoinProgress) -> pa.Table:
        """Return the rows that matched only now."""
        waited = read(self._connection, "SELECT outcome FROM waiting SEMI JOIN rows USING (outcome)", rows=rows)
        outcome = integers_of(rows, "outcome")
        return filter_rows(rows, (outcome > join_progress.outcomes) | is_among(outcome, integers_of(waited, "outcome")))

"""Match outcomes with predictions: new outcomes, and earlier outcomes that new predictions may take over.

Every version of a model that predicted an id gets its outcome, in the environment of the outcome, or in all if it
names none; :mod:`driftline_processor.core.outcomes.matching` decides which prediction of a version. The result does
not depend on the order of arrival, and repeating it after a crash changes nothing.

An outcome without an earlier prediction belongs to the earliest one up to a day later, because clocks differ. This
does not apply if an earlier prediction has expired. Since expired predictions are deleted, their successors, the next
predictions with the same id, are stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.matching import COARSEST, EARLY, match_outcomes
from driftline_processor.store.arrow_tables import (
    integers_of,
    is_among,
    numbers_of_ids,
    positions_among,
    take_table_rows,
)
from driftline_processor.store.database import Connection, number, read, run
from driftline_processor.store.pruning import (
    MOMENT,
    ROWS_APART,
    TIME_APART,
    Condition,
    IdLookup,
    lies_near,
    lies_within,
    read_by_request,
    stretches,
)
from driftline_processor.store.series import Series

Mask = NDArray[np.bool_]

_FOLLOW = """
INSERT INTO successors
WITH gone AS (
    SELECT series, id, min(time) AS time FROM predictions WHERE seq <= $last AND id <> '' GROUP BY ALL),
stays AS (SELECT seq, series, id, time FROM predictions WHERE seq > $last AND id IN (SELECT id FROM gone)),
next AS (
    SELECT arg_min(s.seq, s.time) AS prediction, true AS own FROM stays s JOIN gone g USING (series, id)
    WHERE s.time > g.time GROUP BY s.series, s.id
    UNION ALL
    SELECT arg_min(s.seq, s.time), false FROM stays s JOIN models m USING (series)
    JOIN (SELECT g.*, model, version FROM gone g JOIN models USING (series)) e
    ON e.id = s.id AND e.model = m.model AND e.version = m.version WHERE s.time > e.time
    GROUP BY m.model, m.version, s.id)
SELECT prediction, bool_or(own) FROM next GROUP BY prediction
"""


def note_successors(connection: Connection, last: int) -> None:
    """Store the earliest remaining predictions with the ids of expiring ones, up to the sequence number ``last``.

    Runs inside the transaction that deletes the expired predictions.
    """
    connection.execute(_FOLLOW, {"last": last})


def has_predecessor(connection: Connection, prediction: I64, anywhere: Mask) -> Mask:
    """Return which predictions had an expired predecessor with their id, in their environment or ``anywhere``."""
    prediction_rows = pa.table({"prediction": sorted_distinct(prediction)})
    successors = read(
        connection, "SELECT prediction, own FROM successors SEMI JOIN asked USING (prediction)", asked=prediction_rows
    )
    predecessor_ids = integers_of(successors, "prediction")
    has_own_id = predecessor_ids[np.asarray(successors["own"].to_numpy(zero_copy_only=False), np.bool_)]
    return np.where(anywhere, is_among(prediction, predecessor_ids), is_among(prediction, has_own_id))


_OWN, _ANYWHERE = "own", "anywhere"

_BITS = 34
"""Number of moments between 1970 and 2262, times a margin."""


class OutcomePairs(Struct, frozen=True):
    """Matching pairs: ``outcome``, by sequence number, and ``place`` of its prediction, int64 (n,).

    ``candidates``: all predictions with the ids, sorted by sequence number, with their ``time`` (unix nanoseconds) and
    ``rows``, the position of their id in ``ids``. ``expired``: outcomes of an expired prediction, int64, sorted.
    """

    outcome: I64
    place: I64
    candidates: I64
    time: I64
    rows: I64
    ids: pa.Array
    expired: I64

    @property
    def prediction(self) -> I64:
        """The prediction of each pair, by sequence number."""
        return self.candidates[self.place]


def find_predictions(connection: Connection, all_series: Sequence[Series], table: pa.Table, last: int) -> OutcomePairs:
    """Match outcomes with predictions up to the sequence number ``last``.

    ``table``: the columns ``outcome``, ``model``, ``environment`` (null = any), ``id``, ``time`` and
    ``prediction_time`` of outcomes. Each may match one prediction per version.
    """
    encoded = table["id"].combine_chunks().dictionary_encode()
    id_index = encoded.indices.to_numpy().astype(np.int64)
    models, model = _codes(table["model"])
    environments, environment = _codes(table["environment"])
    model_series = [series for series in all_series if series.key.model in models]
    rows = _candidates(connection, model_series, table, encoded.dictionary, id_index, last)
    prediction, time, of_id = (integers_of(rows, name) for name in ("prediction", "time", "which"))

    families = sorted({family for series in model_series for family in _families(series)})
    family_keys = [
        (models[name], environments.get(where, -2) if kind == _OWN else -1) for kind, name, where, _ in families
    ]
    groups, positions = [], []
    for kind in (_OWN,) * bool((environment >= 0).any()) + (_ANYWHERE,) * bool((environment < 0).any()):
        number = {series.number: families.index(_families(series)[kind == _ANYWHERE]) for series in model_series}
        family = np.array([number.get(place, 0) for place in range(max(number, default=0) + 1)])
        groups.append(of_id * len(families) + family[integers_of(rows, "series")])
        positions.append(np.arange(len(rows)))
    group, position = np.concatenate(groups), np.concatenate(positions)

    distinct_groups = sorted_distinct(group)
    ends = np.searchsorted(distinct_groups, np.arange(len(encoded.dictionary) + 1) * len(families))
    first, end = ends[id_index], ends[id_index + 1]
    row = np.repeat(np.arange(len(table)), end - first)
    place = np.arange(len(row)) + np.repeat(first - np.cumsum(end - first) + end - first, end - first)
    family_of_group = np.array(family_keys, np.int64).reshape(-1, 2)[distinct_groups[place] % max(1, len(families))]
    fits = (family_of_group[:, 0] == model[row]) & (family_of_group[:, 1] == environment[row])
    row, place = row[fits], place[fits]
    candidate_times, prediction_times = integers_of(table, "time"), integers_of(table, "prediction_time")
    matches = match_outcomes(group, time[position], distinct_groups[place], candidate_times[row], prediction_times[row])
    has = matches >= 0
    outcome, candidate_times, prediction_times, family_of_group = (
        integers_of(table, "outcome")[row[has]],
        candidate_times[row[has]],
        prediction_times[row[has]],
        family_of_group[fits][has],
    )
    hit = position[matches[has]]
    late = (prediction_times <= 0) & (
        time[hit] > candidate_times
    )  # the prediction is late, and an earlier one may have expired
    late[late] = has_predecessor(connection, prediction[hit[late]], family_of_group[late, 1] < 0)
    expired = sorted_distinct(outcome[late])
    return OutcomePairs(
        outcome=outcome[~late],
        place=hit[~late],
        candidates=prediction,
        time=time,
        rows=of_id,
        ids=encoded.dictionary,
        expired=expired[~is_among(expired, outcome[~late])],
    )


def _families(series: Series) -> tuple[tuple[str, str, str, str], tuple[str, str, str, str]]:
    """Return the scope in which one prediction gets an outcome: a version in its environment, or in all of them."""
    key = series.key
    return (_OWN, key.model, key.environment, key.version), (_ANYWHERE, key.model, "", key.version)


def _codes(texts: pa.ChunkedArray) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Return the code of each text, and the codes of all rows, -1 for null."""
    encoded = texts.combine_chunks().dictionary_encode()
    numbers = {text: number for number, text in enumerate(encoded.dictionary.to_pylist())}
    return numbers, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _candidates(
    connection: Connection, serieses: Sequence[Series], table: pa.Table, ids: pa.Array, i64: I64, last: int
) -> pa.Table:
    """Return all predictions that an outcome may match: columns prediction, series, time and which, by prediction."""
    numbers = ", ".join(str(series.number) for series in serieses) or "NULL"
    of_models = Condition(f"t.seq <= ? AND t.series IN ({numbers})", (last,))
    candidate_times, prediction_times = integers_of(table, "time"), integers_of(table, "prediction_time")
    open_ones = prediction_times <= 0
    candidates = []
    if open_ones.any():
        until = Condition("t.time <= ?", (int(candidate_times[open_ones].max()) + EARLY,))
        distinct_ids = sorted_distinct(i64[open_ones])
        rows = IdLookup(connection, ids.take(pa.array(distinct_ids))).predictions(of_models.also(until))
        candidates.append(rows.set_column(3, "which", pa.array(distinct_ids[integers_of(rows, "which")])))
    if not open_ones.all():
        around_rows, moment = _around(i64[~open_ones], prediction_times[~open_ones])
        named_ones = pa.table({"which": around_rows, "request": numbers_of_ids(ids)[around_rows], "moment": moment})
        times = [
            (first - COARSEST, last + COARSEST) for first, last in stretches(prediction_times[~open_ones], TIME_APART)
        ]
        candidates.append(read_by_request(connection, named_ones, ids, of_models.also(lies_within("t.time", times))))
    rows = pa.concat_tables(candidates)
    prediction = integers_of(rows, "prediction")
    if (prediction[1:] > prediction[:-1]).all():
        return rows
    order = np.argsort(prediction, kind="stable")
    once = order[np.diff(prediction[order], prepend=-1) != 0]
    return rows.take(pa.array(once))


def _around(places: I64, named_times: I64) -> tuple[I64, I64]:
    """Return the distinct pairs of an id and a moment near which its prediction may be.

    For a machine that is scored every minute only predictions near the named time are read, not a whole month.
    """
    moments = np.concatenate([(named_times - COARSEST) // MOMENT, (named_times + COARSEST) // MOMENT])
    first = int(moments.min())
    pairs = sorted_distinct((np.concatenate([places, places]) << _BITS) + moments - first)
    return pairs >> _BITS, (pairs & ((1 << _BITS) - 1)) + first


MOST = 400_000
"""Maximum number of new outcomes, and of new predictions, per transaction, which limits its memory."""

_COLUMNS = "t.seq AS outcome, t.model, t.environment, t.id, t.time, t.prediction_time"
_ASKED = f"SELECT {_COLUMNS} FROM outcomes t"

# Earlier outcomes that a new prediction may take over: pending ones, and those from a day before it on.
_TAKEN = """
WITH fresh AS (
    SELECT s.model, p.id, p.time FROM predictions p JOIN models s USING (series)
    WHERE p.seq > ? AND p.seq <= ? AND p.id <> ''),
since AS (SELECT model, id, min(time) - {early} AS since FROM fresh GROUP BY ALL),
around AS (
    SELECT DISTINCT model, id, unnest([(time - {coarsest}) // {moment}, (time + {coarsest}) // {moment}]) AS moment
    FROM fresh)
SELECT w.outcome FROM waiting w SEMI JOIN since USING (model, id)
UNION SELECT o.seq FROM outcomes o JOIN since f ON o.model = f.model AND o.id = f.id AND o.time >= f.since
    WHERE o.seq <= ? AND o.prediction_time <= 0 AND o.time >= ?
UNION SELECT o.seq FROM outcomes o SEMI JOIN around f
    ON o.model = f.model AND o.id = f.id AND o.prediction_time // {moment} = f.moment
    WHERE o.seq <= ? AND o.prediction_time BETWEEN ? AND ?
"""

_OF_PREDICTIONS = """
SELECT p.seq AS prediction, p.series, p.time, p.score, p.scores, p.predicted, p.trace_id, p.span_id, p.request,
    coalesce(p.weight, 1) AS weight, p.slices, p.received
FROM predictions p SEMI JOIN hits h ON p.seq = h.prediction WHERE {}
"""

_OF_OUTCOMES = """
SELECT o.seq AS outcome, o.actual, o.number, coalesce(o.weight, 1) AS weight, o.weight IS NOT NULL AS weighted,
    o.time AS outcome_time, o.value, o.item, coalesce(o.retracted, false) AS retracted, o.slices AS told,
    o.received AS outcome_received
FROM outcomes o SEMI JOIN hits h ON o.seq = h.outcome WHERE {}
"""


class JoinProgress(Struct, frozen=True):
    """The progress of the join: the last processed sequence numbers of outcomes and predictions."""

    outcomes: int
    predictions: int


class Matches(Struct):
    """The matches of all new rows.

    ``matched``: a row per matching outcome and prediction, with the columns of both. ``predictions``: the rows of
    ``joined`` of these predictions, and of predictions that lost their outcome; ``withdrawn``: their rows of
    ``retractions``. ``complete``: sorted predictions with all their outcomes in ``matched``; the others have only
    new outcomes. ``requested``: all processed outcomes; ``expired``: outcomes among them of an expired prediction.
    """

    matched: pa.Table
    predictions: pa.Table
    withdrawn: pa.Table
    complete: I64
    requested: I64
    expired: I64

    def incomplete(self) -> I64:
        """Return the outcomes that left a prediction whose outcomes are not all matched."""
        matched_pairs = pa.table({"outcome": self.matched["outcome"], "prediction": self.matched["prediction"]})
        outcome, prediction = (
            np.concatenate([integers_of(rows, name) for rows in (self.predictions, self.withdrawn)])
            for name in ("outcome", "prediction")
        )
        is_lost = is_among(outcome, self.requested) & ~is_among(prediction, self.complete)
        if not is_lost.any():
            return outcome[:0]
        candidates = pa.table({"outcome": outcome[is_lost], "prediction": prediction[is_lost]})
        lost_pairs = candidates.join(matched_pairs, ["outcome", "prediction"], join_type="left anti")
        return sorted_distinct(integers_of(lost_pairs, "outcome"))

    def telling(self) -> list[int]:
        """Return the series with outcomes that have a weight, a value, or slices."""
        says = pc.or_(self.matched["weighted"], pc.is_valid(self.matched["value"]))
        says = pc.or_(says, pc.is_valid(self.matched["told"]))
        return [int(number) for number in self.matched["series"].filter(says).unique().to_pylist()]

    def spoken_of(self, series: Collection[int]) -> pa.ChunkedArray:
        """Return the ids of predictions of some series with earlier outcomes that are not in ``matched``."""
        prediction = integers_of(self.matched, "prediction")
        before = np.concatenate([integers_of(rows, "prediction") for rows in (self.predictions, self.withdrawn)])
        is_known = is_among(prediction, before) & ~is_among(prediction, self.complete)
        is_known &= is_among(integers_of(self.matched, "series"), np.array(sorted(series), np.int64))
        return self.matched["id"].filter(pa.array(is_known)).cast(pa.string())


def news_since(connection: Connection, join_progress: JoinProgress) -> tuple[JoinProgress, bool] | None:
    """Return the end of the next step, and whether more waits behind it; None if there is nothing new.

    If there is too much for one step, outcomes and predictions both end at the same arrival time. So they are matched
    in the order in which both had arrived, independent of the step size.
    """
    outcomes = max(number(connection, "SELECT max(seq) FROM outcomes") or 0, join_progress.outcomes)
    predictions = max(number(connection, "SELECT max(seq) FROM predictions") or 0, join_progress.predictions)
    all_of_it = JoinProgress(outcomes, predictions)
    if all_of_it == join_progress:
        return None
    reached = JoinProgress(
        min(outcomes, join_progress.outcomes + MOST), min(predictions, join_progress.predictions + MOST)
    )
    if reached == all_of_it:
        return reached, False
    ends = (
        ("outcomes", join_progress.outcomes, reached.outcomes, outcomes),
        ("predictions", join_progress.predictions, reached.predictions, predictions),
    )
    arrivals = [_arrived(connection, table, after, last) for table, after, last, greatest in ends if last < greatest]
    until = min((arrival for arrival in arrivals if arrival is not None), default=None)
    if until is None:
        return reached, True
    reached = JoinProgress(
        _reached(connection, "outcomes", join_progress.outcomes, reached.outcomes, until),
        _reached(connection, "predictions", join_progress.predictions, reached.predictions, until),
    )
    return reached, True


def match_waiting_outcomes(
    connection: Connection,
    all_series: Sequence[Series],
    join_progress: JoinProgress,
    reached: JoinProgress,
    wholly: Collection[str] = (),
    telling: set[str] | None = None,
) -> Matches | None:
    """Match the rows between ``join_progress`` and ``reached``; None if no outcome is affected.

    ``wholly``: the models whose predictions need all of their outcomes whenever one is new. ``telling``: the models
    with outcomes that have a weight, a value or slices, see :func:`read_telling`; new ones are added.
    """
    outcome_rows = read(
        connection, f"{_ASKED} WHERE t.seq > ? AND t.seq <= ?", join_progress.outcomes, reached.outcomes
    )
    taken_rows = _earlier_outcomes(connection, join_progress, reached)
    outcome_rows = pa.concat_tables([outcome_rows, _asked_again(connection, taken_rows)])
    if not len(outcome_rows):
        return None
    whole_ids = outcome_rows["id"].filter(pc.is_in(outcome_rows["model"], pa.array(list(wholly), pa.string()))).unique()
    matches = _match_ids(connection, all_series, outcome_rows, taken_rows, whole_ids, reached)
    telling = set() if telling is None else telling
    model = {series.number: series.key.model for series in all_series}
    telling |= {model[number] for number in matches.telling()}
    # Predictions that lost an outcome, and outcomes that inherit fields, need all outcomes of their ids.
    spoken_of = matches.spoken_of([number for number, name in model.items() if name in telling])
    more = [_asked_again(connection, matches.incomplete())["id"], spoken_of]
    if any(len(ids) for ids in more):
        whole_ids = pa.chunked_array(
            [whole_ids, *(chunk for ids in more for chunk in ids.chunks)], pa.string()
        ).unique()
        matches = _match_ids(connection, all_series, outcome_rows, taken_rows, whole_ids, reached)
    return matches


def rematch_outcomes(
    connection: Connection, all_series: Sequence[Series], ids: pa.Array, join_progress: JoinProgress
) -> Matches | None:
    """Match all remaining outcomes of ids again, as far as they were joined; None without any."""
    if not len(ids):
        return None
    outcome_rows = IdLookup(connection, ids).read(
        _COLUMNS, "outcomes", Condition("t.seq <= ?", (join_progress.outcomes,))
    )
    return (
        _match_ids(connection, all_series, outcome_rows, np.empty(0, np.int64), ids, join_progress)
        if len(outcome_rows)
        else None
    )


def _match_ids(
    connection: Connection,
    all_series: Sequence[Series],
    outcome_rows: pa.Table,
    i64: I64,
    array: pa.Array,
    reached: JoinProgress,
) -> Matches:
    """Match outcomes, and all others with the ids in ``array``."""
    if len(array):
        until = Condition("t.seq <= ?", (reached.outcomes,))
        other_outcomes = IdLookup(connection, array).read(_COLUMNS, "outcomes", until)
        outcome_rows = pa.concat_tables(
            [outcome_rows.filter(pc.invert(pc.is_in(outcome_rows["id"], array))), other_outcomes]
        )
    matches = find_predictions(connection, all_series, outcome_rows, reached.predictions)
    of_whole = is_among(matches.rows, np.flatnonzero(pc.is_in(matches.ids, array).to_numpy(zero_copy_only=False)))
    concerned = of_whole.copy()
    concerned[matches.place] = True
    if len(i64):
        ids = outcome_rows["id"].filter(pc.is_in(outcome_rows["outcome"], pa.array(i64))).unique()
        concerned |= is_among(matches.rows, np.flatnonzero(pc.is_in(matches.ids, ids).to_numpy(zero_copy_only=False)))
    candidate_rows = pa.table({"prediction": matches.candidates[concerned]})
    near_them, times = lies_near("t.time", matches.time[concerned], TIME_APART)
    of_them = "SELECT t.* FROM {} t SEMI JOIN wanted USING (prediction) WHERE " + near_them
    held_rows, withdrawn = (
        read(connection, of_them.format(table), *times, wanted=candidate_rows) for table in ("joined", "retractions")
    )
    asked_for = integers_of(outcome_rows, "outcome")
    return Matches(
        _matched(connection, matches), held_rows, withdrawn, matches.candidates[of_whole], asked_for, matches.expired
    )


def _matched(connection: Connection, outcome_pairs: OutcomePairs) -> pa.Table:
    """Read the columns of matched pairs, by prediction: each table separately, without ids."""
    order = np.lexsort((outcome_pairs.outcome, outcome_pairs.place))
    outcome, place = outcome_pairs.outcome[order], outcome_pairs.place[order]
    prediction = outcome_pairs.candidates[place]
    hits = pa.table({"outcome": outcome, "prediction": prediction})
    sides = {}
    for query, name, seq, sequence_rows in (
        (_OF_PREDICTIONS, "prediction", "p.seq", prediction),
        (_OF_OUTCOMES, "outcome", "o.seq", outcome),
    ):
        where = lies_near(seq, sequence_rows, ROWS_APART)
        rows = read(connection, query.format(where.sql), *where.parameters, hits=hits)
        sides[name] = take_table_rows(rows, positions_among(integers_of(rows, name), sequence_rows))
    of_prediction, of_outcome = sides["prediction"], sides["outcome"]
    ids = pa.DictionaryArray.from_arrays(outcome_pairs.rows[place], outcome_pairs.ids)
    weight = pc.multiply(of_prediction["weight"], of_outcome["weight"])
    slices = of_prediction["slices"]
    if of_outcome["told"].null_count < len(of_outcome):
        outcome_columns = pa.table({"slices": slices, "told": of_outcome["told"]})
        slices = read(connection, "SELECT map_concat(slices, told) AS slices FROM words", words=outcome_columns)[
            "slices"
        ]
    columns = {
        **dict(zip(of_prediction.column_names, of_prediction.columns, strict=True)),
        **dict(zip(of_outcome.column_names, of_outcome.columns, strict=True)),
        **{"id": ids, "weight": weight, "slices": slices},
    }
    return pa.table(columns)


def read_telling(connection: Connection) -> set[str]:
    """Return the models with outcomes that have a weight, a value or slices."""
    query = "SELECT DISTINCT model FROM outcomes WHERE weight IS NOT NULL OR value IS NOT NULL OR slices IS NOT NULL"
    return set(read(connection, query)["model"].to_pylist())


def write_waiting(connection: Connection, matches: Matches, join_progress: JoinProgress, reached: JoinProgress) -> None:
    """Store new outcomes that wait for a prediction and delete matched ones, inside the caller's transaction."""
    ids = pa.table({"outcome": np.concatenate([integers_of(matches.matched, "outcome"), matches.expired])})
    run(connection, "DELETE FROM waiting WHERE outcome IN (SELECT outcome FROM ids)", ids=ids)
    run(
        connection,
        "INSERT INTO waiting SELECT seq, model, id, received FROM outcomes WHERE seq > ? AND seq <= ?"
        " AND seq NOT IN (SELECT outcome FROM ids)",
        join_progress.outcomes,
        reached.outcomes,
        ids=ids,
    )


def _arrived(connection: Connection, table: str, after: int, last: int) -> int | None:
    """Return when the last row between two sequence numbers arrived; None if all of them were deleted."""
    return number(connection, f"SELECT arg_max(received, seq) FROM {table} WHERE seq > ? AND seq <= ?", after, last)


def _reached(connection: Connection, table: str, after: int, last: int, until: int) -> int:
    """Return the last row between two sequence numbers that had arrived by then, and ``last`` if all were deleted."""
    by_then = "if(count(*) = 0, ?, coalesce(max(seq) FILTER (received <= ?), ?))"
    sql = f"SELECT {by_then} FROM {table} WHERE seq > ? AND seq <= ?"
    return number(connection, sql, last, until, after, after, last) or 0


def _earlier_outcomes(connection: Connection, join_progress: JoinProgress, reached: JoinProgress) -> I64:
    """Return earlier outcomes that the new predictions may take over, by sequence number."""
    bounds = (join_progress.predictions, reached.predictions)
    of_new = "SELECT min(time) AS first, max(time) AS last FROM predictions WHERE seq > ? AND seq <= ? AND id <> ''"
    (fresh,) = read(connection, of_new, *bounds).to_pylist()
    if fresh["first"] is None or not join_progress.outcomes:
        return np.empty(0, np.int64)
    since, named_rows = (
        (join_progress.outcomes, fresh["first"] - EARLY),
        (join_progress.outcomes, fresh["first"] - COARSEST, fresh["last"] + COARSEST),
    )
    return integers_of(
        read(connection, _TAKEN.format(early=EARLY, coarsest=COARSEST, moment=MOMENT), *bounds, *since, *named_rows),
        "outcome",
    )


def _asked_again(connection: Connection, outcomes: I64) -> pa.Table:
    outcome_rows = pa.table({"seq": outcomes})
    sql, parameters = lies_near("t.seq", outcomes, ROWS_APART)
    return read(connection, f"{_ASKED} SEMI JOIN again USING (seq) WHERE {sql}", *parameters, again=outcome_rows)

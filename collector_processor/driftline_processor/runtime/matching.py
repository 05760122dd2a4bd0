"""Which outcomes belong to which predictions: those that are new, and those that new predictions may take over.

Every version of a model that predicted an id gets its outcome, in each environment apart unless the outcome names none;
:mod:`driftline_processor.core.belonging` says which of a version's predictions. The result does not depend on the order
of arrival, and doing it again after a crash changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.tables import I64

from driftline_processor.core.belonging import COARSEST, EARLY

from .narrow import ROWS_APART, TIME_APART, Condition, near
from .rows import among, integers_of, places, taken
from .search import Found, predictions_of
from .series import Series
from .sought import MOMENT, Sought
from .store import Connection, number, read, run

MOST = 400_000
"""New outcomes, and new predictions, that are looked at in one transaction: what bounds its memory."""

_COLUMNS = "t.seq AS outcome, t.model, t.environment, t.id, t.time, t.prediction_time"
_ASKED = f"SELECT {_COLUMNS} FROM outcomes t"

# Outcomes from before that a new prediction may take: those that waited, and those known since a day before it.
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the join has come: the last sequence numbers of outcomes and predictions it has looked at."""

    outcomes: int
    predictions: int


@dataclass(slots=True)
class Matches:
    """What everything that is new comes to.

    ``matched``: a row for each outcome and prediction that belong together, with the columns of both. ``held``: the
    rows of ``joined`` of these predictions, and of those that lost their outcome to another one; ``withdrawn``: the
    rows of ``retractions`` of the same. ``whole``: the predictions among them of which ``matched`` has all outcomes,
    sorted; of the others it has those that are new. ``asked``: all outcomes that were looked at; ``expired``: those of
    them that belong to a prediction that has expired.
    """

    matched: pa.Table
    held: pa.Table
    withdrawn: pa.Table
    whole: I64
    asked: I64
    expired: I64

    def lost(self) -> I64:
        """Return the outcomes that have left a prediction of which not all outcomes are matched."""
        known = pa.table({"outcome": self.matched["outcome"], "prediction": self.matched["prediction"]})
        outcome, prediction = (
            np.concatenate([integers_of(rows, name) for rows in (self.held, self.withdrawn)])
            for name in ("outcome", "prediction")
        )
        asked = among(outcome, self.asked) & ~among(prediction, self.whole)
        if not asked.any():
            return outcome[:0]
        candidates = pa.table({"outcome": outcome[asked], "prediction": prediction[asked]})
        left = candidates.join(known, ["outcome", "prediction"], join_type="left anti")
        return np.unique(integers_of(left, "outcome"))

    def telling(self) -> list[int]:
        """Return the series of outcomes that say more than what happened: a weight, what it was worth, or slices."""
        says = pc.or_(self.matched["weighted"], pc.is_valid(self.matched["value"]))
        says = pc.or_(says, pc.is_valid(self.matched["told"]))
        return [int(number) for number in self.matched["series"].filter(says).unique().to_pylist()]

    def spoken_of(self, series: Collection[int]) -> pa.ChunkedArray:
        """Return the ids of predictions of some series of which more was said before than what is matched."""
        prediction = integers_of(self.matched, "prediction")
        before = np.concatenate([integers_of(rows, "prediction") for rows in (self.held, self.withdrawn)])
        known = among(prediction, before) & ~among(prediction, self.whole)
        known &= among(integers_of(self.matched, "series"), np.array(sorted(series), np.int64))
        return self.matched["id"].filter(pa.array(known)).cast(pa.string())


def news_since(connection: Connection, done: Progress) -> Progress | None:
    """Return how far the next step goes, None when there is nothing new.

    Where there is too much for one step, it ends for both at what had arrived at one moment: so outcomes meet their
    predictions in the order in which both had arrived, however long the step is.
    """
    outcomes = max(number(connection, "SELECT max(seq) FROM outcomes") or 0, done.outcomes)
    predictions = max(number(connection, "SELECT max(seq) FROM predictions") or 0, done.predictions)
    all_of_it = Progress(outcomes, predictions)
    if all_of_it == done:
        return None
    reached = Progress(min(outcomes, done.outcomes + MOST), min(predictions, done.predictions + MOST))
    until = min(
        [_arrived(connection, "outcomes", reached.outcomes)] * (reached.outcomes < outcomes)
        + [_arrived(connection, "predictions", reached.predictions)] * (reached.predictions < predictions),
        default=None,
    )
    if until is None:
        return reached
    by_then = "SELECT max(seq) FROM {} WHERE seq > ? AND seq <= ? AND received <= ?"
    return Progress(
        number(connection, by_then.format("outcomes"), done.outcomes, reached.outcomes, until) or done.outcomes,
        number(connection, by_then.format("predictions"), done.predictions, reached.predictions, until)
        or done.predictions,
    )


def match(
    connection: Connection,
    all_series: Sequence[Series],
    done: Progress,
    reached: Progress,
    wholly: Collection[str] = (),
    telling: set[str] | None = None,
) -> Matches | None:
    """Match what came between ``done`` and ``reached``; None when it concerns no outcome.

    ``wholly``: the models of whose predictions all that was said is wanted each time that anything is. ``telling``:
    those whose outcomes ever said more than what happened, see :func:`read_telling`; it is added to.
    """
    asked = read(connection, f"{_ASKED} WHERE t.seq > ? AND t.seq <= ?", done.outcomes, reached.outcomes)
    taken = _taken(connection, done, reached)
    asked = pa.concat_tables([asked, _asked_again(connection, taken)])
    if not len(asked):
        return None
    whole = asked["id"].filter(pc.is_in(asked["model"], pa.array(list(wholly), pa.string()))).unique()
    matches = _match(connection, all_series, asked, taken, whole, reached)
    telling = set() if telling is None else telling
    model = {series.number: series.key.model for series in all_series}
    telling |= {model[number] for number in matches.telling()}
    # what outcomes that have left their predictions leave to these, and what a word keeps of those before it, is told
    # by all outcomes of their ids
    spoken_of = matches.spoken_of([number for number, name in model.items() if name in telling])
    more = [_asked_again(connection, matches.lost())["id"], spoken_of]
    if any(len(ids) for ids in more):
        whole = pa.chunked_array([whole, *(chunk for ids in more for chunk in ids.chunks)], pa.string()).unique()
        matches = _match(connection, all_series, asked, taken, whole, reached)
    return matches


def match_anew(connection: Connection, all_series: Sequence[Series], ids: pa.Array, done: Progress) -> Matches | None:
    """Match all that is left of what was said of ids, as far as it was joined; None where nothing is."""
    if not len(ids):
        return None
    said = Sought(connection, ids).read(_COLUMNS, "outcomes", Condition("t.seq <= ?", (done.outcomes,)))
    return _match(connection, all_series, said, np.empty(0, np.int64), ids, done) if len(said) else None


def _match(
    connection: Connection,
    all_series: Sequence[Series],
    asked: pa.Table,
    taken: I64,
    whole: pa.Array,
    reached: Progress,
) -> Matches:
    """Match outcomes, and all others of the ids in ``whole``."""
    if len(whole):
        until = Condition("t.seq <= ?", (reached.outcomes,))
        others = Sought(connection, whole).read(_COLUMNS, "outcomes", until)
        asked = pa.concat_tables([asked.filter(pc.invert(pc.is_in(asked["id"], whole))), others])
    found = predictions_of(connection, all_series, asked, reached.predictions)
    of_whole = among(found.which, np.flatnonzero(pc.is_in(found.ids, whole).to_numpy(zero_copy_only=False)))
    concerned = of_whole.copy()
    concerned[found.place] = True
    if len(taken):
        ids = asked["id"].filter(pc.is_in(asked["outcome"], pa.array(taken))).unique()
        concerned |= among(found.which, np.flatnonzero(pc.is_in(found.ids, ids).to_numpy(zero_copy_only=False)))
    wanted = pa.table({"prediction": found.candidates[concerned]})
    near_them, times = near("t.time", found.time[concerned], TIME_APART)
    of_them = "SELECT t.* FROM {} t SEMI JOIN wanted USING (prediction) WHERE " + near_them
    held, withdrawn = (
        read(connection, of_them.format(table), *times, wanted=wanted) for table in ("joined", "retractions")
    )
    asked_for = integers_of(asked, "outcome")
    return Matches(_matched(connection, found), held, withdrawn, found.candidates[of_whole], asked_for, found.expired)


def _matched(connection: Connection, found: Found) -> pa.Table:
    """Read the columns of the pairs that were found, by prediction: each table by itself, and no id again."""
    order = np.lexsort((found.outcome, found.place))
    outcome, place = found.outcome[order], found.place[order]
    prediction = found.candidates[place]
    hits = pa.table({"outcome": outcome, "prediction": prediction})
    sides = {}
    for query, name, seq, wanted in (
        (_OF_PREDICTIONS, "prediction", "p.seq", prediction),
        (_OF_OUTCOMES, "outcome", "o.seq", outcome),
    ):
        where = near(seq, wanted, ROWS_APART)
        rows = read(connection, query.format(where.sql), *where.parameters, hits=hits)
        sides[name] = taken(rows, places(integers_of(rows, name), wanted))
    of_prediction, of_outcome = sides["prediction"], sides["outcome"]
    ids = pa.DictionaryArray.from_arrays(found.which[place], found.ids)
    weight = pc.multiply(of_prediction["weight"], of_outcome["weight"])
    slices = of_prediction["slices"]
    if of_outcome["told"].null_count < len(of_outcome):
        both = pa.table({"slices": slices, "told": of_outcome["told"]})
        slices = read(connection, "SELECT map_concat(slices, told) AS slices FROM words", words=both)["slices"]
    columns = {
        **dict(zip(of_prediction.column_names, of_prediction.columns, strict=True)),
        **dict(zip(of_outcome.column_names, of_outcome.columns, strict=True)),
        **{"id": ids, "weight": weight, "slices": slices},
    }
    return pa.table(columns)


def read_telling(connection: Connection) -> set[str]:
    """Return the models of whose outcomes any says more than what happened."""
    said = "SELECT DISTINCT model FROM outcomes WHERE weight IS NOT NULL OR value IS NOT NULL OR slices IS NOT NULL"
    return set(read(connection, said)["model"].to_pylist())


def write_waiting(connection: Connection, matches: Matches, done: Progress, reached: Progress) -> None:
    """Keep new outcomes that wait for a prediction, forget those that do not; inside the caller's transaction."""
    ids = pa.table({"outcome": np.concatenate([integers_of(matches.matched, "outcome"), matches.expired])})
    run(connection, "DELETE FROM waiting WHERE outcome IN (SELECT outcome FROM ids)", ids=ids)
    run(
        connection,
        "INSERT INTO waiting SELECT seq, model, id, received FROM outcomes WHERE seq > ? AND seq <= ?"
        " AND seq NOT IN (SELECT outcome FROM ids)",
        done.outcomes,
        reached.outcomes,
        ids=ids,
    )


def _arrived(connection: Connection, table: str, seq: int) -> int:
    return number(connection, f"SELECT max(received) FROM {table} WHERE seq = ?", seq) or 0


def _taken(connection: Connection, done: Progress, reached: Progress) -> I64:
    """Outcomes from before that the new predictions may take, by sequence number."""
    bounds = (done.predictions, reached.predictions)
    of_new = "SELECT min(time) AS first, max(time) AS last FROM predictions WHERE seq > ? AND seq <= ? AND id <> ''"
    (fresh,) = read(connection, of_new, *bounds).to_pylist()
    if fresh["first"] is None or not done.outcomes:
        return np.empty(0, np.int64)
    since, named = (
        (done.outcomes, fresh["first"] - EARLY),
        (done.outcomes, fresh["first"] - COARSEST, fresh["last"] + COARSEST),
    )
    return integers_of(
        read(connection, _TAKEN.format(early=EARLY, coarsest=COARSEST, moment=MOMENT), *bounds, *since, *named),
        "outcome",
    )


def _asked_again(connection: Connection, outcomes: I64) -> pa.Table:
    again = pa.table({"seq": outcomes})
    sql, parameters = near("t.seq", outcomes, ROWS_APART)
    return read(connection, f"{_ASKED} SEMI JOIN again USING (seq) WHERE {sql}", *parameters, again=again)

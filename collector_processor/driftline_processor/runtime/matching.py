"""Which outcome belongs to which prediction: set-wise SQL over the ids that something new is known of.

For every id that a new outcome or a new prediction names, all of its outcomes and predictions are matched anew. So the
result does not depend on the order of arrival, and doing it again after a crash changes nothing.

An outcome belongs to the prediction of its model, environment and id: with a prediction time to the prediction of that
time, else to the latest at or before the outcome, else (clocks differ) to the earliest after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from .store import Connection, number, read, run

SKEW = 3_600 * 10**9
"""An outcome that is joined already is looked at again when a prediction up to an hour younger than it arrives."""

MOST_OUTCOMES = 200_000
"""New outcomes that are looked at in one transaction."""

_WEEK = 7 * 86_400 * 10**9

_TOUCHED = """
CREATE OR REPLACE TEMP TABLE touched AS
WITH fresh AS (
    SELECT p.id, s.model FROM predictions p JOIN models s USING (series) WHERE p.seq > {p0} AND p.seq <= {p1})
SELECT DISTINCT model, id FROM outcomes WHERE seq > {o0} AND seq <= {o1}
UNION SELECT w.model, w.id FROM waiting w SEMI JOIN fresh USING (model, id)
UNION SELECT o.model, o.id FROM outcomes o SEMI JOIN fresh USING (model, id) WHERE o.time >= {since}
"""

_OUTCOMES = """
CREATE OR REPLACE TEMP TABLE touched_outcomes AS
SELECT o.seq AS outcome, o.model, o.id, o.time, o.prediction_time,
    o.environment IS NULL AS anywhere, coalesce(o.environment, '') AS environment
FROM outcomes o SEMI JOIN touched USING (model, id) WHERE o.seq <= {o1}
"""

# What narrows the search when all outcomes have it: the time of the prediction, or an id that carries the time at which
# it was made (UUIDv7), before which its prediction did not arrive. A week is for clocks that differ.
_SINCE = """
SELECT min(greatest(prediction_time, 0)) AS made, min(CASE
    WHEN regexp_matches(lower(id), '^[0-9a-f]{{8}}-[0-9a-f]{{4}}-7[0-9a-f]{{3}}-[89ab]')
    THEN ('0x' || id[1:8] || id[10:13])::BIGINT * 1000000 - {week} ELSE 0 END) AS received FROM touched_outcomes
"""

# Predictions of one id and time are one: the last that came. For outcomes that name no environment all of them are one.
_PREDICTIONS = """
CREATE OR REPLACE TEMP TABLE touched_predictions AS
WITH found AS (
    SELECT max(p.seq) AS prediction, s.model, s.environment, p.id, p.time
    FROM predictions p JOIN models s USING (series) SEMI JOIN touched t ON t.id = p.id AND t.model = s.model
    WHERE p.seq <= {p1} AND p.time >= {made} AND p.received >= {received} GROUP BY ALL)
SELECT *, false AS anywhere FROM found
UNION ALL
SELECT max(prediction), model, '', id, time, true FROM found GROUP BY model, id, time
"""

_MATCHED = """
WITH exact AS (
    SELECT o.outcome, p.prediction FROM touched_outcomes o JOIN touched_predictions p
    ON {same} AND o.prediction_time = p.time WHERE o.prediction_time > 0),
before AS (
    SELECT o.outcome, p.prediction FROM touched_outcomes o ASOF JOIN touched_predictions p
    ON {same} AND o.time >= p.time WHERE o.prediction_time <= 0),
after AS (
    SELECT o.outcome, p.prediction FROM touched_outcomes o ASOF JOIN touched_predictions p
    ON {same} AND o.time < p.time WHERE o.prediction_time <= 0 AND o.outcome NOT IN (SELECT outcome FROM before)),
matched AS (FROM exact UNION ALL FROM before UNION ALL FROM after)
SELECT m.outcome, m.prediction, p.series, p.time, p.score, p.scores, p.predicted, p.trace_id, p.span_id, p.id,
    o.actual, o.number, coalesce(p.weight, 1) * coalesce(o.weight, 1) AS weight, o.time AS outcome_time,
    p.slices, p.received, o.received AS outcome_received
FROM matched m JOIN predictions p ON p.seq = m.prediction JOIN outcomes o ON o.seq = m.outcome
WHERE p.time >= {made} AND p.received >= {received}
"""

_SAME = "o.model = p.model AND o.id = p.id AND o.anywhere = p.anywhere AND o.environment = p.environment"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the join has come: the last sequence numbers of outcomes and predictions it has looked at."""

    outcomes: int
    predictions: int


@dataclass(slots=True)
class Matches:
    """What the touched ids come to.

    ``matched``: one row per outcome that has a prediction, with the columns of both. ``joined``: the rows of the table
    ``joined`` that hold one of the outcomes now.
    """

    matched: pa.Table
    joined: pa.Table


def news_since(connection: Connection, done: Progress) -> Progress | None:
    """Return how far the next step goes, None when there is nothing new."""
    outcomes = number(connection, "SELECT max(seq) FROM outcomes") or 0
    predictions = number(connection, "SELECT max(seq) FROM predictions") or 0
    reached = Progress(
        min(max(outcomes, done.outcomes), done.outcomes + MOST_OUTCOMES), max(predictions, done.predictions)
    )
    return None if reached == done else reached


def match(connection: Connection, done: Progress, reached: Progress) -> Matches | None:
    """Match everything that is known of the ids touched between ``done`` and ``reached``; None when none is."""
    fresh = "SELECT min(time) FROM predictions WHERE seq > ? AND seq <= ?"
    youngest = number(connection, fresh, done.predictions, reached.predictions)
    bounds = {"o0": done.outcomes, "o1": reached.outcomes, "p0": done.predictions, "p1": reached.predictions}
    connection.execute(_TOUCHED.format(since=0 if youngest is None else youngest - SKEW, **bounds))
    if not number(connection, "SELECT count(*) FROM touched"):
        return None
    connection.execute(_OUTCOMES.format(**bounds))
    if not number(connection, "SELECT count(*) FROM touched_outcomes"):
        return None
    (since,) = read(connection, _SINCE.format(week=_WEEK)).to_pylist()
    connection.execute(_PREDICTIONS.format(**since, **bounds))
    matched = read(connection, _MATCHED.format(same=_SAME, **since))
    joined = read(
        connection,
        "SELECT j.* FROM joined j SEMI JOIN touched_outcomes o ON o.outcome = j.outcome WHERE j.time >= ?",
        since["made"],
    )
    return Matches(matched, joined)


def write_waiting(connection: Connection, matched: pa.Table, done: Progress, reached: Progress) -> None:
    """Keep new outcomes that found no prediction, forget those that found one; inside the caller's transaction."""
    ids = matched.select(["outcome"])
    run(connection, "DELETE FROM waiting WHERE outcome IN (SELECT outcome FROM ids)", ids=ids)
    run(
        connection,
        "INSERT INTO waiting SELECT seq, model, id, received FROM outcomes WHERE seq > ? AND seq <= ?"
        " AND seq NOT IN (SELECT outcome FROM ids)",
        done.outcomes,
        reached.outcomes,
        ids=ids,
    )

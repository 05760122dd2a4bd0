"""Predictions whose id an earlier one had that has expired: what is older than they are was not said of them.

An outcome without a prediction before it belongs to the earliest up to a day after it, since clocks differ
(:mod:`.core.belonging`). Where one before it was there and has expired, that is not so. Of the expired one nothing is
kept: it is the next of its id that is known not to have been the first.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from driftline.tables import I64
from numpy.typing import NDArray

from .rows import among, integers_of
from .store import Connection, read

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


def follow(connection: Connection, last: int) -> None:
    """Note the earliest predictions that stay of the ids of those up to the sequence number ``last``, which expire.

    Inside the transaction that deletes them.
    """
    connection.execute(_FOLLOW, {"last": last})


def succeeding(connection: Connection, prediction: I64, anywhere: Mask) -> Mask:
    """Say which predictions had an earlier one of their id that has expired: in their environment, or ``anywhere``."""
    asked = pa.table({"prediction": np.unique(prediction)})
    known = read(connection, "SELECT prediction, own FROM successors SEMI JOIN asked USING (prediction)", asked=asked)
    found = integers_of(known, "prediction")
    own = found[np.asarray(known["own"].to_numpy(zero_copy_only=False), np.bool_)]
    return np.where(anywhere, among(prediction, found), among(prediction, own))

"""The watermark: how far event time has come per model and environment, which closes windows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from driftline.tables.table import I64

from driftline_processor.store.database import Connection, read

ROWS = 1_000
"""The newest rows whose event times count."""

AHEAD = 300 * 10**9
"""Nanoseconds by which a watermark may be ahead of the wall clock: five minutes."""

SILENCE = 120 * 10**9
"""After two minutes without a row event time is taken to pass as wall time does."""


class Watermark:
    """The 99th percentile of the event time of the last 1,000 rows; it never goes back.

    One sender with a fast clock moves it only when it sends more than one row in a hundred, and never beyond the wall
    clock plus five minutes. When nothing arrives for two minutes it advances by the wall time elapsed since the last
    row, so that the last window of a model that fell silent closes too. All times are unix nanoseconds.

    >>> watermark = Watermark()
    >>> watermark.observe(np.array([100, 200], dtype=np.int64), now=1000)
    >>> watermark.at(now=1000), watermark.at(now=1000 + SILENCE)
    (100, 120000000100)
    """

    def __init__(self, value: int = 0, received: int = 0, times: I64 | None = None) -> None:
        """Begin anew, or go on from ``value``, reached with the last row at wall time ``received``."""
        self.value, self.received = value, received
        self._times = np.empty(0, dtype=np.int64) if times is None else times[-ROWS:]

    def observe(self, times: I64, now: int) -> None:
        """Take in the event times of rows that arrived at wall time ``now``."""
        if not len(times):
            return
        advanced = self.at(now)
        self._times = np.concatenate([self._times, times[-ROWS:]])[-ROWS:]
        rank = (len(self._times) - 1) * 99 // 100  # of two neighbours the lower: what closes late loses nothing
        percentile = int(np.partition(self._times, rank)[rank])
        self.value = max(advanced, min(percentile, now + AHEAD))
        self.received = now

    def at(self, now: int) -> int:
        """Return the watermark at wall time ``now``; 0 when no row has come."""
        silence = now - self.received
        if not self.received or silence < SILENCE:
            return self.value
        return max(self.value, min(self.value + silence, now + AHEAD))


Watermarks = dict[tuple[str, str], Watermark]
"""(environment, model) → its watermark."""


def read_watermarks(connection: Connection) -> Watermarks:
    """Read all watermarks, with the event times of their newest rows."""
    reached = read(
        connection,
        "SELECT environment, model, max(watermark) AS watermark, max(received) AS received"
        " FROM watermarks GROUP BY environment, model",
    )
    newest = (
        "SELECT time FROM predictions JOIN models USING (series) WHERE environment = ? AND model = ?"
        " ORDER BY seq DESC LIMIT ?"
    )
    watermarks: Watermarks = {}
    for row in reached.to_pylist():
        key = (row["environment"], row["model"])
        times = read(connection, newest, *key, ROWS).column(0).to_numpy()[::-1]
        watermarks[key] = Watermark(row["watermark"], row["received"], times)
    return watermarks


def write_watermarks(connection: Connection, watermarks: Mapping[tuple[str, str], Watermark]) -> None:
    """Append watermarks, inside the caller's transaction; the greatest counts, see :func:`forget_old_watermarks`."""
    rows = [(*key, reached.value, reached.received) for key, reached in watermarks.items()]
    if rows:
        places = ", ".join(["(?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT INTO watermarks VALUES {places}", [value for row in rows for value in row])


def forget_old_watermarks(connection: Connection) -> None:
    """Delete all rows but the newest of each model."""
    connection.execute(
        "DELETE FROM watermarks AS w WHERE EXISTS (SELECT 1 FROM watermarks n WHERE n.environment = w.environment"
        " AND n.model = w.model AND n.received > w.received)"
    )

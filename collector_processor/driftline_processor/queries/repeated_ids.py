"""Predictions that arrive again with the id and the result of an earlier one: a service that retries its calls.

Each counts, because Driftline knows a row by its id and time, and a retry has a later time.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct

from driftline_processor.receipts import StorageOutage
from driftline_processor.store.database import Store, read

NEWEST = 100_000
"""Newest predictions, of all models, that are compared: some 50 ms."""

EVERY = 60 * 10**9
"""Nanoseconds between two comparisons."""

_WITHIN = 3_600 * 10**9
"""Nanoseconds from a call to its retry at most: a daily score of the same customer is not a retry."""

_SHARE = 0.01
"""Minimum fraction of repeats: single retries happen in every service."""

_REPEATED = f"""
SELECT series, count(*) AS rows, count(DISTINCT id) AS ids, count(*) FILTER (since <= {_WITHIN}) AS repeats
FROM (
    SELECT series, id, time - lag(time) OVER (
        PARTITION BY series, id, score, scores, predicted, items, error, fingerprint ORDER BY time) AS since
    FROM predictions WHERE seq > ? AND id <> '')
GROUP BY series HAVING repeats >= {_SHARE} * count(*)"""


class RepeatedIds(Struct, frozen=True):
    """The newest predictions of a series that have an id.

    Attributes:
        rows: Their number.
        ids: Number of different ids.
        repeats: Number of rows with the id, the features and the result of one at most an hour earlier.
    """

    rows: int
    ids: int
    repeats: int


class RepeatedIdWatch:
    """Compares the newest predictions, once a minute. One thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_series: dict[int, RepeatedIds] = {}
        self._last = self._at = 0

    def update(self, now: int) -> None:
        """Compare the newest predictions again, if others have arrived and the last time was a minute ago."""
        if 0 <= now - self._at < EVERY:
            return
        self._at = now
        with suppress(StorageOutage), self._store.reading() as connection:
            [newest] = read(connection, "SELECT coalesce(max(seq), 0) AS seq FROM predictions")["seq"].to_pylist()
            if newest != self._last:
                rows = read(connection, _REPEATED, newest - NEWEST).to_pylist()
                self._by_series = {row.pop("series"): RepeatedIds(**row) for row in rows}
                self._last = newest

    def of(self, series: int) -> RepeatedIds | None:
        """Return the repeats of a series, None if it has few or none."""
        return self._by_series.get(series)

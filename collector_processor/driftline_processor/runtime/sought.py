"""Ids that are looked for in a table: those that say when they were made only where they can be, the others everywhere.

A UUIDv7 begins with its time, so rows that came in order have ids in order, and whole blocks lie beside the ids that
are looked for. Neither could its row have arrived long before the id was made.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from .narrow import Condition, parts, within
from .rows import integers_of
from .store import Connection, read, run

_SKEW = 7 * 86_400 * 10**9
"""How far the clock that made an id may be ahead of ours, nanoseconds."""

_HOUR = 3_600_000
"""Ids are put together by the hour in which they were made, milliseconds."""

_SOUGHT = """
CREATE OR REPLACE TEMP TABLE sought AS SELECT which, id, CASE
    WHEN regexp_matches(id, '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB]')
    THEN ('0x' || id[1:8] || id[10:13])::BIGINT END AS made FROM ids
"""

_HOURS = f"""
SELECT made // {_HOUR} AS hour, min(id) AS least, max(id) AS greatest, min(made) AS made, count(*) AS ids FROM sought
WHERE made IS NOT NULL GROUP BY hour ORDER BY hour
"""


class Sought:
    """Ids in the temporary table ``sought``, one set at a time. ``ids``: texts, none twice; ``which`` numbers them."""

    def __init__(self, connection: Connection, ids: pa.Array) -> None:
        self._connection = connection
        numbered = pa.table({"which": pa.array(range(len(ids)), pa.int64()), "id": ids})
        run(connection, _SOUGHT, ids=numbered)
        self._hours = read(connection, _HOURS)
        timed = pc.sum(self._hours["ids"]).as_py() or 0
        self._kinds: list[Condition] = []
        if timed:
            self._kinds.append(self._timed())
        if timed < len(ids):
            self._kinds.append(Condition("s.made IS NULL", ()))

    def read(self, select: str, source: str, condition: Condition) -> pa.Table:
        """Return columns of the rows of a table whose id is sought.

        ``source``: a table, called ``t`` in ``select`` and ``condition``; it has ``id`` and ``received``. The ids that
        are sought are ``s``, with their number ``which``.
        """
        found = []
        for kind in self._kinds:
            sql, parameters = condition.also(kind)
            query = f"SELECT {select} FROM {source} t JOIN sought s ON s.id = t.id WHERE {sql}"
            found.append(read(self._connection, query, *parameters))
        return pa.concat_tables(found)

    def _timed(self) -> Condition:
        """Where ids that were made at a time can be."""
        hour = integers_of(self._hours, "hour")
        first, last = parts(hour, hour + 1, 1)
        least, greatest = self._hours["least"].to_pylist(), self._hours["greatest"].to_pylist()
        spans = [
            (min(least[a : b + 1]), max(greatest[a : b + 1]))
            for a, b in zip(first.tolist(), last.tolist(), strict=True)
        ]
        earliest = int(integers_of(self._hours, "made").min()) * 10**6 - _SKEW
        near_them = within("t.id", spans).also(Condition("t.received >= ?", (earliest,)))
        return near_them.also(Condition("s.made IS NOT NULL", ()))

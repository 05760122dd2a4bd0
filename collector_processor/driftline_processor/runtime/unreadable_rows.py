"""Rows of the state that cannot be read: each costs itself, is said once, and never stops the processor."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

_log = logging.getLogger("driftline")

T = TypeVar("T")

_TOLD = ("environment", "model", "version", "series", "slice", "name", "start", "digest", "part")
"""Columns that say which row of a table is meant, as far as the table has them."""

MOST_SAID = 20
"""Rows of one table that have a line of the log each; the rest are only counted."""


class UnreadableRows:
    """The rows that could not be read since the file was opened. Any thread may use it.

    >>> rows = UnreadableRows()
    >>> list(rows.skipped("concept", [{"series": 1, "state": "7"}], lambda row: int(row["state"])))
    [({'series': 1, 'state': '7'}, 7)]
    >>> rows.sentence() is None
    True
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def skipped(
        self, table: str, rows: Iterable[dict[str, Any]], parse: Callable[[dict[str, Any]], T]
    ) -> Iterator[tuple[dict[str, Any], T]]:
        """Parse rows of a table; leave out those that cannot be parsed, and note them."""
        for row in rows:
            try:
                parsed = parse(row)
            except Exception as error:
                self.add(table, row, error)
            else:
                yield row, parsed

    def add(self, table: str, row: Mapping[str, Any], error: Exception) -> None:
        """Note a row that cannot be read; the log hears of it once."""
        which = ", ".join(f"{name} {row[name]}" for name in _TOLD if row.get(name) not in (None, ""))
        with self._lock:
            if (table, which) in self._known:
                return
            self._known.add((table, which))
            self._counted[table] += 1
            counted = self._counted[table]
        if counted <= MOST_SAID:
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
            _log.warning("storage: a row of %s (%s) cannot be read and is left out: %s", table, which, reason)

    def sentence(self) -> str | None:
        """Say how many rows of which tables cannot be read; None when all can."""
        with self._lock:
            counted = sorted(self._counted.items())
        if not counted:
            return None
        tables = ", ".join(f"{rows:,} of {table}" for table, rows in counted)
        return f"rows of the state cannot be read and are left out: {tables}; the log names them"

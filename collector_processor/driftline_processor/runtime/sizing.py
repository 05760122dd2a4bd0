"""Retention by size: the oldest rows go first, until what is kept fits into ``storage.max_size``; sums stay.

DuckDB reuses the blocks of deleted rows and never gives them back, so the file is written anew where it is too large.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from .store import Connection, number, read

_log = logging.getLogger("driftline")

FILL = 0.9
"""Rows go until this share of the size is used: not a few of them at every tidying."""

_ROUNDS = 8


class Sizing:
    """Keeps the file within a size. One thread uses it."""

    def __init__(
        self,
        connection: Connection,
        most: int,
        resting: Callable[[], AbstractContextManager[object]],
        rewrite: Callable[[], None],
    ) -> None:
        """``most``: bytes. ``resting``: within it nobody else writes. ``rewrite``: writes the file anew."""
        self._connection, self._most, self._resting, self._rewrite = connection, most, resting, rewrite
        self._said = False

    def step(self, expire: Callable[[int], object]) -> None:
        """Expire rows until the rest fits. ``expire``: deletes rows that arrived before a time, unix nanoseconds."""
        for _ in range(_ROUNDS):
            used, total = self.measured()
            if used <= self._most:
                break
            until = self._cut(1 - FILL * self._most / used)
            if until is None:
                if not self._said:
                    self._said = True
                    _log.warning(
                        "storage.max_size: sums and settings alone take %d MB, and they stay; write more", used // 10**6
                    )
                return
            expire(until)
        if total > self._most:
            with self._resting():
                self._rewrite()

    def measured(self) -> tuple[int, int]:
        """Return the bytes of the file that are in use, and all of them."""
        with self._resting():
            self._connection.execute("CHECKPOINT")  # before it, deleted blocks are not free, and new ones in the log
        sizes = "SELECT block_size, total_blocks, used_blocks FROM pragma_database_size()"
        (row,) = read(self._connection, f"{sizes} WHERE database_name = current_database()").to_pylist()
        return row["used_blocks"] * row["block_size"], row["total_blocks"] * row["block_size"]

    def _cut(self, share: float) -> int | None:
        """Return the time before which this share of the rows arrived; None when there are no rows."""
        rows = "(SELECT received FROM predictions UNION ALL SELECT received FROM outcomes)"
        first = number(self._connection, f"SELECT min(received) FROM {rows}")
        if first is None:
            return None
        cut = number(self._connection, f"SELECT approx_quantile(received, {share:.6f}::FLOAT) FROM {rows}")
        # Rows of one arrival go together, at least those that came first.
        return max(cut or 0, first + 1)

"""Retention by time and by size: expire rows, roll up old panes, delete old digests and watermarks.

By size, the oldest rows are deleted until the file fits ``storage.max_size``; sums stay. DuckDB reuses the blocks of
deleted rows but never releases them, so a file that is too large is rewritten.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.core.windows.window import closed_until
from driftline_processor.evaluation.evaluation_store import expire_evaluations
from driftline_processor.evaluation.version_comparison import cuts_of
from driftline_processor.health import Counters
from driftline_processor.ingest.changes import ChangedPanes
from driftline_processor.ingest.completeness import forget_old_balances
from driftline_processor.ingest.deduplication import BATCHES_KEPT, REQUESTS_KEPT, forget_old_deletions
from driftline_processor.ingest.queue_offsets import forget_old_offsets
from driftline_processor.ingest.transaction import forget_old_positions, forget_old_watermarks, note_listening
from driftline_processor.join.candidates import note_successors
from driftline_processor.store.business_points import forget_old_points
from driftline_processor.store.business_streams import forget_streams
from driftline_processor.store.cumulative_streams import forget_old_streams
from driftline_processor.store.database import Connection, number, read, transaction
from driftline_processor.store.feature_rows import prune_samples
from driftline_processor.store.panes import KEEP_DAYS, SLICED, roll_up, written_in_pieces
from driftline_processor.store.series import Series, SeriesRegister
from driftline_processor.store.slices import hours_of
from driftline_processor.store.written_panes import expire_panes

_log = logging.getLogger("driftline")

_ROUNDS = 8


class Sizing:
    """Keeps the file within a size. Not thread-safe."""

    def __init__(
        self,
        connection: Connection,
        most: int,
        resting: Callable[[], AbstractContextManager[object]],
        rewrite: Callable[[], None],
    ) -> None:
        """Create it from the maximum bytes, the lock of other writers, and the function that rewrites the file."""
        self._connection, self._max_bytes, self._resting, self._rewrite = connection, most, resting, rewrite
        self._is_logged = False

    def step(self, expire: Callable[[int], object]) -> None:
        """Expire rows until the rest fits.

        Args:
            expire: Deletes rows that arrived before a time, unix nanoseconds.
        """
        for _ in range(_ROUNDS):
            used, total = self.measured()
            if used <= self._max_bytes:
                break
            # 0.9: rows are deleted down to this fraction of the size, so that not every tidying deletes a few
            until = self._cut(1 - 0.9 * self._max_bytes / used)
            if until is None:
                if not self._is_logged:
                    self._is_logged = True
                    _log.warning(
                        "storage.max_size: aggregates and settings alone need %d MB and are never deleted; "
                        "use a larger value",
                        used // 10**6,
                    )
                return
            expire(until)
        if total > self._max_bytes:
            with self._resting():
                self._rewrite()

    def measured(self) -> tuple[int, int]:
        """Return the used bytes of the file, and its size."""
        with self._resting():
            self._connection.execute("CHECKPOINT")  # frees deleted blocks and merges the log
        sizes = "SELECT block_size, total_blocks, used_blocks FROM pragma_database_size()"
        (row,) = read(self._connection, f"{sizes} WHERE database_name = current_database()").to_pylist()
        return row["used_blocks"] * row["block_size"], row["total_blocks"] * row["block_size"]

    def _cut(self, share: float) -> int | None:
        """Return the time before which this fraction of the rows arrived; None without rows."""
        rows = "(SELECT received FROM predictions UNION ALL SELECT received FROM outcomes)"
        first = number(self._connection, f"SELECT min(received) FROM {rows}")
        if first is None:
            return None
        cut = number(self._connection, f"SELECT approx_quantile(received, {share:.6f}::FLOAT) FROM {rows}")
        # Rows of one arrival time are deleted together, at least the first ones.
        return max(cut or 0, first + 1)


class Upkeep:
    """Tidies the store. One thread uses it; any may read ``expired``, the deleted rows per series since the start."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        touched: ChangedPanes,
        watermark: Callable[[Series], int],
        retention: timedelta,
        counters: Counters,
        clock: Callable[[], int],
        sizing: Sizing | None = None,
    ) -> None:
        """Create it; without ``sizing`` the file has no maximum size."""
        self._connection, self._series, self._touched, self._watermark = connection, series, touched, watermark
        self._retention = int(retention.total_seconds()) * 10**9
        self._counters, self._clock, self._sizing = counters, clock, sizing
        self._changed_panes: dict[int, set[int]] | None = None
        self._sliced: dict[int, set[int]] = {}
        self.expired: Counter[int] = Counter()

    def step(self) -> None:
        """Run all tasks in separate transactions, so that join and evaluation never wait long."""
        now = self._clock()
        self._expire(now - self._retention)
        if self._sizing is not None:
            self._sizing.step(self._expire)
        with transaction(self._connection):
            self._connection.execute("DELETE FROM requests WHERE received < ?", [now - REQUESTS_KEPT])
            self._connection.execute("DELETE FROM batches WHERE received < ?", [now - BATCHES_KEPT])
            forget_old_deletions(self._connection, now)
            forget_old_watermarks(self._connection)
            forget_old_streams(self._connection, now - self._retention)
            forget_old_balances(self._connection, now)
            forget_old_points(self._connection, now - self._retention)
            forget_streams(self._connection, "received < ?", now - self._retention)
            note_listening(self._connection, now)
            forget_old_offsets(self._connection)
            forget_old_positions(self._connection)
        if self._changed_panes is None:  # not at the start, because it reads all panes once
            self._changed_panes = written_in_pieces(self._connection)
            self._sliced = written_in_pieces(self._connection, SLICED)
        for series_number, panes in self._touched.take_written().items():
            self._changed_panes.setdefault(series_number, set()).update(panes)
            self._sliced.setdefault(series_number, set()).update(panes)
        cuts = cuts_of(self._connection, self._series)
        for series in self._series:
            series_cuts = cuts[series.number].tolist() if series.number in cuts else []
            self._roll_up(series, self._changed_panes.setdefault(series.number, set()), series_cuts)

    def _roll_up(self, series: Series, written_panes: set[int], cuts: list[int]) -> None:
        """Merge panes into longer ones; closed panes are removed from ``written_panes``."""
        timezone, watermark = self._series.settings(series.key.model).timezone, self._watermark(series)
        with transaction(self._connection):
            prune_samples(self._connection, series.number, self._series.settings(series.key.model).keep_features)
            roll_up(self._connection, series.number, watermark, timezone, written_panes, cuts=cuts)
            sliced = self._sliced.setdefault(series.number, set())
            hours = set(hours_of(sliced, timezone).values())
            roll_up(self._connection, series.number, watermark, timezone, hours, SLICED)
            expire_panes(self._connection, series.number, watermark - KEEP_DAYS)
            expire_evaluations(self._connection, series.number, watermark - KEEP_DAYS)
        for open_ones in (written_panes, sliced):
            open_ones -= {pane for pane in open_ones if pane < closed_until(watermark)}

    def _expire(self, oldest: int) -> None:
        """Delete predictions and outcomes that arrived before a time; their sums stay in the panes."""
        last = number(self._connection, "SELECT max(seq) FROM predictions WHERE received < ?", oldest)
        last_expired = number(self._connection, "SELECT max(seq) FROM outcomes WHERE received < ?", oldest)
        lapsed = number(self._connection, "SELECT count(*) FROM waiting WHERE received < ?", oldest)
        with transaction(self._connection):
            expired_rows = read(
                self._connection,
                "SELECT series, count(*) AS rows FROM predictions WHERE seq <= ? GROUP BY series",
                last or 0,
            ).to_pylist()
            if expired_rows:
                note_successors(self._connection, last or 0)
            self._connection.execute("DELETE FROM predictions WHERE seq <= ?", [last or 0])
            for table in ("joined", "retractions", "kept", "successors"):
                self._connection.execute(f"DELETE FROM {table} WHERE prediction <= ?", [last or 0])
            if last_expired is not None:  # an outcome that arrived before its prediction stays while it counts
                counts = " UNION ALL ".join(
                    f"SELECT outcome FROM {table} WHERE outcome <= ?" for table in ("joined", "retractions")
                )
                outdated = f"DELETE FROM outcomes WHERE received < ? AND seq NOT IN ({counts})"
                self._connection.execute(outdated, [oldest, last_expired, last_expired])
            self._connection.execute("DELETE FROM waiting WHERE received < ?", [oldest])
        self.expired.update({row["series"]: row["rows"] for row in expired_rows})
        if lapsed:
            self._counters.add(m.DRIFTLINE_REJECTED_ROWS, lapsed, {a.DRIFTLINE_REASON: "expired"})

"""What keeps the file small: rows expire, old panes roll up, digests and watermarks are forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.core.window import PANE

from .balance import forget_old
from .health import Counters
from .kept import prune
from .news import Touched
from .offsets import forget_old_offsets
from .panes import KEEP_DAYS, SLICED, roll_up, written_in_pieces
from .seen import BATCHES_KEPT, REQUESTS_KEPT
from .series import Series, SeriesRegister
from .sizing import Sizing
from .slices import hours_of
from .store import Connection, number, read, transaction
from .streams import forget_old_streams
from .stretches import cuts_of
from .successors import follow
from .uploads import forget_old_uploads
from .watermark import forget_old_watermarks


class Upkeep:
    """Tidies the store. One thread uses it; any may read ``expired``: rows of each series deleted since the start."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        touched: Touched,
        watermark: Callable[[Series], int],
        retention: timedelta,
        counters: Counters,
        clock: Callable[[], int],
        sizing: Sizing | None = None,
    ) -> None:
        """``sizing``: keeps the file within a size; None = whatever it grows to."""
        self._connection, self._series, self._touched, self._watermark = connection, series, touched, watermark
        self._retention = int(retention.total_seconds()) * 10**9
        self._counters, self._clock, self._sizing = counters, clock, sizing
        self._written: dict[int, set[int]] | None = None
        self._sliced: dict[int, set[int]] = {}
        self.expired: Counter[int] = Counter()

    def step(self) -> None:
        """Do all of it, one transaction each, so that the join and the evaluation never wait for long."""
        now = self._clock()
        self._expire(now - self._retention)
        if self._sizing is not None:
            self._sizing.step(self._expire)
        with transaction(self._connection):
            self._connection.execute("DELETE FROM requests WHERE received < ?", [now - REQUESTS_KEPT])
            self._connection.execute("DELETE FROM batches WHERE received < ?", [now - BATCHES_KEPT])
            forget_old_watermarks(self._connection)
            forget_old_streams(self._connection, now - self._retention)
            forget_old(self._connection, now)
            forget_old_uploads(self._connection, now)
            forget_old_offsets(self._connection)
        if self._written is None:  # not when opening: it reads all panes once
            self._written = written_in_pieces(self._connection)
            self._sliced = written_in_pieces(self._connection, SLICED)
        for which, panes in self._touched.take_written().items():
            self._written.setdefault(which, set()).update(panes)
            self._sliced.setdefault(which, set()).update(panes)
        cuts = cuts_of(self._connection, self._series)
        for series in self._series:
            own = cuts[series.number].tolist() if series.number in cuts else []
            self._roll_up(series, self._written.setdefault(series.number, set()), own)

    def _roll_up(self, series: Series, written: set[int], cuts: list[int]) -> None:
        """``written``: the panes that may be in pieces; those that are still open stay in it."""
        timezone, watermark = self._series.settings(series.key.model).timezone, self._watermark(series)
        with transaction(self._connection):
            prune(self._connection, series.number, self._series.settings(series.key.model).keep_features)
            roll_up(self._connection, series.number, watermark, timezone, written, cuts=cuts)
            sliced = self._sliced.setdefault(series.number, set())
            hours = set(hours_of(sliced, timezone).values())
            roll_up(self._connection, series.number, watermark, timezone, hours, SLICED)
            self._connection.execute(
                "DELETE FROM evaluations WHERE series = ? AND start < ?", [series.number, watermark - KEEP_DAYS]
            )
        for open_ones in (written, sliced):
            open_ones -= {pane for pane in open_ones if pane < watermark - 2 * PANE}

    def _expire(self, oldest: int) -> None:
        """Delete predictions and outcomes that arrived before a time; their sums stay in the panes."""
        last = number(self._connection, "SELECT max(seq) FROM predictions WHERE received < ?", oldest)
        told = number(self._connection, "SELECT max(seq) FROM outcomes WHERE received < ?", oldest)
        lapsed = number(self._connection, "SELECT count(*) FROM waiting WHERE received < ?", oldest)
        with transaction(self._connection):
            gone = read(
                self._connection,
                "SELECT series, count(*) AS rows FROM predictions WHERE seq <= ? GROUP BY series",
                last or 0,
            ).to_pylist()
            if gone:
                follow(self._connection, last or 0)
            self._connection.execute("DELETE FROM predictions WHERE seq <= ?", [last or 0])
            for table in ("joined", "retractions", "kept", "successors"):
                self._connection.execute(f"DELETE FROM {table} WHERE prediction <= ?", [last or 0])
            if told is not None:  # one that came before its prediction stays as long as it counts
                counts = " UNION ALL ".join(
                    f"SELECT outcome FROM {table} WHERE outcome <= ?" for table in ("joined", "retractions")
                )
                outdated = f"DELETE FROM outcomes WHERE received < ? AND seq NOT IN ({counts})"
                self._connection.execute(outdated, [oldest, told, told])
            self._connection.execute("DELETE FROM waiting WHERE received < ?", [oldest])
        self.expired.update({row["series"]: row["rows"] for row in gone})
        if lapsed:
            self._counters.add(m.DRIFTLINE_REJECTED_ROWS, lapsed, {a.DRIFTLINE_REASON: "expired"})

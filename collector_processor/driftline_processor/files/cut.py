"""Cut the rows of files into windows: by event time, by number of rows, or all in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from driftline.tables import I64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.window import PANE, window_of
from driftline_processor.core.window import parse as parse_window

from .errors import BadInput
from .rows import Rows

MOST_WINDOWS = 10_000
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Cut:
    """``window``: a length of event time ("1d"); ``rows``: a number of rows; neither makes one window of all."""

    window: str = ""
    rows: int | None = None

    def by_time(self) -> Cut:
        """Return the same, in days where nothing else is said. Raises :class:`BadInput` for windows of rows."""
        if self.rows is not None:
            raise BadInput("--window-rows and --reference-last: what came before is time; choose --window")
        return self if self.window else replace(self, window="1d")

    def check(self) -> None:
        """Raise :class:`BadInput` when the length is none, or the number of rows not positive."""
        if self.window and self.rows is not None:
            raise BadInput("--window and --window-rows: choose one of them")
        if self.rows is not None and self.rows < 1:
            raise BadInput(f"--window-rows is {self.rows}; it must be at least 1")
        if self.window:
            try:
                parse_window(self.window)
            except ValueError as error:
                raise BadInput(f"--window: {error}") from error


def cut_rows(reads: Sequence[Rows], cut: Cut) -> tuple[list[Window], list[I64]]:
    """Return the windows, oldest first, and per file the window of each row: int64 (n,), -1 = in none.

    Windows of event time are aligned in UTC, and only those with rows are there. Windows of N rows follow event time
    where there is one, else the order in the files; the last may have fewer. Windows that are not of event time span
    whole seconds around their rows; without a time column they start and end at 0.

    Raises :class:`BadInput` when windows of time are asked for and there is no time, or too many come out.
    """
    *lengths, n = np.cumsum([len(read) for read in reads]).tolist()
    whole = all(read.usable is None for read in reads)
    keep = np.broadcast_to(np.True_, n)  # no memory, however many rows there are; as the groups of one window
    if not whole:
        keep = np.concatenate([np.ones(len(read), np.bool_) if read.usable is None else read.usable for read in reads])
    timed = all(read.time is not None for read in reads)
    time = np.concatenate([read.time for read in reads if read.time is not None]) if timed else None
    if cut.window:
        if time is None:
            raise BadInput(f"{reads[0].source.path}: --window {cut.window} needs a time; name it with --time COL")
        windows, group = _by_time(time, keep, cut.window)
    elif cut.rows is not None:
        windows, group = _by_rows(time, keep, cut.rows)
    elif whole:
        windows, group = [_spanning(time, keep)], np.broadcast_to(np.int64(0), n)
    else:
        windows, group = [_spanning(time, keep)], np.where(keep, np.int64(0), np.int64(-1))
    return windows, np.split(group, lengths)


def _by_time(time: I64, keep: np.typing.NDArray[np.bool_], name: str) -> tuple[list[Window], I64]:
    windows: list[Window] = []
    for pane in np.unique(time[keep] // PANE).tolist():
        if not windows or pane * PANE >= windows[-1].end:
            windows.append(window_of(name, pane * PANE))
            if len(windows) > MOST_WINDOWS:
                raise BadInput(f"--window {name}: more than {MOST_WINDOWS:,} windows have rows; choose a longer one")
    starts = np.array([window.start for window in windows], dtype=np.int64)
    return windows, np.where(keep, np.searchsorted(starts, time, side="right") - 1, np.int64(-1))


def _by_rows(time: I64 | None, keep: np.typing.NDArray[np.bool_], size: int) -> tuple[list[Window], I64]:
    kept = np.flatnonzero(keep)
    if -(-len(kept) // size) > MOST_WINDOWS:
        raise BadInput(f"--window-rows {size}: more than {MOST_WINDOWS:,} windows come out; choose more rows")
    order = kept if time is None else kept[np.argsort(time[kept], kind="stable")]
    group = np.full(len(keep), -1, dtype=np.int64)
    group[order] = np.arange(len(order)) // size
    windows = [_spanning(time, order[start : start + size]) for start in range(0, len(order), size)]
    return windows, group


def _spanning(time: I64 | None, which: np.typing.NDArray[np.bool_] | np.typing.NDArray[np.intp]) -> Window:
    if time is None:
        return Window("", 0, 0)
    first, last = int(time[which].min()), int(time[which].max())
    return Window("", first - first % _SECOND, last - last % _SECOND + _SECOND)

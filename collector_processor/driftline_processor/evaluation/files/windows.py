"""Cut the rows of files into windows, by event time or number of rows, and windows into time steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import NamedTuple, TypeAlias

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import block_columns
from driftline.baseline.sections.time_blocks import TimeGrid
from driftline.panes.pane import Pane
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64
from msgspec import Struct

from driftline_processor.core.drift.coarse_bins import cells_of_parts, coarsen
from driftline_processor.core.windows.time_before import TimeSteps, step_name, steps_of, steps_with_rows
from driftline_processor.core.windows.window import PANE, Window, window_of, windows_back
from driftline_processor.readers.errors import BadInput, option_text
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.row_store import RowStore, chunks_of

MOST_WINDOWS = 10_000
_SECOND = 10**9
_AT_ONCE = 64


WindowLength: TypeAlias = str | int
"""A length of event time, such as "1d", or a number of rows; "" = one window of all rows."""


class RowCut(NamedTuple):
    """Rows cut into windows: the windows, oldest first, and per file the window of each row: int64 (n,), -1 = none."""

    windows: list[Window]
    groups: list[I64]


def cut_rows(
    reads: Sequence[FileRows], length: WindowLength, timezone: str = "UTC", store: RowStore | None = None
) -> RowCut:
    """Cut rows into windows.

    Windows of event time are aligned to the clock of the time zone; empty ones are left out. Windows of N rows follow
    event time if there is one, else the order of the files; the last window may be smaller. Windows that are not of
    event time span whole seconds around their rows, or start and end at 0 without a time column. ``store``: where
    columns with one value per row are stored.

    Raises :class:`BadInput` for windows of time without times, and for too many windows.
    """
    store = RowStore() if store is None else store
    *lengths, n = np.cumsum([len(read) for read in reads]).tolist()
    is_whole = all(read.usable is None for read in reads)
    keep = np.broadcast_to(np.True_, n)  # needs no memory, like the groups of one window
    if not is_whole:
        keep = np.concatenate([np.ones(len(read), np.bool_) if read.usable is None else read.usable for read in reads])
    times = [read.time for read in reads if read.time is not None]
    time = store.join(times) if len(times) == len(reads) else None
    if isinstance(length, int):
        windows, group = _by_rows(time, keep, length)
        group = store.keep(group)
    elif length:
        if time is None:
            raise BadInput(
                f"{reads[0].source.path}: {option_text('window', length)} needs a time; "
                f"set its column with {option_text('time')}"
            )
        windows, group = _by_time(time, keep, length, timezone, store)
    elif is_whole:
        windows, group = [_spanning(time, keep)], np.broadcast_to(np.int64(0), n)
    else:
        windows, group = [_spanning(time, keep)], store.keep(np.where(keep, np.int64(0), np.int64(-1)))
    return RowCut(windows, np.split(group, lengths))


def _by_time(
    time: I64, keep: np.typing.NDArray[np.bool_], name: str, timezone: str, store: RowStore
) -> tuple[list[Window], I64]:
    windows: list[Window] = []
    parts = [sorted_distinct(time[part][keep[part]] // PANE) for part in chunks_of(len(time))]
    panes, at = sorted_distinct(np.concatenate(parts)) * PANE, 0
    while at < len(panes):
        windows.append(window_of(name, int(panes[at]), timezone))
        if len(windows) > MOST_WINDOWS:
            raise BadInput(f"more than {MOST_WINDOWS:,} windows have rows; use longer windows", "window", name)
        at = int(np.searchsorted(panes, windows[-1].end))
    starts = np.array([window.start for window in windows], dtype=np.int64)
    group = store.empty(len(time), np.int64)
    for part in chunks_of(len(time)):
        group[part] = np.where(keep[part], np.searchsorted(starts, time[part], side="right") - 1, np.int64(-1))
    store.release()
    return windows, group


def _by_rows(time: I64 | None, keep: np.typing.NDArray[np.bool_], size: int) -> tuple[list[Window], I64]:
    kept_rows = np.flatnonzero(keep)
    if -(-len(kept_rows) // size) > MOST_WINDOWS:
        raise BadInput(
            f"more than {MOST_WINDOWS:,} windows would be needed; use more rows per window", "window_rows", str(size)
        )
    order = kept_rows if time is None else kept_rows[np.argsort(time[kept_rows], kind="stable")]
    group = np.full(len(keep), -1, dtype=np.int64)
    group[order] = np.arange(len(order)) // size
    windows = [_spanning(time, order[start : start + size]) for start in range(0, len(order), size)]
    return windows, group


def _spanning(time: I64 | None, selected: np.typing.NDArray[np.bool_] | np.typing.NDArray[np.intp]) -> Window:
    if time is None:
        return Window("", 0, 0)
    parts = (
        [time[part][selected[part]] for part in chunks_of(len(time))]
        if selected.dtype == np.bool_
        else [time[selected]]
    )
    first = min(int(part.min()) for part in parts if len(part))
    last = max(int(part.max()) for part in parts if len(part))
    return Window("", first - first % _SECOND, last - last % _SECOND + _SECOND)


class WindowSteps(Struct, frozen=True):
    """Windows cut into time steps.

    Attributes:
        starts: int64 (steps,), unix nanoseconds.
        ends: int64 (steps,), unix nanoseconds.
        owner: int64 (pieces,), window of each piece of rows.
        step: int64 (pieces,), step of each piece of rows.
        pieces: int64 (n,) per file, piece of each row, -1 = none.
    """

    starts: I64
    ends: I64
    owner: I64
    step: I64
    pieces: list[I64]

    @property
    def has_times(self) -> bool:
        """Return True if rows have times."""
        return bool(len(self.ends)) and bool(self.ends[-1] > 0)


def cut_steps(
    reads: Sequence[FileRows],
    windows: Sequence[Window],
    groups: list[I64],
    timezone: str = "UTC",
    store: RowStore | None = None,
) -> WindowSteps:
    """Cut windows into the steps of :func:`driftline_processor.core.windows.time_before.step_name`.

    Windows that are not of event time are cut into at most 60 periods; without times, a step is a window. ``store``:
    where the piece of each row is stored.
    """
    starts, ends = (np.array([getattr(window, side) for window in windows], np.int64) for side in ("start", "end"))
    times = [read.time for read in reads if read.time is not None]
    edges = None
    if windows and len(times) == len(reads):
        edges = _step_edges(times, groups, windows[0].name, timezone)
    if edges is None:
        every = np.arange(len(windows))
        return WindowSteps(starts, ends, every, every, groups)
    store, width = RowStore() if store is None else store, len(edges)
    is_present = np.zeros(len(windows) * width, np.bool_)
    keys = []
    for group, time in zip(groups, times, strict=True):
        key = store.empty(len(time), np.int64)
        for part in chunks_of(len(time)):
            key[part] = np.where(group[part] < 0, -1, group[part] * width + _place(edges, time[part]))
            is_present[key[part][key[part] >= 0]] = True
            store.release()
        keys.append(key)
    number = np.append(np.cumsum(is_present) - 1, -1)  # a key of -1 reads the last entry
    for key in keys:
        for part in chunks_of(len(key)):
            key[part] = number[key[part]]
            store.release()
    present = np.flatnonzero(is_present)
    after = 2 * edges[-1] - edges[-2]  # the end for rows outside all intervals
    return WindowSteps(edges, np.append(edges[1:], after), present // width, present % width, keys)


def _step_edges(times: Sequence[I64], groups: Sequence[I64], window: str, timezone: str) -> I64 | None:
    """Return the edges of the steps of windows with this name; None if a step is a whole window."""
    if window and step_name(window) == window:
        return None
    kept_times = [
        time if group.strides == (0,) else time[group >= 0]  # all rows of one window
        for time, group in zip(times, groups, strict=True)
    ]
    if window:
        return _midnights(kept_times, timezone)
    grid = TimeGrid.of(kept_times[0] if len(kept_times) == 1 else np.concatenate(kept_times))
    return None if grid is None else grid.start + np.arange(grid.count + 1) * grid.length


def _midnights(times: Sequence[I64], timezone: str) -> I64:
    """Return the starts of the local days of the times, and the end of the last day."""
    low = min(int(time.min()) for time in times if len(time))
    high = max(int(time.max()) for time in times if len(time))
    days = list(takewhile(lambda day: day.end > low, windows_back("1d", high + 1, timezone)))[::-1]
    return np.array([*(day.start for day in days), days[-1].end], np.int64)


def _place(edges: I64, times: I64) -> I64:
    """Return the interval between edges of each time, int64 (n,); outside, the number of intervals."""
    count, length = len(edges) - 1, int(edges[1] - edges[0])
    if (np.diff(edges) == length).all():  # several times as fast as a search
        position = (times - edges[0]) // length
    else:
        position = np.searchsorted(edges, times, side="right") - 1
    return np.where((times != 0) & (position >= 0) & (position < count), position, count)


class StepCounts:
    """Coarse counts of every time step, collected while rows are folded."""

    def __init__(self, steps: WindowSteps, baseline: Baseline) -> None:
        self.steps = steps
        self._cells = cells_of_parts(baseline, block_columns(baseline.bins) if steps.has_times else ())
        count = len(steps.starts)
        self._counts = {part: np.zeros((count, int(cells.max()) + 1)) for part, cells in self._cells.items()}

    def add(self, pieces: Sequence[int], panes: Sequence[Pane]) -> None:
        """Add the rows of pieces, a few at once: their counts are many times as wide as their cells."""
        for start in range(0, len(panes), _AT_ONCE):
            steps, some = self.steps.step[list(pieces[start : start + _AT_ONCE])], panes[start : start + _AT_ONCE]
            for part, cells in self._cells.items():
                known = [index for index, pane in enumerate(some) if part in pane.parts]
                if known:
                    counts = coarsen(np.stack([some[index].parts[part] for index in known]), cells)
                    np.add.at(self._counts[part], steps[known], counts)  # several pieces may have one step

    def until(self, window: Window, timezone: str, parts: Collection[str]) -> TimeSteps | None:
        """Return the steps up to the end of a window; None without times."""
        known_parts = [part for part in parts if part in self._counts]
        if not known_parts:
            return None
        starts, ends = self.steps.starts, self.steps.ends
        since = steps_of(window, timezone)[0].start if window.name else starts[0]
        is_inside = (starts >= since) & (starts < window.end)
        counts = {part: self._counts[part][is_inside] for part in known_parts}
        return steps_with_rows(
            starts[is_inside], ends[is_inside], counts, {part: self._cells[part] for part in known_parts}
        )

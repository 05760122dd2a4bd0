"""The rows of windows that have outcomes and stored features, with the loss of each, and sums of the losses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.loss_cells import LossByPart, bin_of_part, row_loss
from driftline.panes.bins import assign
from driftline.tables.row_losses import losses_of
from driftline.tables.table import F64

from driftline_processor.config.values import Keep
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.performance.one_class import faulty_rows
from driftline_processor.core.weak_slices.search import rows_to_search
from driftline_processor.core.weak_slices.slice_change import LossTiles, sums_of_tiles
from driftline_processor.core.windows.window import Window

from .arrow_tables import actual_of, integers_of, numbers_of, scores_and_classes_of, slice_of
from .database import Connection, read
from .feature_rows import SAMPLE, read_features, sample_parameters
from .series import Series

MOST_A_DAY = 2_000
"""Maximum number of rows per day whose losses are added up: thirty days are read after a restart."""

MOST_BYTES = 32 << 20
"""Maximum bytes of the cached sums of all series: a day of ten features has 7 kB."""

_ROWS = (
    f"SELECT j.* FROM joined j SEMI JOIN ({SAMPLE}) k ON k.prediction = j.prediction"
    " WHERE j.series = ? AND j.time >= ? AND j.time < ? ORDER BY j.prediction"
)


def read_row_losses(
    connection: Connection, series: Series, baseline: Baseline, since: int, until: int, keep: Keep
) -> RowLosses | None:
    """Return the rows that were predicted in ``[since, until)``, unix nanoseconds; None without any.

    Args:
        connection: Connection to the store.
        series: The model, version and environment.
        baseline: Baseline whose bins are the codes.
        since: First moment.
        until: End.
        keep: The rows of each day whose features are stored.
    """
    sample = sample_parameters(series.number, since, until, keep)
    rows = read(connection, _ROWS, *sample, series.number, since, until)
    time = integers_of(rows, "time")
    losses = losses_of(series.task, *scores_and_classes_of(series.task, rows), actual_of(rows))
    if not losses:
        return None
    chosen = rows_to_search(losses, time)
    rows = rows.take(pa.array(chosen))
    features = read_features(connection, series.number, integers_of(rows, "prediction"))
    bins = baseline.bins.features
    codes = {name: assign(bins[name], features[name]) for name in bins if name in features}
    known = {by: values[chosen] for by, values in losses.items()}
    return RowLosses(codes, known, numbers_of(rows, "weight"), time[chosen]) if codes else None


class _Key(NamedTuple):
    """A window of a series, with the digest of its baseline."""

    series: int
    start: int
    end: int
    baseline: str


class _Losses(NamedTuple):
    """The sums of the losses of a window by part, and the time of its newest row, 0 without rows."""

    sums: Mapping[str, F64]
    newest: int

    @property
    def bytes(self) -> int:
        return 200 + sum(one.nbytes for one in self.sums.values())


class StoredLosses:
    """The sums of the losses of windows, cached. Not thread-safe."""

    def __init__(self, connection: Connection, max_bytes: int = MOST_BYTES) -> None:
        """Create an empty cache; ``max_bytes``: its maximum size."""
        self._connection, self._max_bytes, self._used = connection, max_bytes, 0
        self._losses: OrderedDict[_Key, _Losses] = OrderedDict()

    def clear(self) -> None:
        """Clear the cache, after rows were deleted."""
        self._losses.clear()
        self._used = 0

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Drop the windows of a series that contain panes, by start, with new rows or outcomes."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        for key in [key for key in self._losses if key.series == series]:
            first, last = np.searchsorted(starts, [key.start, key.end]).tolist()
            if first < last:
                self._used -= self._losses.pop(key).bytes

    def tiles(self, series: Series, baseline: Baseline, windows: Sequence[Window], keep: Keep) -> LossTiles | None:
        """Return the losses of consecutive windows; None if the baseline has none.

        Args:
            series: The model, version and environment.
            baseline: Baseline with losses per cell.
            windows: The windows, the oldest first.
            keep: The rows of each day whose features are stored.
        """
        losses = baseline.extras.losses
        if losses is None:
            return None
        keys = [_Key(series.number, window.start, window.end, baseline.digest) for window in windows]
        missing = [key for key in keys if key not in self._losses]
        if missing:
            self._read(series, baseline, losses, missing, keep)
        each = [self._losses[key] for key in keys]
        for key in keys:
            self._losses.move_to_end(key)
        while self._used > self._max_bytes and len(self._losses) > len(keys):
            self._used -= self._losses.popitem(last=False)[1].bytes
        empty = {part: np.zeros((4, len(cells.first) + 2)) for part, cells in losses.by_part.items()}
        parts = [part for part in empty if any(part in one.sums for one in each)]
        until = {part: np.cumsum([one.sums.get(part, empty[part]) for one in each], axis=0) for part in parts}
        newest = max(one.newest for one in each)
        return LossTiles(np.array([key.start for key in keys], np.int64), keys[-1].end, newest, until)

    def _read(self, series: Series, baseline: Baseline, losses: LossByPart, keys: Sequence[_Key], keep: Keep) -> None:
        """Read windows, the oldest first."""
        since, until = keys[0].start, keys[-1].end
        most = Keep(MOST_A_DAY if keep.per_day is None else min(keep.per_day, MOST_A_DAY))
        sample = sample_parameters(series.number, since, until, most)
        rows = read(self._connection, _ROWS, *sample, series.number, since, until)
        ends, time = np.array([key.end for key in keys], np.int64), integers_of(rows, "time")
        tile = np.searchsorted(np.array([key.start for key in keys], np.int64), time, side="right") - 1
        tile[time >= ends[tile]] = len(keys)  # the window of these rows is cached
        loss = row_loss(series.task, *scores_and_classes_of(series.task, rows), actual_of(rows))
        sums: dict[str, F64] = {}
        if loss is not None and loss[0] == losses.by and rows.num_rows:
            features = read_features(self._connection, series.number, integers_of(rows, "prediction"))
            slices = {key: slice_of(rows, key) for key in losses.values}
            codes = {
                part: (over, bin_index)
                for part, over in losses.bins(baseline.bins).items()
                if (bin_index := bin_of_part(part, over, features, slices)) is not None
            }
            faulty = faulty_rows(baseline, actual_of(rows), time)
            values = loss[1] if faulty is None else np.where(faulty, np.nan, loss[1])
            sums = sums_of_tiles(losses, codes, values, numbers_of(rows, "weight"), tile, len(keys) + 1)
        for index, key in enumerate(keys):
            newest = int(time[tile == index].max(initial=0))
            self._losses[key] = _Losses({part: of_part[index] for part, of_part in sums.items()}, newest)
            self._used += self._losses[key].bytes

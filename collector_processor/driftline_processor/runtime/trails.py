"""What the time up to a window's end looked like, from the panes in the store: since when something is as it is.

Steps are counted coarsely, in the store, when something drifts, and only what drifts; they are kept in memory until
their panes are touched again. So a window that is evaluated every second reads the step it touched, and one that is the
first to drift reads at most 184.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from driftline.baseline import Baseline
from driftline.blocks import targets
from driftline.tables import F64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.explain.grid import grid
from driftline_processor.core.explain.trail import Trail, steps_of

from .store import Connection, read

MOST_KEPT = 10_000
"""Steps in memory, a hundred bytes for each feature that drifted: 184 of 50 models."""

_Step = tuple[int, str, int, int]
"""Series, what its panes were folded over, start and end."""


class Trails:
    """Reads steps. One thread uses it."""

    def __init__(self, connection: Connection, table: str = "panes") -> None:
        """Know nothing yet; ``table``: which panes are read."""
        self._connection, self._table = connection, table
        self._kept: dict[_Step, dict[str, F64]] = {}

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Forget the steps that hold panes, by their starts, which were touched."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        for key in [key for key in self._kept if key[0] == series]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                del self._kept[key]

    def until(
        self, series: int, baseline: Baseline, window: Window, timezone: str, parts: Collection[str], fold: str = ""
    ) -> Trail | None:
        """Return the steps up to the end of a window, as they were counted over the baseline's bins.

        ``fold``: of the panes, where it is not the baseline's.
        """
        own, bins = baseline.pane.parts, targets(baseline.bins)
        cells = {part: grid(bins[part], own[part]) for part in parts if part in bins and part in own}
        steps = steps_of(window, timezone)
        keys: list[_Step] = [(series, fold or baseline.fold, step.start, step.end) for step in steps]
        lacking = [key for key in keys if any(part not in self._kept.get(key, {}) for part in cells)]
        if lacking and cells:
            self._read(lacking, cells)
        held = [key for key in keys if any(self._kept[key][part].any() for part in cells)] if cells else []
        of = {part: np.stack([self._kept[key][part] for key in held]) for part in cells} if held else {}
        starts, ends = (np.array([key[side] for key in held], np.int64) for side in (2, 3))
        trail = Trail(starts, ends, of, cells) if held else None
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return trail

    def _read(self, keys: Sequence[_Step], cells: dict[str, np.typing.NDArray[np.int64]]) -> None:
        series, fold, start, _ = keys[0]
        steps = pa.table(
            {
                "step": pa.array(range(len(keys)), pa.int64()),
                "start": pa.array([key[2] for key in keys], pa.int64()),
                "stop": pa.array([key[3] for key in keys], pa.int64()),
            }
        )
        place = pa.table(
            {
                "part": pa.array([part for part, at in cells.items() for _ in at], pa.string()),
                "idx": pa.array(np.concatenate([np.arange(len(at)) for at in cells.values()]).astype(np.int32)),
                "cell": pa.array(np.concatenate(list(cells.values()))),
            }
        )
        rows = read(
            self._connection,
            f"SELECT step, part, cell, fsum(value) AS value FROM {self._table} JOIN place USING (part, idx)"
            " JOIN steps ON pane >= steps.start AND pane < steps.stop"
            " WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? GROUP BY step, part, cell",
            *(series, fold, start, keys[-1][3]),
            steps=steps,
            place=place,
        )
        for key in keys:
            counted = self._kept.setdefault(key, {})
            counted |= {part: np.zeros(int(at.max()) + 1) for part, at in cells.items()}
        for row in rows.to_pylist():
            self._kept[keys[row["step"]]][row["part"]][row["cell"]] = row["value"]

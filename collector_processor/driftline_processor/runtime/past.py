"""What windows are compared with where that is the model's own past: its panes of the last 30 days."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import Stretches
from driftline.seasonality import Seasonality

from driftline_processor.core.compared import Compared
from driftline_processor.core.compared.cold import grown, reach
from driftline_processor.core.compared.derived import with_slices
from driftline_processor.core.compared.rolling import Rolling, rolled
from driftline_processor.core.evaluation import Window

from .counted import counted_panes, read_counted
from .days import Days
from .seasons import with_seasons
from .series import Series
from .slices import slices_between
from .store import Connection

MOST_KEPT = 64
"""References in memory, a megabyte or two each of a model with a hundred features."""


class Past:
    """Reads references and keeps them until a pane in them is touched. One thread uses it."""

    def __init__(self, connection: Connection) -> None:
        """Know no reference yet."""
        self._connection, self._days = connection, Days(connection)
        self._kept: dict[tuple[int, str, int, int], Compared] = {}

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Forget the references, and the days, of a series that hold panes, by their starts, which were touched."""
        self._days.forget(series, panes)
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        for key in [key for key in self._kept if key[0] == series]:
            if np.searchsorted(starts, key[2]) < np.searchsorted(starts, key[3]):
                del self._kept[key]

    def compared(
        self,
        series: Series,
        baseline: Baseline,
        rolling: Rolling,
        window: Window,
        timezone: str,
        closed: int,
        seasonality: Seasonality | None = None,
    ) -> Compared:
        """Return what a window is compared with; ``baseline``: that over whose bins it was counted.

        ``closed``: the time before which windows are closed. ``seasonality``: by which seasons the reference is told
        apart, too.
        """
        stretches = rolling.stretches(window, timezone)
        key = (series.number, baseline.digest, stretches[0].start, stretches[-1].end)
        found = self._kept.pop(key, None)
        if found is None:
            found = rolled(baseline, rolling, stretches, self._days.panes(series, baseline, stretches, closed))
            if found.baseline is not baseline:
                slices = slices_between(self._connection, series, baseline, stretches[0].start, stretches[-1].end)
                found = found._replace(baseline=with_slices(found.baseline, slices))
            if seasonality is not None and found.baseline is not baseline:
                ends = (stretches[0].start, stretches[-1].end)
                known = with_seasons(self._connection, series, found.baseline, *ends, seasonality)
                found = found._replace(baseline=known)
        self._keep(key, found)
        return found

    def cold(
        self, series: Series, baseline: Baseline, window: Window, seasonality: Seasonality | None = None
    ) -> Compared:
        """Return what a window is compared with where the baseline was learned: it, and what came before the window."""
        ends = reach(baseline, window.start)
        if ends is None:
            return Compared(baseline)
        key = (series.number, baseline.digest, *ends)
        found = self._kept.pop(key, None)
        if found is None:
            found = self._grown(series, baseline, *ends, seasonality)
        self._keep(key, found)
        return found

    def _grown(
        self, series: Series, baseline: Baseline, since: int, until: int, seasonality: Seasonality | None
    ) -> Compared:
        starts = counted_panes(self._connection, series.number, baseline.fold, since, until)
        stretches = Stretches.of(np.append(starts, since)) if len(starts) else None
        if stretches is None:
            return grown(baseline, None, ())
        ends = [stretches.start + at * stretches.length for at in range(stretches.count + 1)]
        ends = [min(max(end, since), until) for end in ends]
        panes = read_counted(self._connection, series, baseline, list(pairwise(ends)))
        found = grown(baseline, stretches, panes)
        if seasonality is not None and found.baseline is not baseline:
            known = with_seasons(self._connection, series, found.baseline, since, until, seasonality)
            found = found._replace(baseline=known)
        return found

    def _keep(self, key: tuple[int, str, int, int], found: Compared) -> None:
        """Keep a reference as the last: what is asked for least goes first."""
        self._kept[key] = found
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

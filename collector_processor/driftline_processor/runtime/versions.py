"""Versions of a model side by side, from stored sums alone: a verdict is the same after any restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from driftline.pane import Pane, merge
from driftline.tables import ModelKey

from driftline_processor.core.evaluation import Window
from driftline_processor.core.versions import Side, SideBySide, side_by_side
from driftline_processor.core.versions.losses import PARTS, stretches_from, swapped
from driftline_processor.core.window import hours_between

from .known import KnownOutcomes
from .pairs import pair_fold
from .panes import part_width, read_window
from .series import Series, SeriesRegister
from .store import Connection, mark, number, read
from .stretches import Stretch, clear_of_panes, stretches_of, versions_of

_log = logging.getLogger(__name__)

MOST = 20
"""Versions that are compared with the champion, those that predicted last."""

_ROWS = """
SELECT fsum(value) FROM panes
WHERE series = ? AND fold = '' AND part = 'rows' AND idx = 0 AND pane >= ? AND pane < ?
"""


@dataclass(slots=True)
class VersionWatch:
    """Compares the versions of all models. One thread calls :meth:`step`; any may read :meth:`of`."""

    connection: Connection
    register: SeriesRegister
    _shown: dict[tuple[str, str], tuple[SideBySide, ...]] = field(default_factory=dict)
    _seen: tuple[int, ...] = ()

    def step(self) -> bool:
        """Compare what there is now; False when nothing has come since the last time."""
        marks = ("joined_outcomes", "joined_predictions", "joined_seq")
        kept = [number(self.connection, f"SELECT count(*) FROM {table}") or 0 for table in ("predictions", "joined")]
        seen = (*kept, len(list(self.register)), *(mark(self.connection, name) for name in marks))
        if seen == self._seen:
            return False
        stretches = stretches_of(self.connection)
        shown = {}
        for versions in versions_of(self.register, stretches):
            key = versions[0].key
            try:
                shown[key.environment, key.model] = tuple(self._compared(versions, stretches))
            except Exception:  # of one model, whatever it is: the others are compared
                _log.exception("the versions of %s could not be compared", key.model)
                shown[key.environment, key.model] = self.of(key)
        self._shown, self._seen = shown, seen
        return True

    def of(self, key: ModelKey) -> tuple[SideBySide, ...]:
        """Return the challengers of a model in an environment beside its champion, () where it has one version."""
        return self._shown.get((key.environment, key.model), ())

    def _compared(self, versions: list[Series], stretches: dict[int, Stretch]) -> Iterator[SideBySide]:
        said = self.register.settings(versions[0].key.model).versions.named
        named = [series for series in versions if series.key.version == said.champion]
        champion = named[0] if named else max(versions, key=lambda one: (stretches[one.number].rows, -one.number))
        others = sorted(
            (series for series in versions if series is not champion),
            key=lambda one: (-stretches[one.number].stop, one.number),
        )
        shown = others[:MOST]
        mine = stretches[champion.number]
        theirs = [stretches[one.number] for one in shown]
        starts = [max(said.since, mine.start, one.start) for one in theirs]
        stops = [min(mine.stop, one.stop) for one in theirs]
        clear = clear_of_panes(self.connection, versions, [*starts, *stops]).tolist()
        for at, challenger in enumerate(shown):
            start, stop = clear[at], clear[at + len(shown)]
            yield self._pair(champion, challenger, start, max(start, stop))

    def _pair(self, champion: Series, challenger: Series, start: int, stop: int) -> SideBySide:
        settings = self.register.settings(champion.key.model)
        first, second = sorted((champion.number, challenger.number))
        fold = pair_fold(second)
        folds = read_window(self.connection, first, start, stop, lambda *_: 0, prefix=fold)
        pairs = folds.get(fold, Pane())
        if first != champion.number:
            pairs = swapped(pairs)
        hours = partial(self._hours, (champion, challenger), start, stop, settings.timezone)
        one, other = (self._side(series, start, stop, hours) for series in (champion, challenger))
        role = settings.versions.named.role(challenger.key.version)
        return side_by_side(one, other, pairs, role, (start, stop), settings.performance.asked)

    def _hours(self, versions: tuple[Series, Series], start: int, stop: int, timezone: str) -> list[Window]:
        """The hours of a stretch; those that a longer pane of either version holds are one."""
        hours = stretches_from(hours_between(start, stop, timezone), len(versions[0].task.classes))
        begins = clear_of_panes(self.connection, versions, hours.tolist())
        edges = np.unique(np.append(begins, stop)).tolist()
        return [Window("", *both) for both in pairwise(edges)]

    def _side(self, series: Series, start: int, stop: int, hours: Callable[[], list[Window]]) -> Side:
        known = KnownOutcomes(self.connection)
        stretch = [Window("", start, stop)] if start < stop else []
        panes = known.panes(series, stretch, lambda _, part: part_width(part, None, series.task))
        rows = read(self.connection, _ROWS, series.number, start, stop).column(0)[0].as_py()
        return Side(
            series.key.version,
            series.task,
            merge(panes),
            round(rows or 0.0),
            lambda: known.hours(series, hours(), PARTS),
        )

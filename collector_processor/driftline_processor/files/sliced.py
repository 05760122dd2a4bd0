"""Slices of files: the rows of each value of a column, counted while all rows are folded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from driftline.baseline import Baseline
from driftline.classes import class_text
from driftline.fold import Counted
from driftline.frames import concatenate
from driftline.pane import Pane, merge
from driftline.slices import OTHER, places_of, slice_name, values_of
from driftline.tables import I64, PredictionTable

from driftline_processor.core.beside import Sliced
from driftline_processor.core.drift.by_slice import of_slice
from driftline_processor.core.sent import DECIDED

from .cut import MOST_WINDOWS
from .errors import BadInput, Say
from .roles import Roles
from .rows import Rows
from .steps import Steps, Trails


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one slice in one piece of rows (:class:`.steps.Steps`)."""

    piece: int
    name: str
    pane: Pane


class ByValue:
    """The rows of a batch by piece and value of one column; ``counted`` is what the fold counts into."""

    def __init__(self, table: PredictionTable, key: str, values: Sequence[str], pieces: I64) -> None:
        place, self._width = places_of(table.slices.get(key), values, len(table)), len(values) + 1
        group = np.where(place < 0, -1, pieces * self._width + place)
        self._present, local = np.unique(group, return_inverse=True)
        if len(self._present) and self._present[0] < 0:
            self._present, local = self._present[1:], local - 1
        self.counted = Counted(local.astype(np.int64), len(self._present))
        self._names = [slice_name(key, value) for value in (*values, OTHER)]

    def pieces(self) -> list[Piece]:
        """Return what was counted, piece by piece."""
        parts = self.counted.parts
        return [
            Piece(group // self._width, self._names[group % self._width], Pane({n: s[at] for n, s in parts.items()}))
            for at, group in enumerate(self._present.tolist())
        ]


class Slices:
    """The slices of all windows.

    ``values``: of each column, those of the baseline, then those with most rows. ``groups``: columns that tell groups
    of people: they are counted, and drift is not looked at by them.
    """

    def __init__(
        self,
        reads: Sequence[Rows],
        roles: Roles,
        baseline: Baseline,
        steps: Steps,
        windows: int,
        say: Say,
        groups: Collection[str] = (),
    ) -> None:
        """Choose the values. Raises :class:`BadInput` where there are too many windows for so many slices."""
        self._groups = frozenset(groups)
        known = baseline.extras.slices
        self.values = {
            key: values_of(
                concatenate([read.slices[key] for read in reads]), () if known is None else known.values(key)
            )
            for key in roles.slices
        }
        number = sum(len(values) + 1 for values in self.values.values())
        if windows * number > MOST_WINDOWS:
            raise BadInput(
                f"--slices: {windows:,} windows of {number} slices each are more than {MOST_WINDOWS:,}; "
                "take longer windows, or fewer columns"
            )
        for key in roles.slices:
            if key not in self._groups and (known is None or key not in known.of):
                say(
                    f"--slices: the baseline does not know the values of {key}: they are shown beside all of its "
                    f"rows and decide nothing; build it with --slices {key}"
                )
        self._steps, self._baseline = steps, baseline
        self._panes: list[dict[str, Pane]] = [{} for _ in range(windows)]
        self._trails: dict[str, Trails] = {}

    def counting(self, table: PredictionTable, pieces: I64) -> list[ByValue]:
        """Return what counts the rows of a batch, one a column; ``pieces``: that of each row, int64 (n,)."""
        return [ByValue(table, key, values, pieces) for key, values in self.values.items()]

    def add(self, found: Sequence[Piece]) -> None:
        """Add what was counted of a batch."""
        for one in found:
            panes = self._panes[int(self._steps.owner[one.piece])]
            panes[one.name] = merge([panes[one.name], one.pane]) if one.name in panes else one.pane
            trails = self._trails.get(one.name)
            if trails is None:
                own = of_slice(self._baseline, one.name) or self._baseline
                trails = self._trails[one.name] = Trails(self._steps, own)
            trails.add(one.piece, one.pane)

    def of(self, window: int, end: int) -> dict[str, Sliced]:
        """Return the slices of a window, which ends at ``end``, by their names."""
        return {
            name: Sliced(pane, partial(self._trails[name].until, end))
            for name, pane in sorted(self._panes[window].items())
            if name.partition("=")[0] not in self._groups
        }

    def counted(self, window: int) -> dict[str, Pane]:
        """Return how many rows of a window are in each slice, and what was decided of them, groups of people too."""
        classes, found = self._baseline.bins.classes, dict[str, Pane]()
        for name, pane in self._panes[window].items():
            own = found[name] = Pane({"rows": pane.parts["rows"]} if "rows" in pane.parts else {})
            if classes is not None and "class" in pane.parts:
                decided = zip(map(class_text, classes.labels), pane.parts["class"], strict=False)
                own.parts |= {f"{DECIDED}{label}": np.array([weight]) for label, weight in decided}
        return found

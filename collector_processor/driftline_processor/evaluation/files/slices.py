"""The slices of windows of files: the rows of each value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import values_of
from driftline.baseline.slice_groups import SliceKey
from driftline.panes.pane import Pane, add_pane
from driftline.tables.table import I64, PredictionTable, concatenate, is_present
from msgspec import Struct

from driftline_processor.core.drift.slices import of_slice
from driftline_processor.core.performance.labelled_predictions import Values
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.window import Window
from driftline_processor.present.numbers import many
from driftline_processor.readers.errors import BadInput, Say, about_option, option_text

from .dataset import Dataset
from .windows import MOST_WINDOWS, StepCounts, WindowSteps


class SlicePane(Struct, frozen=True):
    """The rows of one slice in one piece of :class:`~driftline_processor.evaluation.files.windows.WindowSteps`."""

    piece: int
    name: str
    pane: Pane


class SliceCounter:
    """Counts the rows of a batch by piece and value of one column; ``counted`` is filled by the fold."""

    def __init__(self, table: PredictionTable, key: str, values: Sequence[str], pieces: I64) -> None:
        by_value = SliceKey.of(key, table.slices.get(key), values, len(table))
        self._names, self._groups = by_value.names, by_value.by_step(pieces)
        self.counted = self._groups.counts()

    def pieces(self) -> list[SlicePane]:
        """Return the counts, piece by piece."""
        parts = self.counted.parts
        groups = zip(self._groups.step.tolist(), self._groups.slice.tolist(), strict=True)
        return [
            SlicePane(piece, self._names[place], Pane({name: sums[index] for name, sums in parts.items()}))
            for index, (piece, place) in enumerate(groups)
        ]


class WindowSlices:
    """The slices of all windows.

    ``values``: per column, the values of the baseline, then those with most rows. ``groups``: columns of protected
    groups, which are counted but not checked for drift.
    """

    def __init__(self, read: Dataset, baseline: Baseline, steps: WindowSteps, windows: int, say: Say) -> None:
        """Choose the values. Raises :class:`BadInput` for too many windows and slices."""
        self._groups, roles = frozenset(read.groups), read.roles
        baseline_slices = baseline.extras.slices
        self.values = {
            key: values_of(
                concatenate([rows.slices[key] for rows in read.rows]),
                () if baseline_slices is None else baseline_slices.values(key),
            )
            for key in roles.slices
        }
        number = sum(len(values) + 1 for values in self.values.values())
        if windows * number > MOST_WINDOWS:
            raise BadInput(
                f"{windows:,} windows with {number} slices each are more than {MOST_WINDOWS:,}; "
                "use longer windows, or fewer columns",
                "slices",
            )
        for key in roles.slices:
            if key not in self._groups and (baseline_slices is None or key not in baseline_slices.by_key):
                say(
                    about_option(
                        "slices",
                        f"the baseline has no slices by {key}: their values are compared with all of its rows and "
                        f"cannot cause a verdict; build it with {option_text('slices', key)}",
                    )
                )
            missing = sum(int(np.count_nonzero(~is_present(rows.slices[key]))) for rows in read.rows)
            if missing:
                say(f"{key}: {many(missing)} without a value, in no slice")
        self._steps, self._baseline = steps, baseline
        self._panes: list[dict[str, Pane]] = [{} for _ in range(windows)]
        self._counts: dict[str, StepCounts] = {}

    def counting(self, table: PredictionTable, pieces: I64) -> list[SliceCounter]:
        """Return one counter per column for a batch; ``pieces``: of each row, int64 (n,)."""
        return [SliceCounter(table, key, values, pieces) for key, values in self.values.items()]

    def add(self, slice_panes: Sequence[SlicePane]) -> None:
        """Add the counts of a batch."""
        by_name: dict[str, list[SlicePane]] = {}
        for slice_pane in slice_panes:
            by_name.setdefault(slice_pane.name, []).append(slice_pane)
            panes = self._panes[int(self._steps.owner[slice_pane.piece])]
            add_pane(panes.setdefault(slice_pane.name, Pane()), slice_pane.pane)
        for name, of_name in by_name.items():
            if name not in self._counts:
                self._counts[name] = StepCounts(self._steps, of_slice(self._baseline, name) or self._baseline)
            self._counts[name].add([one.piece for one in of_name], [one.pane for one in of_name])

    def of(self, index: int, window: Window, timezone: str) -> dict[str, SliceContext]:
        """Return the slices of a window by name; ``index``: the position of the window."""
        return {
            name: SliceContext(pane, partial(self._counts[name].until, window, timezone))
            for name, pane in sorted(self._panes[index].items())
            if name.partition("=")[0] not in self._groups
        }


def slice_values(read: Dataset, values: Values) -> Values:
    """Return the values per slice key for performance, including keys that only outcomes have.

    ``values``: of the columns of the rows.
    """
    values_by_key = dict(values)
    for key in (*values, *read.later_columns):
        columns = [rows.outcome_slices[key] for rows in read.rows if key in rows.outcome_slices]
        if columns:
            values_by_key[key] = values_of(concatenate(columns), values.get(key, ()))
    return values_by_key

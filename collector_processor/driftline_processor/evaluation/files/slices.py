"""Slices of a window: the rows and the outcomes of each value of a column, and of each delay of the outcome.

What happened by slice: the outcomes of the rows of each value of a column, and by how long they took to come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import OTHER, places_of, slice_name, values_of
from driftline.panes.fold import GroupCounts
from driftline.panes.outcome_sums import fold_outcomes_by
from driftline.panes.pane import Pane, merge
from driftline.panes.sparse_sums import Sparse
from driftline.tables.classes import class_text
from driftline.tables.performance_columns import decide
from driftline.tables.table import I64, PredictionTable, concatenate
from driftline.tables.task import Task

from driftline_processor.core.drift.slices import of_slice
from driftline_processor.core.intervals.time_blocks import HOURS, blocks_of_window
from driftline_processor.core.outcomes.coverage import DECIDED
from driftline_processor.core.performance.slices import COHORTS, LABEL_AGE, label_age_cohorts
from driftline_processor.core.performance.window_outcomes import BlockSums, WindowOutcomes
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.window import Window
from driftline_processor.readers.column_roles import Roles
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.prediction_rows import FileRows

from .dataset import Dataset
from .outcomes import LabelledPredictions
from .windows import MOST_WINDOWS, StepCounts, WindowSteps


@dataclass(frozen=True, slots=True)
class SlicePane:
    """The rows of one slice in one piece of rows
    (:class:`~driftline_processor.evaluation.files.windows.WindowSteps`).
    """

    piece: int
    name: str
    pane: Pane


class SliceCounter:
    """The rows of a batch by piece and value of one column; ``counted`` is what the fold counts into."""

    def __init__(self, table: PredictionTable, key: str, values: Sequence[str], pieces: I64) -> None:
        place, self._width = places_of(table.slices.get(key), values, len(table)), len(values) + 1
        group = np.where(place < 0, -1, pieces * self._width + place)
        self._present, local = np.unique(group, return_inverse=True)
        if len(self._present) and self._present[0] < 0:
            self._present, local = self._present[1:], local - 1
        self.counted = GroupCounts(local.astype(np.int64), len(self._present))
        self._names = [slice_name(key, value) for value in (*values, OTHER)]

    def pieces(self) -> list[SlicePane]:
        """Return what was counted, piece by piece."""
        parts = self.counted.parts
        return [
            SlicePane(
                group // self._width, self._names[group % self._width], Pane({n: s[at] for n, s in parts.items()})
            )
            for at, group in enumerate(self._present.tolist())
        ]


class WindowSlices:
    """The slices of all windows.

    ``values``: of each column, those of the baseline, then those with most rows. ``groups``: columns that tell groups
    of people: they are counted, and drift is not looked at by them.
    """

    def __init__(
        self,
        reads: Sequence[FileRows],
        roles: Roles,
        baseline: Baseline,
        steps: WindowSteps,
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
        self._counts: dict[str, StepCounts] = {}

    def counting(self, table: PredictionTable, pieces: I64) -> list[SliceCounter]:
        """Return what counts the rows of a batch, one a column; ``pieces``: that of each row, int64 (n,)."""
        return [SliceCounter(table, key, values, pieces) for key, values in self.values.items()]

    def add(self, found: Sequence[SlicePane]) -> None:
        """Add what was counted of a batch."""
        for one in found:
            panes = self._panes[int(self._steps.owner[one.piece])]
            panes[one.name] = merge([panes[one.name], one.pane]) if one.name in panes else one.pane
            if one.name not in self._counts:
                own = of_slice(self._baseline, one.name) or self._baseline
                self._counts[one.name] = StepCounts(self._steps, own)
            self._counts[one.name].add(one.piece, one.pane)

    def of(self, at: int, window: Window, timezone: str) -> dict[str, SliceContext]:
        """Return the slices of a window, by its place, by their names."""
        return {
            name: SliceContext(pane, partial(self._counts[name].until, window, timezone))
            for name, pane in sorted(self._panes[at].items())
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


Values = Mapping[str, Sequence[str]]
"""Key → the values that are told apart."""


def slice_values(read: Dataset, values: Values) -> Values:
    """Return the values of every key by which performance is looked at, those that come with outcomes, too.

    ``values``: of the columns of the rows.
    """
    found = dict(values)
    for key in (*values, *read.later):
        columns = [rows.told[key] for rows in read.rows if key in rows.told]
        if columns:
            found[key] = values_of(concatenate(columns), values.get(key, ()))
    return found


class _SliceColumn(NamedTuple):
    """``names``: of the slices, ``place``: that of each row, int64 (n,), -1 = in none."""

    key: str
    names: Sequence[str]
    place: I64


def rows_by_slice(
    truth: LabelledPredictions, values: Values, task: Task, window: Window, timezone: str
) -> dict[str, BlockSums]:
    """Return the performance parts of every slice of a window, and of every cohort of label age, by block of time.

    And what was decided of its rows, known or not. The blocks are those that a service has, which keeps slices by hour.
    """
    n, found = len(truth), dict[str, BlockSums]()
    blocks = blocks_of_window(window, timezone, HOURS) if truth.time is not None else ()
    count = max(1, len(blocks))
    block = np.zeros(n, np.int64)
    if truth.time is not None and blocks:
        block = np.searchsorted([one.end for one in blocks[:-1]], truth.time, side="right")
    cuts = [
        _SliceColumn(key, (*known, OTHER), places_of(truth.slices[key], known, n))
        for key, known in values.items()
        if key in truth.slices
    ]
    if truth.time is not None and truth.outcome_time is not None:
        ages = np.where(truth.outcome_time > 0, label_age_cohorts(truth.time, truth.outcome_time), -1)
        cuts.append(_SliceColumn(LABEL_AGE, COHORTS, ages))
    for one in cuts:
        inside = np.flatnonzero(one.place >= 0)
        some, place = truth.taken(inside), one.place[inside]
        sums = _sums(some, task, place * count + block[inside], len(one.names) * count)
        for at in np.unique(place).tolist():
            parts = {part: _own(sparse, at, count) for part, sparse in sums.items()}
            found[slice_name(one.key, one.names[at])] = BlockSums(count, parts)
    return found


def _sums(rows: LabelledPredictions, task: Task, group: I64, groups: int) -> dict[str, Sparse]:
    """Sums of rows by group, those of what was decided beside those of what happened."""
    sums = fold_outcomes_by(
        *(task, rows.scores, rows.predicted, rows.actual, rows.weight, rows.value, group, groups),
        relevance=rows.relevance,
    )
    decided = decide(task, rows.scores, rows.predicted)
    for code, name in enumerate(task.classes if len(decided) else ()):
        counts = np.bincount(group, decided == code, groups).astype(np.float64)
        sums[f"{DECIDED}{name}"] = Sparse.of(counts[:, np.newaxis])
    return sums


def _own(sums: Sparse, place: int, count: int) -> Sparse:
    """Those of one slice, by block."""
    own = sums.group // count == place
    return Sparse(sums.width, sums.group[own] % count, sums.index[own], sums.value[own])


class SliceOutcomes(NamedTuple):
    """What to look at: the values that are told apart, and the task."""

    values: Values
    task: Task

    def of(
        self, known: WindowOutcomes, rows: LabelledPredictions | None, window: Window, counted: Mapping[str, Pane]
    ) -> WindowOutcomes:
        """Return what is known of a window with its slices; ``counted``: the rows of each, and their classes."""
        in_time = {} if rows is None else rows_by_slice(rows, self.values, self.task, window, known.timezone)
        for name in in_time.keys() - counted.keys():  # what was predicted of it nobody knows: some say it later
            in_time[name] = in_time[name].without(DECIDED)
        slices = {name: one.whole for name, one in in_time.items()}
        for name, pane in counted.items():
            slices.setdefault(name, Pane()).parts.update(pane.parts)
        return replace(known, slices=dict(sorted(slices.items())), in_time=in_time)

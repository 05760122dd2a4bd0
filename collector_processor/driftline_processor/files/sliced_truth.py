"""What happened by slice: the outcomes of the rows of each value of a column, and by how long they took to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from driftline.decided import decide
from driftline.fold import fold_outcomes_by
from driftline.frames import concatenate
from driftline.pane import Pane
from driftline.slices import OTHER, places_of, slice_name, values_of
from driftline.sparse import Sparse
from driftline.tables import I64, Task

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.blocks import HOURS, cut
from driftline_processor.core.performance.by_slice import COHORTS, LABEL_AGE, ages_of
from driftline_processor.core.performance.in_time import InTime
from driftline_processor.core.performance.known import Known
from driftline_processor.core.sent import DECIDED

from .reading import Read
from .truth import Truth

Values = Mapping[str, Sequence[str]]
"""Key → the values that are told apart."""


def told_apart(read: Read, values: Values) -> Values:
    """Return the values of every key by which performance is looked at, those that come with outcomes, too.

    ``values``: of the columns of the rows.
    """
    found = dict(values)
    for key in (*values, *read.later):
        columns = [rows.told[key] for rows in read.rows if key in rows.told]
        if columns:
            found[key] = values_of(concatenate(columns), values.get(key, ()))
    return found


class _Cut(NamedTuple):
    """``names``: of the slices, ``place``: that of each row, int64 (n,), -1 = in none."""

    key: str
    names: Sequence[str]
    place: I64


def rows_by_slice(truth: Truth, values: Values, task: Task, window: Window) -> dict[str, InTime]:
    """Return the performance parts of every slice of a window, and of every cohort of label age, by block of time.

    And what was decided of its rows, known or not. The blocks are those that a service has, which keeps slices by hour.
    """
    n, found = len(truth), dict[str, InTime]()
    blocks = cut(window, short=HOURS) if truth.time is not None else ()
    count = max(1, len(blocks))
    block = np.zeros(n, np.int64)
    if truth.time is not None and blocks:
        block = np.searchsorted([one.end for one in blocks[:-1]], truth.time, side="right")
    cuts = [
        _Cut(key, (*known, OTHER), places_of(truth.slices[key], known, n))
        for key, known in values.items()
        if key in truth.slices
    ]
    if truth.time is not None and truth.outcome_time is not None:
        ages = np.where(truth.outcome_time > 0, ages_of(truth.time, truth.outcome_time), -1)
        cuts.append(_Cut(LABEL_AGE, COHORTS, ages))
    for one in cuts:
        inside = np.flatnonzero(one.place >= 0)
        some, place = truth.taken(inside), one.place[inside]
        sums = _sums(some, task, place * count + block[inside], len(one.names) * count)
        for at in np.unique(place).tolist():
            parts = {part: _own(sparse, at, count) for part, sparse in sums.items()}
            found[slice_name(one.key, one.names[at])] = InTime(count, parts)
    return found


def _sums(rows: Truth, task: Task, group: I64, groups: int) -> dict[str, Sparse]:
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


class SlicedTruth(NamedTuple):
    """What to look at: the values that are told apart, and the task."""

    values: Values
    task: Task

    def of(self, known: Known, rows: Truth | None, window: Window, counted: Mapping[str, Pane]) -> Known:
        """Return what is known of a window with its slices; ``counted``: the rows of each, and their classes."""
        in_time = {} if rows is None else rows_by_slice(rows, self.values, self.task, window)
        for name in in_time.keys() - counted.keys():  # what was predicted of it nobody knows: some say it later
            in_time[name] = in_time[name].without(DECIDED)
        slices = {name: one.whole for name, one in in_time.items()}
        for name, pane in counted.items():
            slices.setdefault(name, Pane()).parts.update(pane.parts)
        return replace(known, slices=dict(sorted(slices.items())), in_time=in_time)

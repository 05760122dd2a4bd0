"""What happened by slice: the outcomes of the rows of each value of a column, and by how long they took to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from driftline.fold import fold_outcomes_by
from driftline.frames import concatenate
from driftline.pane import Pane
from driftline.slices import OTHER, places_of, slice_name, values_of
from driftline.tables import I64, Task

from driftline_processor.core.performance.by_slice import COHORTS, LABEL_AGE, ages_of

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


def outcomes_by_slice(truth: Truth, values: Values, task: Task) -> dict[str, Pane]:
    """Return the performance parts of every slice of a window, and of every cohort of label age."""
    n, found = len(truth), dict[str, Pane]()
    cuts = [
        _Cut(key, (*known, OTHER), places_of(truth.slices[key], known, n))
        for key, known in values.items()
        if key in truth.slices
    ]
    if truth.time is not None and truth.outcome_time is not None:
        ages = np.where(truth.outcome_time > 0, ages_of(truth.time, truth.outcome_time), -1)
        cuts.append(_Cut(LABEL_AGE, COHORTS, ages))
    for cut in cuts:
        some = truth.taken(np.flatnonzero(cut.place >= 0))
        group = cut.place[cut.place >= 0]
        sums = fold_outcomes_by(
            *(task, some.scores, some.predicted, some.actual, some.weight, some.value, group, len(cut.names)),
            relevance=some.relevance,
        )
        dense = {part: one.dense(len(cut.names)) for part, one in sums.items()}
        for at in np.unique(group).tolist():
            found[slice_name(cut.key, cut.names[at])] = Pane({part: of[at] for part, of in dense.items()})
    return found


class SlicedTruth(NamedTuple):
    """What to look at: the values that are told apart, and the task."""

    values: Values
    task: Task

    def of(self, truth: Truth | None, counted: Mapping[str, Pane]) -> dict[str, Pane]:
        """Return the performance parts of every slice of a window; ``counted``: the rows of each, and their classes."""
        found = {} if truth is None else outcomes_by_slice(truth, self.values, self.task)
        for name, pane in counted.items():
            found.setdefault(name, Pane()).parts.update(pane.parts)
        return dict(sorted(found.items()))

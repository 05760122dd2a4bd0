"""Versions side by side from files: the values of one column tell versions apart, as a running processor does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.panes.outcome_sums import fold_outcomes_by
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task

from driftline_processor.core.performance.labelled_predictions import LabelledPredictions
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.versions import SideBySide, VersionInput, VersionNames, side_by_side
from driftline_processor.core.versions.losses import PARTS, VersionAnswers, fold_requests, stretches_from
from driftline_processor.core.windows.window import PANE, hours_between, pane_from
from driftline_processor.readers.arrow_columns import ids
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.prediction_rows import FileRows

from .dataset import Dataset
from .outcomes import labelled_predictions


@dataclass(frozen=True, slots=True)
class _VersionRows:
    """n rows of all files. ``version`` and ``id``: codes, int64 (n,), -1 where a row has none. ``time``: 0 = none."""

    truth: LabelledPredictions
    task: Task
    names: tuple[str, ...]
    version: I64
    id: I64
    time: I64


def compare_versions(
    read: Dataset, task: Task, said: VersionNames, asked: PerformanceSettings
) -> tuple[SideBySide, ...]:
    """Return every version beside the champion; () without a column of versions, and where it has one value.

    ``said``: who is the champion, and what the others are. Raises :class:`BadInput` where no file has an outcome, or no
    row is the champion's.
    """
    if not read.roles.version:
        return ()
    truth = labelled_predictions(read.rows, read.weights)
    if truth is None:
        raise BadInput("--version-column: versions are compared by their outcomes, and no file has any")
    everything = _all(read, truth, task)
    rows = np.bincount(everything.version[everything.version >= 0], minlength=len(everything.names))
    if said.champion is not None and said.champion not in everything.names:
        raise BadInput(f"--version-column: no row is of version {said.champion}, the champion")
    champion = int(rows.argmax()) if said.champion is None else everything.names.index(said.champion)
    others = [other for other in range(len(rows)) if other != champion]
    return tuple(_side_by_side(everything, champion, other, said, asked) for other in others)


def _all(read: Dataset, truth: LabelledPredictions, task: Task) -> _VersionRows:
    version, names = _codes(read.rows, read.roles.version)
    id, _ = _codes(read.rows, read.roles.id) if read.roles.id else (np.full(len(version), -1, np.int64), ())
    time = np.zeros(len(version), np.int64) if truth.time is None else truth.time
    usable = np.concatenate([np.ones(len(one), bool) if one.usable is None else one.usable for one in read.rows])
    return _VersionRows(truth, task, names, np.where(usable, version, -1), id, time)


def _codes(reads: Sequence[FileRows], name: str) -> tuple[I64, tuple[str, ...]]:
    texts = pa.chunked_array([ids(read.source.column(name)).cast(pa.string()) for read in reads])
    encoded = texts.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(encoded.dictionary.to_pylist())


def _side_by_side(
    rows: _VersionRows, champion: int, other: int, said: VersionNames, asked: PerformanceSettings
) -> SideBySide:
    mine, theirs = (np.flatnonzero(rows.version == one) for one in (champion, other))
    first, last = ([int(f(rows.time[of])) for of in (mine, theirs)] for f in (np.min, np.max))
    start, stop = 0, 0
    if rows.truth.time is not None:  # as panes have it
        start = max(pane_from(said.since), *(one - one % PANE for one in first))
        stop = max(start, min(one - one % PANE + PANE for one in last))
        mine, theirs = (of[(rows.time[of] >= start) & (rows.time[of] < stop)] for of in (mine, theirs))
    hours = stretches_from(hours_between(start, stop), len(rows.task.classes))
    one, another = (_side(rows, version, at, hours) for version, at in ((champion, mine), (other, theirs)))
    return side_by_side(one, another, _pairs(rows, mine, theirs), said.role(another.name), (start, stop), asked)


def _side(rows: _VersionRows, version: int, at: I64, hours: I64) -> VersionInput:
    """``hours``: where they begin; none where rows have no time."""
    truth = rows.truth.taken(at)

    def by_hour() -> dict[str, F64]:
        hour = np.searchsorted(hours, rows.time[at], "right") - 1
        own = truth.scores, truth.predicted, truth.actual, truth.weight
        sums = fold_outcomes_by(rows.task, *own, None, hour, len(hours))
        return {part: sums[part].dense(len(hours)) for part in PARTS if part in sums}

    return VersionInput(rows.names[version], rows.task, truth.sums(rows.task), len(at), by_hour if len(hours) else None)


def _pairs(rows: _VersionRows, mine: I64, theirs: I64) -> Pane:
    """The sums of requests that both scored: of several rows of one id the latest of each."""
    one, other = (_latest(rows, at) for at in (mine, theirs))
    _, first, second = np.intersect1d(rows.id[one], rows.id[other], return_indices=True)
    one, other = one[first], other[second]
    if not len(one):
        return Pane()
    own, its = (rows.truth.taken(at) for at in (one, other))
    told = [VersionAnswers(rows.task, some.scores, some.predicted) for some in (own, its)]
    weight = np.ones(len(one)) if own.weight is None else own.weight
    sums = fold_requests(told[0], told[1], own.actual, weight, np.zeros(len(one), np.int64), 1)
    return Pane({part: of_all.dense(1)[0] for part, of_all in sums.items()})


def _latest(rows: _VersionRows, at: I64) -> I64:
    at = at[rows.id[at] >= 0]
    at = at[np.lexsort((at, rows.time[at], rows.id[at]))]
    last: I64 = at[np.diff(rows.id[at], append=-1) != 0]
    return last

"""Compare versions from files; the values of one column separate them, as in a running processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec.structs import replace
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.versions.losses import PARTS, VersionAnswers, fold_requests
from driftline_processor.core.versions.side_by_side import (
    SideBySide,
    VersionInput,
    VersionNames,
    VersionPeriod,
    compare_versions,
)
from driftline_processor.core.windows.window import PANE
from driftline_processor.readers.arrow_columns import ids
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.prediction_rows import FileRows

from .dataset import Dataset
from .outcomes import labelled_predictions


def compare_file_versions(
    read: Dataset, task: Task, names: VersionNames, timezone: str, performance_settings: PerformanceSettings
) -> tuple[SideBySide, ...]:
    """Return the comparison of every version with the champion; () for fewer than two versions.

    ``names``: champion and challengers. Raises :class:`BadInput` if no file has an outcome, or the champion has no
    rows.
    """
    if not read.roles.version:
        return ()
    truth = labelled_predictions(read.rows, read.weights)
    if truth is None:
        raise BadInput("versions are compared by their outcomes, but no file contains outcomes", "version_column")
    version, versions = text_codes(read.rows, read.roles.version)
    if names.champion is not None and names.champion not in versions:
        raise BadInput(f"no row has the version {names.champion}, which is the champion", "version_column")
    id = text_codes(read.rows, read.roles.id)[0] if read.roles.id else np.full(len(version), -1, np.int64)
    source = FileVersions(truth, task, versions, np.where(usable_rows(read.rows), version, -1), id)
    names = names if truth.time is not None else replace(names, since=0)
    return tuple(compare_versions(source, names, timezone, performance_settings))


def usable_rows(reads: Sequence[FileRows]) -> NDArray[np.bool_]:
    """Return bool (n,), False for rows whose time cannot be read."""
    return np.concatenate([np.ones(len(read), bool) if read.usable is None else read.usable for read in reads])


def text_codes(reads: Sequence[FileRows], name: str) -> tuple[I64, tuple[str, ...]]:
    """Return the code of each text of a column, int64 (n,), -1 = none, and the texts."""
    texts = pa.chunked_array([ids(read.source.column(name)).cast(pa.string()) for read in reads])
    encoded = texts.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(encoded.dictionary.to_pylist())


class FileVersions:
    """The versions of a model in files.

    Attributes:
        truth: The n rows of all files with their outcomes.
        task: Task of the model.
        names: The versions.
        version: Code of the version per row, int64 (n,); -1 = none.
        id: Code of the id per row, int64 (n,); -1 = none.
    """

    def __init__(self, truth: LabelledPredictions, task: Task, names: Sequence[str], version: I64, id: I64) -> None:
        self.truth, self.task, self.names, self.version, self.id = truth, task, names, version, id
        self._time = np.zeros(len(version), np.int64) if truth.time is None else truth.time

    @cached_property
    def periods(self) -> Sequence[VersionPeriod]:
        """When each version predicted, in whole panes."""
        version_periods = []
        for code, name in enumerate(self.names):
            time, start, stop = self._time[self.version == code], 0, 0
            if self.truth.time is not None and len(time):
                start, stop = (int(edge) - int(edge) % PANE for edge in (time.min(), time.max() + PANE))
            version_periods.append(VersionPeriod(name, start, stop, len(time)))
        return version_periods

    def pane_edges(self, moments: I64) -> I64:
        """Return the edges of panes of five minutes."""
        return -(-moments // PANE) * PANE

    def side(self, version: int, start: int, stop: int) -> VersionInput:
        """Return the sums of a version in a period."""
        places = self._rows(version, start, stop)
        return VersionInput(self.names[version], self.task, self.truth.take(places).sums(self.task), len(places))

    def by_hour(self, version: int, edges: I64) -> Mapping[str, F64]:
        """Return the losses of a version between consecutive edges."""
        places, hours = self._rows(version, int(edges[0]), int(edges[-1])), len(edges) - 1
        rows, hour = self.truth.take(places), np.searchsorted(edges, self._time[places], "right") - 1
        labelled = LabelledRows(rows.scores, rows.predicted, rows.actual, rows.weight)
        sums = fold_outcomes_by(self.task, labelled, hour, hours)
        return {part: sums[part].dense(hours) for part in PARTS if part in sums}

    def pairs(self, champion: int, challenger: int, start: int, stop: int) -> Pane:
        """Return the sums of requests that both versions scored, with the latest row per id."""
        champion_rows, challenger_rows = (
            self._latest(self._rows(version, start, stop)) for version in (champion, challenger)
        )
        _, first, second = np.intersect1d(self.id[champion_rows], self.id[challenger_rows], return_indices=True)
        champion_truth, challenger_truth = (
            self.truth.take(places) for places in (champion_rows[first], challenger_rows[second])
        )
        if not len(champion_truth):
            return Pane()
        champion_answers, challenger_answers = (
            VersionAnswers(self.task, rows.scores, rows.predicted) for rows in (champion_truth, challenger_truth)
        )
        weight = np.ones(len(champion_truth)) if champion_truth.weight is None else champion_truth.weight
        sums = fold_requests(
            champion_answers,
            challenger_answers,
            champion_truth.actual,
            weight,
            np.zeros(len(champion_truth), np.int64),
            1,
        )
        return Pane({part: of_all.dense(1)[0] for part, of_all in sums.items()})

    def _rows(self, version: int, start: int, stop: int) -> I64:
        """Return the rows of a version in a period; all of them if rows have no time."""
        inside = self.version == version
        if self.truth.time is not None:
            inside &= (self._time >= start) & (self._time < stop)
        return np.flatnonzero(inside)

    def _latest(self, places: I64) -> I64:
        places = places[self.id[places] >= 0]
        places = places[np.lexsort((places, self._time[places], self.id[places]))]
        last: I64 = places[np.diff(self.id[places], append=-1) != 0]
        return last

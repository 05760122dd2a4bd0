"""What a micro-batch searches the predictions of its outcomes in: at once the newest days, later all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np

from . import folders
from .folders import WorkFolder
from .outcome_columns import OUTCOME
from .outcome_join import PART_DDL, ids_of, split
from .record_batches import NO_DAY, PACKED
from .settings import StreamSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_MOST_BYTES = 8 << 20
"""Bytes of Parquet per task: it has its rows in memory, where they are several times larger."""

_FEW, _MOST_SENT = 4, 64 << 20
"""If outcomes have fewer bytes than a fourth of the rows, and than this, executors get their ids.

Then only rows with one of these ids are passed to Python.
"""


class Search:
    """Finds what outcomes are joined with.

    Args:
        spark: The session.
        folder: Work directory of the job.
        settings: Those of the job.
    """

    def __init__(self, spark: SparkSession, folder: WorkFolder, settings: StreamSettings) -> None:
        self._folder, self._settings = folder, settings
        self._least = spark.sparkContext.defaultParallelism

    def parts(self, epoch: int) -> DataFrame | None:
        """Return rows, labels and outcomes, those of an id in one task; None if no outcome is searched for."""
        from pyspark.sql import functions as f

        is_late = epoch % self._settings.late_every == 0
        new, waiting = self._folder.of_epoch("decoded", epoch, "outcome"), self._waiting(epoch, is_late=is_late)
        if not new and not waiting:
            return None
        oldest = self.oldest(epoch)
        rows = self._folder.folders(folders.ROWS, epoch + 1, oldest)
        if not is_late:
            named = {folder.rpartition("=")[2] for folder in new}
            rows = {day: rows[day] for day in rows if day in named or day in [*rows][-self._settings.recent :]}
        labels = self._folder.folders(folders.LABELS, epoch, oldest)
        of_rows, of_labels = ([one for day in rows for one in found.get(day, [])] for found in (rows, labels))
        arrived = None if is_late else epoch - 1
        read = self._folder.read
        outcomes = [(read(PACKED, new), None), (read(OUTCOME, waiting), arrived)]
        known = [(read(folders.ROWS.schema, of_rows), "row"), (read(folders.LABELS.schema, of_labels), "label")]
        size, asked = (self._folder.size(one)[1] for one in ([*of_rows, *of_labels], [*new, *waiting]))
        if asked * _FEW < size and asked < _MOST_SENT:
            size = asked
            ids = _union(rows.mapInArrow(partial(ids_of, only), "id string") for rows, only in outcomes if rows)
            known = [
                (rows and rows.join(f.broadcast(ids), "id", "left_semi").select(rows.columns), of) for rows, of in known
            ]
        parts = max(self._least, (size + asked) // _MOST_BYTES)
        found = [rows.mapInArrow(partial(split, of, parts, None), PART_DDL) for rows, of in known if rows]
        found += [rows.mapInArrow(partial(split, "outcome", parts, only), PART_DDL) for rows, only in outcomes if rows]
        every = _union(found)
        return getattr(every, "repartitionById", every.repartition)(parts, "part")  # Spark 4.0 has only the latter

    def oldest(self, epoch: int) -> str:
        """Return the oldest day of which rows and labels are kept, "" without any."""
        days = [day for day in self._folder.folders(folders.ROWS, epoch + 1) if day != NO_DAY]
        return str(np.datetime64(days[-1]) - self._settings.keep) if days else ""

    def prepare(self, epoch: int) -> None:
        """Merge small files; delete what is too old, and what waited until the previous epoch searched for it again.

        A repeated epoch must find what it found before: what changes here depends on earlier epochs only.
        """
        width, oldest = self._settings.late_every, self.oldest(epoch - 1)
        if epoch % width == 1:
            searched = range(max(0, epoch - 1 - width), epoch - 1)
            self._folder.delete(*(f"joined/epoch={one}/kind=waiting" for one in searched))
            self._folder.expire(oldest, epoch)
        self._folder.merge(epoch, width, oldest)

    def _waiting(self, epoch: int, *, is_late: bool) -> list[str]:
        """Return the folders of outcomes without a prediction: of all epochs, or of the previous one.

        The last late epoch has taken over those before it.
        """
        first = max(0, epoch - self._settings.late_every) if is_late else epoch - 1
        return [one for epoch in range(first, epoch) for one in self._folder.of_epoch("joined", epoch, "waiting")]


def _union(tables: Iterable[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.unionByName(other), tables)

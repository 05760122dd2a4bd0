"""What a micro-batch searches the predictions of its outcomes in: at once the newest days, later all."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from . import folders
from .folders import WorkFolder
from .outcome_columns import OUTCOME
from .outcome_join import PART_DDL, split
from .record_batches import NO_DAY, PACKED
from .settings import StreamSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_MOST_BYTES = 8 << 20
"""Bytes of Parquet per task: it has its rows in memory, where they are several times larger."""


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
        size = self._folder.size([*of_rows, *of_labels, *new, *waiting])[1]
        parts = max(self._least, size // _MOST_BYTES)
        arrived = None if is_late else epoch - 1
        found = [
            self._split(folders.ROWS.schema, of_rows, "row", parts),
            self._split(folders.LABELS.schema, of_labels, "label", parts),
            self._split(PACKED, new, "outcome", parts),
            self._split(OUTCOME, waiting, "outcome", parts, arrived),
        ]
        every = reduce(lambda one, other: one.unionByName(other), [part for part in found if part is not None])
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

    def _split(
        self, schema: pa.Schema, places: Collection[str], of: str, parts: int, arrived: int | None = None
    ) -> DataFrame | None:
        rows = self._folder.read(schema, places)
        return None if rows is None else rows.mapInArrow(partial(split, of, parts, arrived), PART_DDL)

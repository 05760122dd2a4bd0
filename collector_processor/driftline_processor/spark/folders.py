"""Folders of a work directory, by epoch, on any file system that Spark writes to.

    decoded/kind=row/day=2026-11-26/epoch=7/bucket=3/  what outcomes need of predictions
    labels/day=2026-11-26/epoch=7/bucket=3/            the outcome that counts, with the row of its prediction
    waiting/epoch=7/                                   outcomes whose prediction was not found
    panes/start=1795611600000000000/epoch=7/           the sums of all epochs so far, of one stretch of time

An epoch that is repeated after a failure replaces its own folders and reads only those of earlier epochs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


PLACE = ("day", "epoch", "bucket")
"""Partition columns of rows."""

NO_DAY = "none"
"""Value of ``day`` of what is not kept."""


def placed(rows: DataFrame, epoch: int, buckets: int, day: Column) -> DataFrame:
    """Return rows with the columns of :data:`PLACE`, those of a bucket in one task."""
    from pyspark.sql import functions as f

    bucket = f.pmod(f.xxhash64("id"), f.lit(buckets))
    return rows.withColumns({"day": day, "epoch": f.lit(epoch), "bucket": bucket}).repartition("day", "bucket")


def day_of(time: Column) -> Column:
    """Return the day of unix nanoseconds, in UTC."""
    from pyspark.sql import functions as f

    return f.date_format(f.timestamp_seconds(f.floor(time / 1_000_000_000)), "yyyy-MM-dd")


class WorkFolder:
    """The work directory of a job."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark, self.path = spark, path.rstrip("/")
        context: Any = spark.sparkContext
        self._hadoop = context._jvm.org.apache.hadoop.fs
        root = self._hadoop.Path(self.path)
        self._files = root.getFileSystem(context._jsc.hadoopConfiguration())
        self._files.mkdirs(root)

    def created(self) -> int:
        """Return when this directory was first used, unix seconds; epochs of a later one count more."""
        place = f"{self.path}/job.json"
        if not self._exists(place):
            unfinished = self._hadoop.Path(f"{self.path}/.job.json")
            stream = self._files.create(unfinished, True)
            stream.write(bytearray(json.dumps({"created": int(time.time())}).encode()))
            stream.close()
            self._files.rename(unfinished, self._hadoop.Path(place))
        text = self._spark.read.text(place, wholetext=True).collect()[0][0]
        return int(json.loads(text)["created"])

    def read(self, name: str, key: str, values: Iterable[Any], before: int) -> DataFrame | None:
        """Return the rows of epochs before one, in folders of some values of a partition column; None without any."""
        found = [folder for value in values if self._exists(folder := f"{self.path}/{name}/{key}={value}")]
        if not found:
            return None
        return self._spark.read.option("basePath", f"{self.path}/{name}").parquet(*found).filter(f"epoch < {before}")

    def decoded(self, kind: str, epoch: int, columns: Sequence[str]) -> DataFrame | None:
        """Return what was decoded in an epoch, of a kind that is not kept; None without any."""
        folder = f"{self.path}/decoded/kind={kind}/day={NO_DAY}/epoch={epoch}"
        return self._spark.read.parquet(folder).select(*columns) if self._exists(folder) else None

    def newest(self, name: str, key: str, values: Iterable[Any], before: int) -> DataFrame | None:
        """Return the rows of the newest epoch before one, in folders of some values of a column; None without any."""
        found = list[str]()
        for value in values:
            folder = f"{self.path}/{name}/{key}={value}"
            found += [f"{folder}/epoch={epoch}" for epoch in self._epochs_before(folder, before)[-1:]]
        if not found:
            return None
        return self._spark.read.option("basePath", f"{self.path}/{name}").parquet(*found)

    def write(self, rows: DataFrame, name: str, *keys: str) -> None:
        """Write the rows of an epoch instead of those that an interrupted run of it wrote.

        Args:
            rows: They have the columns ``keys`` and, unless these end with ``epoch``, those of :func:`placed`.
            name: Folder.
            keys: Its partition columns.
        """
        columns = keys if "epoch" in keys else (*keys, *PLACE)
        writer = rows.write.mode("overwrite").option("partitionOverwriteMode", "dynamic")
        writer.partitionBy(*columns).parquet(f"{self.path}/{name}")

    def values(self, name: str, key: str) -> list[str]:
        """Return the values of the first partition column of a folder."""
        return [child.rpartition("=")[2] for child in self._children(f"{self.path}/{name}") if f"/{key}=" in child]

    def days_before(self, name: str, epoch: int) -> list[str]:
        """Return the days of a folder that have rows of earlier epochs."""
        days = self.values(name, "day")
        return [day for day in days if self._epochs_before(f"{self.path}/{name}/day={day}", epoch)]

    def drop_before(self, name: str, key: str, values: Iterable[Any], before: int) -> None:
        """Delete all epochs but the newest before one, which a repeated run reads."""
        for value in values:
            folder = f"{self.path}/{name}/{key}={value}"
            self.delete(*(f"{name}/{key}={value}/epoch={epoch}" for epoch in self._epochs_before(folder, before)[:-1]))

    def delete(self, *places: str) -> None:
        """Delete folders below this directory."""
        for place in places:
            self._files.delete(self._hadoop.Path(f"{self.path}/{place}"), True)

    def _exists(self, path: str) -> bool:
        return bool(self._files.exists(self._hadoop.Path(path)))

    def _children(self, path: str) -> list[str]:
        if not self._exists(path):
            return []
        return [
            f"{path}/{status.getPath().getName()}"
            for status in self._files.listStatus(self._hadoop.Path(path))
            if status.isDirectory()
        ]

    def _epochs_before(self, folder: str, before: int) -> list[int]:
        """Return the epochs of a folder before one, in their order."""
        names = [child.rpartition("/epoch=")[2] for child in self._children(folder) if "/epoch=" in child]
        return sorted(epoch for epoch in map(int, names) if epoch < before)

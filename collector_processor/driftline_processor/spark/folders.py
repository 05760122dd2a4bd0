"""The work directory of a job, on any file system that Spark writes to.

    decoded/epoch=7/kind=row/day=2026-11-26/    what was decoded in an epoch: rows, outcomes, partial panes, counts
    joined/epoch=7/kind=label/day=2026-11-26/   what became of its outcomes: labels, partial panes, those that wait
    rows/day=2026-11-26/epochs=0-9/             what outcomes need of predictions, of several epochs
    labels/day=2026-11-26/epochs=0-9/           the outcome that counts, of several epochs
    merged/0-9                                  the folders with the rows and labels of these epochs
    panes/start=1795611600000000000/epoch=7/    the sums of all epochs so far, of one stretch of time

Small files of rows and labels are merged after ten epochs, a hundred and a thousand. An epoch that is repeated after a
failure replaces its own folders and reads only those of earlier epochs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from .outcome_columns import LABEL, ROW
from .record_batches import ddl_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LEVELS = 3
"""How often epochs are merged: ten, a hundred and a thousand, if ``late_every`` is 10."""

_SMALL, _LARGE = 16 << 20, 128 << 20
"""Mean bytes of files that are merged, and bytes of the files into which they are merged."""


class Kept(NamedTuple):
    """Rows that are kept: where an epoch writes them, and where they are merged."""

    name: str
    stage: str
    kind: str
    schema: pa.Schema


ROWS, LABELS = Kept("rows", "decoded", "row", ROW), Kept("labels", "joined", "label", LABEL)

Folders = Mapping[str, list[str]]
"""Day → folders."""


class Range(NamedTuple):
    """Epochs, from the first to the last."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Range:
        """Return the range of a name such as ``0-9``."""
        first, _, last = text.partition("-")
        return cls(int(first), int(last))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def contains(self, other: Range) -> bool:
        """Return whether all epochs of another range are in this one."""
        return self.first <= other.first and other.last <= self.last


class WorkFolder:
    """The work directory of a job.

    Args:
        spark: The session.
        path: Its address.
    """

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark, self.path = spark, path.rstrip("/")
        context: Any = spark.sparkContext
        self._apache = context._jvm.org.apache
        root = self._apache.hadoop.fs.Path(self.path)
        self._files = root.getFileSystem(context._jsc.hadoopConfiguration())
        self._files.mkdirs(root)
        self._known: dict[str, Mapping[str, Folders]] = {}
        self._expired = set[tuple[str, str]]()

    def created(self) -> int:
        """Return when this directory was first used, unix seconds; epochs of a later one count more."""
        if not self._exists("job.json"):
            self._write_text("job.json", json.dumps({"created": int(time.time())}))
        return int(json.loads(self._read_text("job.json"))["created"])

    def read(self, schema: pa.Schema, folders: Collection[str]) -> DataFrame | None:
        """Return the rows of folders; None without any."""
        if not folders:
            return None
        return self._spark.read.schema(ddl_of(schema)).parquet(*(f"{self.path}/{folder}" for folder in folders))

    def size(self, folders: Iterable[str]) -> tuple[int, int]:
        """Return the number of files in folders, and their bytes."""
        found = [self._files.getContentSummary(self._path(folder)) for folder in folders]
        return sum(one.getFileCount() for one in found), sum(one.getLength() for one in found)

    def write(self, rows: DataFrame, stage: str, epoch: int) -> None:
        """Write what a stage of an epoch has made, by kind and day, instead of what an interrupted run wrote."""
        rows.write.mode("overwrite").partitionBy("kind", "day").parquet(f"{self.path}/{stage}/epoch={epoch}")

    def replace(self, rows: DataFrame, name: str, *keys: str) -> None:
        """Write rows by key, and replace what was written with the same keys."""
        writer = rows.write.mode("overwrite").option("partitionOverwriteMode", "dynamic")
        writer.partitionBy(*keys).parquet(f"{self.path}/{name}")

    def of_epoch(self, stage: str, epoch: int, kind: str) -> list[str]:
        """Return the folders of what a stage of an epoch has made of a kind, one per day."""
        return self._children(f"{stage}/epoch={epoch}/kind={kind}")

    def folders(self, kept: Kept, before: int, since: str = "") -> Folders:
        """Return the folders of kept rows of epochs before one, by day from ``since`` on."""
        return self._folders(kept, Range(0, before - 1), since)

    def merge(self, before: int, width: int, since: str) -> None:
        """Merge small files of earlier epochs if as many epochs as ``width``, or a power of it, are complete.

        Args:
            before: The epoch that comes next.
            width: Number of epochs, or of merged ranges.
            since: Rows and labels of earlier days are deleted.
        """
        for level in range(1, _LEVELS + 1):
            if before and before % width**level == 0:
                self._merge(Range(before - width**level, before - 1), since)

    def expire(self, since: str, before: int) -> None:
        """Delete rows and labels of epochs before one and of days before one."""
        for kept in (ROWS, LABELS):
            for day, folders in self.folders(kept, before).items():
                if day < since and (kept.name, day) not in self._expired:
                    self.delete(*folders)
                    self._expired.add((kept.name, day))

    def newest(self, schema: pa.Schema, starts: Iterable[int], before: int) -> DataFrame | None:
        """Return the panes of the newest epoch before one, of some stretches of time; None without any."""
        found = [f"{self.path}/{one}" for start in starts for one in self._panes(start, before)[-1:]]
        if not found:
            return None
        reader = self._spark.read.schema(ddl_of(schema)).option("basePath", f"{self.path}/panes")  # it has ``start``
        return reader.parquet(*found).select(*schema.names)

    def drop_panes(self, starts: Iterable[int], before: int) -> None:
        """Delete panes of all epochs but the newest before one, which a repeated run reads."""
        for start in starts:
            self.delete(*self._panes(start, before)[:-1])

    def delete(self, *places: str) -> None:
        """Delete folders below this directory."""
        for place in places:
            self._files.delete(self._path(place), True)

    def _merge(self, merged: Range, since: str) -> None:
        parts = {kept.name: self._folders(kept, merged, without=merged) for kept in (ROWS, LABELS)}
        if merged not in self._merged():
            found = {kept.name: self._rewritten(kept, merged, parts[kept.name], since) for kept in (ROWS, LABELS)}
            self._write_text(f"merged/{merged}", json.dumps(found))
        kept_folders = self._merged()[merged]
        for name, by_day in parts.items():
            for day, folders in by_day.items():
                self.delete(*(one for one in folders if one not in kept_folders[name].get(day, ())))
        self.delete(*(f"merged/{one}" for one in self._merged() if one != merged and merged.contains(one)))

    def _rewritten(self, kept: Kept, merged: Range, parts: Folders, since: str) -> Folders:
        """Return the folders of each day after small files were merged; the others stay."""
        found = dict[str, list[str]]()
        for day, folders in parts.items():
            if day < since:
                continue
            files, size = self.size(folders)
            rows = self.read(kept.schema, folders)
            if rows is None or files < 2 or size >= files * _SMALL:
                found[day] = folders
                continue
            place = f"{kept.name}/day={day}/epochs={merged}"
            rows.coalesce(max(1, size // _LARGE)).write.mode("overwrite").parquet(f"{self.path}/{place}")
            found[day] = [place]
        return found

    def _folders(self, kept: Kept, wanted: Range, since: str = "", without: Range | None = None) -> Folders:
        """Return the folders of kept rows of epochs, by day: those of the longest ranges, and of single epochs."""
        merged = {one: folders for one, folders in self._merged().items() if wanted.contains(one) and one != without}
        longest = [one for one in merged if not any(other != one and other.contains(one) for other in merged)]
        found = dict[str, list[str]]()
        for one in longest:
            for day, folders in merged[one][kept.name].items():
                found.setdefault(day, []).extend(folders)
        for epoch in _without(wanted, longest):
            for folder in self.of_epoch(kept.stage, epoch, kept.kind):
                found.setdefault(_value(folder), []).append(folder)
        return {day: found[day] for day in sorted(found) if day >= since}

    def _merged(self) -> Mapping[Range, Mapping[str, Folders]]:
        """Return what is merged: range → name → day → folders."""
        found = {}
        for name in self._names("merged", lambda status: not status.isDirectory()):
            if name not in self._known:  # it never changes
                self._known[name] = json.loads(self._read_text(f"merged/{name}"))
            found[Range.parse(name)] = self._known[name]
        return found

    def _panes(self, start: int, before: int) -> list[str]:
        """Return the folders of a stretch of time of epochs before one, in their order."""
        folders = sorted(self._children(f"panes/start={start}"), key=lambda one: int(_value(one)))
        return [one for one in folders if int(_value(one)) < before]

    def _path(self, place: str) -> Any:
        return self._apache.hadoop.fs.Path(f"{self.path}/{place}")

    def _exists(self, place: str) -> bool:
        return bool(self._files.exists(self._path(place)))

    def _write_text(self, place: str, text: str) -> None:
        """Write a file whole: a process that ends meanwhile leaves none of this name."""
        parent, _, name = place.rpartition("/")
        unfinished = f"{parent}/.{name}".lstrip("/")
        stream = self._files.create(self._path(unfinished), True)
        stream.write(bytearray(text.encode()))
        stream.close()
        self._files.rename(self._path(unfinished), self._path(place))

    def _read_text(self, place: str) -> str:
        stream = self._files.open(self._path(place))
        try:
            return str(self._apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def _names(self, place: str, wanted: Callable[[Any], bool]) -> list[str]:
        if not self._exists(place):
            return []
        found = [status for status in self._files.listStatus(self._path(place)) if wanted(status)]
        return [name for status in found if (name := str(status.getPath().getName()))[:1] not in "._"]

    def _children(self, place: str) -> list[str]:
        """Return the partitions of a folder."""
        names = self._names(place, lambda status: status.isDirectory())
        return [f"{place}/{name}" for name in names if "=" in name]


def _value(folder: str) -> str:
    """Return the value of the last partition of a folder."""
    return folder.rpartition("=")[2]


def _without(wanted: Range, ranges: Iterable[Range]) -> Iterator[int]:
    """Yield the epochs that are in none of some ranges, which do not overlap.

    >>> list(_without(Range(0, 12), [Range(0, 9), Range(11, 11)]))
    [10, 12]
    """
    first = wanted.first
    for one in sorted(ranges):
        yield from range(first, one.first)
        first = one.last + 1
    yield from range(first, wanted.last + 1)

"""The panes that a job of Spark has in its work directory, and those that a processor has of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
from driftline_processor.spark.pane_rows import unpack
from driftline_processor.store.pane_rows import COLUMNS, StoredPanes

from .scored_topics import Sums

Stored = dict[tuple[int, str, str, str, int], float]
"""Pane, slice, fold, part and place → a sum."""


def written_sums(work: Path) -> Sums:
    """Return the panes of the newest epoch of each stretch of time in a work directory."""
    found: Sums = {}
    for start in (work / "panes").glob("start=*"):
        newest = max(start.glob("epoch=*"), key=lambda epoch: int(epoch.name.partition("=")[2]))
        for file in newest.glob("*.parquet"):
            rows = pq.ParquetFile(file).read(["slice", "sums"]).to_pydict()
            for name, sums in zip(rows["slice"], rows["sums"], strict=True):
                place = int(start.name.partition("=")[2]), name
                assert place not in found, f"two panes of {place} in {newest}"
                found[place] = unpack(sums)
    return found


def stored_sums(directory: Path) -> Stored:
    """Return the written panes of a processor that has ended; ``directory``: that of its ``storage``."""
    [file] = directory.glob("*.duckdb")
    found: Stored = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        for name in [row[0] for row in connection.execute("SELECT DISTINCT slice FROM written_panes").fetchall()]:
            query = f"SELECT {COLUMNS} FROM written_panes WHERE slice = ?"
            rows = connection.sql(query, params=[name]).to_arrow_table()
            columns = StoredPanes.of(rows).table().to_pydict()
            for pane, fold, part, place, value in zip(
                *(columns[column] for column in ("pane", "fold", "part", "idx", "value")), strict=True
            ):
                key = pane, name, fold, part, place
                found[key] = found.get(key, 0.0) + value
    return found


def stored_difference(one: Stored, other: Stored, without: Collection[str] = ()) -> float:
    """Return the greatest difference of a sum, as a fraction of the greatest of its part; a sum that lacks is 0.

    ``without``: parts that are not compared.
    """
    one, other = ({key: sums[key] for key in sums if key[3] not in without} for sums in (one, other))
    sizes: dict[tuple[object, ...], float] = {}
    for sums in (one, other):
        for key, value in sums.items():
            sizes[key[:4]] = max(sizes.get(key[:4], 0.0), abs(value))
    return max(
        (abs(one.get(key, 0.0) - other.get(key, 0.0)) / sizes[key[:4]] for key in {*one, *other} if sizes[key[:4]]),
        default=float(np.inf),
    )

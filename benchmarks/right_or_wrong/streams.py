"""The streams: the baseline's rows, and the windows of production that follow.

No import but pandas and numpy: the environments of the other tools read the same windows.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

DATA = Path(__file__).parent / "data"

LEAST_ROWS, LEAST_BLOCKS = 100, 4
"""Windows with fewer rows, or fewer days, are too small for a truth and are not scored."""

BLOCK_ROWS = 30
"""Rows of a block of a stream without times."""


class Windows(NamedTuple):
    """How a stream is cut: windows of so many days, or, without times, of so many rows."""

    days: int = 0
    rows: int = 0


LENGTHS = {
    "bank": Windows(days=30),
    "bike": Windows(days=30),
    "noaa": Windows(rows=1_000),
    "weather_aus": Windows(days=90),
}
REGRESSIONS = ("bike",)


class Stream:
    """A model's rows: the columns ``score`` and ``label``, ``time`` if rows have one, the rest are inputs.

    Attributes:
        name: Its name, that of its file.
        length: How it is cut into windows.
        reference: The rows of the baseline.
        production: The rows after it, in order.
        keys: int64 (rows of production,): the window of each row.
    """

    def __init__(self, name: str, folder: Path = DATA) -> None:
        """Read a stream."""
        self.name, self.length = name, LENGTHS[name]
        rows = pd.read_parquet(folder / f"{name}.parquet")
        rows = rows.sort_values("time", kind="stable") if "time" in rows else rows
        self.reference, self.production = (
            rows[rows["split"] == split].drop(columns="split").reset_index(drop=True)
            for split in ("reference", "production")
        )
        self.keys = window_keys(self.production, self.length)

    @property
    def binary(self) -> bool:
        """True for a classifier with two classes, False for a regression."""
        return self.name not in REGRESSIONS

    @property
    def inputs(self) -> list[str]:
        """The names of the model's inputs."""
        return [name for name in map(str, self.reference) if name not in ("score", "label", "time")]

    @cached_property
    def windows(self) -> dict[int, pd.DataFrame]:
        """The windows that are large enough for a truth, by their key."""
        found = {key: self.production[self.keys == key] for key in dict.fromkeys(self.keys.tolist())}
        return {
            key: rows
            for key, rows in found.items()
            if len(rows) >= LEAST_ROWS and len(np.unique(blocks_of(rows))) >= LEAST_BLOCKS
        }

    def start(self, key: int) -> str:
        """Return the first day of a window, or its number."""
        return str(key) if self.length.rows else str(np.datetime64(MONDAY + key * self.length.days, "D"))


MONDAY = 4
"""Days from the epoch to a Monday, where windows of days begin to be counted, as those of Driftline."""


def window_keys(rows: pd.DataFrame, length: Windows) -> np.ndarray:
    """Return the number of each row's window."""
    return np.arange(len(rows)) // length.rows if length.rows else (days_of(rows) - MONDAY) // length.days


def days_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the day of each row, counted from the epoch."""
    return rows["time"].to_numpy().astype("datetime64[D]").astype(np.int64)


def blocks_of(rows: pd.DataFrame, days: int = 1) -> np.ndarray:
    """Return what rows share chance with: their day, or, without times, thirty rows in a row.

    Args:
        rows: The rows.
        days: Days (or runs of thirty rows) of a block.
    """
    return (days_of(rows) if "time" in rows else np.arange(len(rows)) // BLOCK_ROWS) // days

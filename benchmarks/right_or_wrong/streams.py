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
"""Windows with fewer labelled rows, or fewer days, are too small for a truth and are not scored."""

BLOCK_ROWS = 30
"""Rows of a block of a stream without times."""


class Kind(NamedTuple):
    """What a stream's model predicts, and how the stream is cut: windows of so many days, or, without times, of rows.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``.
        days: Days of a window.
        rows: Rows of a window, if rows have no times.
    """

    task: str
    days: int = 0
    rows: int = 0


STREAMS = {
    "bank": Kind("binary", days=30),
    "bike": Kind("regression", days=30),
    "noaa": Kind("binary", rows=1_000),
    "weather_aus": Kind("binary", days=90),
    "airquality": Kind("regression", days=30),
    "elec2": Kind("binary", days=30),
    "gas": Kind("multiclass", rows=500),
    "hotel": Kind("binary", days=30),
    "mlb538": Kind("binary", days=60),
    "nba538": Kind("binary", days=60),
    "pm25": Kind("regression", days=30),
    "turbine": Kind("regression", rows=1_000),
    "tennis": Kind("binary", days=180),
}

KNOWN = ("bank", "bike", "noaa", "weather_aus")
"""Streams that were in view when the rules of the verdict were written; the others came later."""

ELSEWHERE = {"tennis": "its licence, CC BY-NC-SA, does not allow the file here; name its folder with --folder"}
"""Streams without a file in ``data/``, and why."""


def streams_in(folder: Path | None) -> list[str]:
    """Return the names of the streams that have a file, in ``data/`` or in another folder."""
    return [name for name in STREAMS if name not in ELSEWHERE or (folder and (folder / f"{name}.parquet").exists())]


class Stream:
    """A model's rows: ``label``, ``score`` or ``prediction``, ``time`` if rows have one; the rest are inputs.

    Attributes:
        name: Its name, that of its file.
        kind: Its task, and how it is cut into windows.
        reference: The rows of the baseline.
        production: The rows after it, in order.
        keys: int64 (rows of production,): the window of each row.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        """Read a stream, from another folder if it has no file in ``data/``."""
        self.name, self.kind = name, STREAMS[name]
        rows = pd.read_parquet((folder if name in ELSEWHERE and folder else DATA) / f"{name}.parquet")
        rows = rows.sort_values("time", kind="stable") if "time" in rows else rows
        self.reference, self.production = (
            rows[rows["split"] == split].drop(columns="split").reset_index(drop=True)
            for split in ("reference", "production")
        )
        self.keys = window_keys(self.production, self.kind)

    @property
    def output(self) -> str:
        """The column of the model's output."""
        return "score" if "score" in self.reference else "prediction"

    @property
    def output_option(self) -> str:
        """Driftline's option for this column."""
        return "score" if self.output == "score" else "predicted"

    @property
    def inputs(self) -> list[str]:
        """The names of the model's inputs."""
        return [name for name in map(str, self.reference) if name not in ("score", "prediction", "label", "time")]

    @cached_property
    def windows(self) -> dict[int, pd.DataFrame]:
        """The windows with enough labels for a truth, by their key."""
        found = {key: self.production[self.keys == key] for key in dict.fromkeys(self.keys.tolist())}
        return {key: rows for key, rows in found.items() if _is_large(labelled(rows))}

    def start(self, key: int) -> str:
        """Return the first day of a window, or its number."""
        return str(key) if self.kind.rows else str(np.datetime64(MONDAY + key * self.kind.days, "D"))


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a label."""
    return rows[rows["label"].notna()]


def _is_large(rows: pd.DataFrame) -> bool:
    return len(rows) >= LEAST_ROWS and len(np.unique(blocks_of(rows))) >= LEAST_BLOCKS


MONDAY = 4
"""Days from the epoch to a Monday, where windows of days begin to be counted, as those of Driftline."""


def window_keys(rows: pd.DataFrame, kind: Kind) -> np.ndarray:
    """Return the number of each row's window."""
    return np.arange(len(rows)) // kind.rows if kind.rows else (days_of(rows) - MONDAY) // kind.days


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

"""n rows at once: what a reader makes of an input that holds several predictions, and why it may make nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from driftline.loss_counters import TOO_LARGE

from .row import Row
from .values import Columns, column_of_any

Reader = Callable[[Any], "Row | Batch | Unrecorded"]
"""Reads one input of a known type."""

FeatureTest = Callable[[str], bool]
"""Says whether a column of that name is read."""


MOST_BYTES = 24 * 2**20
"""Bytes of one snapshot: with it in the buffer of 32 MiB, other rows still have room."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An input whose features cannot be recorded.

    Attributes:
        reason: Reason of :mod:`driftline.loss_counters`.
        fix: Sentence with the fix, "" without one.
        rows: Number of rows; None where unknown, which counts as one row.
    """

    reason: str
    fix: str = ""
    rows: int | None = None


class Batch:
    """n rows as they were given, without a copy; :meth:`bounded_snapshot` is their snapshot.

    Attributes:
        count: N.
        cost: Bytes that a snapshot holds, about.
    """

    count: int
    cost: int

    def bounded_snapshot(self) -> Batch | Unrecorded:
        """Return the snapshot, which no later change reaches, unless it is larger than ``MOST_BYTES``."""
        if self.cost > MOST_BYTES:
            return self._too_large()
        snapshot = self.snapshot()
        return snapshot if snapshot.cost <= MOST_BYTES else snapshot._too_large()

    def _too_large(self) -> Unrecorded:
        room = max(1, self.count * MOST_BYTES // self.cost)
        fix = f"at most {MOST_BYTES >> 20} MiB of features are recorded per call; predict {room:,} rows at a time"
        return Unrecorded(TOO_LARGE, fix, self.count)

    def snapshot(self) -> Batch:
        """Return a copy; itself where nobody can change it."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...] | None:
        """Return the feature names, or None where the input has none."""
        raise NotImplementedError

    def width(self) -> int:
        """Return the number of columns."""
        raise NotImplementedError

    def values(self, at: int) -> Any:
        """Return one column as it is held, which :func:`~.column.read_column` reads."""
        raise NotImplementedError

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the columns that are is_feature, on the background thread.

        A batch that holds columns of a library reads them with that library's reader.

        Args:
            names: the names of all columns, in their order.
            is_feature: says whether a column is read; asked once per column, in order.
        """
        return {name: column_of_any(self.values(index)) for index, name in enumerate(names) if is_feature(name)}


class Featureless(Batch):
    """n rows without recorded features: only their number is known."""

    def __init__(self, rows: int) -> None:
        self.count = rows
        self.cost = 0

    def snapshot(self) -> Batch:
        """Return the batch itself."""
        return self

    def names(self) -> tuple[str, ...] | None:
        """Return no names."""
        return ()

    def width(self) -> int:
        """Return 0 columns."""
        return 0

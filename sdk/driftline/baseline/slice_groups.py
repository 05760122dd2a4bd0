"""Group rows by the value of a slice key and by time step: the same groups in the store and for files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from driftline.baseline.sections.slices import OTHER, places_of, slice_name
from driftline.panes.fold import GroupCounts
from driftline.tables.table import I64, Column


class SliceGroups(NamedTuple):
    """The groups of one key: each is one slice in one time step, and has rows.

    Attributes:
        group: Group of each row, int64 (n,), -1 = the row has no value of the key.
        slice: Slice of each group, int64 (g,), its index among the names of the key.
        step: Time step of each group, int64 (g,).
    """

    group: I64
    slice: I64
    step: I64

    def counts(self) -> GroupCounts:
        """Return the counter of each group's rows, filled while all rows are folded."""
        return GroupCounts(self.group, len(self.slice))


class SliceKey(NamedTuple):
    """The slice of each of n rows, by one key.

    Attributes:
        key: The key.
        values: Names of the slices, such as values of the key, and ``other``.
        place: Index of each row's slice in ``values``, int64 (n,), -1 = none.
    """

    key: str
    values: Sequence[str]
    place: I64

    @classmethod
    def of(cls, key: str, column: Column | None, values: Sequence[str], n: int) -> SliceKey:
        """Return the slice of each of n rows; ``values``: the values with a slice of their own."""
        return cls(key, (*values, OTHER), places_of(column, values, n))

    @property
    def names(self) -> list[str]:
        """The slices as ``key=value``."""
        return [slice_name(self.key, value) for value in self.values]

    def by_step(self, step: I64) -> SliceGroups:
        """Group the rows by slice and time step.

        Args:
            step: Step of each row, int64 (n,), from 0.

        >>> groups = SliceKey("country", ("NL", "BE"), np.array([1, -1, 0, 1])).by_step(np.array([0, 0, 5, 0]))
        >>> groups.group.tolist(), groups.slice.tolist(), groups.step.tolist()
        ([0, -1, 1, 0], [1, 0], [0, 5])
        """
        width = len(self.values)
        cell = np.where(self.place < 0, -1, step * width + self.place)
        there = np.bincount(cell[cell >= 0]) > 0
        present = np.flatnonzero(there)
        number = np.append(np.cumsum(there) - 1, -1)  # a cell of -1 reads the last entry
        return SliceGroups(number[cell].astype(np.int64), present % width, present // width)

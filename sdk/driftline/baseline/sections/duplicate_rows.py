"""Duplicate rows: a fingerprint per row, and the number of distinct rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from driftline.panes.bins import Bins, NumberBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import Column, PredictionTable

from .section import Section

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup

U64 = NDArray[np.uint64]

MOST_KEPT = 1 << 18
"""Maximum number of fingerprints: 2 MB."""

_AT_ONCE = 1 << 17
"""Values mixed at a time, which fit in the CPU cache: three times as fast as all rows at once."""

_ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT = np.uint64(30), np.uint64(27), np.uint64(31)


@dataclass(frozen=True, slots=True)
class Repeats(Section):
    """Number of rows with enough features, and number of distinct rows among them."""

    rows: int
    distinct: int

    def check(self) -> None:
        """Raise ``ValueError`` for impossible numbers."""
        if not 0 < self.distinct <= self.rows:
            raise ValueError("must have the whole numbers 'rows' and 'distinct', with 0 < distinct <= rows")

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the section if all features are exported unchanged: rows without some features repeat more often."""
        return self if len(features.plain) == len(features.exported) else None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Distinct rows that recur from an earlier window. A probe that sends one row repeatedly is one row.

    Attributes:
        rows: Distinct rows with all features.
        repeated: Distinct rows that equal a row of the earlier window.
        before: Distinct rows of the earlier window.
    """

    rows: int
    repeated: int
    before: int


class Counting:
    """Counter of duplicate rows in bounded memory: exact up to 262,144 rows.

    For more rows, only fingerprints below a bound are kept, and the bound is halved as needed. Equal rows are kept or
    dropped together, so the duplicate fraction is that of a sample of the distinct rows.

    >>> counting = Counting()
    >>> counting.add(np.array([7, 8], np.uint64)), counting.add(np.array([7], np.uint64))
    (None, None)
    >>> counting.result()
    Repeats(rows=3, distinct=2)
    """

    def __init__(self, limit: int = MOST_KEPT) -> None:
        self._limit, self._halved = limit, 0
        self._pieces: list[U64] = []
        self._count = self._rows = 0

    def add(self, hashes: U64) -> None:
        """Count rows, except those that lack a feature."""
        hashes = hashes[hashes != 0]
        self._rows += len(hashes)
        self._pieces.append(self._below(hashes))
        self._count += len(self._pieces[-1])
        while self._count > self._limit:
            self._halved += 1
            self._pieces = [self._below(piece) for piece in self._pieces]
            self._count = sum(map(len, self._pieces))

    def result(self) -> Repeats | None:
        """Return the repeats; None without rows."""
        if not self._rows:
            return None
        hashes = np.concatenate(self._pieces)
        return repeats_of(self._rows, len(hashes), len(sorted_distinct(hashes)), self._halved)

    def recurrence(self, earlier: Counting) -> Recurrence | None:
        """Return the rows that recur from an earlier window; None if either window has no rows.

        If only a sample of the rows is kept, the result is for the rows that both counters kept.

        >>> one, other = Counting(), Counting()
        >>> one.add(np.array([7, 8, 9], np.uint64)), other.add(np.array([9, 9, 5], np.uint64))
        (None, None)
        >>> other.recurrence(one)
        Recurrence(rows=2, repeated=1, before=3)
        """
        if not self._rows or not earlier._rows:
            return None
        halved = max(self._halved, earlier._halved)
        own_hashes, earlier_hashes = (
            sorted_distinct(_below(np.concatenate(counting._pieces), halved)) for counting in (self, earlier)
        )
        repeated = int(np.count_nonzero(np.isin(own_hashes, earlier_hashes, assume_unique=True)))
        return Recurrence(len(own_hashes), repeated, earlier._rows) if len(own_hashes) else None

    def _below(self, hashes: U64) -> U64:
        return _below(hashes, self._halved)


def _below(hashes: U64, halved: int) -> U64:
    """Return the fingerprints below a bound that was halved ``halved`` times."""
    return hashes if not halved else hashes[hashes >> np.uint64(64 - halved) == 0]


def repeats_of(rows: int, kept: int, distinct: int, halved: int) -> Repeats:
    """Extrapolate ``distinct`` of ``kept`` rows to all ``rows``; the bound was halved ``halved`` times.

    >>> repeats_of(1_000_000, 250_000, 240_000, 2)
    Repeats(rows=1000000, distinct=960000)
    """
    return Repeats(rows, max(1, rows - (kept - distinct) * 2**halved))


class RepeatsGatherer:
    """Counts duplicate reference rows."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._counting, self._bins = Counting(), reference.bins.features

    def add(self, table: PredictionTable, _: Column | None) -> None:
        """Add rows."""
        self._counting.add(fingerprints(table.features, self._bins, len(table)))

    def piece(self) -> Repeats | None:
        """Return the repeats."""
        return self._counting.result()


LEAST_CONTINUOUS = 3
"""Minimum number of features with many values in a row that lacks others: rows with fewer repeat by chance."""


def fingerprints(features: Mapping[str, Column], names: Collection[str] | Mapping[str, Bins], n: int) -> U64:
    """Return a 64-bit fingerprint of each of n rows, equal for equal rows; 0 for a row that lacks too many features.

    ``names``: the features, with their bins if known. A row must have all of them; or half of them, three of which have
    many values: if a feature with many values is missing, the remaining ones may repeat by chance. Numbers are compared
    by their bits, texts by their category, also between tables. Mixed as in splitmix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", 2014).

    >>> column = Column(numbers=np.array([1.0, 2.0, 1.0, np.nan]))
    >>> a, b, c, d = fingerprints({"x": column}, ["x"], 4).tolist()
    >>> a == c, a == b, d
    (True, False, 0)
    """
    total = np.zeros(n, dtype=np.uint64)
    columns = [(name, features[name]) for name in names if name in features]
    many_values = {name for name, bins in names.items() if _has_many_values(bins)} if isinstance(names, Mapping) else ()
    if not columns or (len(columns) < len(names) and len(many_values) < LEAST_CONTINUOUS):
        return total
    numeric = [(name, column) for name, column in columns if column.numbers is not None and len(column.numbers)]
    numbers = [(_seed(name), column.numbers) for name, column in numeric if column.numbers is not None]
    is_many = np.array([name in many_values for name, _ in numeric], np.bool_)
    seeds = np.array([seed for seed, _ in numbers], dtype=np.uint64)[:, np.newaxis]
    is_many = np.array(
        [name in many_values for name, column in columns if column.numbers is not None and len(column.numbers)],
        np.bool_,
    )
    texts = [
        (_category_hashes(name, column), column.codes)
        for name, column in columns
        if column.codes is not None and len(column.codes)
    ]
    size = max(1, _AT_ONCE // max(1, len(numbers)))
    for start in range(0, n, size):
        block = slice(start, start + size)
        into = total[block]
        present_values, present_many = np.zeros(len(into), dtype=np.intp), np.zeros(len(into), dtype=np.intp)
        if numbers:  # all columns at once: for few rows, the number of numpy calls dominates
            values = np.stack([column[block] for _, column in numbers])
            is_given = ~np.isnan(values)
            present_values += np.count_nonzero(is_given, axis=0)
            if many_values:
                present_many += np.count_nonzero(is_given[is_many], axis=0)
            values += 0.0  # -0.0 becomes 0.0
            bits = values.view(np.uint64)
            bits ^= seeds
            into += np.where(is_given, _mix(bits), np.uint64(0)).sum(axis=0, dtype=np.uint64)
        for hashes, codes in texts:
            present_values += codes[block] >= 0
            into += hashes[codes[block]]
        into |= np.uint64(1)  # no fingerprint is 0
        enough = (2 * present_values >= len(names)) & (present_many >= LEAST_CONTINUOUS)
        into[(present_values < len(names)) & ~enough] = 0
    return total


def _has_many_values(bins: Bins) -> bool:
    """Return True for bins of quantiles; few values have a narrow bin each."""
    if not isinstance(bins, NumberBins) or bins.size < 20:
        return False
    narrow = np.diff(bins.edges) <= 1e-6 * np.abs(bins.edges[1:])
    return bool(np.count_nonzero(narrow) < bins.size // 4)


def _mix(bits: U64) -> U64:
    for odd, shift in zip(_ODD, _SHIFT, strict=True):
        bits ^= bits >> shift
        bits *= odd
    return bits


def _category_hashes(name: str, column: Column) -> U64:
    return np.array([*(_hash(f"{name}\0{category}") for category in column.categories), 0], dtype=np.uint64)


@lru_cache(maxsize=4_096)
def _seed(name: str) -> np.uint64:
    return _hash("#" + name)


@lru_cache(maxsize=65_536)
def _hash(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"))

"""Reference rows before the task is known, and a sample of them of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from driftline.panes.model_bins import ModelBins
from driftline.panes.relevance import Relevance
from driftline.panes.relevance import take_rankings as taken_relevance
from driftline.tables.table import F64, I64, Column, PredictionTable, concatenate, take_rows, used_categories
from driftline.tables.timestamps import AnySeasonality

MOST_SAMPLED = 100_000
"""Rows from which bins are chosen if not all rows are in memory. The standard error of a quantile's level is then at
most 0.16 percentage points (at the median); counts over the bins include all rows.
"""

MOST_BYTES = 256 << 20
"""Bytes of a sample; it has fewer rows if rows are wide or texts long."""

FEWEST_SAMPLED = 1_000
NO_ROWS = "there are no rows; a baseline needs reference rows"
_SEED = 20_260_213


@dataclass(frozen=True, slots=True)
class ReferenceRows:
    """n rows.

    Text features are the texts themselves.

    Attributes:
        scores: float64 (n, k), in the order of the classes.
        actual: Actual values.
        time: int64 (n,), unix nanoseconds, 0 = unknown.
        slices: Key → values of the slices.
        relevance: Relevance of the lists, for rankings.
    """

    rows: int
    features: Mapping[str, Column]
    scores: F64 | None = None
    predicted: Column | None = None
    actual: Column | None = None
    time: I64 | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    relevance: Relevance | None = None

    def take(self, rows: NDArray[np.intp]) -> ReferenceRows:
        """Return the rows at these positions, without categories of other rows."""

        def some(column: Column) -> Column:
            return used_categories(take_rows(column, rows))

        return ReferenceRows(
            rows=len(rows),
            features={name: some(column) for name, column in self.features.items()},
            scores=None if self.scores is None else self.scores[rows],
            predicted=None if self.predicted is None else some(self.predicted),
            actual=None if self.actual is None else some(self.actual),
            time=None if self.time is None else self.time[rows],
            slices={name: some(column) for name, column in self.slices.items()},
            relevance=None if self.relevance is None else taken_relevance(self.relevance, rows),
        )

    def size(self) -> int:
        """Return the approximate size in bytes."""
        columns = [
            *self.features.values(),
            *self.slices.values(),
            *(column for column in (self.predicted, self.actual) if column is not None),
        ]
        arrays = [self.scores, self.time, *(part for c in columns for part in (c.numbers, c.codes, c.vectors))]
        texts = sum(len(category) for column in columns for category in column.categories)
        return sum(array.nbytes for array in arrays if array is not None) + texts


Settle = Callable[[ReferenceRows], Callable[[ReferenceRows], ReferenceRows]]
"""Returns, from a sample, the function that converts rows of the same source, such as a text column of numbers."""


def joined(parts: Sequence[ReferenceRows]) -> ReferenceRows:
    """Concatenate rows in order. A feature, an actual or a time that a part lacks is missing there.

    Raises ``ValueError`` if the parts have different numbers of scores.
    """
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.features)
    keys = dict.fromkeys(key for part in parts for key in part.slices)
    scores = [None if part.scores is None else part.scores for part in parts]
    widths = {values.shape[1] for values in scores if values is not None}
    if len(widths) > 1:
        raise ValueError(f"rows have different numbers of scores: {', '.join(map(str, sorted(widths)))}")
    width = max(widths, default=0)
    return ReferenceRows(
        rows=sum(part.rows for part in parts),
        features={name: concatenate([_filled(part.features.get(name), part.rows) for part in parts]) for name in names},
        scores=np.concatenate([np.full((p.rows, width), np.nan) if p.scores is None else p.scores for p in parts])
        if width
        else None,
        predicted=_columns([(part.predicted, part.rows) for part in parts]),
        actual=_columns([(part.actual, part.rows) for part in parts]),
        time=np.concatenate([np.zeros(part.rows, np.int64) if part.time is None else part.time for part in parts])
        if any(part.time is not None for part in parts)
        else None,
        slices={key: concatenate([_filled(part.slices.get(key), part.rows) for part in parts]) for key in keys},
    )


def _columns(parts: Sequence[tuple[Column | None, int]]) -> Column | None:
    if all(column is None for column, _ in parts):
        return None
    return concatenate([_filled(column, rows) for column, rows in parts])


def _filled(column: Column | None, rows: int) -> Column:
    if column is None or (column.numbers is None and column.codes is None):
        return Column(numbers=np.full(rows, np.nan))
    return column


@dataclass(slots=True)
class Sample:
    """A uniform random sample of all added rows; all rows, in their order, while they fit.

    The seed is fixed: the same rows give the same sample.

    Attributes:
        max_rows: Maximum number of rows; None = no limit.
    """

    max_rows: int | None = MOST_SAMPLED
    bytes: int = MOST_BYTES
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    _parts: list[tuple[F64, ReferenceRows]] = field(default_factory=list)
    _limit: float = 1.0

    def add(self, rows: ReferenceRows) -> None:
        """Add rows, of which some are drawn."""
        if self.max_rows is None:
            self._parts.append((np.empty(0), rows))
            return
        # each row has a random number, and rows with the smallest numbers are kept: dropped rows cannot return
        random_numbers = self._random.random(rows.rows)
        chosen = np.flatnonzero(random_numbers < self._limit)
        self._parts.append((random_numbers[chosen], rows if len(chosen) == rows.rows else rows.take(chosen)))
        if sum(part.rows for _, part in self._parts) > 2 * self.max_rows or self._size() > self.bytes:
            self._shrink(self.max_rows)
            while self.max_rows > FEWEST_SAMPLED and self._size() > self.bytes:
                self.max_rows = max(FEWEST_SAMPLED, self.max_rows // 2)
                self._shrink(self.max_rows)

    def rows(self) -> ReferenceRows:
        """Return the sample, in the order in which its rows were added. Raises ``ValueError`` if there are none."""
        if not any(part.rows for _, part in self._parts):
            raise ValueError(NO_ROWS)
        if self.max_rows is not None:
            self._shrink(self.max_rows)
        return joined([part for _, part in self._parts])

    def _size(self) -> int:
        return sum(part.size() for _, part in self._parts)

    def _shrink(self, limit: int) -> None:
        random_numbers = np.concatenate([part_numbers for part_numbers, _ in self._parts])
        if len(random_numbers) <= limit:
            return
        chosen = np.sort(np.argpartition(random_numbers, limit)[:limit])
        self._limit = float(random_numbers[chosen].max())
        rows = joined([part for _, part in self._parts]).take(chosen)
        self._parts = [(random_numbers[chosen], rows)]


@dataclass(frozen=True, slots=True)
class ReferenceSetup:
    """Inputs of every section before all rows are read.

    Attributes:
        sample: Some of the rows, or all while they are few.
        bins: Bins of the baseline.
        seasonality: Seasons of the rows, or the request to detect them; None without seasons.
    """

    sample: PredictionTable
    bins: ModelBins
    seasonality: AnySeasonality | None = None

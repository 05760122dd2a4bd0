"""What the profile of another tool says about each column: a weighted sample, or counts per category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from driftline.tables.table import F64

from driftline_extensions.expectation_suites.suite import SkippedCheck


@dataclass(frozen=True)
class NumberSummary:
    """A number.

    ``values``, ``weights``: float64 (n,), the values of a sketch and the rows that each stands for, in any order.
    ``edges``, ``counts``: instead of these, inner edges (k,) of a histogram and the rows per bin (k + 1,).
    """

    present: float
    values: F64 = field(default_factory=lambda: np.empty(0))
    weights: F64 = field(default_factory=lambda: np.empty(0))
    edges: F64 = field(default_factory=lambda: np.empty(0))
    counts: F64 = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class CategorySummary:
    """A category: rows with a value, and rows of each known value; the rest of the rows has other values."""

    present: float
    counts: dict[str, float]


@dataclass(frozen=True)
class TableSummary:
    """The rows and the columns of a profile, and the columns that were left out."""

    rows: int
    columns: dict[str, NumberSummary | CategorySummary]
    left_out: Sequence[SkippedCheck] = ()


def kll_sample(levels: Sequence[F64]) -> tuple[F64, F64]:
    """Return values and weights of a KLL sketch (Karnin, Lang and Liberty, 2016): level i has the weight 2**i.

    >>> values, weights = kll_sample([np.array([1.0]), np.array([5.0, 7.0])])
    >>> values.tolist(), weights.tolist()
    ([1.0, 5.0, 7.0], [1.0, 2.0, 2.0])
    """
    weights = [np.full(len(level), 2.0**number) for number, level in enumerate(levels)]
    return np.concatenate([np.empty(0), *levels]), np.concatenate([np.empty(0), *weights])

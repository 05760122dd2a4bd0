"""The interface of the optional sections of a baseline, and checks that several of them share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Self

import numpy as np

from driftline.panes.bins import Bins, Index
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, I64

MOST_BLOCKS = 60


class Section:
    """One optional section of a baseline: sums and names, never a row. A frozen dataclass whose fields are its JSON.

    :mod:`driftline.baseline.codec` writes and reads the fields, and calls the method ``check`` if there is one.
    """

    __slots__ = ()

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError``, with the rule, if the section does not fit the bins of its baseline."""

    def leaving(self, _features: FeatureFilter) -> Self | None:
        """Apply privacy rules: return the section unchanged if it contains no values of features, None to remove it."""
        return self


def block_columns(bins: ModelBins) -> dict[str, Bins]:
    """Return the compared bins by the name of their part in a pane.

    >>> block_columns(ModelBins())
    {}
    """
    bins_by_name: dict[str, Bins | None] = {f"feature:{name}": over for name, over in bins.features.items()}
    bins_by_name |= {"score": bins.score, "class": bins.classes}
    return {name: over for name, over in bins_by_name.items() if over is not None}


def sizes(parts: Collection[str], bins: ModelBins) -> Iterator[tuple[str, int]]:
    """Yield the parts with the number of their bins. Raises ``ValueError`` for a part without bins."""
    columns = block_columns(bins)
    for name in parts:
        if name not in columns:
            raise ValueError(f"{name!r} is counted but has no bins")
        yield name, columns[name].size


def check_first(first: Index | I64, size: int, name: str = "") -> None:
    """Raise ``ValueError`` if the first bins of cells do not ascend from 0, or are outside ``size`` bins."""
    if first.ndim != 1 or first[:1].tolist() != [0] or (np.diff(first) <= 0).any() or first[-1] >= size:
        raise ValueError(
            f"{f'the entry of {name!r} ' if name else ''}must list the first bin of each cell in ascending order, "
            f"from 0 on and below {size}"
        )


def check_blocks(length: int, starts: I64, rows: F64) -> None:
    """Raise ``ValueError`` for a length of 0, starts that do not ascend, and blocks without rows."""
    if length <= 0:
        raise ValueError("length must be a whole number of nanoseconds above 0")
    if starts.ndim != 1 or not 2 <= len(starts) <= MOST_BLOCKS or (np.diff(starts) <= 0).any():
        raise ValueError(f"starts must be 2 to {MOST_BLOCKS} times in ascending order")
    check_shape("rows", rows, len(starts), 3)


def check_shape(name: str, values: F64, *shape: int) -> None:
    """Raise ``ValueError`` if an array has another shape."""
    if values.shape != shape:
        raise ValueError(f"{name} must have {' × '.join(map(str, shape))} numbers")


def rounded(values: F64, digits: int = 7) -> F64:
    """Round values to a number of significant digits, which halves the size of the file.

    >>> rounded(np.array([0.123456789, 12345678.9])).tolist()
    [0.1234568, 12345680.0]
    """
    numbers = values.astype(np.float64).ravel()
    fractions = np.flatnonzero(
        (numbers != np.trunc(numbers)) | (np.abs(numbers) >= 10.0**digits)
    )  # most values are counts, which do not change
    numbers[fractions] = [float(f"{number:.{digits}g}") for number in numbers[fractions].tolist()]
    return numbers.reshape(values.shape)

"""Values that bins do not describe: magnitudes of outliers, values of another type, and categories of other features.

Each feature has up to five parts. They are sums, like all parts; they are missing if there are no such values, and a
window without them only pays for the search. Data quality checks use them to detect a column in another unit, of
another type, or swapped with another column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

from driftline.tables.table import F64, Column

from .bins import Bins, CategoryBins, Index

OCTAVES = 64
"""Powers of two below and above 1 with their own entry: 5e-20 to 2e19. Values outside count in the last entry."""

TAILS = 4 * OCTAVES + 1
"""Number of entries of ``tails:NAME``: negative octaves from the greatest magnitude on, zero, positive octaves."""

KINDS = ("number_in_text", "text", "infinite", "number")
"""Entries of ``kinds:NAME``: in a number feature, texts that are numbers, other texts, and infinities; in a category
feature, numbers.
"""

OFFSETS = "offsets:"
"""Prefix of the part with the position of outliers within their power of two; baselines do not contain it, since a
single outlier would be a readable value.
"""

OFFSET_UNIT = 4_096
"""Steps of a power of two. Offsets are whole numbers, so that sums are exact."""

OTHERS, OTHERS_WIDTH = "others:", 256
"""Prefix of the part with the weight of texts without a bin by their CRC-32, and its length; not in baselines. It shows
how frequent new categories are, not which they are.
"""

NOT_IN_BASELINES = (OFFSETS, OTHERS)

PREFIXES = ("tails:", "kinds:", "elsewhere:", OFFSETS, OTHERS)
"""Prefixes of the parts, before the feature's name."""

_NUMBER_IN_TEXT, _TEXT, _INFINITE, _NUMBER = range(len(KINDS))


class UnbinnedPart(NamedTuple):
    """One part: its width, positions of the rows that count in it, and the entry of each of these rows.

    ``values``: the summed value of each of these rows; None = 1.
    """

    width: int
    rows: Index
    entries: Index
    values: F64 | None = None


def part_width(part: str, features: int) -> int | None:
    """Return the length of a part's vector; None for other parts. ``features``: number of features.

    >>> part_width("tails:age", 3), part_width("elsewhere:plan", 3), part_width("rows", 3)
    (257, 3, None)
    """
    widths = dict(zip(PREFIXES, (TAILS, len(KINDS), features, 2 * TAILS, OTHERS_WIDTH), strict=True))
    return next((width for prefix, width in widths.items() if part.startswith(prefix)), None)


def octave(values: F64) -> Index:
    """Return the entry of ``tails:NAME`` of each finite value: intp (n,).

    Entry ``2 * OCTAVES + k`` is ``[2^(k - OCTAVES - 1), 2^(k - OCTAVES))`` for k = 1 to 2 * OCTAVES; negative values
    are mirrored, and zero is between them.

    >>> (octave(np.array([-1.0, 0.0, 1.0, 1.5, 2.0])) - 2 * OCTAVES).tolist()
    [-65, 0, 65, 65, 66]
    """
    _, exponent = np.frexp(values)
    size = np.clip(exponent, 1 - OCTAVES, OCTAVES) + OCTAVES
    return np.where(values == 0, 0, np.where(values > 0, size, -size)).astype(np.intp) + 2 * OCTAVES


def offsets(values: F64) -> F64:
    """Return the position of each finite value in its power of two, away from zero: float64 (n,), in steps.

    >>> (offsets(np.array([1.0, 1.5, -3.0, 0.0])) / OFFSET_UNIT).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    mantissa, _ = np.frexp(np.abs(values))
    return np.where(values == 0, 0.0, np.floor((2 * mantissa - 1) * OFFSET_UNIT))


def octave_bounds() -> F64:
    """Return the edges between the entries of ``tails:NAME``, ascending: float64 (TAILS - 1,); the ends are open.

    >>> bounds = octave_bounds()
    >>> values = np.array([-3.0, -2.0, -1e-30, 0.0, 1e-30, 2.0, 3.0, 1e30])
    >>> bool((np.searchsorted(bounds, values, side="right") == octave(values)).all())
    True
    """
    powers = np.ldexp(1.0, np.arange(1 - OCTAVES, OCTAVES))
    return np.concatenate([np.nextafter(-powers[::-1], np.inf), [0.0, np.nextafter(0.0, 1.0)], powers])


def unbinned_parts(
    name: str, bins: Mapping[str, Bins], column: Column, index: Index, counts: F64
) -> dict[str, UnbinnedPart]:
    """Return the unbinned values of one feature, by part.

    ``index``: bin of each row, see :func:`driftline.panes.bins.assign`. ``counts``: number of rows per bin.

    >>> from .bins import NumberBins
    >>> column = Column(numbers=np.array([0.5, 100.0]))
    >>> over = {"x": NumberBins(np.array([0.0, 1.0]))}
    >>> stray = unbinned_parts("x", over, column, np.array([1, 2]), np.array([0, 1, 1, 0, 0]))["tails:x"]
    >>> stray.rows.tolist(), (stray.entries - 2 * OCTAVES).tolist()
    ([1], [71])
    """
    column_bins = bins[name]
    if isinstance(column_bins, CategoryBins):
        return _of_category(name, bins, column_bins, column, index, counts)
    parts = {}
    last = column_bins.size - 1
    if last and (counts[0] or counts[last]) and column.numbers is not None:
        # unsigned, so 0 - 1 is the maximum: one comparison finds both ends
        rows = np.flatnonzero((index - 1).view(np.uintp) >= last - 1)
        rows = rows[index[rows] <= last]
        entries = octave(column.numbers[rows])
        parts[f"tails:{name}"] = UnbinnedPart(TAILS, rows, entries)
        steps = offsets(column.numbers[rows])
        parts[f"{OFFSETS}{name}"] = UnbinnedPart(
            2 * TAILS,
            np.concatenate([rows, rows]),
            np.concatenate([entries, entries + TAILS]),
            np.concatenate([steps, steps**2]),
        )
    if counts[column_bins.size + 1]:
        parts |= _of_invalid(name, bins, column, np.flatnonzero(index == column_bins.size + 1))
    return parts


def _of_invalid(name: str, bins: Mapping[str, Bins], column: Column, rows: Index) -> dict[str, UnbinnedPart]:
    if column.codes is None:
        return {f"kinds:{name}": UnbinnedPart(len(KINDS), rows, np.full(len(rows), _INFINITE))}
    codes = column.codes[rows]
    kinds = [_NUMBER_IN_TEXT if _is_number(category) else _TEXT for category in column.categories]
    entries = np.array([*kinds, _INFINITE], dtype=np.intp)[codes]  # code -1 reads the last entry
    texts = rows[codes >= 0]
    parts = {f"kinds:{name}": UnbinnedPart(len(KINDS), rows, entries)} | _elsewhere(name, bins, column, texts)
    return parts | _others(name, column, texts)


def _of_category(
    name: str, bins: Mapping[str, Bins], category_bins: CategoryBins, column: Column, index: Index, counts: F64
) -> dict[str, UnbinnedPart]:
    parts = {}
    if column.numbers is not None:
        rows = np.flatnonzero(np.isfinite(column.numbers))
        if len(rows):
            parts[f"kinds:{name}"] = UnbinnedPart(len(KINDS), rows, np.full(len(rows), _NUMBER))
    if counts[category_bins.size - 1] and column.codes is not None:
        texts = np.flatnonzero((index == category_bins.size - 1) & (column.codes >= 0))
        parts |= _elsewhere(name, bins, column, texts) | _others(name, column, texts)
    return parts


def _others(name: str, column: Column, index: Index) -> dict[str, UnbinnedPart]:
    """Count texts without a bin by their CRC-32."""
    if not len(index) or column.codes is None:
        return {}
    different, positions = np.unique(column.codes[index], return_inverse=True)
    texts = [column.categories[code].encode(errors="surrogatepass") for code in different.tolist()]
    entries = np.array([crc32(text) % OTHERS_WIDTH for text in texts], dtype=np.intp)
    return {f"{OTHERS}{name}": UnbinnedPart(OTHERS_WIDTH, index, entries[positions])}


def _elsewhere(name: str, bins: Mapping[str, Bins], column: Column, index: Index) -> dict[str, UnbinnedPart]:
    """Count categories without a bin in this feature under each feature that has the bin."""
    if not len(index) or column.codes is None:
        return {}
    codes = column.codes[index]
    strange = {column.categories[code] for code in np.unique(codes).tolist()}
    rows, entries = [], []
    for position, (other_name, other_bins) in enumerate(bins.items()):
        shared_categories = (
            strange & set(other_bins.categories) if isinstance(other_bins, CategoryBins) and other_name != name else ()
        )
        if shared_categories:
            is_shared = np.array([category in shared_categories for category in column.categories], dtype=np.bool_)[
                codes
            ]
            rows.append(index[is_shared])
            entries.append(np.full(len(rows[-1]), position))
    if not rows:
        return {}
    return {f"elsewhere:{name}": UnbinnedPart(len(bins), np.concatenate(rows), np.concatenate(entries))}


def _is_number(category: str) -> bool:
    try:
        # as the readers: float() reads 1_000, as Python writes numbers in its source
        float("" if "_" in category else category)
    except ValueError:
        return False
    return True

"""Privacy rules of one feature, applied to a value, a column or bins; and the set of exported features.

Each rule is one class with these three methods, so that a row, a batch and a baseline agree.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftline.inputs.texts_and_vectors import Document, Vector, short_text, vector_column
from driftline.panes.bins import RARE, TOLERANCE, Bins, CategoryBins, NumberBins, assign
from driftline.tables.classes import number_text
from driftline.tables.table import F64, Column, length

T = TypeVar("T")
Values = NDArray[Any] | Column

SHORT = 8
"""Bytes of a feature's hash: 16 hex characters; the probability of a collision among a million values is 3e-8."""
LONG = 16
"""Bytes of an id's hash, by which outcomes join: the probability of a collision among 1e15 ids is 1e-9."""


class Rule(Protocol):
    """A privacy rule for one feature."""

    def value(self, value: Any) -> Any:
        """Apply the rule to one clean value (float, int, bool, str or None); None = not exported."""
        ...

    def column(self, values: Values) -> Values | None:
        """Apply the rule to n values; None = the feature is not recorded."""
        ...

    def bins(self, bins: Bins, counts: F64) -> tuple[Bins, F64] | None:
        """Apply the rule to a baseline's bins and their weights; None = not exported.

        ``counts``: float64 (size + 2,): per bin, then missing, then invalid.
        """
        ...


class Key:
    """The key of a keyed hash. Its repr hides the key, and no attribute contains its bytes.

    >>> key = Key(b"0123456789abcdef")
    >>> key, key.digest("A-1001", SHORT), key == Key(b"0123456789abcdef")
    (***, 'd265788a444b27bf', True)
    """

    __slots__ = ("_states",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) > hashlib.blake2b.MAX_KEY_SIZE:
            secret = hashlib.blake2b(secret).digest()
        self._states = {size: hashlib.blake2b(key=secret, digest_size=size) for size in (SHORT, LONG)}

    def digest(self, text: str, size: int) -> str:
        """Return the keyed BLAKE2b hash (RFC 7693) of a text in UTF-8: 2 * ``size`` hex characters."""
        state = self._states[size].copy()
        state.update(text.encode("utf-8", "replace"))
        return state.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._print() == other._print()

    def __hash__(self) -> int:
        return hash(self._print())

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> Any:
        raise TypeError("a key cannot be pickled; set DRIFTLINE_PRIVACY_KEY in the process that loads the pickle")

    def _print(self) -> bytes:
        return self._states[LONG].digest()


class Deny:
    """The feature is not exported."""

    def value(self, value: Any) -> None:
        """Return None."""

    def column(self, values: Values) -> None:
        """Return None."""

    def bins(self, bins: Bins, counts: F64) -> None:
        """Return None: edges are quantiles of the values, and categories are the values."""


DENY = Deny()


@dataclass(frozen=True)
class Hash:
    """Values are replaced by a short keyed hash of their text: equal values stay equal, but cannot be read.

    17, 17.0 and "17" are one text, as they are one category of a baseline. A vector cannot be hashed, and is left out.
    """

    key: Key

    def value(self, value: Any) -> str | None:
        """Return the hash of one value."""
        text = _text(value)
        return None if text is None else self.key.digest(text, SHORT)

    def column(self, values: Values) -> Values | None:
        """Hash each distinct value once."""
        column = values if isinstance(values, Column) else Column(numbers=values)  # integers stay integers here
        numbers = column.numbers
        if column.vectors is not None:
            return None
        categories: dict[str, int] = {}
        codes = np.full(length(column), -1, np.int32)
        if column.codes is not None:
            of_category = [self._code(category, categories) for category in column.categories]
            codes = np.array([*of_category, -1], np.int32)[column.codes]
        if numbers is not None and len(numbers):
            distinct, inverse = np.unique(numbers, return_inverse=True)
            of_number = np.array([self._code(number, categories) for number in distinct.tolist()], np.int32)
            codes = np.where(codes < 0, of_number[inverse.reshape(-1)], codes)
        return Column(codes=codes, categories=tuple(categories))

    def bins(self, bins: Bins, counts: F64) -> tuple[Bins, F64] | None:
        """Hash the categories; None for a number, because hashes have no order."""
        if not isinstance(bins, CategoryBins):
            return None
        return CategoryBins(tuple(self.key.digest(category, SHORT) for category in bins.categories)), counts

    def _code(self, value: Any, categories: dict[str, int]) -> int:
        hashed = self.value(value)
        return -1 if hashed is None else categories.setdefault(hashed, len(categories))


@dataclass(frozen=True)
class Round:
    """Numbers are replaced by the nearest multiple of ``step``, halves round up; times are seconds.

    Texts are left out.

    >>> Round(1000.0).value(73_412.37), Round(1000.0).value("73412.37")
    (73000.0, None)
    """

    step: float

    def value(self, value: Any) -> Any:
        """Return the nearest multiple of a number; None for anything else."""
        if isinstance(value, Vector):
            return (
                value if value.numbers is None else Vector(value.length, self._round(value.numbers).astype(np.float32))
            )
        if not isinstance(value, int | float):
            return None
        steps = value / self.step + 0.5
        return math.floor(steps) * self.step if math.isfinite(steps) else float(value)

    def column(self, values: Values) -> Values | None:
        """Return the nearest multiples of n numbers, or n vectors; NaN for a text."""
        if not isinstance(values, Column):
            return self._round(values)
        if values.vectors is not None:
            return vector_column(self._round(values.vectors))
        if values.numbers is None:
            return np.full(length(values), np.nan)
        return self._round(values.numbers)

    def bins(self, bins: Bins, counts: F64) -> tuple[Bins, F64] | None:
        """Move each edge to the nearest middle between two multiples, and each bin's weight to the bin of its middle.

        An edge between two values that round to the same multiple separates nothing any more, and would reveal the
        values: bins of few distinct values have their edges next to the values.
        """
        if not isinstance(bins, NumberBins):
            return None
        if len(bins.edges) == 0:
            return bins, counts
        edges = np.unique((np.floor(bins.edges / self.step) + 0.5) * self.step)
        if not np.isfinite(edges).all():
            return None
        coarse = NumberBins(edges)
        inner = self._round(bins.edges[:-1] / 2 + bins.edges[1:] / 2)
        middles = np.concatenate([[edges[0] - self.step], inner, [edges[-1] + self.step]])
        moved = np.bincount(assign(coarse, Column(numbers=middles)), counts[:-2], minlength=coarse.size)
        return coarse, np.concatenate([moved, counts[-2:]])

    def _round(self, values: NDArray[Any]) -> F64:
        numbers = values.astype(np.float64)
        with np.errstate(all="ignore"):
            steps = numbers / self.step + 0.5
            return np.where(np.isfinite(steps), np.floor(steps) * self.step, numbers)


class CommonValues:
    """Rows are unchanged, and bins reveal no number that fewer than ten reference rows had.

    Such a number has its own bin if a feature has few distinct values. Categories always have this limit.
    """

    def value(self, value: Any) -> Any:
        """Return the value."""
        return value

    def column(self, values: Values) -> Values:
        """Return the values."""
        return values

    def bins(self, bins: Bins, counts: F64) -> tuple[Bins, F64]:
        """Merge adjacent rare values into groups of at least ten rows, with edges in the middle between two groups.

        >>> from driftline.panes.bins import number_bins
        >>> counts = np.array([0, 6, 0, 6, 0, 7, 0, 7, 0, 20, 0, 0, 0])
        >>> CommonValues().bins(number_bins(np.array([1.0, 2.0, 3.0, 4.0, 9.0])), counts)
        (NumberBins(edges=array([2.49999994, 8.99999893, 9.00000107])), array([12., 14., 20.,  0.,  0.,  0.]))
        """
        if not isinstance(bins, NumberBins) or len(bins.edges) < 2:
            return bins, counts
        edges, inner = bins.edges, counts[1 : bins.size - 1]
        reach = 4 * TOLERANCE * np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))
        is_single = (np.diff(edges) <= reach) | (edges[1:] == np.nextafter(edges[:-1], np.inf))  # the latter: of zero
        rare = is_single & (inner > 0) & (inner < RARE)
        if not rare.any():
            return bins, counts
        common = is_single & (inner >= RARE)
        beside_rare = np.append(rare, False) | np.append(False, rare)
        beside_common = np.append(common, False) | np.append(False, common)
        coarse = NumberBins(np.unique([*edges[~beside_rare | beside_common], *_cuts(edges, inner, rare)]))
        low, high = np.nextafter(edges[0], -np.inf), np.nextafter(edges[-1], np.inf)
        middles = np.concatenate([[low], edges[:-1] / 2 + edges[1:] / 2, [high]])
        moved = np.bincount(assign(coarse, Column(numbers=middles)), counts[:-2], minlength=coarse.size)
        return coarse, np.concatenate([moved, counts[-2:]])


COMMON_VALUES = CommonValues()


def _cuts(edges: F64, inner: F64, rare: NDArray[np.bool_]) -> list[float]:
    """Return edges between groups of adjacent rare values with ten rows or more."""
    cuts: list[float] = []
    of_run: list[float] = []
    last, rows = -1, 0.0
    for index in np.flatnonzero(inner > 0).tolist():
        if not rare[index]:
            cuts += of_run[:-1] if rows < RARE else of_run
            of_run, last, rows = [], -1, 0.0
            continue
        if last >= 0 and rows >= RARE:
            of_run.append(edges[last + 1] / 2 + edges[index] / 2)
            rows = 0.0
        last, rows = index, rows + float(inner[index])
    return cuts + (of_run[:-1] if rows < RARE else of_run)


def _text(value: Any) -> str | None:
    """Return the text of a clean value; None if it is missing."""
    if isinstance(value, str | Document):
        return short_text(value if isinstance(value, str) else value.category())
    if isinstance(value, int):  # a boolean is 0 or 1
        return str(int(value))
    if isinstance(value, float) and value == value:
        return number_text(value)
    return None


@dataclass(frozen=True, slots=True)
class FeatureFilter:
    """The exported features. A hashed or rounded feature is not in ``plain``: nothing may reveal its values.

    Attributes:
        exported: Features that are exported in any form.
        plain: Features whose values are exported unchanged.
    """

    exported: Collection[str]
    plain: Collection[str]

    def plain_parts(self, parts: Mapping[str, T]) -> dict[str, T]:
        """Return the parts of a pane without those of features whose values change."""
        return {
            name: part
            for name, part in parts.items()
            if not name.partition(":")[2] or name.partition(":")[2] in self.plain
        }

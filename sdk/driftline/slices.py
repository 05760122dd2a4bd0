"""Cuts of low cardinality, such as a country: the rows of each value counted over the same bins as all rows.

A slice is called ``key=value``. A key has at most 20 values, those with most rows; all others are ``key=other``. Values
are canonical texts (:func:`driftline.classes.class_text`): true and 1 are one. A row that lacks the key is in no slice
of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .bins import LONGEST_LABEL, RARE, CategoryBins, assign
from .blocks import targets
from .checked import by_name, floats, is_whole, short
from .classes import class_column
from .fold import Counted, ModelBins
from .leaving import Leaving
from .pane import Pane
from .tables import F64, I64, Column, PredictionTable, length

MOST_VALUES = 20
"""Values of a key that are told apart."""

OTHER = "other"
"""The name of all further values of a key."""

MOST_COUNTS = 100_000
"""Counts that are not zero in all slices of a baseline together, 0.5 MB of JSON: the slices with fewest rows go to
``other`` until there are no more. Twenty values of twenty numbers have at most 40,000."""


def slice_name(key: str, value: str) -> str:
    """Return what a slice is called.

    >>> slice_name("country", "NL")
    'country=NL'
    """
    return f"{key}={value}"


def values_of(column: Column, known: Sequence[str] = (), least: int = 1) -> tuple[str, ...]:
    """Return the values of a key that are told apart: those ``known``, then those of the column with most rows.

    ``least``: rows that a value needs. At most 20; texts of more than 256 characters, and the word ``other``, are none.

    >>> values_of(Column(codes=np.array([0, 1, 1]), labels=("NL", "BE")))
    ('BE', 'NL')
    """
    classes = class_column(column)
    chosen = dict.fromkeys(known)
    if classes.codes is not None and len(chosen) < MOST_VALUES:
        counts = np.bincount(classes.codes[classes.codes >= 0], minlength=len(classes.labels)).tolist()
        for rows, label in sorted(zip(counts, classes.labels, strict=True), key=lambda one: (-one[0], one[1])):
            if rows >= least and label != OTHER and len(label) <= LONGEST_LABEL:
                chosen[label] = None
    return tuple(chosen)[:MOST_VALUES]


def places_of(column: Column | None, values: Sequence[str], n: int) -> I64:
    """Return the slice of each of n rows: int64 (n,), its place in ``values``, their number for other, -1 for none.

    >>> places_of(Column(codes=np.array([0, 1, -1]), labels=("NL", "BE")), ["BE"], 3).tolist()
    [1, 0, -1]
    """
    if column is None or not length(column):
        return np.full(n, -1, np.int64)
    found = assign(CategoryBins(tuple(values)), class_column(column))
    return np.where(found > len(values), -1, found).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Key → value → the sums of its reference rows: ``rows``, features, score and class over the baseline's bins."""

    of: Mapping[str, Mapping[str, Pane]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slices) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def bounded(cls, of: Mapping[str, Mapping[str, Pane]]) -> Self | None:
        """Return slices that are small enough to travel: those with fewest rows go to the other values of their key."""
        kept = {key: dict(values) for key, values in of.items()}
        size = {
            (key, value): sum(int(np.count_nonzero(sums)) for sums in pane.parts.values())
            for key, values in kept.items()
            for value, pane in values.items()
        }
        rows = {(key, value): kept[key][value].rows for key, value in size}
        total = sum(size.values())
        for key, value in sorted((place for place in size if place[1] != OTHER), key=lambda place: rows[place]):
            if total <= MOST_COUNTS:
                break
            total -= size[key, value]
            kept[key][OTHER] = _merged(kept[key].get(OTHER), kept[key].pop(value))
        return cls({key: values for key, values in kept.items() if values}) if any(kept.values()) else None

    def pane(self, name: str) -> Pane | None:
        """Return the rows of a slice by its name; None where the baseline does not know it."""
        key, _, value = name.partition("=")
        return self.of.get(key, {}).get(value)

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key that are told apart, those with most rows first; none where it is not known."""
        known = {value: pane.rows for value, pane in self.of.get(key, {}).items() if value != OTHER}
        return tuple(sorted(known, key=lambda value: (-known[value], value)))

    def to_json(self) -> dict[str, Any]:
        """Return key → value → part → its sums, as places and values where most are zero."""
        return {
            key: {value: {part: _sparse(sums) for part, sums in pane.parts.items()} for value, pane in values.items()}
            for key, values in self.of.items()
        }

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        widths = {"rows": 3} | {part: over.size + 2 for part, over in targets(bins).items()}
        of: dict[str, dict[str, Pane]] = {}
        for key, values in by_name(value).items():
            if not key or "=" in key:
                raise ValueError(f"{key!r} is no key: it must be a name without '='")
            if len(by_name(values)) > MOST_VALUES + 1:
                raise ValueError(f"{key!r} has more than {MOST_VALUES} values and other")
            of[key] = {one: Pane(dict(_parts(by_name(parts), widths))) for one, parts in values.items()}
        return cls(of)

    def with_other(self, key: str, value: str) -> Self:
        """Return them with one value of a key among the others, as where it is not told apart."""
        values = dict(self.of.get(key, {}))
        pane = values.pop(value, None)
        if pane is None:
            return self
        return type(self)({**self.of, key: {**values, OTHER: _merged(values.get(OTHER), pane)}})

    def without(self, keys: Collection[str]) -> Self | None:
        """Return those of the other keys."""
        of = {key: values for key, values in self.of.items() if key not in keys}
        return type(self)(of) if of else None

    def leaving(self, features: Leaving) -> Self | None:
        """Return them without the features whose bins a rule changes."""
        return type(self)(
            {
                key: {value: Pane(dict(_left(pane, features))) for value, pane in values.items()}
                for key, values in self.of.items()
            }
        )


class SlicesGatherer:
    """Counts reference rows by slice while they are folded.

    ``sample``: some of the rows, which say what the values are. One seen fewer than 10 times goes to ``other``, as a
    label does: it is too rare to compare, and possibly personal.
    """

    def __init__(self, sample: PredictionTable) -> None:
        self._values = {key: values_of(column, least=RARE) for key, column in sample.slices.items()}
        self._sums: dict[str, dict[str, F64]] = {key: {} for key in self._values}

    def cuts(self, table: PredictionTable) -> dict[str, Counted]:
        """Return what counts the rows of a table by each key, for the fold."""
        n = len(table)
        return {
            key: Counted(places_of(table.slices.get(key), values, n), len(values) + 1)
            for key, values in self._values.items()
        }

    def add(self, cuts: Mapping[str, Counted]) -> None:
        """Take in what the fold counted."""
        for key, cut in cuts.items():
            sums = self._sums[key]
            for part, more in cut.parts.items():
                sums[part] = sums[part] + more if part in sums else more

    def piece(self) -> Slices | None:
        """Return the slices; None where there is no key."""
        of = {}
        for key, sums in self._sums.items():
            named = (*self._values[key], OTHER)
            panes = {value: Pane({part: rows[at] for part, rows in sums.items()}) for at, value in enumerate(named)}
            of[key] = {value: pane for value, pane in panes.items() if pane.rows}
        return Slices.bounded(of)


def _merged(one: Pane | None, other: Pane) -> Pane:
    if one is None:
        return other
    return Pane({part: sums + one.parts.get(part, 0.0) for part, sums in other.parts.items()})


def _sparse(sums: F64) -> Any:
    filled = np.flatnonzero(sums)
    if 2 * len(filled) < len(sums):
        return {"at": filled.tolist(), "values": [short(value) for value in sums[filled].tolist()]}
    return [short(value) for value in sums.tolist()]


def _parts(parts: Mapping[str, Any], widths: Mapping[str, int]) -> Iterator[tuple[str, F64]]:
    if "rows" not in parts:
        raise ValueError("rows is missing in a slice")
    for part, value in parts.items():
        if part not in widths:
            raise ValueError(f"{part!r} is counted but has no bins")
        dense = np.zeros(widths[part])
        at = value.get("at") if isinstance(value, dict) else list(range(widths[part]))
        if not isinstance(at, list) or not all(is_whole(one) and 0 <= one < widths[part] for one in at):
            raise ValueError(f"that of {part!r} needs places below {widths[part]}")
        read = floats(value.get("values") if isinstance(value, dict) else value)
        if len(read) != len(at):
            raise ValueError(f"that of {part!r} has {len(at)} places but {len(read)} values")
        dense[np.asarray(at, np.intp)] = read
        yield part, dense


def _left(pane: Pane, features: Leaving) -> Iterator[tuple[str, F64]]:
    for part, sums in pane.parts.items():
        if not part.startswith("feature:") or part.removeprefix("feature:") in features.plain:
            yield part, sums

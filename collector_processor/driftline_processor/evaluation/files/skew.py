"""Training-serving skew: the features logged online against those recomputed offline, row by row for the same ids.

Columns travel as numpy arrays. A reason is named only if at least 99 % of the differing rows, and at least 20, have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, Column
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import listed, near
from driftline_processor.present.numbers import many
from driftline_processor.readers.arrow_columns import (
    ids,
    is_nested,
    is_text,
    is_time,
    positions,
    values_of,
    whole_column,
)
from driftline_processor.readers.column_options import near_listed
from driftline_processor.readers.errors import BadInput, Say, option_text
from driftline_processor.readers.source import readable
from driftline_processor.readers.sources import open_sources

Bools = NDArray[np.bool_]

PROVEN = 0.99
"""Minimum fraction of the differing rows that a reason explains."""

LEAST = 20
"""Minimum number of differing rows with a reason."""

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Differences up to the tolerance are equal: a float32 has a relative error of 6e-8."""


class FeatureSkew(Struct, frozen=True):
    """The differences of one feature.

    Attributes:
        rows: Rows with a value on both sides.
        differs: Fraction of these rows whose values differ; None without such rows.
        mean_difference: Mean of online - offline over the differing rows with finite values; None for texts.
        max_difference: The largest of these differences, without its sign.
        missing_online: Fraction of all common rows that lack a value online only.
        missing_offline: Fraction of all common rows that lack a value offline only.
        reason: What explains the differences, "" if nothing is proven.
    """

    rows: int
    differs: float | None
    mean_difference: float | None
    max_difference: float | None
    missing_online: float
    missing_offline: float
    reason: str


class Skew(Struct, frozen=True):
    """The comparison of two files; the features with the most differences are first."""

    rows: int
    only_online: int
    only_offline: int
    repeated: int
    features: dict[str, FeatureSkew]


class _Side(Struct, frozen=True):
    name: str
    path: str
    table: pa.Table
    by_looks: frozenset[str]
    rows: NDArray[np.intp]

    def column(self, name: str, number: bool | None) -> Column:
        """Return a column of the common rows; row -1 is missing."""
        column = whole_column(self.table.column(name), number)
        return Column(
            None if column.numbers is None else np.append(column.numbers, np.nan)[self.rows],
            None if column.codes is None else np.append(column.codes, np.int32(-1))[self.rows],
            column.categories,
        )

    def is_text(self, name: str) -> bool:
        """Return True if the column holds texts that are no numbers by their looks."""
        return is_text(self.table.schema.field(name).type) and name not in self.by_looks


def compare_online_offline(
    online: Path,
    offline: Path,
    id: str,
    say: Say,
    features: Sequence[str] = (),
    entity: str = "",
    time: str = "time",
) -> Skew:
    """Compare the rows of two files that have the same id.

    Args:
        online: File of the features that the service used.
        offline: File of the features recomputed for the same ids.
        id: Column of the id in both.
        say: Called with one sentence for everything that is left out.
        features: Columns to compare; without any, all that both files have.
        entity: Offline column such as the customer, in whose row before a stale value is searched.
        time: Column of the time offline, with an entity.

    Raises:
        BadInput: A file or a column cannot be read, or no id is in both files.
    """
    tables = [_table(path, id, say, features) for path in (online, offline)]
    keys = [ids(table.column(id)) for table, _ in tables]
    repeated, unique = 0, []
    for path, key in zip((online, offline), keys, strict=True):
        encoded = key.dictionary_encode()
        codes = values_of(encoded.indices, -1)
        once = np.append(np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary)) == 1, False)[codes]
        if left_out := int((~once).sum()):
            repeated += left_out
            say(f"{path}: left out {many(left_out)} without an id, or with the id of another row")
        unique.append(np.flatnonzero(once))
    kept = [key.take(positions(rows)) for key, rows in zip(keys, unique, strict=True)]
    places = values_of(pc.index_in(kept[0], value_set=kept[1]), -1)
    common = np.flatnonzero(places >= 0)
    if not len(common):
        raise BadInput(f"{online}: no id in '{id}' is also in {offline}; do both have the id of the prediction?")
    rows = (unique[0][common], unique[1][places[common]])
    sides = [
        _Side(name, str(path), table, looks, of_side)
        for name, path, (table, looks), of_side in zip(
            ("online", "offline"), (online, offline), tables, rows, strict=True
        )
    ]
    names = _shared(sides, features, {id, entity, time}, say)
    if entity:
        sides.append(_earlier(sides[1], entity, time))
    found = {name: _compare(sides, name) for name in names}
    by_differences = sorted(found, key=lambda name: -_weight(found[name]))
    n = len(common)
    skews = {name: found[name] for name in by_differences}
    return Skew(n, len(unique[0]) - n, len(unique[1]) - n, repeated, skews)


def _weight(skew: FeatureSkew) -> float:
    return (skew.differs or 0.0) + skew.missing_online + skew.missing_offline


def _table(path: Path, id: str, say: Say, features: Sequence[str]) -> tuple[pa.Table, frozenset[str]]:
    sources = open_sources([path], {id}, say, features=features)
    for source in sources:
        if id not in source.schema.names:
            raise BadInput(f"{source.path}: no column '{id}' ({option_text('id')}); {near(id, source.schema.names)}")
    looks = frozenset(name for source in sources for name in source.by_looks)
    tables = [pa.table({name: source.column(name) for name in source.schema.names}) for source in sources]
    if len(tables) == 1:
        return tables[0], looks
    with readable(path):  # files have dictionaries of their own
        plain = [
            table.cast(pa.schema([(f.name, pa.large_string() if is_text(f.type) else f.type) for f in table.schema]))
            for table in tables
        ]
        return pa.concat_tables(plain, promote_options="permissive"), looks


def _named(sides: Sequence[_Side], features: Sequence[str]) -> list[str]:
    """Return the named columns, which both files must have."""
    for side in sides:
        names = side.table.schema.names
        for name in features:
            if name not in names:
                raise BadInput(
                    f"{side.path}: no column '{name}' ({option_text('features')}); {near_listed(name, names)}"
                )
    return list(features)


def _common(sides: Sequence[_Side], roles: set[str], say: Say) -> list[str]:
    """Return the columns of both files except times; those of one file are reported."""
    online, offline = ([name for name in side.table.schema.names if name not in roles] for side in sides)
    for side, mine, other in ((sides[0], online, offline), (sides[1], offline, online)):
        if alone := [name for name in mine if name not in other]:
            say(f"only {side.name}, not compared: {listed(alone)}")
    kinds = {name: [side.table.schema.field(name).type for side in sides] for name in online if name in offline}
    return [name for name, of_sides in kinds.items() if not any(map(is_time, of_sides))]


def _shared(sides: Sequence[_Side], features: Sequence[str], roles: set[str], say: Say) -> list[str]:
    """Return the columns to compare: the named ones, else those of both files."""
    both = _named(sides, features) if features else _common(sides, roles, say)
    lists = [name for name in both if any(is_nested(side.table.schema.field(name).type) for side in sides)]
    if lists:
        say(f"not compared, because they are lists or structures: {listed(lists)}")
    compared = [name for name in both if name not in lists]
    if not compared:
        raise BadInput(f"{sides[0].path}: no feature is also a column of {sides[1].path}; rename the columns alike")
    return compared


def _earlier(offline: _Side, entity: str, time: str) -> _Side:
    """Return the offline side with the rows before of the same entity, -1 for the first."""
    for name, option in ((entity, "entity"), (time, "time")):
        if name not in (names := offline.table.schema.names):
            raise BadInput(f"{offline.path}: no column '{name}' ({option_text(option)}); {near(name, names)}")
    columns = [whole_column(offline.table.column(name)) for name in (entity, time)]
    entities, times = (np.asarray(each.codes if each.numbers is None else each.numbers) for each in columns)
    order = np.lexsort((times, entities))
    previous = np.full(len(order), -1, np.intp)
    same = entities[order][1:] == entities[order][:-1]
    previous[order[1:][same]] = order[:-1][same]
    return replace(offline, rows=previous[offline.rows])


class _Values(Struct, frozen=True):
    """The values of a feature on both sides, float64 (n,), NaN = missing; of texts, codes in ``categories``."""

    online: F64
    offline: F64
    earlier: F64 | None
    categories: Sequence[str] | None = None

    def written(self, value: float) -> str:
        """Return a value as text."""
        return f"{value:.7g}" if self.categories is None else repr(self.categories[int(value)])


def _values(sides: Sequence[_Side], name: str) -> _Values | None:
    """Return the values of both sides; None if one has numbers and the other has texts."""
    texts_only = all(side.is_text(name) for side in sides)
    columns = [side.column(name, False if texts_only else None) for side in sides]
    texts = [column for column in columns if column.numbers is None and column.codes is not None]
    if texts and any(column.numbers is not None and not np.isnan(column.numbers).all() for column in columns):
        return None
    every = dict.fromkeys(text for column in texts for text in column.categories)
    categories = {text: at for at, text in enumerate(every)}
    arrays = [_array(column, categories, len(sides[0].rows)) for column in columns]
    return _Values(arrays[0], arrays[1], arrays[2] if len(arrays) > 2 else None, tuple(categories) if texts else None)


def _array(column: Column, categories: Mapping[str, int], n: int) -> F64:
    if column.numbers is not None:
        return column.numbers
    if column.codes is None:
        return np.full(n, np.nan)
    return np.array([*(categories[text] for text in column.categories), np.nan])[column.codes]


def _compare(sides: Sequence[_Side], name: str) -> FeatureSkew:
    values = _values(sides, name)
    if values is None:
        n = len(sides[0].rows)
        return FeatureSkew(n, 1.0, None, None, 0.0, 0.0, "one side has numbers, the other has texts")
    a, b = values.online, values.offline
    missing_online, missing_offline = np.isnan(a), np.isnan(b)
    both = ~missing_online & ~missing_offline
    differing = both & (~_equal(a, b) if values.categories is None else a != b)
    only_offline, only_online = missing_online & ~missing_offline, missing_offline & ~missing_online
    reasons = [
        _reason(values, differing),
        _default(values, a[only_online], "online", "offline"),
        _default(values, b[only_offline], "offline", "online"),
    ]
    finite = differing & np.isfinite(a) & np.isfinite(b)
    gap = (a - b)[finite] if values.categories is None and finite.any() else None
    return FeatureSkew(
        int(both.sum()),
        float(differing.sum() / both.sum()) if both.any() else None,
        None if gap is None else float(gap.mean()),
        None if gap is None else float(np.abs(gap).max()),
        float(only_offline.mean()),
        float(only_online.mean()),
        "; ".join(filter(None, reasons)),
    )


def _default(values: _Values, present: F64, side: str, other: str) -> str:
    """Return the sentence about a side that writes one value where the other has none."""
    if len(present) < LEAST or np.ptp(present) > 0:
        return ""
    return f"{side} has {values.written(present[0])} where {other} is missing"


def _reason(values: _Values, differing: Bools) -> str:
    """Return what explains the differing values, the simplest first; "" if nothing does."""
    a, b = values.online[differing], values.offline[differing]
    if len(a) < LEAST or len(np.unique(b)) < 3:  # of two values, every change is a factor and an offset
        return ""
    kinds, counts = np.unique(a, return_counts=True)
    if counts.max() >= PROVEN * len(a):
        return f"online has {values.written(kinds[counts.argmax()])} instead"
    if values.earlier is not None and _proven(_equal(a, values.earlier[differing])):
        return "online is stale: it has the value of the row before of the same entity"
    if values.categories is not None:
        return ""
    nonzero = b != 0
    factor = float(np.median(a[nonzero] / b[nonzero]))
    if factor and _proven(_equal(a, b * factor)):
        return f"online is offline multiplied by {factor:.7g}"
    offset = float(np.median(a - b))
    if _proven(_equal(a, b + offset)):
        return f"online is offline plus {offset:.7g}"
    for rounded, exact, side in ((a, b, "online"), (b, a, "offline")):
        for digits in range(7):
            if _proven(_equal(rounded, exact.round(digits))):
                return f"{side} is rounded to {many(digits, 'decimal')}"
    return ""


def _equal(a: F64, b: F64) -> Bools:
    return np.isclose(a, b, rtol=RELATIVE, atol=ABSOLUTE)


def _proven(explained: Bools) -> bool:
    return bool(explained.mean() >= PROVEN)

"""What the reference looked like in each hour of the day, on each weekday or in each hour of the week.

A noon is compared with noons: from the histograms of the seasons a reference is made that has the window's own mix of
them (:mod:`driftline_processor.core.compared.season`). How far one noon differs from another is told by blocks of time,
as in :mod:`driftline.blocks`, but of ranks: where among the values of its own season each value lies. So a sunny noon
is no news in them, and a noon that is sunny beyond others is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np

from .bins import CategoryBins, Index
from .blocks import MOST_BLOCKS, targets
from .checked import by_name, floats, is_whole, short
from .fold import ModelBins
from .joint import widths
from .leaving import Leaving
from .projection import WIDTH
from .seasonality import Seasonality
from .tables import F64, I64

RANKS = 10
"""Cells of ranks in a block: tenths of the rows of its season."""

MOST_TOGETHER = 10_000
"""Sums of features together that are kept, over all seasons: those of 20 features in 24 hours are 5,600. Beyond, they
would outweigh the histograms, and correlations are not compared."""

LEAST_CYCLES = 2
"""Days, or weeks, that the reference must reach over: of a single one nobody knows how far the next may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Levelled:
    """One target in every block, less what its seasons explain: float64 (blocks, cells), weights of rows.

    Of a number the cells are ranks within the season, of categories neighbouring labels from ``first`` on.
    """

    first: Index | None
    counts: F64


@dataclass(frozen=True, slots=True, eq=False)
class Seasons:
    """The reference season by season.

    ``rows``: float64 (seasons, 3), number, sum of weights and of squared weights. ``of``: name of a pane's part →
    float64 (seasons, width). ``length``: of a block, nanoseconds, 0 = there are none; ``starts``: int64 (b,);
    ``block_rows``: float64 (b, 3); ``blocks``: name of a part → the target in each block.
    """

    seasonality: Seasonality
    rows: F64
    of: Mapping[str, F64]
    length: int = 0
    starts: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    block_rows: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    blocks: Mapping[str, Levelled] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, counts sparse."""
        value: dict[str, Any] = {
            "kind": self.seasonality.kind,
            "timezone": self.seasonality.timezone,
            "rows": _lists(self.rows),
            "of": {name: _sparse(counts) for name, counts in self.of.items()},
        }
        if self.length:
            value["blocks"] = {
                "length": self.length,
                "starts": self.starts.tolist(),
                "rows": _lists(self.block_rows),
                "of": {
                    name: {"first": None if one.first is None else one.first.tolist(), "counts": _lists(one.counts)}
                    for name, one in self.blocks.items()
                },
            }
        return value

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        read = by_name(value)
        if missing := {"kind", "timezone", "rows", "of"} - read.keys():
            raise ValueError(f"{min(missing)} is missing")
        seasonality = Seasonality(read["kind"], _zone(read["timezone"]))
        wide = widths_of(bins)
        of = {}
        for name, one in by_name(read["of"]).items():
            if name not in wide:
                raise ValueError(f"{name!r} is counted but has no bins")
            of[name] = _dense(one, seasonality.count, wide[name], name)
        rows = _matrix(read["rows"], seasonality.count, 3, "rows")
        return cls(seasonality, rows, of, *_read_blocks(by_name(read.get("blocks", {})), bins))

    def leaving(self, features: Leaving) -> Self | None:
        """Return them without the features whose bins a rule changes, and without what is known of all together."""

        def plain(name: str) -> bool:
            kind, _, feature = name.partition(":")
            return feature in features.plain if feature else kind in ("score", "class")

        return type(self)(
            self.seasonality,
            self.rows,
            {name: counts for name, counts in self.of.items() if plain(name)},
            self.length,
            self.starts,
            self.block_rows,
            {name: one for name, one in self.blocks.items() if plain(name)},
        )


def widths_of(bins: ModelBins) -> dict[str, int]:
    """The length of every part that may be kept by season."""
    wide = {name: over.size + 2 for name, over in targets(bins).items()}
    wide |= {f"embedding:{name}": 1 + WIDTH for name in bins.projections}
    return wide | (widths(len(bins.space.names)) if bins.space is not None else {})


def kept_of(bins: ModelBins, seasons: int) -> dict[str, int]:
    """Those that are kept: not what features are together where that would outweigh them."""
    wide = widths_of(bins)
    if wide.get("pairs", 0) * seasons > MOST_TOGETHER:
        wide = {name: width for name, width in wide.items() if name not in ("pairs", "unpaired")}
    return wide


def _read_blocks(read: Mapping[str, Any], bins: ModelBins) -> tuple[int, I64, F64, dict[str, Levelled]]:
    if not read:
        return 0, np.zeros(0, np.int64), np.zeros((0, 3)), {}
    if missing := {"length", "starts", "rows", "of"} - read.keys():
        raise ValueError(f"blocks: {min(missing)} is missing")
    length, starts = read["length"], read["starts"]
    if not is_whole(length) or not 0 < length < 2**63:
        raise ValueError("blocks: length must be a whole number of nanoseconds")
    if not isinstance(starts, list) or not all(is_whole(one) and abs(one) < 2**63 for one in starts):
        raise ValueError("blocks: starts must be a list of whole numbers")
    if not 2 <= len(starts) <= MOST_BLOCKS or sorted(set(starts)) != starts:
        raise ValueError(f"blocks: starts must be 2 to {MOST_BLOCKS} times that ascend")
    known, of = targets(bins), {}
    for name, one in by_name(read["of"]).items():
        if name not in known:
            raise ValueError(f"blocks: {name!r} is counted but has no bins")
        first, width = by_name(one).get("first"), RANKS
        if isinstance(known[name], CategoryBins) != (first is not None):
            raise ValueError(f"blocks: that of {name!r} needs first bins of labels, and null of numbers")
        if first is not None:
            if not isinstance(first, list) or not all(is_whole(at) and 0 <= at < known[name].size for at in first):
                raise ValueError(f"blocks: that of {name!r} needs first, a list of bins")
            if first[:1] != [0] or sorted(set(first)) != first:
                raise ValueError(f"blocks: that of {name!r} needs first bins that ascend from 0")
            width = len(first)
        counts = _matrix(one.get("counts"), len(starts), width, f"blocks: that of {name!r}")
        of[name] = Levelled(None if first is None else np.array(first, np.intp), counts)
    return length, np.array(starts, np.int64), _matrix(read["rows"], len(starts), 3, "blocks: rows"), of


def _zone(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("timezone must be a text")
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"timezone: {value!r} is not a time zone") from None
    return value


def _sparse(counts: F64) -> dict[str, Any]:
    at = np.flatnonzero(counts)
    steps = np.diff(at, prepend=0)  # small numbers are short texts
    return {"steps": steps.tolist(), "values": [short(value) for value in counts.ravel()[at].tolist()]}


def _dense(value: object, rows: int, columns: int, name: str) -> F64:
    read = by_name(value)
    steps, values = read.get("steps"), floats(read.get("values"))
    if not isinstance(steps, list) or not all(is_whole(one) and 0 <= one < 2**31 for one in steps):
        raise ValueError(f"that of {name!r} needs steps, a list of whole numbers")
    at = np.cumsum(np.array(steps, np.int64))
    if len(at) != len(values) or (len(at) and (at[-1] >= rows * columns or (np.diff(at) <= 0).any())):
        raise ValueError(f"that of {name!r} must have {rows} × {columns} counts at most, in their order")
    dense = np.zeros(rows * columns)
    dense[at] = values
    return dense.reshape(rows, columns)


def _matrix(value: object, rows: int, columns: int, name: str) -> F64:
    if not isinstance(value, list) or len(value) != rows:
        raise ValueError(f"{name} must have {rows} rows of {columns} numbers")
    read = [floats(row) for row in value]
    if any(len(row) != columns for row in read):
        raise ValueError(f"{name} must have {rows} rows of {columns} numbers")
    return np.array(read, np.float64).reshape(rows, columns)


def _lists(values: F64) -> list[list[float]]:
    return [[short(value) for value in row] for row in values.tolist()]

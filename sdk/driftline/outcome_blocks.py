"""How right the model was in each stretch of the reference's time: what its performance does while all is well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .bins import SCORE_BINS
from .blocks import MOST_BLOCKS
from .checked import by_name, floats, is_whole, rounded, short
from .pane import Pane
from .tables import F64

PARTS = ("outcomes", "confusion", "losses", "percentage", "score_negative", "score_positive")
"""Of a pane's parts, those of which performance is made."""

EXPECTED = "expected"
"""The part that holds what the estimate of the block says: a confusion, or the sums of :mod:`.expected`."""

FEWEST = 20
"""Outcomes; a block with fewer says nothing."""

SCORE_CELLS = 30
"""Places of scores that a block tells apart: what they say of the area is within 0.01, and alike in each block."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeBlocks:
    """``length``: of a stretch, nanoseconds. ``panes``: of each that has outcomes enough, in order, with

    :data:`PARTS` and :data:`EXPECTED`; scores are put together to 30 places.
    """

    length: int
    panes: Sequence[Pane]

    @classmethod
    def of(cls, length: int, panes: Sequence[Pane]) -> Self | None:
        """Make them of panes with outcomes; None where fewer than two have enough."""
        held = [pane for pane in panes if pane.parts["outcomes"][0] >= FEWEST]
        if len(held) < 2:
            return None
        places = _places(held)
        made = []
        for pane in held:
            parts = {name: pane.parts[name] for name in (*PARTS, EXPECTED) if name in pane.parts}
            for name in ("score_negative", "score_positive"):
                if name in parts:
                    parts[name] = np.bincount(places, parts[name], minlength=SCORE_BINS).astype(np.float64, copy=False)
            made.append(Pane({name: rounded(sums) for name, sums in parts.items()}))
        return cls(length, made)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        panes = [{name: _sparse(sums) for name, sums in pane.parts.items()} for pane in self.panes]
        return {"length": self.length, "panes": panes}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        read = by_name(value)
        length, panes = read.get("length", 0), read.get("panes")
        if not is_whole(length) or not 0 < length < 2**63:
            raise ValueError("length must be a whole number of nanoseconds")
        if not isinstance(panes, list) or not 2 <= len(panes) <= MOST_BLOCKS:
            raise ValueError(f"panes must be 2 to {MOST_BLOCKS}")
        return cls(length, [_pane(by_name(one)) for one in panes])


def _places(panes: Sequence[Pane]) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """The bin that stands for each bin of the score grid: the middle one of its thirtieth of all rows."""
    total = np.zeros(SCORE_BINS)
    for pane in panes:
        for name in ("score_negative", "score_positive"):
            total += pane.parts.get(name, 0.0)
    reached = np.cumsum(total) - total / 2
    cell = np.minimum((reached * SCORE_CELLS / max(total.sum(), 1e-300)).astype(np.intp), SCORE_CELLS - 1)
    bins = np.arange(SCORE_BINS)
    weight = np.bincount(cell, total, minlength=SCORE_CELLS)
    middle = np.bincount(cell, total * bins, minlength=SCORE_CELLS) / np.maximum(weight, 1e-300)
    where: np.ndarray[tuple[int, ...], np.dtype[np.intp]] = np.round(middle).astype(np.intp)[cell]
    return where


def _sparse(sums: F64) -> Any:
    values = sums.tolist()
    filled = np.flatnonzero(sums)
    if 2 * len(filled) < len(sums):
        return {"width": len(sums), "at": filled.tolist(), "values": [short(values[at]) for at in filled.tolist()]}
    return [short(one) for one in values]


def _pane(parts: Mapping[str, Any]) -> Pane:
    if "outcomes" not in parts:
        raise ValueError("outcomes is missing in a block")
    found = {}
    for name, value in parts.items():
        if name not in (*PARTS, EXPECTED):
            raise ValueError(f"{name!r} is no part of a block")
        if not isinstance(value, dict):
            found[name] = floats(value)
            continue
        width, at, values = value.get("width", -1), value.get("at"), floats(value.get("values"))
        if not is_whole(width) or not 0 <= width <= 2 * SCORE_BINS or not isinstance(at, list):
            raise ValueError(f"{name!r} must have a width and places")
        if len(at) != len(values) or not all(is_whole(one) and 0 <= one < width for one in at):
            raise ValueError(f"{name!r} must have places below its width, and a value for each")
        found[name] = np.zeros(width)
        found[name][at] = values
    return Pane(found)

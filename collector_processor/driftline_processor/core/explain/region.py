"""The region of a shift: the range or the categories whose share of rows changed most, in the feature's own unit."""

from __future__ import annotations

import numpy as np
from driftline.panes.bins import Bins, CategoryBins
from driftline.tables.table import F64
from msgspec.structs import replace

from driftline_processor.core.drift.display_cells import Cells, cells
from driftline_processor.core.evaluation import Change
from driftline_processor.core.quality.share_test import LEAST, effect

LENGTHS = "lengths (L2 norm)"
"""Name of the values in the bins of an embedding; another method compares its vectors."""

_OTHER = {"other": "other categories"}


def region_changes(bins: Bins, was: F64, now: F64, lengths: bool = False) -> tuple[Change, ...]:
    """Return the regions whose share changed most, and the missing values where their change matters.

    ``was``, ``now``: counts over the bins, then missing, then invalid. ``lengths``: the values are those of vectors.

    >>> from driftline.panes.bins import CategoryBins
    >>> bins = CategoryBins(("NO", "SE"))
    >>> [one.where for one in region_changes(bins, np.array([60.0, 40, 0, 0, 0]), np.array([20.0, 40, 0, 140, 0]))]
    ['missing values', 'NO', 'SE']
    """
    changes: list[Change] = []
    usable_was, usable_now = was[: bins.size], now[: bins.size]
    if usable_was.any() and usable_now.any():
        drawn = cells(bins, usable_was, usable_now)
        if isinstance(bins, CategoryBins):
            changes += _categories(drawn)
        elif len(drawn.categories) > 1:
            where = _range(drawn)
            changes.append(replace(where, where=where.where.replace("values", LENGTHS)) if lengths else where)
    absent = Change("missing values", _absent(was, bins), _absent(now, bins))
    if abs(effect(absent.was, absent.now)) >= LEAST:
        shift = abs(absent.now - absent.was)
        changes.insert(0 if not changes or shift > abs(changes[0].now - changes[0].was) else 1, absent)
    return tuple(changes)


def _categories(drawn: Cells) -> list[Change]:
    """Return the category that changed most, and the category that changed most in the other direction."""
    shift = drawn.now - drawn.was
    most = int(np.abs(shift).argmax())
    if shift[most] == 0:
        return []
    other = int((shift * -np.sign(shift[most])).argmax())
    last = len(drawn.categories) - 1
    names = [
        _OTHER.get(category, category) if index == last else category for index, category in enumerate(drawn.categories)
    ]
    return [Change(names[at], float(drawn.was[at]), float(drawn.now[at])) for at in dict.fromkeys((most, other))]


def _range(drawn: Cells) -> Change:
    was, now = np.concatenate([[0.0], np.cumsum(drawn.was)]), np.concatenate([[0.0], np.cumsum(drawn.now)])
    shift = now - was
    at = int(np.abs(shift[1:-1]).argmax()) + 1
    low, high = sorted((int(shift.argmin()), int(shift.argmax())))
    between = (low > 0 and high < len(drawn.categories)) or high - low == 1
    # 1.25: factor by which a range between two edges must have changed more than a range beyond one edge to be named
    # instead
    if between and abs(shift[high] - shift[low]) >= 1.25 * abs(shift[at]):
        return Change(_between(drawn, low, high), float(was[high] - was[low]), float(now[high] - now[low]))
    if was[at] + now[at] <= 1:  # the side with fewer rows says more
        return Change(_below(drawn, at), float(was[at]), float(now[at]))
    return Change(_above(drawn, at), float(1 - was[at]), float(1 - now[at]))


def _below(drawn: Cells, at: int) -> str:
    if drawn.edges:
        return f"values below {drawn.edges[at - 1]}"
    return _value(drawn.categories[0]) if at == 1 else f"values of {drawn.categories[at - 1]} or less"


def _above(drawn: Cells, at: int) -> str:
    if drawn.edges:
        return f"values of {drawn.edges[at - 1]} or more"
    return (
        _value(drawn.categories[at]) if at == len(drawn.categories) - 1 else f"values of {drawn.categories[at]} or more"
    )


def _between(drawn: Cells, low: int, high: int) -> str:
    if high - low == 1 and not drawn.edges:
        return _value(drawn.categories[low])
    if not drawn.edges:
        return f"values of {drawn.categories[low]} to {drawn.categories[high - 1]}"
    if low == 0:
        return _below(drawn, high)
    if high == len(drawn.categories):
        return _above(drawn, low)
    return f"values between {drawn.edges[low - 1]} and {drawn.edges[high - 1]}"


def _value(category: str) -> str:
    return category if category == "other values" else f"values of {category}"


def _absent(counts: F64, bins: Bins) -> float:
    total = float(counts.sum())
    return float(counts[bins.size :].sum()) / total if total > 0 else 0.0

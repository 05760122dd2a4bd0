"""How far a season takes a column: what a slice may differ by where only the seasons of all rows are known."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import block_columns
from driftline.panes.bins import CategoryBins
from driftline.tables.table import F64

from .methods.psi import psi, psi_null_mean
from .rule import shift_of

_CACHE: WeakKeyDictionary[Baseline, dict[str, float]] = WeakKeyDictionary()


def swings(baseline: Baseline) -> dict[str, float]:
    """Return how far each part of a baseline is from its farthest season: name → standard deviations.

    A slice may have no cycle, twice that of all rows, or the same at other hours, as where it lies in another time
    zone. Then it is as far from where all rows take it as this season is from another one. Parts whose seasons are not
    known have none. Cached.

    Args:
        baseline: At the seasons of a window; it knows all of its seasons, too.
    """
    seasons = baseline.extras.seasons
    if seasons is None:
        return {}
    if baseline not in _CACHE:
        weight, squared = seasons.rows[:, 1], seasons.rows[:, 2]
        kish = np.divide(weight, squared, out=np.zeros(len(weight)), where=squared > 0)
        # 50: (Effective) rows of a season from which on it is asked, as the rule for drift does; where none has them,
        # all are
        told = weight * kish >= 50
        if not told.any():  # chance makes them farther from each other, never nearer
            told = weight > 0
        found = {}
        for name, over in block_columns(baseline.bins).items():
            now = baseline.pane.parts.get(name)
            if now is None or name not in seasons.by_part:
                continue
            each = (seasons.by_part[name][:, : over.size] * kish[:, np.newaxis])[told]
            found[name] = _farthest(now[: over.size], each, categories=isinstance(over, CategoryBins))
        _CACHE[baseline] = found
    return _CACHE[baseline]


def _farthest(now: F64, seasons: F64, *, categories: bool) -> float:
    """Return how far counts are from the farthest season, float64 (seasons, bins), in standard deviations."""
    seasons = seasons[seasons.sum(axis=1) > 0]
    if not len(seasons) or now.sum() <= 0:
        return 0.0
    if categories:
        both = np.broadcast_to(now, seasons.shape)
        return shift_of(float((psi(both, seasons) - psi_null_mean(both, seasons)).max()), "psi")
    below = np.cumsum(seasons, axis=1) / seasons.sum(axis=1, keepdims=True)
    return shift_of(float(np.abs(below - np.cumsum(now) / now.sum()).max()), "ks")

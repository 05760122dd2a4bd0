"""Steps of time as they would be if each had the window's own mix of hours: what came before, without the season.

Since when a feature is as it is, is asked of the steps before the window; the nights before a noon are other than it
every day, and would date every drift to the morning.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import CategoryBins
from driftline.blocks import targets
from driftline.seasonality import HOUR
from driftline.seasons import Seasons
from driftline.tables import F64

from driftline_processor.core.explain.grid import coarsen
from driftline_processor.core.explain.trail import Ask, Trail

from .season import standard


def levelled(ask: Ask, baseline: Baseline, mix: F64 | None) -> Ask:
    """Return what answers as ``ask`` does, with the seasons taken out of every step.

    ``baseline``: it knows its seasons. ``mix``: float64 (seasons,), the weight of the window's rows in each; where one
    of them is not known, it is ``ask`` itself.
    """
    seasons = baseline.extras.seasons
    if seasons is None or mix is None or not mix.any():
        return ask

    def asked(parts: Collection[str]) -> Trail | None:
        trail = ask(parts)
        return None if trail is None else _levelled(trail, baseline, seasons, mix)

    return asked


def _levelled(trail: Trail, baseline: Baseline, seasons: Seasons, mix: F64) -> Trail:
    over, of = targets(baseline.bins), dict(trail.of)
    mixes = [_mix_between(seasons, *ends) for ends in zip(trail.starts.tolist(), trail.ends.tolist(), strict=True)]
    weights = [standard(seasons, one) for one in (mix, *mixes)]
    each = np.divide(1.0, seasons.rows[:, 1], out=np.zeros(len(seasons.rows)), where=seasons.rows[:, 1] > 0)
    for name in trail.of.keys() & seasons.of.keys():
        shares = coarsen(seasons.of[name] * each[:, np.newaxis], trail.cells[name])  # (seasons, cells)
        usual = [None if one is None else one.part @ shares for one in weights]
        now = usual[0]
        if now is None:
            continue
        move = _shifted if isinstance(over[name], CategoryBins) else _ranked
        steps = zip(of[name], usual[1:], strict=True)
        of[name] = np.stack([counts if then is None else move(counts, then, now) for counts, then in steps])
    return Trail(trail.starts, trail.ends, of, trail.cells)


def _mix_between(seasons: Seasons, start: int, end: int) -> F64:
    """The seasons of a stretch of time, as the reference has them."""
    season = seasons.seasonality.of(np.arange(start, end, HOUR // 4))
    mix = np.bincount(season, seasons.rows[season, 1], minlength=seasons.seasonality.count)
    return mix.astype(np.float64) if mix.any() else np.bincount(season, minlength=len(mix)).astype(np.float64)


def _shifted(counts: F64, then: F64, now: F64) -> F64:
    """Counts by how far they are from what is usual then, added to what is usual now.

    >>> _shifted(np.array([60.0, 40.0]), np.array([0.5, 0.5]), np.array([0.2, 0.8])).tolist()
    [30.0, 70.0]
    """
    return np.asarray(np.maximum(counts + counts.sum() * (now - then), 0.0), dtype=np.float64)


def _ranked(counts: F64, then: F64, now: F64) -> F64:
    """Counts of a number by their ranks: what is low then is as low now; the last cell, without a value, is shifted.

    >>> _ranked(np.array([10.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0])).tolist()
    [5.0, 5.0, 0.0]
    """
    missing = min(max(counts[-1] + counts.sum() * (now[-1] - then[-1]), 0.0), float(counts.sum()))
    if then[:-1].sum() <= 0 or now[:-1].sum() <= 0 or counts[:-1].sum() <= 0:
        return _shifted(counts, then, now)
    low, high = _edges(then[:-1])
    start, end = _edges(now[:-1])
    inside = np.clip(np.minimum(high[:, np.newaxis], end) - np.maximum(low[:, np.newaxis], start), 0.0, None)
    width = (high - low)[:, np.newaxis]
    point = (low[:, np.newaxis] >= start) & (low[:, np.newaxis] < end)
    point[(low >= end[-1]), -1] = True
    share = np.divide(inside, width, out=point.astype(np.float64), where=width > 1e-12)
    usable = counts[:-1] @ share
    return np.append(usable * ((counts.sum() - missing) / counts[:-1].sum()), missing)


def _edges(shares: F64) -> tuple[F64, F64]:
    above = np.cumsum(shares) / shares.sum()
    return above - shares / shares.sum(), above

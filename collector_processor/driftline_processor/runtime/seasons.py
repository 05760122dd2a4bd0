"""The seasons of rows that were counted: what mix of them a window has, and what a stretch of time was in each."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import Blocks, Stretches, targets
from driftline.season_counts import SeasonCounts
from driftline.seasonality import HOUR, Seasonality
from driftline.seasons import Seasons
from driftline.tables import F64, I64

from driftline_processor.core.evaluation import Window

from .counted import read_counted
from .series import Series
from .store import Connection, number, read

_QUARTER = HOUR // 4


def mix_of(connection: Connection, series: int, window: Window, seasons: Seasons) -> F64:
    """Return how much weight the rows of a window have in each season: float64 (seasons,).

    A pane that was rolled up and reaches over several seasons has them as the reference has.
    """
    found = read(
        connection,
        "SELECT pane, max(span) AS span, fsum(value) AS weight FROM panes WHERE series = ? AND fold = ''"
        " AND part = 'rows' AND idx = 1 AND pane >= ? AND pane < ? GROUP BY pane ORDER BY pane",
        *(series, window.start, window.end),
    )
    pane, span, weight = (found.column(name).to_numpy() for name in ("pane", "span", "weight"))
    of = seasons.seasonality
    short = span <= of.length
    mix = np.bincount(of.of(pane[short]), weight[short], minlength=of.count).astype(np.float64)
    for start, length, rows in zip(pane[~short].tolist(), span[~short].tolist(), weight[~short].tolist(), strict=True):
        season = of.of(np.arange(start, start + length, _QUARTER))
        share = np.bincount(season, seasons.rows[season, 1] + 1e-9, minlength=of.count)
        mix += rows * share / share.sum()
    return mix


def with_seasons(
    connection: Connection, series: Series, found: Baseline, since: int, until: int, seasonality: Seasonality
) -> Baseline:
    """Return a baseline of past panes, of which ``found`` was made, that knows its seasons.

    What was rolled up to more than a season is in none of them.
    """
    rolled = "SELECT max(pane + span) FROM panes WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? AND span > ?"
    place = (series.number, found.fold, since, until)
    since = max(since, number(connection, rolled, *place, seasonality.length) or since)
    blocks = _stretches(found.extras.blocks)
    edges = _edges(since, until, seasonality, blocks)
    panes = read_counted(connection, series, found, list(pairwise(edges.tolist())))
    season = seasonality.of(edges[:-1])
    over = targets(found.bins)
    rough = {name: np.zeros((seasonality.count, bins.size + 2)) for name, bins in over.items()}
    for at, pane in zip(season.tolist(), panes, strict=True):
        for name in rough:
            rough[name][at] += pane.parts.get(name, 0.0)
    counts = SeasonCounts(seasonality, found.bins, rough, blocks)
    place_of = np.zeros(len(season), np.int64) if blocks is None else blocks.place(edges[:-1])
    for at, block, pane in zip(season.tolist(), place_of.tolist(), panes, strict=True):
        if pane.rows:
            counts.add(at, pane)
            if blocks is not None and block < blocks.count:
                counts.add_block(block, at, pane)
    return replace(found, extras=replace(found.extras, seasons=counts.piece()))


def _stretches(blocks: Blocks | None) -> Stretches | None:
    if blocks is None:
        return None
    start = int(blocks.starts[0])
    return Stretches(start, blocks.length, (int(blocks.starts[-1]) - start) // blocks.length + 1)


def _edges(since: int, until: int, seasonality: Seasonality, blocks: Stretches | None) -> I64:
    """Where a season, or a block, ends and the next one begins; with both ends."""
    quarters = np.arange(since - since % _QUARTER, until, _QUARTER)
    season = seasonality.of(quarters)
    found = quarters[1:][np.diff(season) != 0]
    if blocks is not None:
        found = np.concatenate([found, blocks.start + np.arange(blocks.count + 1) * blocks.length])
    inside = found[(found > since) & (found < until)]
    return np.concatenate([[since], np.unique(inside), [until]])

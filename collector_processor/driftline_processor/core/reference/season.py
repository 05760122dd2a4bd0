"""Seasons: the reference, and the time steps before a window, with the window's own mix of hours or weekdays.

Direct standardisation: the reference's rows of each season get the weight of that season in the window. A window of one
hour is compared with that hour, half a day with the same half, so an unusual mix of hours is not drift.

The time steps before a window are adjusted in the same way, because they are used to date changes: otherwise the nights
before a noon would date every drift to the morning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.cycles import LEAST_DAYS, LEAST_WEEKS
from driftline.baseline.sections.seasons import LEAST_CYCLES, RANKS, Deseasonalized, Seasons
from driftline.baseline.sections.section import block_columns
from driftline.baseline.sections.slices import Slices
from driftline.baseline.sections.time_blocks import BlockCounts, TimeBlocks, TimeGrid
from driftline.panes.bins import CategoryBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import DAY, HOUR, WEEK, AnySeasonality, Kind, Seasonality

from driftline_processor.core import facts
from driftline_processor.core.drift.coarse_bins import coarsen
from driftline_processor.core.fact import Fact
from driftline_processor.core.windows.time_before import TimeBefore, TimeSteps

from .reference import Reference

POOLED = 50
"""Minimum (effective) rows of a season, as in the rule for drift. A season with fewer is pooled symmetrically with its
neighbours, so that a trend from hour to hour does not move their mean.
"""

MOST_SLICED = 48
"""Limit of cached references of a baseline with slices, whose panes are twenty times as large."""

PART = "seasons"
"""The part of a window's pane with the weight of its rows in each season."""

WHOLE = 0.9
"""Fraction of a day, or of a week, from which a window counts as a whole one: clocks change, and the rows of a file do
not begin and end exactly at midnight.
"""

_QUARTER = HOUR // 4
"""Nanoseconds; time zones and their clocks change by quarters of an hour."""

_SCALED = ("tails:", "kinds:", "elsewhere:", "clusters:")
_TOGETHER = ("pca", "pairs", "unpaired")

_KEPT: WeakKeyDictionary[Baseline, dict[bytes, Reference]] = WeakKeyDictionary()


class SeasonMix(NamedTuple):
    """The seasons of a window, such as its hours of the day.

    Attributes:
        part: float64 (seasons,), fraction of each season; the sum is 1.
        rows: Effective rows of the reference at this mix.
        thin: Number of the window's seasons with too few reference rows of their own.
    """

    part: F64
    rows: float
    thin: int


def seasonal_reference(baseline: Baseline, kind: Kind, pane: Pane) -> Reference:
    """Return the reference for a window whose part ``seasons`` contains the weight of its rows in each season.

    ``kind``: the requested seasonality. If the baseline has no seasons, or only one cycle of them, the result is the
    baseline as it is, with a note.
    """
    seasons, mix = baseline.extras.seasons, pane.parts.get(PART)
    if seasons is None or seasons.seasonality.kind != kind:
        return Reference(baseline, (facts.SeasonsUnknown(season=kind),))
    if cycles(baseline) < LEAST_CYCLES:
        return Reference(baseline, (facts.SeasonsSeenOnce(season=kind),))
    if mix is None or not mix.any():
        return Reference(baseline)
    cached = _KEPT.setdefault(baseline, {})
    key = (mix / mix.sum()).round(12).tobytes()
    if key not in cached:
        # 400: limit of cached references per baseline: more than one for each hour of two weeks
        if len(cached) >= (400 if baseline.extras.slices is None else MOST_SLICED):
            del cached[next(iter(cached))]
        cached[key] = _derived(baseline, seasons, mix)
    return cached[key]


def same_seasons(reference: Reference, asked: AnySeasonality, pane: Pane, length: int) -> Reference:
    """Return the reference at the seasons of a window, with a note.

    Args:
        reference: Reference of the window.
        asked: Seasons that were configured, or that the reference is searched for.
        pane: The window; its part ``seasons``, if known, contains the weight of its rows in each season.
        length: Length of the window in nanoseconds; 0 if its rows have no times.
    """
    baseline, mix = reference.baseline, pane.parts.get(PART)
    seasons = baseline.extras.seasons
    if isinstance(asked, Seasonality):
        seasonal_result = seasonal_reference(baseline, asked.kind, pane)
    elif seasons is None:
        seasonal_result = Reference(baseline, () if reference.notes else _unknown_repeats(baseline, length))
    elif mix is None or (needed := _needed_mix(seasons, mix, length)) is None:
        return reference
    else:
        pane.parts[PART] = needed
        seasonal_result = seasonal_reference(baseline, seasons.seasonality.kind, pane)
        if isinstance(note := seasonal_result.notes[0], facts.SameSeason):
            kind = seasons.seasonality.kind
            season: Kind = "weekday" if length >= WHOLE * DAY and kind == "hour_of_week" else kind
            seasonal_result = seasonal_result._replace(notes=(facts.SameSeason(season, note.thin, kind),))
    seasonal = seasonal_result.baseline is not baseline
    return Reference(seasonal_result.baseline, reference.notes + seasonal_result.notes, reference.shift, seasonal)


def _needed_mix(seasons: Seasons, mix: F64, length: int) -> F64 | None:
    """Return the mix of seasons for comparing a window of this length; None if it needs none.

    A window shorter than a day is compared by its hours, one shorter than a week by its weekdays. A day with rows at
    unusual hours is a change, so a day uses its weekday with the reference's hours.
    """
    kind = seasons.seasonality.kind
    if length <= 0 or length >= WHOLE * (DAY if kind == "hour" else WEEK):
        return None
    if kind != "hour_of_week" or length < WHOLE * DAY:
        return mix
    rows = seasons.rows[:, 1].reshape(7, -1)
    of_day = np.repeat(rows.sum(axis=1, keepdims=True), rows.shape[1], axis=1)
    hours = np.divide(rows, of_day, out=np.zeros_like(rows), where=of_day > 0)
    return np.asarray((hours * mix.reshape(7, -1).sum(axis=1, keepdims=True)).ravel(), dtype=np.float64)


def _unknown_repeats(baseline: Baseline, length: int) -> tuple[Fact, ...]:
    """Return why it is unknown whether a reference has seasons, if a window of this length needs them; else ()."""
    period = baseline.extras.period
    if not 0 < length < WHOLE * WEEK or baseline.provisional:
        return ()
    if period is None:
        return (facts.RepeatsUnknown(season=None, least=0),)
    reach = period.last - period.first + HOUR
    if length < DAY and reach < LEAST_DAYS * DAY:
        return (facts.RepeatsUnknown(season="hour", least=LEAST_DAYS),)
    if reach < LEAST_WEEKS * WEEK:
        return (facts.RepeatsUnknown(season="weekday", least=LEAST_WEEKS),)
    return ()


def by_season(seasonality: Seasonality, times: I64, weight: F64, group: I64, groups: int) -> F64:
    """Return the weight of rows per season: float64 (groups, seasons), without rows that have no time.

    ``times``: int64 (n,), unix nanoseconds, 0 = unknown; ``weight``: float64 (n,); ``group``: int64 (n,).

    >>> day = Seasonality("weekday")
    >>> by_season(day, np.array([4 * 86_400 * 10**9]), np.ones(1), np.zeros(1, np.int64), 1).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    timed, count = times != 0, seasonality.count
    at = group[timed] * count + seasonality.of(times[timed])
    return np.bincount(at, weight[timed], minlength=groups * count).astype(np.float64).reshape(groups, count)


def mix_of_kind(mix: F64, kind: Kind) -> F64 | None:
    """Return a mix of hours of the week as one of hours or weekdays; a mix of this kind as it is, else None.

    >>> mix_of_kind(np.ones(168), "weekday").tolist()
    [24.0, 24.0, 24.0, 24.0, 24.0, 24.0, 24.0]
    """
    if len(mix) == Seasonality(kind).count:
        return mix
    if len(mix) != Seasonality("hour_of_week").count:
        return None
    return np.asarray(mix.reshape(7, -1).sum(axis=0 if kind == "hour" else 1), dtype=np.float64)


def season_borders(since: int, until: int, seasonality: Seasonality, blocks: TimeGrid | None) -> I64:
    """Return the borders between seasons, and between blocks, with both ends: int64 (b,), unix nanoseconds."""
    quarters = np.arange(since - since % _QUARTER, until, _QUARTER)
    season = seasonality.of(quarters)
    borders = quarters[1:][np.diff(season) != 0]
    if blocks is not None:
        borders = np.concatenate([borders, blocks.start + np.arange(blocks.count + 1) * blocks.length])
    inside = borders[(borders > since) & (borders < until)]
    return np.concatenate([[since], np.unique(inside), [until]])


def grid_of(blocks: TimeBlocks | None) -> TimeGrid | None:
    """Return the regular time grid of blocks; None without blocks."""
    if blocks is None:
        return None
    start = int(blocks.starts[0])
    return TimeGrid(start, blocks.length, (int(blocks.starts[-1]) - start) // blocks.length + 1)


def cycles(baseline: Baseline) -> float:
    """Return the number of cycles of its seasons, days or weeks, that a baseline covers."""
    seasons, period = baseline.extras.seasons, baseline.extras.period
    if seasons is None or period is None:
        return 0.0
    # the last row is somewhere within its season
    return (period.last - period.first + seasons.seasonality.length) / seasons.seasonality.cycle


def season_mix(seasons: Seasons, mix: F64) -> SeasonMix | None:
    """Return the weight of each season of the reference; None if no season has rows.

    A season with less than 50 rows is pooled with its neighbours until they have 50. Effective rows are 1 / Σ a² / n:
    those of independent rows with equally certain fractions.
    """
    weight, squared = seasons.rows[:, 1], seasons.rows[:, 2]
    rows = np.divide(weight**2, squared, out=np.zeros(len(weight)), where=squared > 0)
    if not rows.any():
        return None
    part, thin = np.zeros(len(rows)), 0
    for season in np.flatnonzero(mix).tolist():
        pool = [season]
        if rows[season] < POOLED:
            thin += 1
            wider = (seasons.seasonality.around(season, radius) for radius in range(1, len(rows)))
            pool = next(
                neighbours for neighbours in wider if rows[neighbours].sum() >= POOLED or len(neighbours) == len(rows)
            )
        part[pool] += mix[season] * weight[pool] / weight[pool].sum()
    part /= part.sum()
    counted = part > 0
    return SeasonMix(part, round(float(1 / (part[counted] ** 2 / rows[counted]).sum()), 6), thin)


def _derived(baseline: Baseline, seasons: Seasons, mix: F64) -> Reference:
    season_weights = season_mix(seasons, mix)
    if season_weights is None:
        return Reference(baseline, (facts.NoRowWithTime(),))
    weight = seasons.rows[:, 1]
    scale = np.divide(season_weights.part * season_weights.rows, weight, out=np.zeros(len(weight)), where=weight > 0)
    whole = baseline.pane.parts
    parts = {name: sums for name, sums in whole.items() if name not in _TOGETHER}
    parts |= {name: _summed(name, scale @ sums) for name, sums in seasons.by_part.items() if name in whole}
    total = float(whole["rows"][1])
    for name in parts:
        if name.startswith(_SCALED) and total > 0 and _part_of(name) in seasons.by_part:
            parts[name] = parts[name] * (season_weights.rows / total)
    parts["rows"] = np.full(3, season_weights.rows)
    slices = baseline.extras.slices
    extras = replace(
        baseline.extras,
        blocks=_blocks(baseline, seasons, parts),
        slices=None if slices is None else slices_at(slices, baseline, seasons, parts, season_weights.rows),
    )
    derived = replace(baseline, pane=Pane(parts), extras=extras)
    vars(derived)["fold"] = baseline.fold  # the same bins, so it need not be computed again
    note = facts.SameSeason(season=seasons.seasonality.kind, thin=season_weights.thin, repeats=None)
    return Reference(derived, (note,))


def slices_at(slices: Slices, baseline: Baseline, seasons: Seasons, parts: Mapping[str, F64], rows: float) -> Slices:
    """Return the slices of a reference at a window's seasons, assuming that they have the cycle of all rows.

    Numbers move by rank: a cycle that adds one unit to all rows adds one unit to those of a slice. The fraction of a
    category changes as it does in all rows; if all rows lack the category, the slice keeps its own fraction.

    Args:
        slices: Slices of the whole reference.
        baseline: The whole reference.
        seasons: Parts that are known by season.
        parts: All rows at the window's seasons.
        rows: Effective number of these rows; the rows of a slice are scaled by the same factor.
    """
    panes = {(key, value): pane for key, values in slices.by_key.items() for value, pane in values.items()}
    whole = baseline.pane.parts
    kish = {at: _effective(pane.parts["rows"]) for at, pane in panes.items()}
    timed = seasons.rows.sum(axis=0)
    scale = rows / max(float(timed[1]) * _effective(timed), 1e-300)
    of: dict[str, dict[str, Pane]] = {key: {} for key in slices.by_key}
    moved_parts: dict[tuple[str, str], dict[str, F64]] = {}
    for at, pane in panes.items():
        moved_parts[at] = {name: sums * kish[at] for name, sums in pane.parts.items()}
        moved_parts[at]["rows"] = np.full(3, float(pane.parts["rows"][1]) * kish[at] * scale)
    for name, over in block_columns(baseline.bins).items():
        slices_with_part = [at for at, own in moved_parts.items() if name in own]
        if name not in seasons.by_part or name not in whole or not slices_with_part:
            continue
        counts = np.stack([moved_parts[at][name] for at in slices_with_part]) * scale
        shifted = _carried(counts, whole[name], parts[name], None if isinstance(over, CategoryBins) else over.size)
        for at, moved_counts in zip(slices_with_part, shifted, strict=True):
            moved_parts[at][name] = moved_counts
    for (key, value), own in moved_parts.items():
        of[key][value] = Pane(own)
    return Slices(of)


def _effective(rows: F64) -> float:
    """Return the effective rows per unit of weight."""
    return float(rows[1] / rows[2]) if rows[2] > 0 else 1.0


def _carried(counts: F64, then: F64, now: F64, ranked: int | None) -> F64:
    """Return counts of slices moved as all rows move from ``then`` to ``now``: float64 (slices, cells).

    ``ranked``: number of the first cells that belong to a number, which move by rank; None = all are categories.

    >>> _carried(np.array([[8.0, 2.0]]), np.array([50.0, 50.0]), np.array([1.0, 3.0]), None).round(2).tolist()
    [[5.71, 4.29]]
    """
    total, share = counts.sum(axis=1, keepdims=True), now / max(float(now.sum()), 1e-300)
    was = then / max(float(then.sum()), 1e-300)
    moved = counts * np.divide(share, was, out=np.ones_like(was), where=was > 0)
    if ranked is not None and was[:ranked].sum() > 0 and share[:ranked].sum() > 0:
        usable = counts[:, :ranked].sum(axis=1, keepdims=True)
        left = moved[:, :ranked].sum(axis=1, keepdims=True)
        by_rank = counts[:, :ranked] @ _by_rank(was[:ranked], share[:ranked])
        # the number of usable values follows the fractions of all rows; their positions follow the ranks
        moved[:, :ranked] = by_rank * np.divide(left, usable, out=np.zeros_like(left), where=usable > 0)
    after = moved.sum(axis=1, keepdims=True)
    return np.where(after > 0, moved * np.divide(total, after, out=np.zeros_like(after), where=after > 0), counts)


def _part_of(name: str) -> str:
    """Return the part with the values that a part of :data:`_SCALED` also counts."""
    kind, _, suffix = name.partition(":")
    return suffix if kind == "clusters" else f"feature:{suffix}"


def _summed(name: str, sums: F64) -> F64:
    """Return sums with squared weights as those of rows with weight one."""
    if name in ("pca", "pairs"):
        sums[1] = sums[0]
    return sums


def _blocks(baseline: Baseline, seasons: Seasons, parts: Mapping[str, F64]) -> TimeBlocks | None:
    """Return the time blocks at the window's mix of seasons: their differences beyond the seasons."""
    if not seasons.length:
        return None
    over = block_columns(baseline.bins)
    of = {
        name: _map_to_cells(block, parts[name][: over[name].size])
        for name, block in seasons.blocks.items()
        if name in parts and name in over and parts[name][: over[name].size].any()
    }
    plain, shorts = baseline.extras.blocks, seasons.shorts
    like = plain is not None and plain.length == seasons.length and np.array_equal(plain.starts, seasons.starts)
    if plain is not None and like:
        of = {**{name: block for name, block in plain.by_part.items() if name not in seasons.by_part}, **of}
    within = None
    if shorts is not None:
        short = {
            name: _map_to_cells(Deseasonalized(seasons.blocks[name].first, counts), parts[name][: over[name].size])
            for name, counts in shorts.by_part.items()
            if name in of
        }
        if plain is not None and plain.shorts is not None and np.array_equal(plain.shorts.starts, shorts.starts):
            short |= {name: block for name, block in plain.shorts.by_part.items() if name in of and name not in short}
        within = TimeBlocks(shorts.length, shorts.starts, shorts.rows, short)
    return TimeBlocks(seasons.length, seasons.starts, seasons.block_rows, of, within)


def _map_to_cells(block: Deseasonalized, reference: F64) -> BlockCounts:
    """Map a column's blocks to cells of the reference: numbers by rank, categories by their deviations."""
    share = reference / reference.sum()
    if block.first is not None:
        expected = np.add.reduceat(share, block.first)
        rows, own = block.counts.sum(axis=1), block.counts.sum(axis=0)
        deviations = block.counts - np.outer(rows, own / own.sum())
        return BlockCounts(block.first, np.maximum(np.outer(rows, expected) + deviations, 0.0))
    first = BlockCounts.of(reference[np.newaxis], len(reference)).first
    edges = np.append((np.cumsum(share) - share)[first], 1.0)
    ranks = np.arange(RANKS + 1) / RANKS
    low = np.maximum(edges[:-1, np.newaxis], ranks[:-1])
    inside = np.clip(np.minimum(edges[1:, np.newaxis], ranks[1:]) - low, 0.0, None) * RANKS
    return BlockCounts(first, block.counts @ inside.T)


def remove_season(time_before: TimeBefore, baseline: Baseline, mix: F64 | None) -> TimeBefore:
    """Return a ``time_before`` with the season removed from every step.

    ``baseline``: baseline with seasons. ``mix``: float64 (seasons,), weight of the window's rows in each. If either is
    unknown, the result is ``time_before`` itself.
    """
    seasons = baseline.extras.seasons
    if seasons is None or mix is None or not mix.any():
        return time_before

    def adjusted_steps(parts: Collection[str]) -> TimeSteps | None:
        steps = time_before(parts)
        return None if steps is None else _levelled(steps, baseline, seasons, mix)

    return adjusted_steps


def _levelled(steps: TimeSteps, baseline: Baseline, seasons: Seasons, mix: F64) -> TimeSteps:
    over, of = block_columns(baseline.bins), dict(steps.of)
    mixes = [_mix_between(seasons, *ends) for ends in zip(steps.starts.tolist(), steps.ends.tolist(), strict=True)]
    weights = [season_mix(seasons, mix_of_step) for mix_of_step in (mix, *mixes)]
    per_weight = np.divide(1.0, seasons.rows[:, 1], out=np.zeros(len(seasons.rows)), where=seasons.rows[:, 1] > 0)
    for name in steps.of.keys() & seasons.by_part.keys():
        shares = coarsen(seasons.by_part[name] * per_weight[:, np.newaxis], steps.cells[name])  # (seasons, cells)
        expected = [None if weight is None else weight.part @ shares for weight in weights]
        now = expected[0]
        if now is None:
            continue
        move = _shifted if isinstance(over[name], CategoryBins) else _ranked
        both = zip(of[name], expected[1:], strict=True)
        of[name] = np.stack([counts if then is None else move(counts, then, now) for counts, then in both])
    return TimeSteps(steps.starts, steps.ends, of, steps.cells)


def _mix_between(seasons: Seasons, start: int, end: int) -> F64:
    """Return the mix of seasons of a period."""
    season = seasons.seasonality.of(np.arange(start, end, HOUR // 4))
    mix = np.bincount(season, seasons.rows[season, 1], minlength=seasons.seasonality.count)
    return mix.astype(np.float64) if mix.any() else np.bincount(season, minlength=len(mix)).astype(np.float64)


def _shifted(counts: F64, then: F64, now: F64) -> F64:
    """Return counts with the expected fractions of their season replaced by those of the window.

    >>> _shifted(np.array([60.0, 40.0]), np.array([0.5, 0.5]), np.array([0.2, 0.8])).tolist()
    [30.0, 70.0]
    """
    return np.asarray(np.maximum(counts + counts.sum() * (now - then), 0.0), dtype=np.float64)


def _ranked(counts: F64, then: F64, now: F64) -> F64:
    """Return counts of a number moved by rank: a low value of one season becomes a low value of the other.

    >>> _ranked(np.array([10.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0])).tolist()
    [5.0, 5.0, 0.0]
    """
    missing = min(max(counts[-1] + counts.sum() * (now[-1] - then[-1]), 0.0), float(counts.sum()))
    if then[:-1].sum() <= 0 or now[:-1].sum() <= 0 or counts[:-1].sum() <= 0:
        return _shifted(counts, then, now)
    usable = counts[:-1] @ _by_rank(then[:-1], now[:-1])
    return np.append(usable * ((counts.sum() - missing) / counts[:-1].sum()), missing)


def _by_rank(then: F64, now: F64) -> F64:
    """Return the part of each bin that moves to each other bin, by rank: float64 (bins, bins), rows sum to 1."""
    low, high = _edges(then)
    start, end = _edges(now)
    inside = np.clip(np.minimum(high[:, np.newaxis], end) - np.maximum(low[:, np.newaxis], start), 0.0, None)
    width = (high - low)[:, np.newaxis]
    point = (low[:, np.newaxis] >= start) & (low[:, np.newaxis] < end)
    point[(low >= end[-1]), -1] = True
    share: F64 = np.divide(inside, width, out=point.astype(np.float64), where=width > 1e-12)
    return share


def _edges(shares: F64) -> tuple[F64, F64]:
    above = np.cumsum(shares) / shares.sum()
    return above - shares / shares.sum(), above

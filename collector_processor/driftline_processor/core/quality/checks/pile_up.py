"""Pile-up: many rows have one value that the baseline hardly had, such as 0, a mean, a sentinel, or a limit."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.panes.unbinned_values import OCTAVES, OFFSET_UNIT, TAILS
from driftline.tables.table import F64

from driftline_processor.core.drift.bin_edges import single_value
from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import (
    LEAST_EFFECTIVE,
    LEAST_ROWS,
    CheckInput,
    FeaturePair,
    Mask,
    atoms_of,
    effective_rows,
    largest,
    noise_of,
    shares,
)
from driftline_processor.core.quality.share_test import more_often

LEAST_RISE = 0.1
"""Minimum rise of the fraction of a value, as of stale rows: ties of a few rows are found everywhere."""

USUAL, TIMES = 0.1, 3.0
"""Fraction of the baseline from which on a value is a usual one, whose days differ, and minimum ratio of fractions."""

FEWEST = 10
"""Minimum number of bins with values in the baseline: a column of a few values, or of one, has others on other days."""

MOST_LEFT = 0.25
"""Maximum KS distance between the other values and those of the baseline, as a fraction of the rise: a distribution
that became narrower rises in many bins, and a pile-up in one.
"""


class _Pile(NamedTuple):
    """The fraction of a value in the baseline and in the window, and where it is."""

    was: float
    now: float
    low: float
    high: float
    side: Literal["", "below", "above"] = ""


def find(look: CheckInput) -> CheckResult:
    """Find numbers of which a part has one value, while the others are distributed as before.

    From panes. A value inside the bins is known to a bin of 1 % of the baseline's rows. All values beyond a limit may
    have the limit. Outside the bins, values are equal if their positions in a power of two have no deviation. A value
    that is frequent in the baseline is a usual one, unless no other value is near: then it stands for a missing one.
    """
    pairs = [pair for pair in look.table.where(look.table.number) if _is_comparable(pair)]
    return CheckResult(len(pairs), [_suspicion(pair, pile) for pair in pairs if (pile := _pile(pair, look))])


def _is_comparable(pair: FeaturePair) -> bool:
    enough = min(pair.was.usable, pair.now.usable) >= LEAST_ROWS and min(effective_rows(pair)) >= LEAST_EFFECTIVE
    return enough and not pair.lengths and int(np.count_nonzero(pair.was.counts)) >= FEWEST


def _suspicion(pair: FeaturePair, pile: _Pile) -> Suspicion:
    n, m = effective_rows(pair)
    rise = pile.now - pile.was
    return suspicion(
        CHECK.name,
        [pair.name],
        min(1.0, len(pair.was.counts) * more_often(pile.was * n, n, pile.now * m, m)),
        was=pile.was,
        now=pile.now,
        concerned=rise * pair.now.usable / pair.now.rows,
        low=pile.low,
        high=pile.high,
        side=pile.side,
    )


def _pile(pair: FeaturePair, look: CheckInput) -> _Pile | None:
    """Return the value that rose, if the others are as before; None without one."""
    outside = _outside(pair)
    if outside is not None and _rose(outside.was, outside.now):
        return outside
    was, now = shares(pair.was), shares(pair.now)
    if not _rose(was[1:-1], now[1:-1]).any():
        return None
    return _sentinel(pair, was, now) or (None if look.most_changed else _inside(pair, was, now))


def _rose(was: F64 | float, now: F64 | float) -> Mask:
    """Return True for the fractions that rose by enough to be a pile-up."""
    return np.asarray((np.subtract(now, was) >= LEAST_RISE) & (now >= np.multiply(TIMES, was)))


def _inside(pair: FeaturePair, was: F64, now: F64) -> _Pile | None:
    """Return the bin that has many values more, or a limit at which all values beyond it are."""
    assert isinstance(pair.bins, NumberBins)
    edges, place = pair.bins.edges, 1 + int((now - was)[1:-1].argmax())
    noise = noise_of(*effective_rows(pair))
    rise = float(now[place] - was[place])
    if was[place] > USUAL or not _rose(was[place], now[place]):
        return None
    at, value = np.zeros(len(was)), single_value(edges, place)
    at[place] = 1.0
    low, high = (value, value) if value is not None else (float(edges[place - 1]), float(edges[place]))
    added = rise / (1 - float(was[place]))
    above, below = float(was[place + 1 :].sum()), float(was[:place].sum())
    for side, expected in (
        ("", (1 - added) * was + added * at),
        ("above", np.concatenate([was[:place], [was[place] + above], np.zeros(len(was) - place - 1)])),
        ("below", np.concatenate([np.zeros(place), [was[place] + below], was[place + 1 :]])),
    ):
        if largest(np.cumsum(now - expected)) <= min(noise, MOST_LEFT * rise):
            return _Pile(float(was[place]), float(now[place]), low, high, side)  # type: ignore[arg-type]
    return None


def _outside(pair: FeaturePair) -> _Pile | None:
    """Return the value that most values outside the bins have."""
    now, before, offsets = pair.now.tails, pair.was.tails, pair.now.offsets
    if now is None:
        return None
    entry = int(now.argmax())
    weight, place = float(now[entry]), entry - 2 * OCTAVES
    if weight < LEAST_RISE * pair.now.usable or weight < 0.5 * float(now.sum()) or (offsets is None and place):
        return None
    # zeros have no position
    mean, square = (0.0 if offsets is None else float(offsets[one]) / weight for one in (entry, TAILS + entry))
    if square - mean**2 > 1.0:
        return None
    was = 0.0 if before is None else float(before[entry]) / pair.was.usable
    magnitude = 0.0 if place == 0 else np.ldexp(1.0 + mean / OFFSET_UNIT, abs(place) - OCTAVES - 1)
    value = float(np.copysign(magnitude, place))
    step = 0.0 if mean == round(mean) and value == round(value) else abs(value) / OFFSET_UNIT
    return _Pile(was, weight / pair.now.usable, value, value + step)


def _sentinel(pair: FeaturePair, was: F64, now: F64) -> _Pile | None:
    """Return the value at an end of the baseline's range that no other value is near, such as -200 or 999.

    It is farther from the others than these are from each other, or negative while they are not.
    """
    assert isinstance(pair.bins, NumberBins)
    edges = pair.bins.edges
    if len(edges) < 4:
        return None
    atoms = atoms_of(edges)
    for at, gap, rest in (
        (0, edges[2] - edges[1], edges[-1] - edges[2]),
        (len(edges) - 2, edges[-2] - edges[-3], edges[-3] - edges[0]),
    ):
        if atoms[at] and (gap > rest or (at == 0 and edges[1] < 0 <= edges[2])):
            if not _rose(was[at + 1], now[at + 1]):
                return None
            value = single_value(edges, at + 1)
            return _Pile(float(was[at + 1]), float(now[at + 1]), *(value or 0.0,) * 2)
    return None


CHECK = Check("pile_up", "one value in many rows", "panes", find, covers=frozenset({"out_of_range", "unseen"}))

"""Detect whether reference rows repeat with a daily or weekly cycle.

Each column becomes a few series over hours or days: the mean rank of a number, its spread, its missing fraction, and
the fraction of each category. A cycle has more power at its own frequency, or at a multiple, than at the frequencies
around it. Differences between days and trends are not detected as cycles, because they raise the neighbouring
frequencies too.

Source: Priestley, "Spectral Analysis and Time Series" (1981), section 6.1.4, for the test of a periodogram against its
neighbours; Lomb (1976) for frequencies of times with gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from driftline.panes.bins import Bins, CategoryBins
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import DAY, HOUR, WEEK, Kind, Seasonality

LEVEL = 0.01
"""Probability of a false detection in a reference without cycles, over all columns and both cycles."""

MULTIPLES = 3
"""Number of tested frequencies of a cycle: once, twice and three times per cycle."""

LEAST_DAYS = 2
"""Days required for hours of the day; one day does not show the variation between days."""

LEAST_WEEKS = 4
"""Weeks required for weekdays. With two weeks, the error of a weekday's mean is 0.7 standard deviations between weeks.
"""

LONGEST = 400 * DAY
"""Time at the end of a longer reference that is tested, in nanoseconds."""

MOST_TESTED = 25_000
"""Number of tested rows: with 14 rows per hour for two months, a cycle of ±0.1 standard deviations is detected."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """The cycles of a reference.

    Attributes:
        hours: Name of a part → p-value of a daily cycle; empty if the reference is shorter than two days.
        weekdays: Name of a part → p-value of a weekly cycle; empty if the reference is shorter than four weeks.
    """

    hours: Mapping[str, float] = field(default_factory=dict)
    weekdays: Mapping[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> Kind | None:
        """The seasons that represent the cycles; None without a cycle.

        >>> Cycles({"score": 1e-9}, {"score": 0.5}).kind
        'hour'
        """
        hours, weekdays = (bool(len(p)) and min(p.values()) * len(p) <= LEVEL / 2 for p in (self.hours, self.weekdays))
        return "hour_of_week" if hours and weekdays else "hour" if hours else "weekday" if weekdays else None

    @property
    def parts(self) -> frozenset[str]:
        """Names of the parts with a significant cycle."""
        kind = self.kind
        chances = ([self.hours] if kind in ("hour", "hour_of_week") else []) + (
            [self.weekdays] if kind in ("weekday", "hour_of_week") else []
        )
        # 0.2: chance below which a column beside others that repeat keeps its seasons: hours are the same hours for all
        # of them
        return frozenset(name for p in chances for name, chance in p.items() if chance <= 0.2)


def find_cycles(clock: Seasonality, hours: I64, counts: Mapping[str, F64], bins: Mapping[str, Bins]) -> Cycles:
    """Find the cycles of reference rows from counts per hour.

    Args:
        clock: Seasonality with the time zone of hours and weekdays.
        hours: int64 (h,), the start of each hour with rows, unix nanoseconds, ascending.
        counts: Name of a part → float64 (h, bins + 2), weight of the rows by bin, then missing and invalid.
        bins: Name of a part → its bins.
    """
    if not len(hours):
        return Cycles()
    local = clock.local(hours)
    series: dict[str, tuple[F64, F64]] = {}
    for name, table in counts.items():
        values = _values(bins[name], table)
        if values is not None:
            series[name] = values
    day, first = np.unique(local // DAY, return_index=True)
    daily = {name: (np.add.reduceat(w, first), np.add.reduceat(v, first)) for name, (w, v) in series.items()}
    reach = float(local[-1] - local[0] + HOUR)
    return Cycles(
        _chances(local / DAY, series, int(reach // DAY), LEAST_DAYS),
        _chances(day / (WEEK / DAY), daily, int(reach // WEEK), LEAST_WEEKS),
    )


def hours_of_rows(times: I64) -> tuple[I64, I64]:
    """Return the hours with rows, and the index of each row's hour: int64 (h,) and (n,), -1 for none.

    Rows without a time, outliers far from all other rows, and rows older than 400 days have no hour.

    >>> hours_of_rows(np.array([HOUR, HOUR + 1, 0, 3 * HOUR]))
    (array([ 3600000000000, 10800000000000]), array([ 0,  0, -1,  1]))
    """
    timed = np.sort(times[times != 0])
    if not len(timed):
        return np.zeros(0, np.int64), np.full(len(times), -1, np.int64)
    low, high = int(timed[int(0.001 * (len(timed) - 1))]), int(timed[int(np.ceil(0.999 * (len(timed) - 1)))])
    low = max(low, high - LONGEST)
    inside = (times != 0) & (times >= low) & (times <= high)
    hour, place = np.unique(times[inside] // HOUR, return_inverse=True)
    hours = np.full(len(times), -1, np.int64)
    hours[inside] = place
    return hour * HOUR, hours


def _values(over: Bins, counts: F64) -> tuple[F64, F64] | None:
    """Return the rows per hour, float64 (h,), and the sums of the tested series, float64 (h, q).

    For a number: its rank, its distance from the median rank, and whether it is missing. For categories: the ten most
    frequent ones, and whether the value is missing.
    """
    total, usable = counts.sum(axis=0), counts[:, : over.size].sum(axis=0)
    if usable.sum() <= 0:
        return None
    if isinstance(over, CategoryBins):
        frequent = np.argsort(-usable, kind="stable")[:10]
        indicators = np.zeros((len(total), len(frequent)))
        indicators[frequent, np.arange(len(frequent))] = 1.0
    else:
        rank = (np.cumsum(usable) - usable / 2) / usable.sum()
        indicators = np.zeros((len(total), 2))
        indicators[: over.size] = np.column_stack([rank, np.abs(2 * rank - 1)])
        indicators[over.size :] = usable @ indicators[: over.size] / usable.sum()  # a missing value has no rank
    missing = np.zeros((len(total), 1))
    missing[over.size :] = 1.0
    every = np.hstack([indicators, missing])
    return counts.sum(axis=1), counts @ every


def _chances(time: F64, series: Mapping[str, tuple[F64, F64]], cycles: int, fewest_hours: int) -> dict[str, float]:
    """Return the p-value per column. ``time``: float64 (t,), in cycles."""
    if cycles < fewest_hours or not series:
        return {}
    names = list(series)
    weight = np.sqrt(np.max([series[name][0] for name in names], axis=0))
    filled = weight > 0
    columns, owner = [], []
    for place, name in enumerate(names):
        rows, sums = series[name]
        means = np.divide(sums, rows[:, np.newaxis], out=np.zeros_like(sums), where=rows[:, np.newaxis] > 0)
        means = np.where(rows[:, np.newaxis] > 0, means, sums.sum(axis=0) / rows.sum())
        columns.append(means)
        owner += [place] * means.shape[1]
    p = _cycle_chances(time[filled], np.hstack(columns)[filled], weight[filled], cycles)
    owners = np.array(owner)
    return {
        name: min(1.0, float(p[owners == place].min()) * int((owners == place).sum()))
        for place, name in enumerate(names)
    }


def _cycle_chances(time: F64, values: F64, weight: F64, cycles: int) -> F64:
    """Return the p-value of a cycle in each series: float64 (q,).

    The power at a frequency, divided by the mean power at ``k`` frequencies around it, is F(2, 2k) if the spectrum is
    flat: P(F > f) = (1 + f / k)^-k. If the spectrum is convex, the neighbours have more power, and the test is
    conservative.

    Args:
        time: float64 (t,), times in cycles.
        values: float64 (t, q).
        weight: float64 (t,), weight of each deviation.
        cycles: Number of cycles that the times cover.
    """
    step = float(np.diff(np.unique(time)).min(initial=1.0))  # when clocks are set back, an hour is repeated
    resolution = 1 / (float(time.max() - time.min()) + step)
    middle = time - time.mean()
    level = np.column_stack([np.ones_like(middle), middle / max(float(np.abs(middle).max()), 1e-300)])
    level *= weight[:, np.newaxis]
    q, _ = np.linalg.qr(level)
    y = values * weight[:, np.newaxis]
    y = y - q @ (q.T @ y)
    total_square = (y**2).sum(axis=0)
    finest = 1 / (2 * step)
    smallest_chance = np.ones(values.shape[1])
    for multiple in range(1, MULTIPLES + 1):
        # 6: frequencies on either side that a cycle is compared with, at most; fewer where there are few cycles, half
        # as many as there are. They lie as close together as the reference can tell apart.
        around = range(1, max(1, min(6, cycles // 2)) + 1)
        frequencies = [multiple, *(multiple + way * count * resolution for count in around for way in (-1, 1))]
        powers = [
            _power(middle, frequency, weight, q, y) for frequency in frequencies if frequency < finest - resolution / 4
        ]
        if len(powers) < 3:
            break
        neighbours = np.mean(powers[1:], axis=0)
        # rounding errors of a constant series must not look like a cycle
        ratio = powers[0] / np.maximum(neighbours, 1e-12 * np.maximum(total_square, 1e-300))
        k = len(powers) - 1
        smallest_chance = np.minimum(smallest_chance, np.where(total_square > 1e-20, (1 + ratio / k) ** -k, 1.0))
    return np.minimum(1.0, MULTIPLES * smallest_chance)


def _power(time: F64, frequency: float, weight: F64, level: F64, y: F64) -> F64:
    """Return the power of each series at a frequency, without its level and trend: float64 (q,)."""
    angle = 2 * np.pi * frequency * time
    wave = np.column_stack([np.cos(angle), np.sin(angle)]) * weight[:, np.newaxis]
    wave -= level @ (level.T @ wave)
    turned, scale, _ = np.linalg.svd(wave, full_matrices=False)
    usable = scale > 1e-6 * max(float(scale.max()), 1e-300)
    return np.asarray(((turned[:, usable].T @ y) ** 2).sum(axis=0) / max(1, int(usable.sum())), dtype=np.float64)


def counted_by_hour(place: I64, hours: int, indices: Iterable[tuple[str, Bins, I64, F64]]) -> dict[str, F64]:
    """Count the bins of rows per hour: name of a part → float64 (h, bins + 2).

    Args:
        place: int64 (n,), the hour of each row, -1 for none.
        hours: Number of hours.
        indices: Name of a part, its bins, the bin of each row and the weight of each row.
    """
    inside = place >= 0
    counts_by_name = {}
    for name, over, index, weight in indices:
        width = over.size + 2
        flat = place[inside] * width + index[inside]
        counts = np.bincount(flat, weight[inside], minlength=hours * width)
        counts_by_name[name] = counts.astype(np.float64, copy=False).reshape(hours, width)
    return counts_by_name

"""The slice in which a model became worse: its change since the baseline exceeds that of all other rows.

The difference of two changes does not depend on how hard a slice was to predict before, nor on a change of all rows. A
slice is reported if its rise of the loss is beyond chance after a correction over all searched slices and periods,
exceeds the margin, and is most of the rise of all rows. Everything is computed from sums per cell and window, so live
windows and files have the same result. A slice has few outcomes per day, so several periods that end with the window
are searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.loss_cells import CellLosses, LossByPart, limited, loss_sums
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.tables.performance_columns import usable_weight
from driftline.tables.row_losses import RowLoss
from driftline.tables.table import F64, I64
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.evaluation import SliceChange, SliceCondition
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.intervals.onset import Onset, onset_of_step
from driftline_processor.core.special_functions import stdtr
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window, length, window_of

from .scan import Written, category_choices, range_choices

PERIODS = (0, 3, 5, 7, 10, 14, 20, 30)
"""Days of the periods that are searched, each up to the end of the window; 0 is the window itself."""

LEAST_ROWS = 100
"""Minimum effective number of labelled rows of a slice, in the window and in the baseline."""

LARGEST = 1 / 3
"""Maximum fraction of the rows of a slice. A fault of all rows can harm half of them much more than the others."""

MOST = 0.5
"""Minimum fraction of the rise of the loss that must be in the slice."""

OF_OTHERS = 0.07
"""Maximum evidence that other cells of its feature changed, as a fraction of the slice's: a fault of all rows names no
slice. Its median is 0 to 0.01 if the labels of a slice are reversed, and 0.3 to 0.4 if the effect of a number is
reversed in all rows, or the classes have other proportions.
"""

GROUPS = 4
"""Groups of other cells: in fewer, a fault of all rows may cancel out; in more, chance hides it."""

LEAST_OF_CELL = 20.0
"""Minimum effective number of labelled rows of a cell for its change to count."""

OF_OWN_LOSS = 0.25
"""Minimum rise as a fraction of the slice's loss in the baseline, if the metric has no margin."""

UNKNOWN_DAYS = 0.1
"""Standard deviation between days, as a fraction of the mean loss, if the baseline has too few days."""

RECOVERED = 0.5
"""Fraction of the rise that the newest days must exclude for the slice to have recovered."""

CLEAR = 1.3142
"""Ratio of a 99 % interval to a 95 % one: the rise of a slice exceeds the margin by its whole 99 % interval."""

METRIC_OF_LOSS: Mapping[RowLoss, str] = {"log_loss": "log_loss", "absolute_error": "mae", "error": "error_rate"}
"""The metric that is the mean of each loss."""


def period_windows(window: Window, timezone: str) -> list[Window]:
    """Return the windows that are searched together, up to a window: days before it, and the windows of its own day.

    A window of less than an hour, or without times, is searched alone.
    """
    windows = [window]
    if not window.name or length(window.name) < HOUR:
        return windows
    own_day = window.start if length(window.name) >= DAY else window_of("1d", window.start, timezone).start
    while windows[0].start > window.end - PERIODS[-1] * DAY:
        name = window.name if windows[0].start > own_day or length(window.name) >= DAY else "1d"
        windows.insert(0, window_of(name, windows[0].start - PANE, timezone))
    return windows


class LossTiles(Struct, frozen=True, eq=False):
    """The losses of consecutive windows up to a window, which is the last one; see :func:`period_windows`.

    Attributes:
        starts: int64 (n,), start of each window, unix nanoseconds.
        end: End of the last window; that of ``starts[-1]`` if rows have no time.
        newest: Time of the newest prediction with an outcome; outcomes of the last windows may still be missing.
        by_part: Part → float64 (n, 4, cells + 2), sums of the windows up to each window, see
            :func:`driftline.baseline.sections.loss_cells.loss_sums`.
    """

    starts: I64
    end: int
    newest: int
    by_part: Mapping[str, F64]


def no_tiles() -> LossTiles | None:
    """Return None: the rows are not available."""
    return None


def sums_of_tiles(
    losses: LossByPart,
    codes: Mapping[str, tuple[Bins, NDArray[np.integer]]],
    loss: F64,
    weight: F64 | None,
    tile: I64,
    tiles: int,
) -> dict[str, F64]:
    """Return the sums of the losses per part, window and cell: float64 (tiles, 4, cells + 2).

    Args:
        losses: The losses of the baseline.
        codes: Part → its bins, and the bin of each row, (n,).
        loss: float64 (n,), NaN if unknown.
        weight: float64 (n,); None = 1 each.
        tile: Window of each row, int64 (n,).
        tiles: Number of windows.
    """
    usable = np.isfinite(loss)
    weights = np.where(usable, 1.0 if weight is None else usable_weight(weight), 0.0)
    limited_loss = np.where(usable, limited(losses.by, loss), 0.0)
    sums = {}
    for part, (bins, bin_of_row) in codes.items():
        if part in losses.by_part:
            cell_of_bin = losses.by_part[part].cell_of_bin(bins.size)
            cells = len(losses.by_part[part].first) + 2
            by_tile = loss_sums(tile * cells + cell_of_bin[bin_of_row], tiles * cells, weights, limited_loss)
            sums[part] = by_tile.reshape(4, tiles, cells).transpose(1, 0, 2)
    return sums


Mask = NDArray[np.bool_]


class _Side(NamedTuple):
    """Mean loss, its variance for independent rows, weight and effective rows per choice: float64 (..., choices)."""

    mean: F64
    variance: F64
    weight: F64
    rows: F64

    @classmethod
    def of(cls, sums: F64) -> _Side:
        """Compute from sums, float64 (..., choices, 4)."""
        weight, squares, loss, second = np.moveaxis(sums, -1, 0)
        safe = np.where(weight > 1e-9, weight, 1.0)  # differences of sums leave rounding errors
        mean = loss / safe
        spread = np.maximum(second / safe - mean**2, 0.0)
        return cls(mean, spread, weight, weight**2 / np.maximum(squares, 1e-300))

    def error(self, least: F64 | float = 0.0) -> F64:
        """Return the squared standard error of the mean; ``least``: minimum variance of a row."""
        error: F64 = np.maximum(self.variance, least) / np.maximum(self.rows, 1.0)
        return error


class _Slices(NamedTuple):
    """The candidate slices of one part.

    Attributes:
        conditions: The condition of each choice.
        inside: float64 (choices, cells + 2), 1 if a cell is part of a choice.
        apart: bool (choices, cells + 2), whether a cell is neither part of a choice nor next to it.
        was: float64 (choices, 4), sums of the slice in the baseline.
        rest_was: The same of all other rows.
        between: Variance between days of the mean loss less that of all other rows, float64 (choices,).
    """

    conditions: Sequence[Written]
    inside: F64
    apart: Mask
    was: F64
    rest_was: F64
    between: F64

    def only(self, place: int) -> _Slices:
        """Return one of the slices; a negative place counts from the end."""
        place %= len(self.between)
        at = slice(place, place + 1)
        apart, was, rest_was = self.apart[at], self.was[at], self.rest_was[at]
        return _Slices(self.conditions[at], self.inside[at], apart, was, rest_was, self.between[at])

    def split(self, now: F64) -> tuple[F64, F64]:
        """Return the sums of each slice and of all other rows, (..., choices, 4) each.

        Args:
            now: float64 (..., 4, cells + 2).
        """
        of_slice = self.inside @ np.swapaxes(now, -1, -2)
        return of_slice, now.sum(axis=-1)[..., np.newaxis, :] - of_slice

    def compared(self, now: F64, losses: LossByPart, days: int) -> _Comparison:
        """Compare the slices of a period with the baseline; ``now``: float64 (4, cells + 2)."""
        return _Comparison.of(*self.split(now), self.was, self.rest_was, self.between, losses, days)


class _Comparison(NamedTuple):
    """The changes of slices and of all other rows since the baseline, float64 (..., choices) each.

    Attributes:
        now: The slices in the period.
        rest_now: All other rows.
        rise: Change of the mean loss of the slices.
        rest_rise: The same of all other rows.
        half: Half of the 95 % interval of ``rise``.
        rest_half: The same of ``rest_rise``.
        z: The difference between both changes in standard errors.
        freedom: Degrees of freedom of ``z``.
    """

    now: _Side
    rest_now: _Side
    rise: F64
    rest_rise: F64
    half: F64
    rest_half: F64
    z: F64
    freedom: F64

    def share(self) -> F64:
        """Return the fraction of the significant rise of the loss of all rows that is in each slice."""
        rest_least = np.maximum(self.rest_rise - self.rest_half, 0.0)
        own, rest = self.now.weight * self.rise, self.rest_now.weight * rest_least
        share: F64 = own / np.maximum(own + rest, 1e-300)
        return share

    @classmethod
    def of(
        cls,
        sums: F64,
        rest_sums: F64,
        sums_was: F64,
        rest_sums_was: F64,
        by_day: F64,
        losses: LossByPart,
        days: int | I64,
    ) -> _Comparison:
        """Compare.

        Args:
            sums: Sums of the slices in the period, float64 (choices, 4); of several, (periods, choices, 4).
            rest_sums: The same of all other rows.
            sums_was: Sums of the slices in the baseline, float64 (choices, 4).
            rest_sums_was: The same of all other rows.
            by_day: Variance between days, see :class:`_Slices`.
            losses: The losses of the baseline.
            days: Length of the period, 0 if rows have no time; of several periods, int64 (periods, 1).
        """
        now, was, rest_now, rest_was = (_Side.of(one) for one in (sums, sums_was, rest_sums, rest_sums_was))
        rise, rest_rise = now.mean - was.mean, rest_now.mean - rest_was.mean
        # the variance of a slice with few outcomes in the baseline may be far too small by chance
        of_rows = now.error() + was.error(now.variance)
        rest_of_rows = rest_now.error() + rest_was.error(rest_now.variance)
        per_day, level_of_days = _per_day(losses, days), _level_of_days(losses, rest_was.mean)
        between = by_day * per_day
        variance = np.maximum(of_rows + rest_of_rows + between, 1e-300)
        lasting = max(losses.days - 1, 1.0) if losses.days else inf
        freedom = variance**2 / (of_rows**2 / np.maximum(now.rows - 1, 1.0) + between**2 / lasting + 1e-300)
        half = NORMAL * np.sqrt(of_rows + (by_day + level_of_days) * per_day)
        rest_half = NORMAL * np.sqrt(rest_of_rows + level_of_days * per_day)
        z = (rise - rest_rise) / np.sqrt(variance)
        return cls(now, rest_now, rise, rest_rise, half, rest_half, z, np.minimum(freedom, 1e9))


def _per_day(losses: LossByPart, days: int | I64) -> F64 | float:
    """Return the factor of the variance between days in that of a change."""
    return 1 / days + (1 / losses.days if losses.days else 0.0) if np.all(days) else 0.0


def _level_of_days(losses: LossByPart, mean: F64) -> F64 | float:
    """Return the variance between days of the mean loss of all rows."""
    return losses.level if losses.days else (UNKNOWN_DAYS * mean) ** 2


_KNOWN: WeakKeyDictionary[Baseline, dict[str, _Slices]] = WeakKeyDictionary()
"""The candidate slices of each baseline."""


def find_slice_change(
    baseline: Baseline, tiles: LossTiles, level: float, margins: Mapping[str, float]
) -> SliceChange | None:
    """Return the slice of one feature, or of one slice key, with the clearest rise of the loss; None without one.

    Args:
        baseline: The baseline, with its losses per cell.
        tiles: The losses of the window, and of those before it.
        level: Probability that a window without any change has a slice.
        margins: Smallest change that matters, by metric.
    """
    losses = baseline.extras.losses
    if losses is None:
        return None
    over, metric = losses.bins(baseline.bins), "accuracy" if losses.by == "error" else METRIC_OF_LOSS[losses.by]
    margin = margins.get(metric)
    if baseline not in _KNOWN:
        _KNOWN[baseline] = {part: _slices(part, bins, losses.by_part[part]) for part, bins in over.items()}
    slices = {part: of_part for part, of_part in _KNOWN[baseline].items() if part in tiles.by_part}
    periods = _periods(tiles)
    # one test per cell: the ranges of a number share most of their rows (evidence/slice_changes.json)
    choices = max(1, sum(min(one.inside.shape) for one in slices.values()) * len(periods))

    if not slices:
        return None
    was, rest_was, by_day = (
        np.concatenate(values)
        for values in zip(*((one.was, one.rest_was, one.between) for one in slices.values()), strict=True)
    )

    pairs = [
        of_part.split(np.stack([_sums(tiles, part, first) for first in periods])) for part, of_part in slices.items()
    ]
    of_slice, rest = (np.concatenate(sums, axis=1) for sums in zip(*pairs, strict=True))
    newest, newest_rest = of_slice[0, :, 0], rest[0, :, 0]  # the first period is the window itself
    is_minority = newest <= LARGEST * (newest + newest_rest)
    parts, ends = list(slices), np.cumsum([len(one.between) for one in slices.values()])
    days = np.array([_days(tiles, first) for first in periods])[:, np.newaxis]
    each = _Comparison.of(of_slice, rest, was, rest_was, by_day, losses, days)
    proved_in = np.nonzero(is_minority & _proved(each, level / choices, margin))
    candidates = zip(each.z[proved_in].tolist(), proved_in[1].tolist(), strict=True)

    def proved_since(chosen: _Slices, part: str, first: int) -> tuple[_Comparison, bool]:
        compared = chosen.compared(_sums(tiles, part, first), losses, _days(tiles, first))
        return compared, bool(_proved(compared, level / choices, margin)[0])

    for _, at in sorted(candidates, reverse=True):
        index = int(np.searchsorted(ends, at, side="right"))
        part = parts[index]
        chosen = slices[part].only(at - int(ends[index]))  # counted from its end
        found = {first: proved_since(chosen, part, first) for first in range(min(periods), len(tiles.starts))}
        since = max((first for first, (_, proved) in found.items() if proved), key=lambda at: found[at][0].z[0])
        compared = found[since][0]
        later = [one for first, (one, _) in found.items() if first > since]
        if any(float(one.rise[0] + one.half[0]) < RECOVERED * float(compared.rise[0]) for one in later):
            continue
        others = _change_of_others(chosen, losses.by_part[part], losses, tiles, part, since)
        if others > OF_OTHERS * float(compared.z[0]) ** 2:
            return None
        p_value = min(1.0, float(stdtr(compared.freedom[0], -compared.z[0])) * choices)
        return _change(chosen, losses, tiles, part, since, p_value)
    return None


def _change_of_others(
    chosen: _Slices, cells: CellLosses, losses: LossByPart, tiles: LossTiles, part: str, since: int
) -> float:
    """Return how clearly the other cells of a feature changed, up or down: a chi-square less its degrees of freedom.

    A fault of all rows raises the loss where the model was sure, and may even lower it elsewhere. Neighbouring cells
    are added up to :data:`GROUPS`, in which such a fault is clearest.
    """
    sums, per_day = _sums(tiles, part, since), _per_day(losses, _days(tiles, since))
    usable = np.flatnonzero(chosen.apart[0] & (sums[0] >= LEAST_OF_CELL) & (cells.sums[0] >= LEAST_OF_CELL))
    if not len(usable):
        return 0.0
    weight = cells.sums[0, usable]
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    _, starts = np.unique(np.minimum((middle * GROUPS).astype(np.intp), GROUPS - 1), return_index=True)
    now, was = (_Side.of(np.add.reduceat(one[:, usable], starts, axis=1).T) for one in (sums, cells.sums))
    between = (UNKNOWN_DAYS * was.mean) ** 2
    if cells.between is not None:
        between = np.add.reduceat(weight * cells.between[usable], starts) / was.weight
    error = now.error(was.variance) + was.error() + between * per_day
    rise, precision = now.mean - was.mean, 1 / np.maximum(error, 1e-300)
    mean = float(precision @ rise / precision.sum())
    level = float(np.mean(_level_of_days(losses, was.mean))) * per_day
    of_all = mean**2 / (1 / float(precision.sum()) + level)
    return float(precision @ (rise - mean) ** 2) + float(of_all) - len(rise)


def _change(
    chosen: _Slices, losses: LossByPart, tiles: LossTiles, part: str, proved: int, p_value: float
) -> SliceChange:
    """Return one slice with its change since it began, which may be later than the period that proves it."""
    condition, has_times = chosen.conditions[0](), tiles.end > int(tiles.starts[0])
    onset = _onset(chosen, losses, tiles, part) if has_times else None
    since = proved if onset is None else int(np.searchsorted(tiles.starts, onset.likeliest))
    compared = chosen.compared(_sums(tiles, part, since), losses, _days(tiles, since))
    rise, half, start = float(compared.rise[0]), float(compared.half[0]), int(tiles.starts[since])
    return SliceChange(
        name=name_of(condition),
        features=(condition.feature,),
        by=losses.by,
        rows=round(float(compared.now.rows[0])),
        was=float(_Side.of(chosen.was).mean[0]),
        now=float(compared.now.mean[0]),
        low=rise - half,
        high=rise + half,
        rest_was=float(_Side.of(chosen.rest_was).mean[0]),
        rest_now=float(compared.rest_now.mean[0]),
        share=float(compared.share()[0]),
        p_value=p_value,
        since=None if not has_times else start if onset is None else onset.latest,
        since_earliest=None if onset is None or onset.earliest == onset.latest else onset.earliest,
        days=max(1, _days(tiles, since)),
        is_mixed=condition.category == "",
    )


def _onset(chosen: _Slices, losses: LossByPart, tiles: LossTiles, part: str) -> Onset | None:
    """Return when the loss of a slice rose above that of all other rows; None with too few days."""
    sums = np.diff(tiles.by_part[part], axis=0, prepend=0.0)
    of_slice = sums @ chosen.inside[0]
    filled = of_slice[:, 1] > 0
    sides = of_slice[filled], sums[filled].sum(axis=2) - of_slice[filled]
    now, rest = (
        _Side.of(np.concatenate([was, side])) for was, side in zip((chosen.was, chosen.rest_was), sides, strict=True)
    )
    between = chosen.between[0] * np.array([1 / max(losses.days, 1.0), *np.ones(int(filled.sum()))])
    error = now.error(now.variance[0]) + rest.error(rest.variance[0]) + between
    starts = np.concatenate([tiles.starts[:1] - 1, tiles.starts[filled]])
    return onset_of_step(starts, now.mean - rest.mean, np.sqrt(error))


def _periods(tiles: LossTiles) -> list[int]:
    """Return the first window of each period, without periods that have the same outcomes."""
    last = len(tiles.starts) - 1
    known = np.max([sums[:, 0].sum(axis=1) for sums in tiles.by_part.values()], axis=0, initial=0.0) > 0
    earliest = min(int(np.argmax(known)), last) if known.any() else last
    firsts = [last if not days else int(np.searchsorted(tiles.starts, tiles.end - days * DAY)) for days in PERIODS]
    return list(dict.fromkeys(min(max(first, earliest), last) for first in firsts))


def _sums(tiles: LossTiles, part: str, first: int) -> F64:
    """Return the sums of the windows from ``first`` on: float64 (4, cells + 2)."""
    until = tiles.by_part[part]
    sums: F64 = until[-1] if first == 0 else until[-1] - until[first - 1]
    return sums


def _days(tiles: LossTiles, first: int) -> int:
    """Return the number of days that have outcomes, at least 1 from a window on; 0 if rows have no time."""
    if tiles.end <= int(tiles.starts[0]):
        return 0
    return max(0, tiles.newest - int(tiles.starts[first])) // DAY + 1


def _proved(compared: _Comparison, level: float, margin: float | None) -> Mask:
    """Return the slices that became worse, more than all other rows: bool (..., choices).

    Args:
        compared: Their changes in a period, or in several.
        level: Maximum p-value.
        margin: Smallest rise that matters; None if unknown.
    """
    rows, rest = compared.now.weight, compared.rest_now.weight
    proved: Mask = (compared.now.rows >= LEAST_ROWS) & (rows <= LARGEST * (rows + rest))
    least = OF_OWN_LOSS * (compared.now.mean - compared.rise) if margin is None else margin
    proved &= (compared.share() >= MOST) & (compared.rise - CLEAR * compared.half >= least)
    if proved.any():
        proved &= stdtr(compared.freedom, -compared.z) <= level
    return proved


def name_of(condition: SliceCondition) -> str:
    """Return the name of a slice.

    >>> name_of(SliceCondition("country", "= NL", category="NL")), name_of(SliceCondition("age", "below 25", high=25.0))
    ('country=NL', 'age below 25')
    """
    text = condition.text
    return f"{condition.feature}={text[2:]}" if text.startswith("= ") else f"{condition.feature} {text}"


def _slices(part: str, over: Bins, cells: CellLosses) -> _Slices:
    """Return the slices of one part with enough rows in the baseline."""
    counts, feature = cells.sums[0], part.partition(":")[2]
    if isinstance(over, CategoryBins):
        places, chosen, conditions = category_choices(feature, over, counts, LEAST_ROWS)
    else:
        places, chosen, conditions = range_choices(feature, NumberBins(over.edges[cells.first[1:] - 1]), counts, inf)
    inside = chosen[:, places] * (counts > 0)
    was = inside @ cells.sums.T
    rest = cells.sums.sum(axis=1) - was
    usable = (_Side.of(was).rows >= LEAST_ROWS) & (rest[:, 0] >= LEAST_ROWS)
    inside, was, rest = inside[usable], was[usable], rest[usable]
    between = _between(cells, inside, _Side.of(rest).mean)
    apart = inside == 0
    if isinstance(over, NumberBins):  # the true limits of a range lie within a cell
        apart[:, 1:-2] &= inside[:, :-3] == 0
        apart[:, :-3] &= inside[:, 1:-2] == 0
    return _Slices([conditions[index] for index in np.flatnonzero(usable).tolist()], inside, apart, was, rest, between)


def _between(cells: CellLosses, inside: F64, rest_mean: F64) -> F64:
    """Return the variance between days of each slice: the mean of its cells, at least the mean of all cells.

    The mean of a slice varies at most as much as those of its cells do on average.
    """
    if cells.between is None:
        return (UNKNOWN_DAYS * rest_mean) ** 2
    weight = cells.sums[0]
    of_slice = inside @ (weight * cells.between) / np.maximum(inside @ weight, 1e-300)
    variance: F64 = np.maximum(of_slice, float(weight @ cells.between) / max(float(weight.sum()), 1e-300))
    return variance

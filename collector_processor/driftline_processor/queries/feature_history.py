"""One feature over windows, from panes: quantiles or fractions of categories, missing values, and rows out of range.

Pages request a range of windows. Windows are cached, so that an open page reads only the newest; a window with
changed rows is read again. One answer reads a limited amount and lists the windows that it did not read. These
are not replaced by other data, or the next answer would differ for the same rows.

Values beyond the bins are known only from rows whose features are stored.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, NumberBins
from driftline.panes.unbinned_values import TAILS
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.drift.number_shape import NumberShape, shape_of
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import DAY
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.feature_rows import SAMPLE, read_columns, sample_parameters
from driftline_processor.store.panes import ALL_PANES, read_sums
from driftline_processor.store.pruning import ROWS_APART, Condition, lies_near
from driftline_processor.store.series import SeriesRegister

MOST_PARTS = 250_000
"""Upper limit of stored panes times features per answer, about 0.5 CPU-s.

The newest unread windows are read first, at least one. The next answer continues, so that an open page fills
up.
"""

MOST_DAYS = 400
"""Upper limit of days of stored rows per answer that are searched for extremes beyond the bins.

The newest days come first, at least those of one window.
"""

MOST_REMEMBERED = 20_000
"""Upper limit of cached windows of features, about 200 bytes each for a number."""

MOST_SHAPES = 64
"""Upper limit of selected windows with cached sums, about 4 kB each."""

MOST_OUTSIDE = 10
"""Rows out of range per window."""

_FARTHEST = 1_000
"""Upper limit of rows of a window's days that are read, the most extreme ones."""

_EXTREMES = """
SELECT day, min(value) AS least, max(value) AS greatest
FROM (SELECT day, numbers[?] AS value FROM kept WHERE series = ? AND day >= ? AND day < ?)
WHERE isfinite(value) GROUP BY day ORDER BY day
"""
_FOLDS = f"SELECT DISTINCT fold FROM {ALL_PANES} WHERE series = ? AND pane >= ? AND pane < ?"
_NEWEST = f"SELECT pane FROM {ALL_PANES} WHERE {{where}} ORDER BY pane DESC OFFSET ? LIMIT 1"
_NUMBERS = """
SELECT prediction, numbers[?] AS value FROM kept SEMI JOIN ({sample}) chosen USING (prediction)
WHERE series = ? AND NOT isnan(value) AND (value < ? OR value >= ?)
ORDER BY greatest(? - value, value - ?) DESC, prediction LIMIT ?
"""
_TEXTS = """
SELECT prediction, texts[?] AS value FROM kept SEMI JOIN ({sample}) chosen USING (prediction)
WHERE series = ? AND value IS NOT NULL AND NOT list_contains(?, value) ORDER BY prediction LIMIT ?
"""
_TRACED = """
SELECT p.id, p.time, p.trace_id, p.span_id, f.value FROM predictions p JOIN far f ON f.prediction = p.seq
WHERE {near} AND p.time >= ? AND p.time < ? ORDER BY f.place LIMIT ?
"""


class FeatureWindow(Struct, frozen=True, eq=False):
    """A feature in one window.

    Attributes:
        rows: Weight of all its rows.
        missing: Fraction of rows without a value; None without rows.
        invalid: Fraction of rows with an unusable value.
        quantiles: For a number: at :data:`~..core.drift.number_shape.LEVELS`, float64 (5,); NaN without values.
        open_ends: Per quantile 1 if it is a lower bound, -1 if an upper bound, 0 if exact, int64 (5,).
            shares: For a category: fraction of each category of the baseline and of all others, float64 (categories
            + 1,).
        below: Fraction of the values below the baseline's bins.
        above: Fraction of the values above them.
    """

    rows: float
    missing: float | None
    invalid: float | None
    quantiles: F64 | None = None
    open_ends: I64 | None = None
    shares: F64 | None = None
    below: float = 0.0
    above: float = 0.0


class FeatureHistory(Struct, frozen=True, eq=False):
    """A feature over windows, and in the baseline.

    Attributes:
        categories: Categories of the baseline; () for a number.
        windows: Start of a window → the feature in it; windows without sums are left out.
        baseline: The feature in the baseline's rows.
        was: Shape of a number in the baseline's rows.
        now: Shape of a number in the selected window; None if it has no sums.
        unread_starts: Starts of the windows that this answer did not read; the next answer does.
    """

    categories: tuple[str, ...]
    windows: Mapping[int, FeatureWindow]
    baseline: FeatureWindow
    was: NumberShape | None = None
    now: NumberShape | None = None
    unread_starts: frozenset[int] = frozenset()


class OutsideRow(Struct, frozen=True):
    """A row whose value is outside the baseline's bins; trace and span are "" if unknown."""

    id: str
    time: int
    value: float | str
    trace_id: str
    span_id: str


class _Counts(Struct, frozen=True):
    """Sums of one feature in one window over the bins of a baseline, and the extremes of its stored rows."""

    bins: Bins
    values: F64
    tails: F64 | None
    range: tuple[float, float] | None = None

    @property
    def beyond(self) -> bool:
        """Whether it is a number with rows beyond the bins."""
        size = self.bins.size
        return isinstance(self.bins, NumberBins) and size > 0 and bool(self.values[0] or self.values[size - 1])

    def shape(self) -> NumberShape | None:
        if not isinstance(self.bins, NumberBins):
            return None
        return shape_of(self.bins, self.values, self.tails, self.range)

    def window(self) -> FeatureWindow:
        rows, size = float(self.values.sum()), self.bins.size
        missing, invalid = (float(self.values[size + place]) / rows if rows > 0 else None for place in (0, 1))
        shape = self.shape()
        if shape is not None:
            quantiles, ends = shape.quantiles(), shape.open_ends()
            return FeatureWindow(rows, missing, invalid, quantiles, ends, below=shape.below, above=shape.above)
        known_rows = float(self.values[:size].sum())
        shares = self.values[:size] / known_rows if known_rows > 0 else np.zeros(size)
        return FeatureWindow(rows, missing, invalid, shares=shares)


class FeatureHistories:
    """Features over windows. Thread-safe."""

    def __init__(self, store: Store, register: SeriesRegister, baselines: Baselines) -> None:
        self._store, self._register, self._baselines = store, register, baselines
        self._cache: OrderedDict[_Stamp, FeatureWindow | None] = OrderedDict()
        self._shapes: OrderedDict[_Stamp, _Counts] = OrderedDict()
        self._lock = threading.Lock()

    def history(
        self, key: ModelKey, feature: str, evaluations: Sequence[Evaluation], chosen: Evaluation | None = None
    ) -> FeatureHistory | None:
        """Return a feature over windows, oldest first, and its shape in the selected one.

        None if there is no baseline with the feature, because sums are counted over its bins.
        """
        series, active = self._register.find(key), self._baselines.in_force(key)
        if series is None or active is None or feature not in active.baseline.bins.features:
            return None
        baseline = active.baseline
        baseline_window = _of_baseline(baseline, feature)
        prefix = (series.number, baseline.digest, feature)
        stamps = [(*prefix, *_stamp(evaluation)) for evaluation in evaluations]
        wanted = () if chosen is None else (*prefix, *_stamp(chosen))
        with self._lock:
            lacking = [
                evaluation for evaluation, stamp in zip(evaluations, stamps, strict=True) if stamp not in self._cache
            ]
            shape = self._shapes.get(wanted)
        fresh: dict[int, _Counts | None] = {}
        if lacking or (shape is None and chosen is not None):
            with self._store.reading() as connection:
                fresh = self._read(connection, key, series.number, baseline, feature, lacking)
                if shape is None and chosen is not None:
                    chosen_windows = self._read(connection, key, series.number, baseline, feature, [chosen])
                    shape = fresh[chosen.window.start] = chosen_windows[chosen.window.start]
        windows, unread = {}, set()
        with self._lock:
            for evaluation, stamp in zip(evaluations, stamps, strict=True):
                start = evaluation.window.start
                if stamp not in self._cache and start in fresh:
                    counts = fresh[start]
                    self._cache[stamp] = None if counts is None else counts.window()
                if stamp in self._cache:
                    self._cache.move_to_end(stamp)
                    if (known_history := self._cache[stamp]) is not None:
                        windows[start] = known_history
                else:
                    unread.add(start)
            if shape is not None:
                self._shapes[wanted] = shape
            _forget(self._cache, MOST_REMEMBERED)
            _forget(self._shapes, MOST_SHAPES)
        categories = () if isinstance(baseline_window.bins, NumberBins) else baseline_window.bins.categories
        now = None if shape is None else shape.shape()
        return FeatureHistory(
            categories, windows, baseline_window.window(), baseline_window.shape(), now, frozenset(unread)
        )

    def outside(
        self, key: ModelKey, feature: str, since: int, until: int, limit: int = MOST_OUTSIDE
    ) -> tuple[OutsideRow, ...] | None:
        """Return rows of ``[since, until)``, unix nanoseconds, outside the baseline's bins, the most extreme first.

        Only rows with stored features. None if the model's features are not stored, or there is no baseline.
        """
        series, active = self._register.find(key), self._baselines.in_force(key)
        keep = self._register.settings(key.model).keep_features
        if series is None or active is None or keep.per_day == 0:
            return None
        bins = active.baseline.bins.features.get(feature)
        sample = sample_parameters(series.number, since, until, keep)
        with self._store.reading() as connection:
            columns = read_columns(connection).get(series.number)
            if columns is None or bins is None:
                return None
            if isinstance(bins, NumberBins):
                place = columns.numbers.get(feature)
                if place is None or not len(bins.edges):
                    return None
                low, high = float(bins.edges[0]), float(bins.edges[-1])
                parameters = (place + 1, *sample, series.number, low, high, low, high, _FARTHEST)
                far = read(connection, _NUMBERS.format(sample=SAMPLE), *parameters)
            else:
                place = columns.texts.get(feature)
                if place is None:
                    return None
                asked_texts = (place + 1, *sample, series.number, list(bins.categories), _FARTHEST)
                far = read(connection, _TEXTS.format(sample=SAMPLE), *asked_texts)
            numbers = integers_of(far, "prediction")
            far = far.append_column("place", pa.array(np.arange(len(numbers))))
            near = lies_near("p.seq", numbers, ROWS_APART)
            rows = read(connection, _TRACED.format(near=near.sql), *near.parameters, since, until, limit, far=far)
        return tuple(
            OutsideRow(row["id"], row["time"], row["value"], _hex(row["trace_id"]), _hex(row["span_id"]))
            for row in rows.to_pylist()
        )

    def _read(
        self,
        connection: Connection,
        key: ModelKey,
        series: int,
        baseline: Baseline,
        feature: str,
        windows: Sequence[Evaluation],
    ) -> dict[int, _Counts | None]:
        """Return the sums of a feature by the start of a window, for the newest windows, oldest first."""
        if not windows:
            return {}
        first, last = windows[0].window.start, windows[-1].window.end
        bins = {baseline.fold: baseline.bins.features[feature]}
        for row in read(connection, _FOLDS, series, first, last).to_pylist():
            older = self._baselines.by_fold(row["fold"])
            if older is not None and feature in older.bins.features:
                bins.setdefault(row["fold"], older.bins.features[feature])
        folds = ", ".join("?" for _ in bins)
        where = Condition(f"series = ? AND pane >= ? AND pane < ? AND fold IN ({folds})", (series, first, last, *bins))
        limit = MOST_PARTS // len(baseline.bins.features)
        too_old = read(connection, _NEWEST.format(where=where.sql), *where.parameters, limit).to_pylist()
        if too_old:
            whole_windows = [window for window in windows if window.window.start > too_old[0]["pane"]]
            windows = whole_windows or windows[-1:]
            where = where.also(Condition("pane >= ?", (windows[0].window.start,)))
        parts = {f"feature:{feature}": "values", f"tails:{feature}": "tails"}
        sums = read_sums(connection, where, wanted=lambda _, part: part in parts)
        starts, ends = (
            np.array([getattr(window.window, end) for window in windows], np.int64) for end in ("start", "end")
        )
        summed = _summed(sums, starts, ends, bins, parts)
        if self._register.settings(key.model).keep_features.per_day != 0:
            summed = _with_extremes(connection, series, feature, starts, ends, summed)
        return dict(zip(starts[len(starts) - len(summed) :].tolist(), summed, strict=True))


_Stamp = tuple[object, ...]


def _forget(cache: OrderedDict[_Stamp, Any], limit: int) -> None:
    while len(cache) > limit:
        cache.popitem(last=False)


def _stamp(evaluation: Evaluation) -> tuple[int, int, int, int]:
    """Return values that change when the rows of a window change."""
    return evaluation.window.start, evaluation.window.end, evaluation.rows, evaluation.distributed


def _with_extremes(
    connection: Connection, series: int, feature: str, starts: I64, ends: I64, counts: Sequence[_Counts | None]
) -> list[_Counts | None]:
    """Return the sums of windows with the extremes of the stored rows of their days if rows are beyond the bins.

    The number of days is limited, newest first; older windows beyond the bins and all before them are left out.
    """
    windows, first, days = list(counts), 0, 0
    columns = read_columns(connection).get(series)
    place = None if columns is None else columns.numbers.get(feature)
    if place is None:
        return windows
    indices_beyond = [index for index, window in enumerate(windows) if window is not None and window.beyond]
    for at in reversed(indices_beyond):
        days += int((ends[at] - 1) // DAY - starts[at] // DAY) + 1
        if days > MOST_DAYS and at != indices_beyond[-1]:
            first = at + 1
            break
    indices_beyond = [index for index in indices_beyond if index >= first]
    if not indices_beyond:
        return windows[first:]
    since = int(starts[indices_beyond[0]]) // DAY * DAY
    rows = read(connection, _EXTREMES, place + 1, series, since, int(ends[indices_beyond[-1]]))
    day, smallest, greatest = (rows.column(name).to_numpy() for name in ("day", "least", "greatest"))
    for at in indices_beyond:
        days_of_window = slice(*np.searchsorted(day, (starts[at] // DAY * DAY, ends[at])))
        window = windows[at]
        if window is not None and len(day[days_of_window]):
            windows[at] = replace(
                window, range=(float(smallest[days_of_window].min()), float(greatest[days_of_window].max()))
            )
    return windows[first:]


def _of_baseline(baseline: Baseline, feature: str) -> _Counts:
    bins, parts = baseline.bins.features[feature], baseline.pane.parts
    counts = parts.get(f"feature:{feature}", np.zeros(0))
    return _Counts(bins, _wide(counts, bins.size + 2), parts.get(f"tails:{feature}"))


def _summed(
    sums: pa.Table, starts: I64, ends: I64, bins: Mapping[str, Bins], parts: Mapping[str, str]
) -> list[_Counts | None]:
    """Return the sums of each window over the fold with most of its rows."""
    pane, index, value = (sums.column(name).to_numpy() for name in ("pane", "idx", "value"))
    window = np.searchsorted(starts, pane, side="right") - 1
    within = (window >= 0) & (pane < ends[window])
    fold, part = (sums.column(name).combine_chunks().dictionary_encode() for name in ("fold", "part"))
    fold_code, part_code = fold.indices.to_numpy(), part.indices.to_numpy()
    best: list[_Counts | None] = [None] * len(starts)
    for number, name in enumerate(fold.dictionary.to_pylist()):
        if name not in bins:
            continue
        width = {"values": bins[name].size + 2, "tails": TAILS}
        dense: dict[str, F64] = {}
        for number_of_part, part_name in enumerate(part.dictionary.to_pylist()):
            if part_name not in parts:  # the dictionary has all parts of a fold
                continue
            own_rows = np.flatnonzero(
                within & (fold_code == number) & (part_code == number_of_part) & (index < width[parts[part_name]])
            )
            place = window[own_rows] * width[parts[part_name]] + index[own_rows]
            total = np.bincount(place, value[own_rows], minlength=len(starts) * width[parts[part_name]]).astype(
                np.float64
            )
            dense[parts[part_name]] = total.reshape(len(starts), -1)
        rows = dense["values"].sum(axis=1) if "values" in dense else np.zeros(len(starts))
        for at in np.flatnonzero(rows > 0).tolist():
            best_value = best[at]
            if best_value is None or float(best_value.values.sum()) < rows[at]:
                best[at] = _Counts(bins[name], dense["values"][at], dense["tails"][at] if "tails" in dense else None)
    return best


def _wide(counts: F64, width: int) -> F64:
    return np.pad(counts[:width], (0, max(width - len(counts), 0)))


def _hex(data: bytes | None) -> str:
    return data.hex() if data else ""

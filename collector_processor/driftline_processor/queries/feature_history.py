"""One feature over windows, from the panes: quantiles or shares of categories, what is missing, and rows out of range.

Pages ask for a range of windows at once. A window that was read is remembered, so that an open page reads the newest
alone; a window with other rows than before is read again. One answer reads so much and no more, and names the windows
that it did not read: nothing else may stand for them, or the next answer would say another thing of the same rows.

How far rows lie beyond the bins is known from those whose features are kept, else not at all.
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
from driftline_processor.store.panes import PANES, read_sums
from driftline_processor.store.pruning import ROWS_APART, Condition, lies_near
from driftline_processor.store.series import SeriesRegister

MOST_PARTS = 250_000
"""Stored panes times features that one answer reads, some 0.5 CPU-s: the newest windows that are not known yet, and one
at least. The next answer reads on, so that a page that is open fills."""

MOST_DAYS = 400
"""Days of kept rows that one answer looks at for the extremes of windows beyond the bins, the newest, and those of one
window at least."""

MOST_REMEMBERED = 20_000
"""Windows of features in memory, some 200 bytes each of a number."""

MOST_SHAPES = 64
"""Chosen windows whose sums are in memory, some 4 kB each."""

MOST_OUTSIDE = 10
"""Rows out of range that are shown of a window."""

_FARTHEST = 1_000
"""Rows of the days of a window that are looked at, those farthest out."""

_EXTREMES = """
SELECT day, min(value) AS least, max(value) AS greatest
FROM (SELECT day, numbers[?] AS value FROM kept WHERE series = ? AND day >= ? AND day < ?)
WHERE isfinite(value) GROUP BY day ORDER BY day
"""
_FOLDS = f"SELECT DISTINCT fold FROM {PANES} WHERE series = ? AND pane >= ? AND pane < ?"
_NEWEST = f"SELECT pane FROM {PANES} WHERE {{where}} ORDER BY pane DESC OFFSET ? LIMIT 1"
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
        missing: Share of them without a value; None without rows.
        invalid: Share of them with a value that cannot be used.
        quantiles: Of a number those of :data:`~..core.drift.number_shape.LEVELS`, float64 (5,); NaN without values.
        open_ends: Which of them are not known exactly, int64 (5,): 1 at least so much, -1 at most, 0 neither.
        shares: Of a category the share of each category of the baseline and of all others, float64 (categories + 1,).
        below: Share of the values below the baseline's bins.
        above: Share of the values above them.
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
    """A feature over windows, beside the baseline.

    Attributes:
        categories: Of a category those of the baseline; () of a number.
        windows: Start of a window → the feature in it; windows without sums are left out.
        baseline: The feature in the baseline's rows.
        was: Shape of a number in the baseline's rows.
        now: Shape of a number in the chosen window; None where that has no sums.
        unread: Starts of the windows that this answer did not read any more; the next one does.
    """

    categories: tuple[str, ...]
    windows: Mapping[int, FeatureWindow]
    baseline: FeatureWindow
    was: NumberShape | None = None
    now: NumberShape | None = None
    unread: frozenset[int] = frozenset()


class OutsideRow(Struct, frozen=True):
    """A row whose value the baseline's bins do not hold; trace and span are "" where unknown."""

    id: str
    time: int
    value: float | str
    trace_id: str
    span_id: str


class _Counts(Struct, frozen=True):
    """Sums of one feature in one window, over the bins of a baseline, and the extremes of its kept rows."""

    bins: Bins
    values: F64
    tails: F64 | None
    seen: tuple[float, float] | None = None

    @property
    def beyond(self) -> bool:
        """Whether it is a number with rows beyond the bins."""
        size = self.bins.size
        return isinstance(self.bins, NumberBins) and size > 0 and bool(self.values[0] or self.values[size - 1])

    def shape(self) -> NumberShape | None:
        if not isinstance(self.bins, NumberBins):
            return None
        return shape_of(self.bins, self.values, self.tails, self.seen)

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
    """Any thread may ask."""

    def __init__(self, store: Store, register: SeriesRegister, baselines: Baselines) -> None:
        self._store, self._register, self._baselines = store, register, baselines
        self._known: OrderedDict[_Stamp, FeatureWindow | None] = OrderedDict()
        self._shapes: OrderedDict[_Stamp, _Counts] = OrderedDict()
        self._lock = threading.Lock()

    def over(
        self, key: ModelKey, feature: str, evaluations: Sequence[Evaluation], chosen: Evaluation | None = None
    ) -> FeatureHistory | None:
        """Return a feature over windows, oldest first, and its shape in the chosen one.

        None where there is no baseline, or none that has the feature: sums are counted over its bins.
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
                evaluation for evaluation, stamp in zip(evaluations, stamps, strict=True) if stamp not in self._known
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
                if stamp not in self._known and start in fresh:
                    counts = fresh[start]
                    self._known[stamp] = None if counts is None else counts.window()
                if stamp in self._known:
                    self._known.move_to_end(stamp)
                    if (known_history := self._known[stamp]) is not None:
                        windows[start] = known_history
                else:
                    unread.add(start)
            if shape is not None:
                self._shapes[wanted] = shape
            _forget(self._known, MOST_REMEMBERED)
            _forget(self._shapes, MOST_SHAPES)
        categories = () if isinstance(baseline_window.bins, NumberBins) else baseline_window.bins.categories
        now = None if shape is None else shape.shape()
        return FeatureHistory(
            categories, windows, baseline_window.window(), baseline_window.shape(), now, frozenset(unread)
        )

    def outside(
        self, key: ModelKey, feature: str, since: int, until: int, limit: int = MOST_OUTSIDE
    ) -> tuple[OutsideRow, ...] | None:
        """Return rows of ``[since, until)``, unix nanoseconds, that the baseline's bins do not hold, farthest first.

        Of the rows whose features are kept. None where features of the model are not kept, or there is no baseline.
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
        """Return the sums of a feature by the start of a window, of the newest of some windows, oldest first."""
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
    """Return what changes when a window has other rows."""
    return evaluation.window.start, evaluation.window.end, evaluation.rows, evaluation.distributed


def _with_extremes(
    connection: Connection, series: int, feature: str, starts: I64, ends: I64, counts: Sequence[_Counts | None]
) -> list[_Counts | None]:
    """Return the sums of windows with the extremes of the rows that are kept of their days, where rows lie beyond.

    Of so many days, the newest; older windows beyond the bins are left out, and all before them.
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
                window, seen=(float(smallest[days_of_window].min()), float(greatest[days_of_window].max()))
            )
    return windows[first:]


def _of_baseline(baseline: Baseline, feature: str) -> _Counts:
    bins, parts = baseline.bins.features[feature], baseline.pane.parts
    counts = parts.get(f"feature:{feature}", np.zeros(0))
    return _Counts(bins, _wide(counts, bins.size + 2), parts.get(f"tails:{feature}"))


def _summed(
    sums: pa.Table, starts: I64, ends: I64, bins: Mapping[str, Bins], parts: Mapping[str, str]
) -> list[_Counts | None]:
    """Return the sums of each window over the fold that most of its rows were counted by."""
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
            if part_name not in parts:  # the dictionary names all parts of a fold
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

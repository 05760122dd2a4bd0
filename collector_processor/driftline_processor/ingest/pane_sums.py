"""The sums that rows, distributions and deleted rows add to their panes.

Deleted rows have sums of their own, because their counts cannot be removed from the bins of a pane. Their number and
their decisions suffice for coverage and for the fraction of decisions per class
(:mod:`~driftline_processor.core.outcomes.coverage`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.slice_groups import SliceKey
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.panes.decisions import DECIDED, MOST_CATEGORIES, class_names, positions_of
from driftline.panes.fold import fold_parts
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import DURATION_BOUNDS, MOST_UNKNOWN
from driftline.panes.sparse_sums import Sparse
from driftline.semconv import metrics as m
from driftline.tables.classes import MOST_COUNTED_CLASSES
from driftline.tables.performance_columns import usable_weight
from driftline.tables.table import F64, I64, Column, PredictionTable
from msgspec import Struct, field

from driftline_processor.core.decode.metric_points import Point
from driftline_processor.core.estimate.sums import learned_parts, score_parts, score_parts_of
from driftline_processor.core.expectations.counting import count_rules
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.histogram import count, counts_over_bins
from driftline_processor.core.outcomes.coverage import (
    DISTRIBUTED,
    ERASED,
    ERASED_AS,
    GUESSED,
    MAPPED,
    UNANSWERED,
)
from driftline_processor.core.service_level.sums import (
    MOST_ERRORS,
    OTHER_ERROR,
    call_parts,
    histogram_parts,
)
from driftline_processor.core.windows.pane_shares import pane_or_panes, places, share_out
from driftline_processor.core.windows.window import PANE
from driftline_processor.store.arrow_tables import (
    integers_of,
    numbers_of,
    scores_and_classes_of,
    slice_of,
    take_table,
)
from driftline_processor.store.cumulative_streams import Increase
from driftline_processor.store.database import Connection, insert, read
from driftline_processor.store.panes import PaneChanges, learned_fold, score_fold
from driftline_processor.store.series import Series
from driftline_processor.store.slices import UNCUT, Cutting, SliceHours, SliceValues, hour_of_each, powers_of

from .completeness import TOGETHER, Balances

_PANES_AT_ONCE = 256

_PLAIN = frozenset({"rows", "duration"})
"""Parts without bins, which are counted once, see :func:`add_plain`."""


def panes_of(table: PredictionTable) -> I64:
    """Return the start of each row's pane: int64 (n,), unix nanoseconds."""
    return table.time - table.time % PANE


def add_plain(
    changes: PaneChanges, series: Series, table: PredictionTable, decided: Column | None
) -> tuple[dict[str, float], F64 | None]:
    """Add sums without bins: rows, calls, durations, and the weight of each decided class.

    Return the sums of the last two over the table: class → weight ("" if unknown, "other" for any class that is not
    among the first 100 of the task), and durations.
    """
    panes, group = np.unique(panes_of(table), return_inverse=True)
    folded = fold_parts(table, ModelBins(), group, len(panes))
    changes.add(series.number, "", panes, folded)
    changes.add_sparse(series.number, "", panes, _calls(table, group, len(panes)))
    weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
    categories = class_names(series.task)
    sums = add_by_class(
        changes=changes, series=series, prefix=DECIDED, panes=panes, group=group, decided=decided, weight=weight
    ).sum(axis=0)
    by_class = {category: total for category, total in zip(categories, sums.tolist(), strict=True) if total}
    durations = folded.of_all.get("duration")
    return by_class, None if durations is None else durations.sum(axis=0)


def _calls(table: PredictionTable, group: I64, groups: int) -> dict[str, Sparse]:
    return call_parts(table.duration, table.errors, table.weight, group, groups)


def add_plain_slices(
    changes: PaneChanges,
    series: Series,
    table: PredictionTable,
    decided: Column | None,
    values: Mapping[str, Sequence[str]],
    timezone: str,
) -> None:
    """Add sums without bins to slices: rows, calls, and decisions. ``values``: key → values with panes of their own.

    They are complete even if a baseline arrives in the middle of a window, or not at all.
    """
    cuts = {key: value for key, value in values.items() if key in table.slices}
    if not cuts:
        return
    hour = hour_of_each(panes_of(table), timezone)
    weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
    powers = powers_of(weight)
    for key, cut in cuts.items():
        rows = SliceHours.of(SliceKey.of(key, table.slices[key], cut, len(table)), hour)
        rows.add(changes, series.number, "rows", powers)
        inside = np.flatnonzero(rows.group >= 0)
        inside_rows = table if len(inside) == len(table) else take_table(table, inside)
        calls = _calls(inside_rows, rows.group[inside], len(rows.starts))
        changes.add_sparse(series.number, rows.folds, rows.starts, calls)
        add_slices_by_class(changes, series, DECIDED, rows, decided, weight)


def add_by_class(
    changes: PaneChanges, series: Series, prefix: str, panes: I64, group: I64, decided: Column | None, weight: F64
) -> F64:
    """Add the weight of each decided class to panes, one part per class; return it: float64 (panes, categories).

    ``panes``: their starts; ``group``: the pane of each row, int64 (n,); ``decided``, ``weight``: of each row.
    """
    categories = class_names(series.task)
    codes = positions_of(decided, categories, len(weight))
    sums = np.bincount(group * len(categories) + codes, weight, minlength=len(panes) * len(categories))
    by_category: F64 = sums.astype(np.float64, copy=False).reshape(len(panes), len(categories))
    for code, category in enumerate(categories):
        changes.add_part(series.number, "", panes, f"{prefix}{category}", by_category[:, code : code + 1])
    return by_category


def add_slices_by_class(
    changes: PaneChanges, series: Series, prefix: str, rows: SliceHours, decided: Column | None, weight: F64
) -> None:
    """Add the weight of each decided class to the slices of one key."""
    categories = class_names(series.task)
    codes = positions_of(decided, categories, len(weight))
    for code in np.unique(codes).tolist():
        class_weight = np.where(codes == code, weight, 0.0)[:, np.newaxis]
        rows.add(changes, series.number, f"{prefix}{categories[code]}", class_weight)


def add_binned(
    changes: PaneChanges,
    series: Series,
    table: PredictionTable,
    baseline: Baseline,
    cluster: str = "",
    cutting: Cutting = UNCUT,
) -> None:
    """Add the counts over a baseline's bins, a few panes at a time, because a batch may span months.

    Rows without any feature do not count as missing values; their features arrive as distributions
    (``capture="scores"``). ``cluster``: the slice or feature whose rows of one value are clustered. ``cutting``: the
    slices to count.
    """
    over = baseline.bins if table.features else replace(baseline.bins, features={})
    panes, group = np.unique(panes_of(table), return_inverse=True)
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(panes) + 1))
    for first in range(0, len(panes), _PANES_AT_ONCE):
        last = min(first + _PANES_AT_ONCE, len(panes))
        rows = order[edges[first] : edges[last]]
        binned_rows, pane_index = (
            (table, group) if len(rows) == len(table) else (take_table(table, rows), group[rows] - first)
        )
        cuts = cutting.begin(binned_rows)
        folded = fold_parts(binned_rows, over, pane_index, last - first, cluster, [cut.counted for cut in cuts])
        changes.add(series.number, baseline.fold, panes[first:last], folded, without=_PLAIN)
        for cut in cuts:
            cut.write(cutting.changes, series.number, baseline)


def add_expected(changes: PaneChanges, series: Series, table: PredictionTable, expect: Expectations) -> None:
    """Count how many rows meet each expectation. Needs features of rows, but no bins."""
    if not expect.features or not table.features:
        return
    panes, group = np.unique(panes_of(table), return_inverse=True)
    for part, sums in count_rules(table.features, expect, group, len(panes)).items():
        changes.add_part(series.number, "", panes, part, sums)


def add_scores(changes: PaneChanges, series: Series, table: PredictionTable) -> None:
    """Add the scores of a binary model by decided class, for its estimated performance."""
    panes, group = np.unique(panes_of(table), return_inverse=True)
    changes.add_entries(series.number, score_fold(series.task), panes, score_parts(table, group))


def add_learned(changes: PaneChanges, series: Series, table: PredictionTable, baseline: Baseline) -> None:
    """Add the expected performance of other tasks, from the learned parts of the baseline; a few panes at a time."""
    fold = learned_fold(baseline)
    if not fold:
        return
    order = np.argsort(panes_of(table), kind="stable")
    starts = panes_of(table)[order]
    edges = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))[::_PANES_AT_ONCE].tolist()
    for first, last in zip(edges, [*edges[1:], len(table)], strict=True):
        interval_rows = table if len(edges) == 1 else take_table(table, order[first:last])
        panes, group = np.unique(panes_of(interval_rows), return_inverse=True)
        changes.add_entries(series.number, fold, panes, learned_parts(interval_rows, baseline, group, len(panes)))


def count_unscored(table: PredictionTable, decided: Column | None) -> int:
    """Count the rows with neither a score nor a decided class."""
    nothing = np.ones(len(table), dtype=bool)
    if table.scores is not None:
        nothing &= np.isnan(table.scores[:, 0])
    if decided is not None and decided.codes is not None:
        nothing &= decided.codes < 0
    return int(np.count_nonzero(nothing))


_DURATIONS = NumberBins(np.nextafter(DURATION_BOUNDS, np.inf))
"""Bounds of durations, upper-inclusive like those of OTLP; those of bins are not."""


class DistributionSums(Struct):
    """The result of adding distributions to panes.

    Attributes:
        rows: Number of rows from distributions only; the other fields belong to them.
        panes: The changed panes.
    """

    rows: int = 0
    first: int = 0
    last: int = 0
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    by_error: dict[str, float] = field(default_factory=dict)
    panes: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def decided_by_points(points: Iterable[Point]) -> Column | None:
    """Return the decided classes of points, from which a series learns undeclared classes."""
    categories = tuple(dict.fromkeys(point.decided for point in points if point.captured and point.decided))
    return Column(codes=np.arange(len(categories), dtype=np.int32), categories=categories) if categories else None


def add_distributions(
    changes: PaneChanges,
    series: Series,
    increases: Iterable[Increase],
    baseline: Baseline | None,
    errors: Collection[str] = (),
) -> DistributionSums:
    """Add points whose rows are not in records to the panes of their time.

    An interval of at most a pane goes to the pane of its middle, a longer one is divided in proportion. Without a
    baseline only rows, calls, durations and decided classes are counted. ``errors``: known error types of the model.
    """
    gathered = _Gathered(series, baseline, errors)
    for increase in increases:
        if increase.point.captured and increase.histogram is not None:
            gathered.take(increase)
    return gathered.write(changes)


def _counts_rows(point: Point) -> bool:
    """Return True if the count of a point is a number of rows: a duration is a row if the sender sends no number."""
    return point.metric == (m.DRIFTLINE_DISTRIBUTION_ROWS if point.counted else m.ML_PREDICT_DURATION)


def spread_over_panes(balances: Balances, series: int, increases: Iterable[Increase]) -> None:
    """Assign counted predictions, and rows from distributions, to the panes in which they were made."""
    sums_by_pane: dict[tuple[int, int], dict[str, float]] = {}
    counted: list[tuple[I64, F64]] = []
    for increase in increases:
        if increase.point.foreign:  # mapped metrics have no count of predictions
            continue
        name, counts = increase.point.feature, increase.point.metric == m.ML_PREDICTIONS
        if increase.histogram is None:
            if counts:
                balances.torn(series, increase.until)
            continue
        if counts:
            panes, shares = places(increase.since, increase.until)
            counted.append((panes, share_out(np.array([count(increase.histogram)]), shares)[:, 0]))
            if len(counted) == TOGETHER:
                balances.counted(series, counted)
                counted.clear()
        if increase.point.captured and (name or _counts_rows(increase.point)):
            values = sums_by_pane.setdefault((increase.since, increase.until), {})
            values[name] = values.get(name, 0.0) + count(increase.histogram)
    balances.counted(series, counted)
    for (since, until), values in sums_by_pane.items():
        if "" in values:  # features do not cover the rows that a full buffer dropped
            panes, shares = places(since, until)
            rows = max((n for name, n in values.items() if name), default=values[""])
            balances.add_distribution_rows(series, panes, share_out(np.array([rows]), shares)[:, 0])


class _Gathered:
    """Sums by fold, part and pane."""

    def __init__(self, series: Series, baseline: Baseline | None, errors: Collection[str]) -> None:
        self._series, self._baseline, self._errors = series, baseline, set(errors)
        self._sums: defaultdict[tuple[str, str], dict[int, F64]] = defaultdict(dict)
        self._unknown: set[str] = set()
        self._added = DistributionSums()

    def take(self, increase: Increase) -> None:
        """Add one point."""
        self._starts, self._shares = pane_or_panes(increase.since, increase.until)
        histogram, metric = increase.histogram, increase.point.metric
        assert histogram is not None
        n = count(histogram)
        if increase.point.rows or (not increase.point.foreign and _counts_rows(increase.point)):
            self._rows(increase, n)
        if metric == m.DRIFTLINE_DISTRIBUTION_ROWS:
            return
        if metric == m.ML_PREDICT_DURATION:
            self._durations(increase)
            self._calls(increase)
        elif metric == m.ML_PREDICTIONS:
            self._decided(increase.point, n)
        elif self._baseline is None:
            return
        elif metric == m.DRIFTLINE_PREDICTION_SCORE:
            self._values(increase, "score", self._baseline.bins.score)
            for part, sums in score_parts_of(histogram, self._baseline, self._series.task.threshold).items():
                self._add(score_fold(self._series.task), part, sums)
        else:
            self._feature(increase, n, self._baseline)

    def _rows(self, increase: Increase, n: float) -> None:
        self._add("", "rows", np.array([n, n, n]))
        self._add("", DISTRIBUTED, np.array([n]))
        if increase.point.foreign:
            self._add("", MAPPED, np.array([n]))
        added = self._added
        if error := self._known_error(increase):
            added.by_error[error] = added.by_error.get(error, 0.0) + n
        added.rows += int(n)
        added.first = min(added.first or increase.until, increase.since)
        added.last = max(added.last, increase.until)

    def _durations(self, increase: Increase) -> None:
        assert increase.histogram is not None
        unit = increase.point.per_second
        bins = _DURATIONS if unit == 1 else NumberBins(np.nextafter(np.array(DURATION_BOUNDS) * unit, np.inf))
        buckets, _ = counts_over_bins(increase.histogram, bins, np.ones(bins.size))
        total = increase.histogram.total / unit
        if not total >= 0:  # without a sum, upper bounds of the buckets are within a factor of 2.5
            total = float(buckets @ np.append(DURATION_BOUNDS, DURATION_BOUNDS[-1]))
        durations = np.append(buckets, total)
        self._add("", "duration", durations)
        added = self._added
        added.duration = durations if added.duration is None else added.duration + durations

    def _calls(self, increase: Increase) -> None:
        """Add calls from durations; a mapped metric has no information about failures."""
        assert increase.histogram is not None
        error = None if increase.point.foreign else self._known_error(increase)
        for part, sums in histogram_parts(increase.histogram, increase.point.per_second, error).items():
            self._add("", part, sums)

    def _known_error(self, increase: Increase) -> str:
        """Return the error type of a point of our metrics; ``other`` beyond the maximum, "" for calls that returned."""
        error = "" if increase.point.foreign else increase.point.error
        known_errors = self._errors | self._added.by_error.keys()
        return error if not error or error in known_errors or len(known_errors) < MOST_ERRORS else OTHER_ERROR

    def _decided(self, point: Point, n: float) -> None:
        decided = point.decided
        is_known_class = decided in self._series.task.classes[:MOST_CATEGORIES]
        category = decided if is_known_class or not decided else "other"
        self._add("", f"{DECIDED}{category}", np.array([n]))
        self._added.by_class[category] = self._added.by_class.get(category, 0.0) + n
        if decided and self._baseline is not None and self._baseline.bins.classes is not None:
            bins = self._baseline.bins.classes
            if not point.foreign and len(bins.categories) > MOST_COUNTED_CLASSES:
                return  # the SDK counts further classes as "other", which is not the "other" of the baseline
            self._add_at("class", bins, _category_bin(bins, decided), n)

    def _feature(self, increase: Increase, n: float, baseline: Baseline) -> None:
        name, bins = increase.point.feature, baseline.bins.features.get(increase.point.feature)
        if bins is None:
            self._unknown.add(name)
            if baseline.bins.features and len(self._unknown) <= MOST_UNKNOWN:
                self._add(baseline.fold, f"unknown:{name}", np.array([n]))
        elif increase.point.metric == m.DRIFTLINE_FEATURE_DISTRIBUTION:
            self._values(increase, f"feature:{name}", bins)
        elif increase.point.metric == m.DRIFTLINE_FEATURE_MISSING_VALUES:
            self._add_at(f"feature:{name}", bins, bins.size + increase.point.invalid, n)
        else:
            bin_index = (
                _category_bin(bins, increase.point.category) if isinstance(bins, CategoryBins) else bins.size + 1
            )
            self._add_at(f"feature:{name}", bins, bin_index, n)

    def _values(self, increase: Increase, part: str, bins: Bins | None) -> None:
        baseline, histogram = self._baseline, increase.histogram
        assert baseline is not None
        assert histogram is not None
        if bins is None:
            return
        sums = np.zeros(bins.size + 2)
        if isinstance(bins, CategoryBins):  # numbers cannot be assigned to the baseline's categories
            sums[bins.size - 1] = guessed = count(histogram)
        else:
            reference = baseline.pane.parts.get(part, np.ones(bins.size))[: bins.size]
            sums[: bins.size], guessed = counts_over_bins(histogram, bins, reference)
        self._add(baseline.fold, part, sums)
        if guessed:
            self._add(baseline.fold, f"{GUESSED}{part}", np.array([guessed]))

    def _add_at(self, part: str, bins: Bins, bin_index: int, n: float) -> None:
        assert self._baseline is not None
        sums = np.zeros(bins.size + 2)
        sums[bin_index] = n
        self._add(self._baseline.fold, part, sums)

    def _add(self, fold: str, part: str, sums: F64) -> None:
        into = self._sums[fold, part]
        for pane, pane_share in zip(self._starts.tolist(), share_out(sums, self._shares), strict=True):
            into[pane] = into[pane] + pane_share if pane in into else pane_share

    def write(self, changes: PaneChanges) -> DistributionSums:
        """Write all sums."""
        panes: set[int] = set()
        for (fold, part), sums in self._sums.items():
            panes.update(sums)
            starts = np.array(list(sums), dtype=np.int64)
            changes.add_part(self._series.number, fold, starts, part, np.stack(list(sums.values())))
        self._added.panes = np.array(sorted(panes), dtype=np.int64)
        return self._added


def _category_bin(bins: CategoryBins, category: str) -> int:
    return bins.categories.index(category) if category in bins.categories else len(bins.categories)


def add_erased(
    changes: PaneChanges, sliced: PaneChanges, series: Series, rows: pa.Table, values: SliceValues, timezone: str
) -> I64:
    """Count deleted rows of one series; return the starts of their panes.

    ``rows``: columns of the table ``predictions``. ``sliced``: changes to the panes of slices; ``values``: the slice
    values with panes of their own.
    """
    weight = usable_weight(numbers_of(rows, "weight"))
    panes, pane_index = np.unique(integers_of(rows, "time") // PANE * PANE, return_inverse=True)
    columns = powers_of(weight)
    sums = [np.bincount(pane_index, column, minlength=len(panes)) for column in columns.T]
    changes.add_part(series.number, "", panes, ERASED, np.stack(sums, axis=1).astype(np.float64))
    failed = rows.column("error").is_valid().to_numpy(zero_copy_only=False)
    unanswered = np.where(failed[:, np.newaxis], columns, 0.0)
    sums = [np.bincount(pane_index, column, minlength=len(panes)) for column in unanswered.T]
    changes.add_part(series.number, "", panes, UNANSWERED, -np.stack(sums, axis=1).astype(np.float64))
    _, decided = scores_and_classes_of(series.task, rows)
    add_by_class(
        changes=changes, series=series, prefix=ERASED_AS, panes=panes, group=pane_index, decided=decided, weight=weight
    )
    hour = hour_of_each(panes, timezone)[pane_index]
    for key in values.keys(series.number):
        names = values.of(series.number, key)
        of_key = SliceHours.of(SliceKey.of(key, slice_of(rows, key), names, len(rows)), hour)
        of_key.add(sliced, series.number, ERASED, columns)
        of_key.add(sliced, series.number, UNANSWERED, -unanswered)
        add_slices_by_class(sliced, series, ERASED_AS, of_key, decided, weight)
    return panes


def write_restated(connection: Connection, touched: list[tuple[int, I64]]) -> None:
    """Store panes without new rows that must be evaluated again, inside the caller's transaction."""
    for series, panes in touched:
        rows = {"series": pa.repeat(pa.scalar(series, pa.int32()), len(panes)), "pane": pa.array(panes, pa.int64())}
        insert(connection, "restated", pa.table(rows))


def read_restated(connection: Connection) -> list[tuple[int, int]]:
    """Return series and start of the panes that wait for another evaluation."""
    rows = read(connection, "SELECT DISTINCT series, pane FROM restated ORDER BY ALL").to_pylist()
    return [(row["series"], row["pane"]) for row in rows]

"""What counts and distributions add to the panes they fall into: as rows do in :mod:`.counting`, without rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import Bins, CategoryBins, NumberBins
from driftline.pane import DURATION_BOUNDS, MOST_UNKNOWN
from driftline.semconv import metrics as m
from driftline.tables import F64, I64, Column

from driftline_processor.core.decode import Point
from driftline_processor.core.distributed import DISTRIBUTED, GUESSED, MAPPED
from driftline_processor.core.estimate.exported import score_parts_of
from driftline_processor.core.histogram import count, spread
from driftline_processor.core.sent import DECIDED
from driftline_processor.core.stretch import pane_or_panes, places, share_out

from .balance import Balances
from .counting import MOST_LABELS
from .panes import PaneChanges, score_fold
from .series import Series
from .streams import Increase

_DURATIONS = NumberBins(np.nextafter(DURATION_BOUNDS, np.inf))
"""The bounds of durations are upper-inclusive, as those of OTLP are; bins are not."""


@dataclass(slots=True)
class Added:
    """What came of it. ``rows``: known from distributions only, the rest belongs to them; ``panes``: those touched."""

    rows: int = 0
    first: int = 0
    last: int = 0
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    panes: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def decided_labels(points: Iterable[Point]) -> Column | None:
    """Return the classes that were decided for, so that a series learns those that nobody declared."""
    labels = tuple(dict.fromkeys(point.decided for point in points if point.captured and point.decided))
    return Column(codes=np.arange(len(labels), dtype=np.int32), labels=labels) if labels else None


def add_distributions(
    changes: PaneChanges, series: Series, increases: Iterable[Increase], baseline: Baseline | None
) -> Added:
    """Add the points whose rows are in no record to the panes of their time.

    A stretch of at most a pane goes to the pane of its middle, a longer one is shared out in proportion. Without a
    baseline only rows, durations and decided classes are counted: there are no bins for the rest.
    """
    gathered = _Gathered(series, baseline)
    for one in increases:
        if one.point.captured and one.histogram is not None:
            gathered.take(one)
    return gathered.write(changes)


def weigh(balances: Balances, series: int, increases: Iterable[Increase]) -> None:
    """Lay counted predictions, and rows that are known from distributions, on the panes in which they were made."""
    made: dict[tuple[int, int], dict[str, float]] = {}
    for one in increases:
        if one.point.foreign:  # nobody counts its predictions beside their distributions
            continue
        name, counts = one.point.feature, one.point.metric == m.ML_PREDICTIONS
        if one.histogram is None:
            if counts:
                balances.torn(series, one.until)
            continue
        if counts:
            panes, shares = places(one.since, one.until)
            balances.counted(series, panes, share_out(np.array([count(one.histogram)]), shares)[:, 0])
        if one.point.captured and (name or one.point.metric == m.ML_PREDICTION_DURATION):
            values = made.setdefault((one.since, one.until), {})
            values[name] = values.get(name, 0.0) + count(one.histogram)
    for (since, until), values in made.items():
        if "" in values:  # durations are of all rows, features of those that no full buffer dropped
            panes, shares = places(since, until)
            rows = max((n for name, n in values.items() if name), default=values[""])
            balances.made(series, panes, share_out(np.array([rows]), shares)[:, 0])


class _Gathered:
    """Sums by fold, part and pane."""

    def __init__(self, series: Series, baseline: Baseline | None) -> None:
        self._series, self._baseline = series, baseline
        self._sums: defaultdict[tuple[str, str], dict[int, F64]] = defaultdict(dict)
        self._unknown: set[str] = set()
        self._added = Added()

    def take(self, one: Increase) -> None:
        """Add one point."""
        self._starts, self._shares = pane_or_panes(one.since, one.until)
        histogram, metric = one.histogram, one.point.metric
        assert histogram is not None
        n = count(histogram)
        if one.point.rows or (metric == m.ML_PREDICTION_DURATION and not one.point.foreign):
            self._rows(one, n)
        if metric == m.ML_PREDICTION_DURATION:
            self._durations(one)
        elif metric == m.ML_PREDICTIONS:
            self._decided(one.point.decided, n)
        elif self._baseline is None:
            return
        elif metric == m.ML_PREDICTION_SCORE:
            self._values(one, "score", self._baseline.bins.score)
            for part, sums in score_parts_of(histogram, self._baseline, self._series.task.threshold).items():
                self._add(score_fold(self._series.task), part, sums)
        else:
            self._feature(one, n, self._baseline)

    def _rows(self, one: Increase, n: float) -> None:
        self._add("", "rows", np.array([n, n, n]))
        self._add("", DISTRIBUTED, np.array([n]))
        if one.point.foreign:
            self._add("", MAPPED, np.array([n]))
        added = self._added
        added.rows += int(n)
        added.first = min(added.first or one.until, one.since)
        added.last = max(added.last, one.until)

    def _durations(self, one: Increase) -> None:
        assert one.histogram is not None
        unit = one.point.per_second
        bins = _DURATIONS if unit == 1 else NumberBins(np.nextafter(np.array(DURATION_BOUNDS) * unit, np.inf))
        buckets, _ = spread(one.histogram, bins, np.ones(bins.size))
        total = one.histogram.total / unit
        if not total >= 0:  # a sender that gives no sum: the buckets' upper bounds are within a factor of 2.5
            total = float(buckets @ np.append(DURATION_BOUNDS, DURATION_BOUNDS[-1]))
        durations = np.append(buckets, total)
        self._add("", "duration", durations)
        added = self._added
        added.duration = durations if added.duration is None else added.duration + durations

    def _decided(self, decided: str, n: float) -> None:
        known = decided in self._series.task.classes[:MOST_LABELS]
        label = decided if known or not decided else "other"
        self._add("", f"{DECIDED}{label}", np.array([n]))
        self._added.by_class[label] = self._added.by_class.get(label, 0.0) + n
        if decided and self._baseline is not None and self._baseline.bins.classes is not None:
            bins = self._baseline.bins.classes
            self._add_at("class", bins, _label_bin(bins, decided), n)

    def _feature(self, one: Increase, n: float, baseline: Baseline) -> None:
        name, bins = one.point.feature, baseline.bins.features.get(one.point.feature)
        if bins is None:
            self._unknown.add(name)
            if baseline.bins.features and len(self._unknown) <= MOST_UNKNOWN:
                self._add(baseline.fold, f"unknown:{name}", np.array([n]))
        elif one.point.metric == m.ML_FEATURE_VALUE:
            self._values(one, f"feature:{name}", bins)
        elif one.point.metric == m.ML_FEATURE_MISSING:
            self._add_at(f"feature:{name}", bins, bins.size + one.point.invalid, n)
        else:
            at = _label_bin(bins, one.point.category) if isinstance(bins, CategoryBins) else bins.size + 1
            self._add_at(f"feature:{name}", bins, at, n)

    def _values(self, one: Increase, part: str, bins: Bins | None) -> None:
        baseline, histogram = self._baseline, one.histogram
        assert baseline is not None
        assert histogram is not None
        if bins is None:
            return
        sums = np.zeros(bins.size + 2)
        if isinstance(bins, CategoryBins):  # numbers where the baseline has labels: which of them is not known
            sums[bins.size - 1] = guessed = count(histogram)
        else:
            reference = baseline.pane.parts.get(part, np.ones(bins.size))[: bins.size]
            sums[: bins.size], guessed = spread(histogram, bins, reference)
        self._add(baseline.fold, part, sums)
        if guessed:
            self._add(baseline.fold, f"{GUESSED}{part}", np.array([guessed]))

    def _add_at(self, part: str, bins: Bins, at: int, n: float) -> None:
        assert self._baseline is not None
        sums = np.zeros(bins.size + 2)
        sums[at] = n
        self._add(self._baseline.fold, part, sums)

    def _add(self, fold: str, part: str, sums: F64) -> None:
        into = self._sums[fold, part]
        for pane, its in zip(self._starts.tolist(), share_out(sums, self._shares), strict=True):
            into[pane] = into[pane] + its if pane in into else its

    def write(self, changes: PaneChanges) -> Added:
        """Write everything."""
        panes: set[int] = set()
        for (fold, part), sums in self._sums.items():
            panes.update(sums)
            starts = np.array(list(sums), dtype=np.int64)
            changes.add_part(self._series.number, fold, starts, part, np.stack(list(sums.values())))
        self._added.panes = np.array(sorted(panes), dtype=np.int64)
        return self._added


def _label_bin(bins: CategoryBins, label: str) -> int:
    return bins.labels.index(label) if label in bins.labels else len(bins.labels)

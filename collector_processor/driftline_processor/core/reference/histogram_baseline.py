"""A provisional baseline of a model that sends only histograms and counts; its bins are their buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import (
    LONGEST_CATEGORY,
    MOST_CATEGORIES,
    RARE,
    Bins,
    CategoryBins,
    NumberBins,
    anonymous_number_bins,
)
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.histogram import MOST_IN_TWO, Histogram, cells, counts_over_bins

MOST_BINS = 102
"""Limit of bins, as for a baseline from rows."""

_QUANTILES = np.concatenate([[0.001], np.arange(1, MOST_BINS - 2) / (MOST_BINS - 2), [0.999]])
"""Quantiles of the edges: hundredths, and the outer 0.1 %, as for a baseline from rows."""


def baseline_from_histograms(
    key: ModelKey,
    task: Task,
    rows: float,
    numbers: Mapping[str, Sequence[Histogram]],
    categories: Mapping[str, Mapping[str, float]],
) -> Baseline:
    """Build a baseline from histograms.

    ``numbers``, ``categories``: by part of the pane, ``feature:NAME``, ``score``, ``class``. Categories are counts per
    category, "" = missing. A feature whose buckets cannot show a shift (:func:`edges_of`) has one bin, which makes its
    state inconclusive.
    """
    bins: dict[str, Bins] = {}
    parts: dict[str, F64] = {"rows": np.full(3, rows)}
    for part, histograms in numbers.items():
        own = bins[part] = NumberBins(edges_of(histograms))
        counts = np.sum([counts_over_bins(histogram, own, np.ones(own.size))[0] for histogram in histograms], axis=0)
        parts[part] = np.append(counts, [0.0, 0.0])
    for part, counted in categories.items():
        if part in bins:
            parts[part][-2] += counted.get("", 0.0)
        elif part != "class" or (task.classes and task.may_have_classes):
            frequent = sorted((-n, category) for category, n in counted.items() if category and n >= RARE)
            chosen = [category for _, category in frequent if len(category) <= LONGEST_CATEGORY][:MOST_CATEGORIES]
            category_bins = CategoryBins(task.classes if part == "class" else tuple(chosen))
            bins[part], parts[part] = category_bins, _category_counts(category_bins, counted)
    features = {part.removeprefix("feature:"): own for part, own in bins.items() if part.startswith("feature:")}
    classes = bins.get("class")
    over = ModelBins(features, bins.get("score"), classes if isinstance(classes, CategoryBins) else None)
    return Baseline(key.model, key.version, task, over, Pane(parts), provisional=True)


def _category_counts(bins: CategoryBins, counted: Mapping[str, float]) -> F64:
    at = {category: position for position, category in enumerate(bins.categories)} | {"": bins.size}
    counts = np.zeros(bins.size + 2)
    for category, n in counted.items():
        counts[at.get(category, len(bins.categories))] += n
    return counts


def edges_of(histograms: Sequence[Histogram]) -> F64:
    """Return the edges of bins: those of nonempty buckets, thinned to :data:`MOST_BINS` by quantiles.

    Empty if one bucket that is wider than a value contains more than half of the values, or two contain more than nine
    tenths: a shift within it would not be detected, and the state must not be ``ok``.

    >>> from driftline_processor.core.histogram import Explicit
    >>> edges_of([Explicit(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, 0.0]))])
    array([1., 2., 3.])
    """
    nonempty = [histogram for histogram in histograms if len(cells(histogram)[2])]
    if not nonempty:
        return np.empty(0)
    low, high = min(histogram.low for histogram in nonempty), max(histogram.high for histogram in nonempty)
    if low == high:
        return anonymous_number_bins(np.full(int(sum(cells(histogram)[2].sum() for histogram in nonempty)), low)).edges
    narrow, wide = (
        _summed(kind) for kind in (nonempty, [replace(histogram, low=-np.inf, high=np.inf) for histogram in nonempty])
    )
    left, right, counts = narrow
    of_many = np.sort(counts[right > np.nextafter(left, np.inf)])[::-1]
    if len(of_many) and (of_many[0] > counts.sum() / 2 or of_many[:2].sum() > MOST_IN_TWO * counts.sum()):
        return np.empty(0)
    left, right, counts = wide
    ends = np.concatenate([left, right])
    edges = np.unique(np.nextafter(ends[np.isfinite(ends)], np.inf))
    if len(edges) >= MOST_BINS:
        reached = np.cumsum(counts) / counts.sum()
        at = np.minimum(np.searchsorted(reached, _QUANTILES), len(right) - 1)
        edges = np.unique(np.nextafter(right[at], np.inf))
    finite: F64 = edges[np.isfinite(edges)]
    return finite


def _summed(histograms: Sequence[Histogram]) -> tuple[F64, F64, F64]:
    """Return the distinct buckets ``(low, high]`` of all histograms, ascending, and their counts."""
    together: dict[tuple[float, float], float] = {}
    for histogram in histograms:
        for low, high, n in zip(*(side.tolist() for side in cells(histogram)), strict=True):
            together[low, high] = together.get((low, high), 0.0) + n
    ordered = sorted(together)
    ends = np.array(ordered)
    return ends[:, 0], ends[:, 1], np.array([together[pair] for pair in ordered])

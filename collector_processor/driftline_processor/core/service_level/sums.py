"""Sums of calls: their duration, failures and error types.

They are additive parts of a pane and do not depend on a baseline.

==================  ====================================================================================
``calls``           n, Σw, Σw² of rows whose failure state is known
``failed:TYPE``     weight of failed calls by ``error.type``
``unanswered``      n, Σw, Σw² of rows whose call failed and that were not deleted: they cannot get an outcome
``latency``         weight per bin of :data:`BOUNDS` of calls that returned
``latency_least``   weight of calls from coarser buckets, at the lower bound of their bucket
``latency_most``    the same calls, at the upper bound of their bucket
==================  ====================================================================================

Bins are fixed, so panes of any sender, time and release add up. Each is at most a tenth wide, and the bounds are round
numbers: whether more than one call in a hundred took longer than 100 ms is counted, not interpolated. The bounds of
``duration`` are among them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from driftline.panes.sparse_sums import Sparse, cells, columns
from driftline.tables.performance_columns import usable_weight
from driftline.tables.table import F64, I64, Column, take_rows

from driftline_processor.core.histogram import Histogram
from driftline_processor.core.histogram import cells as buckets_of
from driftline_processor.core.outcomes.coverage import UNANSWERED

CALLS: Final = "calls"
FAILED: Final = "failed:"
"""Prefix of the parts of failed calls by ``error.type``."""

LATENCY: Final = "latency"
LEAST, MOST = "latency_least", "latency_most"
OTHER_ERROR: Final = "other"
"""Error types beyond :data:`MOST_ERRORS`, and failures without a type."""

MOST_ERRORS: Final = 20
"""Maximum number of error types per model, as in the SDK."""

LONGEST: Final = 1e9
"""Seconds; longer durations are discarded as clock errors."""


def _decades(first: int, last: int) -> tuple[float, ...]:
    """Return round bounds per decade of seconds: 1, 1.1, ..., 3, 3.25, ..., 5, 5.5, ..., 9.5."""
    steps = (*range(100, 300, 10), *range(300, 500, 25), *range(500, 1000, 50))
    bounds = [float(f"{step}e{decade - 2}") for decade in range(first, last) for step in steps]
    return (*bounds, float(f"1e{last}"))


BOUNDS: Final[tuple[float, ...]] = _decades(-6, 3)
"""Seconds, from a microsecond to a quarter of an hour; upper bounds are included, as in OTLP."""

BINS: Final = len(BOUNDS) + 1
WIDTHS: Final = {CALLS: 3, UNANSWERED: 3, LATENCY: BINS, LEAST: BINS, MOST: BINS}
"""Part → the length of its vector; parts of :data:`FAILED` have one entry."""

_EDGES = np.array(BOUNDS)


def call_parts(
    duration: F64 | None, errors: Column | None, weight: F64 | None, group: I64, groups: int
) -> dict[str, Sparse]:
    """Return the sums of calls by group.

    Args:
        duration: float64 (n,), seconds, NaN = unknown; None if not recorded.
        errors: The error type of each row, missing if its call returned; None if not recorded.
        weight: float64 (n,), number of calls per row; None = 1 each.
        group: int64 (n,), 0 <= group < groups.
        groups: Number of groups.

    >>> errors = Column(codes=np.array([-1, 0], np.int32), categories=("ValueError",))
    >>> parts = call_parts(np.array([0.02, 0.5]), errors, None, np.zeros(2, np.int64), 1)
    >>> {name: sums.value.tolist() for name, sums in parts.items()}
    {'calls': [2.0, 2.0, 2.0], 'unanswered': [1.0, 1.0, 1.0], 'failed:ValueError': [1.0], 'latency': [1.0]}
    """
    n = len(group)
    if not n or (duration is None and errors is None):
        return {}
    call_weights = np.ones(n) if weight is None else usable_weight(weight)
    if (group[1:] < group[:-1]).any():
        order = np.argsort(group, kind="stable")
        group, call_weights = group[order], call_weights[order]
        duration = None if duration is None else duration[order]
        errors = None if errors is None else take_rows(errors, order)
    parts: dict[str, Sparse] = {}
    failed = np.zeros(n, np.bool_)
    if errors is not None:
        parts[CALLS] = _powers(group, call_weights)
    if errors is not None and errors.codes is not None and (failed := errors.codes >= 0).any():
        parts[UNANSWERED] = _powers(group[failed], call_weights[failed])
        for category in dict.fromkeys(errors.categories):  # may contain duplicates
            is_category = np.isin(
                errors.codes, [code for code, text in enumerate(errors.categories) if text == category]
            )
            if is_category.any():
                parts[f"{FAILED}{category}"] = columns(group[is_category], [call_weights[is_category]], 1)
    if duration is not None:
        took = np.flatnonzero(~failed & (duration >= 0) & (duration <= LONGEST))
        bins_of_calls = np.searchsorted(_EDGES, duration[took], side="left").astype(np.int64)
        parts[LATENCY] = cells(group[took], bins_of_calls, call_weights[took], groups, BINS)
    return parts


def histogram_parts(histogram: Histogram, per_second: float, error: str | None) -> dict[str, F64]:
    """Return the sums of calls from a metric; these calls have no record.

    Args:
        histogram: Durations.
        per_second: Units of the histogram per second.
        error: The error type of these calls, "" if they returned; None if unknown.
    """
    low, high, counts = buckets_of(histogram)
    n = float(counts.sum())
    parts: dict[str, F64] = {}
    if error is not None:
        parts[CALLS] = np.array([n, n, n])
    if error:
        return parts | {f"{FAILED}{error}": np.array([n])}
    lowest_bin = np.searchsorted(_EDGES, np.nextafter(np.maximum(low / per_second, 0.0), np.inf), side="left")
    highest_bin = np.searchsorted(_EDGES, np.maximum(high / per_second, 0.0), side="left")
    parts[LEAST] = np.bincount(np.minimum(lowest_bin, highest_bin), counts, minlength=BINS).astype(np.float64)
    parts[MOST] = np.bincount(highest_bin, counts, minlength=BINS).astype(np.float64)
    return parts


def weight_by_error(errors: Column | None, weight: F64 | None) -> dict[str, float]:
    """Return the weight of failed calls by error type.

    >>> weight_by_error(Column(codes=np.array([-1, 0, 0], np.int32), categories=("ValueError",)), None)
    {'ValueError': 2.0}
    """
    n = 0 if errors is None or errors.codes is None else len(errors.codes)
    parts = call_parts(None, errors, weight, np.zeros(n, np.int64), 1)
    return {
        part.removeprefix(FAILED): float(sums.value.sum()) for part, sums in parts.items() if part.startswith(FAILED)
    }


def bounded_errors(errors: Column | None, known_categories: Collection[str]) -> Column | None:
    """Return error types limited to :data:`MOST_ERRORS`, known ones first, the others as ``other``.

    >>> errors = Column(codes=np.array([0, 1, -1], np.int32), categories=("A", "B"))
    >>> bounded_errors(errors, [*"CDEFGHIJKLMNOPQRSTU", "A"]).categories
    ('A', 'other')
    """
    if errors is None or not errors.categories or errors.codes is None:
        return errors
    known_errors = [category for category in errors.categories if category in known_categories]
    room = MOST_ERRORS - len(set(known_categories) - {OTHER_ERROR})
    new = [category for category in errors.categories if category not in known_categories and category != OTHER_ERROR]
    categories_kept = dict.fromkeys((*known_errors, *new[: max(0, room)]))
    if len(categories_kept) == len(errors.categories):
        return errors
    categories = (*categories_kept, OTHER_ERROR) if OTHER_ERROR not in categories_kept else tuple(categories_kept)
    index = {category: index for index, category in enumerate(categories)}
    place = np.array([*(index.get(category, index[OTHER_ERROR]) for category in errors.categories), -1], np.int32)
    return Column(codes=place[errors.codes], categories=categories)


def _powers(group: I64, weight: F64) -> Sparse:
    return columns(group, [np.ones(len(weight)), weight, weight**2], 3)

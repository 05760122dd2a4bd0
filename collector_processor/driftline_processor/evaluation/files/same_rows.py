"""Rows that are rows of the baseline: the first check of many users is a file against itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import MOST_KEPT, Counting, fingerprints
from driftline.panes.pane import merge

from driftline_processor.readers.errors import BadInput

from .fold import WindowFold
from .reference import reference_rows, reference_rows_path
from .row_comparison import RowComparison

DISTINCT = 0.9
"""Minimum fraction of distinct rows on both sides: others are equal because they have few values."""


def same_rows(comparison: RowComparison, folded: Sequence[WindowFold]) -> float:
    """Return the fraction of the rows that are rows of the baseline, by their features; 0 if unknown.

    From the fingerprints of whole rows, of baselines of at most 262,144 rows, which are read again. A built baseline
    without rows has only sums: the rows are the same if all sums of the features are.
    """
    baseline = comparison.baseline
    names, repeats = baseline.bins.features, baseline.extras.repeats
    if repeats is None or repeats.distinct < DISTINCT * repeats.rows or repeats.rows > MOST_KEPT:
        return 0.0
    found = [(fold.repeats, fold.counting[""]) for fold in folded if "" in fold.counting]
    known = [(counted, counting) for counted, counting in found if counted is not None]
    rows = sum(counted.rows for counted, _ in known)
    # 0.1: minimum fraction of rows with all features, as for the check of duplicates
    if rows < 0.1 * sum(fold.pane.rows for fold in folded) or any(
        counted.distinct < DISTINCT * counted.rows for counted, _ in known
    ):
        return 0.0
    if not _has_rows(comparison):
        return float(_have_sums(folded, baseline))
    earlier = Counting()
    _, tables = reference_rows(comparison.reference, comparison.options, baseline, comparison.key)
    for table in tables:
        earlier.add(fingerprints(table.features, names, len(table)))
    again = [(counted.rows, counting.recurrence(earlier)) for counted, counting in known]
    return sum(n * one.repeated / one.rows for n, one in again if one is not None) / max(1, rows)


def _have_sums(folded: Sequence[WindowFold], baseline: Baseline) -> bool:
    """Return True if all sums of the features are those of the baseline."""
    pane = merge(fold.pane for fold in folded)
    parts = {part: sums for part, sums in baseline.pane.parts.items() if part.startswith("feature:")}
    return all(np.array_equal(pane.parts.get(part, ()), sums) for part, sums in parts.items())


def _has_rows(comparison: RowComparison) -> bool:
    try:
        reference_rows_path(comparison.reference, "")
    except BadInput:
        return False
    return True

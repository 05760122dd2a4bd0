"""A baseline's rows over the bins of another baseline, so that the two are compared as window and baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import block_columns
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core.histogram import Explicit, counts_over_bins

_SAME = ("rows", "duration")
"""Parts that need no bins of a baseline. Those of outcomes need none either, but the same task."""


def rebin_baseline(like: Baseline, baseline: Baseline) -> Pane:
    """Return the reference rows of ``baseline`` over the bins of ``like``.

    The result is exact if edges match; the rows of a bin that spans several are distributed as those of ``like``, see
    :func:`~driftline_processor.core.histogram.counts_over_bins`. A feature that is a number in one and a category in
    the other is left out. A feature that ``like`` lacks is named in a part ``unknown:NAME``. Outcomes are included if
    both have the same task.
    """
    same_task = replace(like.task, threshold=0.5) == replace(baseline.task, threshold=0.5)
    right = widths(baseline.task) if same_task else {}
    parts = {name: values for name, values in baseline.pane.parts.items() if name in _SAME or name in right}
    ranges = baseline.extras.ranges
    for name, bins in baseline.bins.features.items():
        mine = like.bins.features.get(name)
        part = f"feature:{name}"
        if mine is None:
            parts[f"unknown:{name}"] = baseline.pane.parts["rows"][1:2]
            continue
        both = None if ranges is None else ranges.by_feature.get(name)
        counts = _counts(mine, like.pane.parts[part], bins, baseline.pane.parts[part], both)
        if counts is not None:
            parts[part] = counts
    for name, projection in baseline.bins.projections.items():
        mine_too = like.bins.projections.get(name)
        same = mine_too is not None and (mine_too.length, mine_too.bandwidth) == (
            projection.length,
            projection.bandwidth,
        )
        if same and f"embedding:{name}" in baseline.pane.parts:  # sums of other random features are not comparable
            parts[f"embedding:{name}"] = baseline.pane.parts[f"embedding:{name}"]
    for part in ("score", "class"):
        own_bins, other_bins = (block_columns(side.bins).get(part) for side in (like, baseline))
        if own_bins is not None and other_bins is not None and part in like.pane.parts and part in baseline.pane.parts:
            counts = _counts(own_bins, like.pane.parts[part], other_bins, baseline.pane.parts[part], None)
            if counts is not None:
                parts[part] = counts
    return Pane(parts)


def changed_types(like: Baseline, baseline: Baseline) -> tuple[str, ...]:
    """Return the features that are a number in one baseline and a category in the other."""
    mine, theirs = like.bins.features, baseline.bins.features
    return tuple(name for name in mine if name in theirs and type(mine[name]) is not type(theirs[name]))


def _counts(bins: Bins, reference: F64, theirs: Bins, counts: F64, both: tuple[float, float] | None) -> F64 | None:
    if bins == theirs:
        return counts
    if isinstance(bins, NumberBins) and isinstance(theirs, NumberBins):
        low, high = both or (-np.inf, np.inf)
        bounds = np.nextafter(theirs.edges, -np.inf)  # bounds of histograms are inclusive, edges of bins are not
        moved, _ = counts_over_bins(
            Explicit(bounds, counts[: theirs.size], low=low, high=high), bins, reference[: bins.size]
        )
        return np.concatenate([moved, counts[theirs.size :]])
    if isinstance(bins, CategoryBins) and isinstance(theirs, CategoryBins):
        at = {category: position for position, category in enumerate(bins.categories)}
        into = [*(at.get(category, len(bins.categories)) for category in theirs.categories), len(bins.categories)]
        moved = np.bincount(into, counts[: theirs.size], minlength=bins.size).astype(np.float64, copy=False)
        return np.concatenate([moved, counts[theirs.size :]])
    return None

"""The sums that estimates need, from rows and from exported histograms.

What rows add to panes for estimates of performance.

The scores of rows that nobody sent, on the fixed grid: from exported histograms alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import GRID, Entries, RowGroups, class_sums, loss_sums, score_grid
from driftline.panes.bins import SCORE_BINS, NumberBins
from driftline.tables.table import F64, I64, PredictionTable

from driftline_processor.core.histogram import Histogram, spread

from .calibration import score_edges


def score_parts(table: PredictionTable, group: I64) -> list[Entries]:
    """Return the sums for a binary model, which need no baseline. ``group``: int64 (n,), from 0 on."""
    return score_grid(table.task, table.scores, table.predicted, table.weight, group)


def learned_parts(table: PredictionTable, baseline: Baseline, group: I64, groups: int) -> list[Entries]:
    """Return the sums for other tasks, from the baseline's calibrations; [] without any."""
    learned = baseline.extras.estimation
    if learned is None or not len(table):
        return []
    rows, task = RowGroups(group, groups, table.weight), table.task
    if learned.classes:
        return class_sums(task, table.scores, table.predicted, rows, learned.classes)
    if learned.losses is not None and task.predicts_number:
        scores = None if table.scores is None else table.task.monitored_score(table.scores)[:, np.newaxis]
        return loss_sums(table.features, scores, rows, baseline.bins, learned.losses)
    return []


@cache
def _bins() -> NumberBins:
    return NumberBins(score_edges()[1:])


def score_parts_of(histogram: Histogram, baseline: Baseline, threshold: float) -> dict[str, F64]:
    """Return the parts ``score_grid:CLASS`` of a histogram of a binary model's scores; {} where it cannot tell.

    What lies in one bucket is shared out as the baseline's scores lie in it, and decided at ``threshold``: so
    nothing of a shift within a bucket is seen, and buckets that hold more than half of the scores, or two nine tenths,
    tell too little (:func:`driftline_processor.core.histogram.spread`).

    >>> import numpy as np
    >>> from driftline_processor.core.histogram import Explicit
    >>> p = np.repeat([0.1, 0.4, 0.9], 50)
    >>> built = Baseline.from_frame({"x": p, "p": p, "y": p > 0.5}, score="p", actual="y", model="m", task="binary")
    >>> scores = Explicit(np.array([0.2, 0.5, 0.7]), np.array([6.0, 4.0, 0.0, 2.0]))
    >>> {name: float(sums.sum()) for name, sums in score_parts_of(scores, built, 0.5).items()}
    {'score_grid:1': 2.0, 'score_grid:0': 10.0}
    """
    task, pane = baseline.task, baseline.pane
    sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
    positive = task.positive
    if positive is None or sides[0] is None or sides[1] is None:
        return {}
    counts, guessed = spread(histogram, _bins(), sides[0] + sides[1])
    if guessed or len(counts) != SCORE_BINS:
        return {}
    above = score_edges() >= threshold
    return {f"{GRID}{positive}": counts * above, f"{GRID}{1 - positive}": counts * ~above}

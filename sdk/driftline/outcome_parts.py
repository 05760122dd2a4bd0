"""Which parts of a pane say how right a model was, and how long each is; what they hold is in :mod:`.pane`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from .bins import SCORE_BINS
from .pane import LOSSES
from .relevance import CUTOFFS, PREFIX, WIDTH
from .tables import Task

CALIBRATION_BINS = 10
"""Bins of one width over [0, 1] of the part ``calibration``, lower edge excluded, as scikit-learn's."""

CALIBRATION_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]

MOST_CLASS_SCORES = 8
"""Classes whose scores have a place on the score grid each; of more, areas need rows."""


def class_scores(code: int) -> tuple[str, str]:
    """Return the parts of one class of many: its score where it was not true, and where it was.

    >>> class_scores(2)
    ('score_negative:2', 'score_positive:2')
    """
    return f"score_negative:{code}", f"score_positive:{code}"


def excess_of(part: str) -> str:
    """Return the part that holds Σ(w² - w) of the same rows; it is not there where all weights are 1.

    >>> excess_of("score_positive")
    'score_positive_excess'
    """
    return f"{part}_excess"


def count_of(part: str) -> str:
    """Return the part that holds Σ(1 - w) of the same rows, so that they can be counted; not there where all weigh 1.

    Of a part of means, of all its rows together.

    >>> count_of("losses")
    'losses_count'
    """
    return f"{part}_count"


COUNTED = ("outcomes", "confusion", "losses", "percentage", "quantiles")
"""Parts whose rows can be counted."""


def intervals(task: Task) -> dict[float, tuple[int, int]]:
    """Return the central intervals that declared quantiles make: nominal coverage → columns of its bounds.

    >>> intervals(Task("regression", quantiles=(0.05, 0.1, 0.5, 0.9)))
    {0.8: (1, 3)}
    """
    place = {round(level, 9): column for column, level in enumerate(task.quantiles)}
    return {
        round(1 - 2 * level, 9): (column, place[round(1 - level, 9)])
        for level, column in place.items()
        if level < 0.5 and round(1 - level, 9) in place
    }


@lru_cache(maxsize=64)
def widths(task: Task) -> Mapping[str, int]:
    """Return how long each part is that an outcome adds to.

    >>> widths(Task("binary", ("0", "1"), "1"))["spread"]
    9
    """
    k, losses = len(task.classes), len(LOSSES.get(task.kind, ()))
    found = {"outcomes": 3, "value": 6, "value_negative": 1, "confusion": k * k, "confusion_excess": k * k}
    found |= {"losses": losses, "spread": max(0, 2 * losses - 1)}
    grids: list[str] = []
    if task.kind == "binary":
        found |= {"calibration": 3 * CALIBRATION_BINS}
        grids = ["score_negative", "score_positive"]
    elif task.kind == "multiclass":
        found |= {"ranks": k, "ranks_excess": k}
        if k <= MOST_CLASS_SCORES:
            grids = [part for code in range(k) for part in class_scores(code)]
    elif task.kind == "regression":
        found |= {"percentage": 5}
        if task.quantiles:
            found["quantiles"] = 2 + 3 * (len(task.quantiles) + len(intervals(task)))
    elif task.kind == "ranking":
        found |= {"clicks": 2} | {f"{PREFIX}{cutoff}": WIDTH for cutoff in task.cutoffs or CUTOFFS}
    found |= {count_of(part): k * k if part == "confusion" else 1 for part in COUNTED if part in found}
    return found | {part: SCORE_BINS for grid in grids for part in (grid, excess_of(grid))}

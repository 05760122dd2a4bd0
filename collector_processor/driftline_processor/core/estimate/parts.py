"""What rows add to panes for estimates of performance."""

from __future__ import annotations

import numpy as np
from driftline.baseline import Baseline
from driftline.decided import target_score
from driftline.expected import Entries, class_sums, loss_sums, score_grid
from driftline.tables import I64, PredictionTable


def score_parts(table: PredictionTable, group: I64) -> list[Entries]:
    """Return what needs no baseline, of a binary model. ``group``: int64 (n,), from 0 on."""
    return score_grid(table.task, table.scores, table.predicted, table.weight, group)


def learned_parts(table: PredictionTable, baseline: Baseline, group: I64, groups: int) -> list[Entries]:
    """Return what needs what a baseline has learned, of the other kinds; [] where it has learned nothing."""
    known = baseline.extras.estimation
    if known is None or not len(table):
        return []
    weight, task = table.weight, table.task
    if known.classes:
        return class_sums(task, table.scores, table.predicted, weight, group, groups, known.classes)
    if known.losses is not None and task.kind == "regression":
        scores = None if table.scores is None else target_score(table.task, table.scores)[:, np.newaxis]
        return loss_sums(table.features, scores, weight, group, groups, baseline.bins, known.losses)
    return []

"""Metrics of a classifier with more than two classes."""

from __future__ import annotations

from driftline.pane import Pane
from driftline.tables import F64, Task

from driftline_processor.core.evaluation import Metric

from .sums import confusion, losses, ratio, rows_of


def from_pane(pane: Pane, task: Task) -> dict[str, Metric]:
    """Return accuracy, macro precision, recall and f1, and log_loss and brier of the scores.

    Macro is the plain mean over the classes for which the value is defined: scikit-learn with ``average="macro"`` and
    ``zero_division=np.nan``. Evidently and NannyML count a class that was never predicted as precision 0 instead.
    Brier is Σ over classes of (p - y)², between 0 and 2, as Brier (1950) has it.
    """
    found: dict[str, Metric] = {}
    counts = confusion(pane, len(task.classes))
    if counts is not None:
        hits, actual, decided = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        rows = rows_of(pane, float(counts.sum()))
        found["accuracy"] = Metric(ratio(hits.sum(), counts.sum()), rows, "panes")
        found["precision"] = Metric(_macro(hits, decided), rows, "panes")
        found["recall"] = Metric(_macro(hits, actual), rows, "panes")
        found["f1"] = Metric(_macro(2 * hits, actual + decided), rows, "panes")
    sums = losses(pane, "multiclass")
    if sums is not None:
        for name in ("log_loss", "brier"):
            found[name] = Metric(ratio(sums[name], sums["weight"]), rows_of(pane, sums["weight"]), "panes")
    return found


def _macro(numerator: F64, denominator: F64) -> float | None:
    defined = denominator > 0
    return float((numerator[defined] / denominator[defined]).mean()) if defined.any() else None

"""Metrics of a classifier with more than two classes."""

from __future__ import annotations

from driftline.pane import LOSSES, Pane
from driftline.tables import F64, Task

from driftline_processor.core.evaluation import Metric

from .ratio import ratio


def from_pane(pane: Pane, task: Task, rows: int) -> dict[str, Metric]:
    """Return accuracy, macro precision, recall and f1, and log_loss and brier of the scores.

    Macro is the plain mean over the classes for which the value is defined: scikit-learn with ``average="macro"`` and
    ``zero_division=np.nan``. Brier is Σ over classes of (p - y)², between 0 and 2, as Brier (1950) has it.
    """
    metrics: dict[str, float | None] = {}
    confusion, k = pane.parts.get("confusion"), len(task.classes)
    if confusion is not None and k and confusion.sum() > 0:
        counts = confusion.reshape(k, k)
        hits, actual, decided = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        metrics["accuracy"] = ratio(hits.sum(), confusion.sum())
        metrics["precision"] = _macro(hits, decided)
        metrics["recall"] = _macro(hits, actual)
        metrics["f1"] = _macro(2 * hits, actual + decided)
    losses = pane.parts.get("losses")
    if losses is not None:
        sums = dict(zip(LOSSES["multiclass"], losses.tolist(), strict=True))
        for name in ("log_loss", "brier"):
            metrics[name] = ratio(sums[name], sums["weight"])
    return {name: Metric(value, rows, "panes") for name, value in metrics.items()}


def _macro(numerator: F64, denominator: F64) -> float | None:
    defined = denominator > 0
    return float((numerator[defined] / denominator[defined]).mean()) if defined.any() else None

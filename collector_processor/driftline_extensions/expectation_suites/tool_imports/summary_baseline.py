"""A baseline from distributions: bins and counts of each feature, without scores, outcomes and times."""

from __future__ import annotations

import numpy as np
from driftline import Baseline
from driftline.panes.bins import MOST_CATEGORIES, RARE, Bins, CategoryBins, NumberBins, number_bins, search
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from .column_summary import CategorySummary, NumberSummary, TableSummary

SAMPLE = 20_000
"""Values of a sketch from which bins are chosen; a sketch has fewer distinct values."""


def baseline_of(summary: TableSummary, model: str, version: str) -> Baseline:
    """Return the baseline of a profile. Its windows are compared feature by feature."""
    features, parts = dict[str, Bins](), {"rows": np.full(3, float(summary.rows))}
    for name, column in summary.columns.items():
        bins, counts = _number(column) if isinstance(column, NumberSummary) else _category(column)
        missing = max(summary.rows - column.present, 0.0)
        features[name] = bins
        parts[f"feature:{name}"] = np.concatenate([counts, [missing, 0.0]])
    return Baseline(model=model, version=version, task=Task(), bins=ModelBins(features=features), pane=Pane(parts))


def _number(column: NumberSummary) -> tuple[NumberBins, F64]:
    if len(column.counts):
        return NumberBins(column.edges), _scaled(column.counts, column.present)
    order = np.argsort(column.values)
    values, weights = column.values[order], column.weights[order]
    reached = np.cumsum(weights)
    total = reached[-1] if len(reached) else 0.0
    places = np.searchsorted(reached, (np.arange(SAMPLE) + 0.5) / SAMPLE * total) if total else np.empty(0, np.intp)
    bins = number_bins(values[places])
    counts = np.bincount(search(bins.edges, values), weights, minlength=bins.size)
    return bins, _scaled(counts.astype(np.float64, copy=False), column.present)


def _category(column: CategorySummary) -> tuple[CategoryBins, F64]:
    frequent = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES]
    frequent = [(name, rows) for name, rows in frequent if rows >= RARE]
    other = max(column.present - sum(rows for _, rows in frequent), 0.0)
    return CategoryBins(tuple(name for name, _ in frequent)), np.array([*(rows for _, rows in frequent), other])


def _scaled(counts: F64, rows: float) -> F64:
    total = counts.sum()
    return counts * (rows / total) if total else counts

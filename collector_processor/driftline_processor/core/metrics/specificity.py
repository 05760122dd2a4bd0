"""Specificity: the fraction of negatives that are predicted as negative."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import (
    BINARY,
    RECALL,
    estimated_share,
    share_of_cells,
    share_of_class,
)

from .metric import Metric, usual_for

METRIC = Metric(
    name="specificity",
    title="specificity",
    tasks=BINARY,
    direction=1,
    unit="fraction",
    greatest=1.0,
    source="Altman and Bland, BMJ 308:1552 (1994)",
    value=lambda sums, _name: (
        None if sums.positive is None else share_of_cells(sums, *RECALL.cells(2, 1 - sums.positive))
    ),
    interval=lambda sums, _name, _value: (
        None if sums.positive is None else share_of_class(sums, RECALL, 1 - sums.positive)
    ),
    estimate=estimated_share(RECALL, (0, 1), cls=0),
    share_of_rows=True,
    usual=usual_for("binary", names=("specificity",)),
    rank=70,
)

"""Panes of rows that nobody sent: what tells them apart from panes of rows."""

from __future__ import annotations

import numpy as np
from driftline.fold import ModelBins
from driftline.pane import Pane

DISTRIBUTED = "distributed"
"""The part that says how many of the ``rows`` are known from distributions only."""

MAPPED = "mapped"
"""The part that says how many of these come from metrics that the configuration maps."""

GUESSED = "guessed:"
"""Prefix of parts: how many values of ``feature:NAME`` or ``score`` lie in one bucket across several bins."""


def complete(pane: Pane, bins: ModelBins) -> None:
    """Count as missing the rows of a window without score or class: nothing is sent for what is not there.

    Not where metrics are mapped: what a sender that does not know us leaves out may only not be measured.
    """
    rows = pane.parts.get("rows")
    if rows is None or DISTRIBUTED not in pane.parts or MAPPED in pane.parts:
        return
    for part, over in (("score", bins.score), ("class", bins.classes)):
        if over is not None:
            sums = pane.parts.setdefault(part, np.zeros(over.size + 2))
            sums[over.size] += max(0.0, rows[1] - sums.sum())

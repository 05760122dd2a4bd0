"""Count the predictions of a pane that can get an outcome.

These are predictions sent as rows and not deleted; other rows are distributions only.

Panes of rows that nobody sent: what tells them apart from panes of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64

DISTRIBUTED = "distributed"
"""The part that says how many of the ``rows`` are known from distributions only."""

MAPPED = "mapped"
"""The part that says how many of these come from metrics that the configuration maps."""

GUESSED = "guessed:"
"""Prefix of parts: how many values of ``feature:NAME`` or ``score`` lie in one bucket across several bins."""


def count_missing_rows(pane: Pane, bins: ModelBins) -> None:
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


DECIDED = "decided:"
"""Prefix of parts that hold the weight of one decided class, whatever the bins."""

ERASED = "erased"
"""The part of a pane: n, Σw, Σw² of its ``rows`` that were deleted for good. What was counted of them stays counted."""

ERASED_AS = "erased:"
"""Prefix of parts that hold the weight of those of one decided class."""

UNANSWERED = "unanswered"
"""The part of a pane: n, Σw, Σw² of its ``rows`` whose call failed and that nobody deleted; no outcome can come."""


def kept_rows(pane: Pane) -> F64:
    """Return n, Σw, Σw² of the rows that nobody deleted, float64 (3,); those that expired are among them.

    >>> kept_rows(Pane({"rows": np.full(3, 9.0), ERASED: np.full(3, 2.0)}))
    array([7., 7., 7.])
    """
    return _left(pane, "rows", ERASED, 3)


def sent_rows(pane: Pane) -> F64:
    """Return the same of rows that an outcome can come for: sent as rows, by a call that returned.

    >>> sent_rows(Pane({"rows": np.full(3, 9.0), DISTRIBUTED: np.full(1, 4.0), UNANSWERED: np.full(3, 2.0)}))
    array([3., 3., 3.])
    """
    without = float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]) + pane.parts.get(UNANSWERED, np.zeros(3))
    left: F64 = np.maximum(0.0, kept_rows(pane) - without)
    return left


def kept_decisions(pane: Pane, classes: Sequence[str]) -> F64 | None:
    """Return the weight of the rows that nobody deleted and that were decided for each of some classes: float64 (k,).

    None where decisions were not counted.

    >>> parts = {"decided:a": np.array([9.0]), "erased:a": np.array([2.0])}
    >>> kept_decisions(Pane(parts), ("a", "b"))
    array([7., 0.])
    """
    if not any(f"{DECIDED}{name}" in pane.parts for name in classes):
        return None
    return np.concatenate([_left(pane, f"{DECIDED}{name}", f"{ERASED_AS}{name}", 1) for name in classes])


def _left(pane: Pane, part: str, erased: str, width: int) -> F64:
    nothing = np.zeros(width)
    all_rows = pane.parts.get(part, nothing)
    left = all_rows - pane.parts.get(erased, nothing)
    # 1e-12: share of a sum that may be left by rounding when all its rows are subtracted
    return np.where(left > 1e-12 * all_rows, left, 0.0)

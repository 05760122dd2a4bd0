"""Count the predictions of a pane that can get an outcome.

These are predictions sent as rows and not deleted; other rows are known from distributions only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.panes.decisions import DECIDED as DECIDED
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64

DISTRIBUTED = "distributed"
"""Part with the number of ``rows`` that are known from distributions only."""

MAPPED = "mapped"
"""Part with the number of these that come from mapped metrics."""

GUESSED = "guessed:"
"""Prefix of parts: number of values of ``feature:NAME`` or ``score`` whose bucket spans several bins."""


def count_missing_rows(pane: Pane, bins: ModelBins) -> None:
    """Count the rows of a window without score or class as missing, since nothing is sent for missing values.

    Skipped for mapped metrics: a sender without our SDK may omit what it does not measure.
    """
    rows = pane.parts.get("rows")
    if rows is None or DISTRIBUTED not in pane.parts or MAPPED in pane.parts:
        return
    for part, over in (("score", bins.score), ("class", bins.classes)):
        if over is not None:
            sums = pane.parts.setdefault(part, np.zeros(over.size + 2))
            sums[over.size] += max(0.0, rows[1] - sums.sum())


ERASED = "erased"
"""Part of a pane: n, Σw, Σw² of its ``rows`` that were permanently deleted; other sums still contain them."""

ERASED_AS = "erased:"
"""Prefix of parts with the weight of deleted rows of one decided class."""

UNANSWERED = "unanswered"
"""Part of a pane: n, Σw, Σw² of its ``rows`` whose call failed and that were not deleted; they cannot get an outcome.
"""


def kept_rows(pane: Pane) -> F64:
    """Return n, Σw, Σw² of the rows that were not deleted, float64 (3,); expired rows are included.

    >>> kept_rows(Pane({"rows": np.full(3, 9.0), ERASED: np.full(3, 2.0)}))
    array([7., 7., 7.])
    """
    return _left(pane, "rows", ERASED, 3)


def sent_rows(pane: Pane) -> F64:
    """Return n, Σw, Σw² of the rows that can get an outcome: sent as rows, by a call that returned; float64 (3,).

    >>> sent_rows(Pane({"rows": np.full(3, 9.0), DISTRIBUTED: np.full(1, 4.0), UNANSWERED: np.full(3, 2.0)}))
    array([3., 3., 3.])
    """
    without = float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]) + pane.parts.get(UNANSWERED, np.zeros(3))
    left: F64 = np.maximum(0.0, kept_rows(pane) - without)
    return left


def coverage_of(pane: Pane) -> float | None:
    """Return the fraction of the rows that can get an outcome and have one; None without such rows.

    It is unweighted: reviewed rows have the weight of unreviewed ones, so a tenth reviewed would look like all.

    >>> coverage_of(Pane({"rows": np.full(3, 8.0), "outcomes": np.array([2.0, 8.0, 32.0])}))
    0.25
    """
    rows, outcomes = float(sent_rows(pane)[0]), float(pane.parts.get("outcomes", np.zeros(3))[0])
    return min(1.0, outcomes / rows) if rows > 0 else None


def kept_decisions(pane: Pane, classes: Sequence[str]) -> F64 | None:
    """Return the weight of the rows that were not deleted per decided class: float64 (k,).

    None if decisions were not counted.

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
    # 1e-12: fraction of a sum that may remain by rounding after all its rows are subtracted
    return np.where(left > 1e-12 * all_rows, left, 0.0)

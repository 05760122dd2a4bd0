"""Whether another processor may have what this one lacks, if several share the models.

Only a guess, shown after better explanations: nothing informs a processor about others. By turns over two processors,
half of the rows and half of the outcomes have no counterpart here.
"""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.outcomes.unknown import STRAYS, UnknownOutcomes
from driftline_processor.ingest.changes import SeriesTotals
from driftline_processor.ingest.completeness import Balance

_SIZABLE = 0.1
"""Minimum fraction that is missing."""


def rows_may_be_elsewhere(balance: Balance | None, refused: bool) -> bool:
    """Return True if many counted predictions have no row, and nothing else here explains it.

    Args:
        balance: Rows that arrived compared with predictions that were counted; None without counts.
        refused: Whether predictions were refused for their time.

    >>> rows_may_be_elsewhere(Balance(1_000.0, 2_000.0, 0, 1), refused=False)
    True
    """
    if balance is None or refused or balance.counted - balance.rows <= balance.doubt:
        return False
    return balance.completeness <= 1 - _SIZABLE


def predictions_may_be_elsewhere(
    pending: int, joined: int, unknown: Sequence[UnknownOutcomes], totals: SeriesTotals, refused: bool
) -> bool:
    """Return True if many outcomes of a model have no prediction, and nothing else here explains it.

    Args:
        pending: Number of outcomes without a prediction.
        joined: Number of outcomes with one.
        unknown: Why the newest outcomes wait.
        totals: Sums over the predictions; without rows, outcomes cannot be joined.
        refused: Whether predictions were refused for their time.

    >>> predictions_may_be_elsewhere(500, 500, (), SeriesTotals(rows=1_000), refused=False)
    True
    """
    if refused or not totals.rows or pending < max(STRAYS, _SIZABLE * (pending + joined)):
        return False
    waiting = [reason for reason in unknown if reason.kind != "actual"]
    if not waiting:
        return joined > 0  # otherwise the form of the ids has not been checked
    return any(reason.has_stored_form for reason in waiting)

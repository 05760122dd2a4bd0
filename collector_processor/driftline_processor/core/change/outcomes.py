"""What the outcomes of a binary model's window say: whether scores still mean what they meant, and whether classes do.

Two facts tell three kinds of change apart once outcomes are known. Under covariate shift each score still comes true as
often. Under label shift it does not, but the scores of each class lie as they lay, and move together with the share of
positives. Under concept change neither holds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64

from driftline_processor.core.estimate.cbpe_binary import Rates, weight_per_row
from driftline_processor.core.estimate.label_shift import EXPECTED, LEVEL, MATERIAL, prior_shift

CELLS = 10
"""Cells of scores, of equal weight in the reference: deciles, as for a number
(:mod:`~driftline_processor.core.drift.coarse_bins`)."""

FEWEST = 100.0
"""(Effective) labelled rows of a window, with 30 of either class, from which on they are tested."""

FEWEST_OF_CLASS = 30.0
"""(Effective) labelled rows of either class: of so many a share is about normal."""


class OutcomeEvidence(NamedTuple):
    """The tests of a window's outcomes.

    Attributes:
        meaning: P-value, while each score comes true as often as in the reference.
        expected: Share of positives that the scores let one expect.
        observed: Share of positives among the labelled rows.
        classes_hold: Whether the scores of each class lie as they lay, and the scores of all rows moved as the new
            share of positives moves them.
    """

    meaning: float
    expected: float
    observed: float
    classes_hold: bool


def outcome_evidence(pane: Pane, rates: Rates, reference: Pane, between: float) -> OutcomeEvidence | None:
    """Test the outcomes of a window; None with too few.

    Args:
        pane: Pane of the window, with its outcomes.
        rates: Rates of positives by score in the reference.
        reference: Pane of the reference, with its outcomes.
        between: Variance of the realized share of positives beside its estimate, between stretches of time.
    """
    sides, was = _sides(pane), _sides(reference)
    if sides is None or was is None:
        return None
    rows = [float(side.sum()) for side in sides]
    if sum(rows) < FEWEST or min(rows) < FEWEST_OF_CLASS:
        return None
    q, freedom, meaning = _meaning(sides, rates, between)
    total, hits = sides[0] + sides[1], float(sides[1].sum())
    smooth = rates.again.smooth[rates.again.place]
    expected, observed = float(total @ smooth / total.sum()), hits / float(total.sum())
    moved = _classes_moved(sides, was)
    alike = moved.p_value >= LEVEL or moved.beyond < MATERIAL * max(q - freedom, 0.0)
    return OutcomeEvidence(meaning, expected, observed, alike and _scores_followed(total, rates, observed, between))


def _sides(pane: Pane) -> tuple[F64, F64] | None:
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None:
        return None
    worth = weight_per_row(pane, "outcomes")
    return negative / worth, positive / worth


def _cells(rows: F64, many: int = CELLS) -> I64:
    """Return the cell of each bin, by equal weights of ``rows``."""
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    cell: I64 = np.minimum((middle * many).astype(np.int64), many - 1)
    return cell


def _meaning(sides: tuple[F64, F64], rates: Rates, between: float) -> tuple[float, int, float]:
    """Return chi-square, its degrees of freedom and the p-value of the share of positives by score."""
    from driftline_processor.core.special_functions import chdtrc

    again = rates.again
    cell = _cells(rates.rows)
    total = sides[0] + sides[1]
    smooth = again.smooth[again.place]
    rows, expected, seen, chance = (
        np.bincount(cell, of, minlength=CELLS)
        for of in (total, total * smooth, sides[1], total * smooth * (1 - smooth))
    )
    # what the reference's own rates are off by, cell by cell and in all
    by_cell = np.zeros((CELLS, len(again.smooth)))
    np.add.at(by_cell, (cell, again.place), total)
    off = again.off @ by_cell.T
    variance = chance + (off**2).mean(axis=0) + rows**2 * between
    held = rows > 0
    q = float(((seen - expected)[held] ** 2 / np.maximum(variance[held], 1e-9)).sum())
    freedom = int(np.count_nonzero(held))
    n = float(total.sum())
    whole = chance.sum() + float((off.sum(axis=1) ** 2).mean()) + n**2 * between
    once = float(seen.sum() - expected.sum()) ** 2 / max(float(whole), 1e-9)
    return max(q, once), freedom, min(1.0, 2 * min(float(chdtrc(freedom, q)), float(chdtrc(1, once))))


class _ClassesMoved(NamedTuple):
    p_value: float
    beyond: float


def _classes_moved(sides: tuple[F64, F64], was: tuple[F64, F64]) -> _ClassesMoved:
    """Compare the scores of each class with those in the reference: two chi-square tests of two samples, in one."""
    from driftline_processor.core.special_functions import chdtrc

    q, freedom = 0.0, 0
    for side, before in zip(sides, was, strict=True):
        n, m = float(side.sum()), float(before.sum())
        many = int(max(2, min(CELLS, n // EXPECTED, m // EXPECTED)))
        cell = _cells(before, many)
        seen, counts = (np.bincount(cell, of, minlength=many) for of in (side, before))
        shares = (seen + counts) / (n + m)
        varies = np.maximum(shares * n * (1 + n / m), 1e-9)
        q += float(((seen - n * counts / m) ** 2 / varies).sum())
        freedom += many - 1
    return _ClassesMoved(float(chdtrc(freedom, q)), max(0.0, q - freedom))


def _scores_followed(labelled: F64, rates: Rates, observed: float, between: float) -> bool:
    """Return True where the scores moved as far as the observed share of positives says, and beyond chance."""
    from driftline_processor.core.special_functions import ndtri

    shift = prior_shift(labelled, rates, between)
    if shift is None or shift.p_value > LEVEL:
        return False
    chance = observed * (1 - observed) / float(labelled.sum())
    apart = abs(observed - shift.prior - shift.shift) / math.sqrt(shift.variance + chance)
    return apart < -float(ndtri(LEVEL / 2))

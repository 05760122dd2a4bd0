"""The slice of one or two features that says most against the others: Kulldorff's scan statistic over all choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log

import numpy as np
from driftline.tables import F64
from numpy.typing import NDArray
from scipy.special import xlogy

from .cells import Cut

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """``cuts``: one or two, ``choice``: which of each. ``gain``: its log likelihood ratio less the log of how many
    choices of one, or of two features there are, so that two features have to say more than one."""

    cuts: tuple[Cut, ...]
    choice: tuple[int, ...]
    gain: float

    def rows(self) -> Mask:
        """Return which rows are in it: bool (n,)."""
        inside = np.ones(len(self.cuts[0].cell), np.bool_)
        for cut, at in zip(self.cuts, self.choice, strict=True):
            inside &= cut.chosen[at, cut.cell] > 0
        return inside


def best(
    fine: Sequence[Cut], coarse: Sequence[Cut], rows: Mask, weight: F64, loss: F64, least: int
) -> Candidate | None:
    """Return the choice of one feature of ``fine``, or of two of ``coarse``, in which losses are greatest.

    ``rows``: where to look, bool (n,). ``weight``: float64 (n,), ``loss``: float64 (n,), at least 0. At least ``least``
    rows are in it, and at most half. None where no choice has greater losses than the rest.

    The statistic is that of Kulldorff (1997, A spatial scan statistic) for sums X of N rows in all and x of n inside,
    x log(x / e) + (X - x) log((X - x) / (X - e)) with e = X n / N, over the dispersion of the losses.
    """
    whole = _Whole(rows, weight, loss, least)
    if whole.dispersion <= 0:
        return None
    of_one = _singles(fine, whole)
    of_two = _pairs(coarse, whole)
    found = [one for one in (of_one, of_two) if one is not None]
    return max(found, key=lambda one: one.gain) if found else None


class _Whole:
    """All rows that are searched, and what they come to."""

    def __init__(self, rows: Mask, weight: F64, loss: F64, least: int) -> None:
        self.at = np.flatnonzero(rows)
        self.weight = weight[self.at]
        self.lost = self.weight * loss[self.at]
        self.least = least
        self.number, self.total, self.sum = len(self.at), float(self.weight.sum()), float(self.lost.sum())
        self.even = bool(np.all(self.weight == self.weight[:1]))
        self.dispersion = 0.0
        if self.sum > 0:
            mean = self.sum / self.total
            spread = self.lost - self.weight * mean  # as sums of them vary
            self.dispersion = float(spread @ spread) / self.sum
        self.costly = np.flatnonzero(self.lost)

    def sums(self, cell: NDArray[np.intp], size: int) -> tuple[F64, F64, F64]:
        """Rows, weight and weighted loss of each cell."""
        rows = np.bincount(cell, minlength=size).astype(np.float64)
        lost = np.bincount(cell[self.costly], self.lost[self.costly], size).astype(np.float64, copy=False)
        if self.even:
            return rows, rows * float(self.weight[0]), lost
        return rows, np.bincount(cell, self.weight, size).astype(np.float64, copy=False), lost

    def ratio(self, rows: F64, weight: F64, lost: F64) -> F64:
        """The log likelihood ratio of each choice, -inf where it is too small, too large, or better than the rest."""
        expected = self.sum * weight / self.total
        usable = (rows >= self.least) & (rows <= self.number / 2) & (lost > expected)
        x, e = np.where(usable, lost, 0.0), np.where(usable, expected, 1.0)
        rest, rest_expected = np.maximum(self.sum - x, 0.0), np.maximum(self.sum - e, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = xlogy(x, x / e) + xlogy(rest, rest / rest_expected)
        return np.where(usable, found / self.dispersion, -np.inf)


def _singles(cuts: Sequence[Cut], whole: _Whole) -> Candidate | None:
    found: list[tuple[float, Cut, int]] = []
    choices = 0
    for cut in cuts:
        rows, weight, lost = (cut.chosen @ sums for sums in whole.sums(cut.cell[whole.at], cut.chosen.shape[1]))
        ratios = whole.ratio(rows, weight, lost)
        choices += len(ratios)
        found.append((float(ratios.max()), cut, int(ratios.argmax())))
    if not found:
        return None
    ratio, cut, at = max(found, key=lambda one: one[0])
    return Candidate((cut,), (at,), ratio - log(choices)) if np.isfinite(ratio) else None


def _pairs(cuts: Sequence[Cut], whole: _Whole) -> Candidate | None:
    best_of: tuple[float, tuple[Cut, ...], tuple[int, ...]] | None = None
    choices = 0
    cells = [cut.cell[whole.at] for cut in cuts]
    for one, other in combinations(range(len(cuts)), 2):
        a, b = cuts[one], cuts[other]
        wide, high = a.chosen.shape[1], b.chosen.shape[1]
        sums = whole.sums(cells[one] * high + cells[other], wide * high)
        rows, weight, lost = (a.chosen @ some.reshape(wide, high) @ b.chosen.T for some in sums)
        ratios = whole.ratio(rows, weight, lost)
        choices += ratios.size
        at = int(ratios.argmax())
        ratio = float(ratios.flat[at])
        if np.isfinite(ratio) and (best_of is None or ratio > best_of[0]):
            best_of = ratio, (a, b), tuple(int(place) for place in np.unravel_index(at, ratios.shape))
    return None if best_of is None else Candidate(best_of[1], best_of[2], best_of[0] - log(choices))

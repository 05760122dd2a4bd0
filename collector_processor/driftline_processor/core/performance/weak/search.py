"""Search for weak slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np
from driftline.bins import Bins, Index
from driftline.tables import F64, I64
from numpy.typing import NDArray

from driftline_processor.core.performance.intervals import Interval, Summed, student, wilson
from driftline_processor.core.performance.sums import effective

from .cells import COARSE, FINE, Cut, cut
from .confirm import Difference, difference
from .found import By, WeakSearch, WeakSlice
from .halves import few_days, halves, stretches
from .scan import Candidate, best

Mask = NDArray[np.bool_]

LEAST_ROWS = 200
"""Labelled rows of a slice, at least half of them in each half."""

LEAST_RATIO = 1.2
"""How many times as great the mean loss of a slice must be as that of the rest."""

ALPHA = 0.01
"""The chance that a window in which nothing is wrong has a weak slice."""

MOST_SLICES = 5
MOST_FEATURES = 64
"""Features whose pairs are looked at: those that say most alone. All are looked at one by one."""

CONFIDENCE = 0.95

_WORDS: dict[By, tuple[str, str]] = {
    "error": ("wrong in {:.1%}", "{:.1%}"),
    "log_loss": ("a log loss of {:.4g}", "{:.4g}"),
    "absolute_error": ("off by {:.4g} on average", "{:.4g}"),
}


def weak_slices(
    features: Mapping[str, tuple[Bins, Index]],
    losses: Mapping[By, F64],
    weight: F64 | None = None,
    time: I64 | None = None,
) -> WeakSearch | None:
    """Find the slices of one or two features in which the model does worse than elsewhere; None of too few rows.

    ``features``: the bins of each and that of every row, intp (n,). ``losses``: :func:`.losses.losses_of`, float64
    (n,), NaN where not known. ``weight``: float64 (n,), None = 1 each. ``time``: of the predictions, unix nanoseconds,
    int64 (n,), None where they have none.

    The slices are chosen on one half of the rows (:func:`.halves.halves`) and put to the test on the other: in one
    window of a hundred in which no feature says anything of the losses there is one. Rows of slices that were chosen
    before are left out when the next is looked for; the level is divided by how many were chosen, and by the losses.
    """
    usable: Mask = np.zeros(0 if not losses else len(next(iter(losses.values()))), np.bool_)
    for values in losses.values():
        usable = usable | np.isfinite(values)
    if weight is not None:
        usable &= weight > 0
    at = np.flatnonzero(usable)
    if len(at) < 2 * LEAST_ROWS:
        return None
    when = np.zeros(len(at), np.int64) if time is None else time[at]
    codes = {name: (bins, of[at]) for name, (bins, of) in features.items()}
    content = [values[at] for values in losses.values()] + [of.astype(np.int64) for _, of in codes.values()]
    rows = _Rows(codes, None if weight is None else weight[at], when, halves(when, content), len(losses))
    found: list[tuple[WeakSlice, Mask]] = []
    for by, values in losses.items():
        for one, inside in rows.slices(by, values[at]):
            if not any(_overlap(inside, before) for _, before in found):  # errors and log loss mostly find the same
                found.append((one, inside))
    found.sort(key=lambda one: -one[0].excess)
    paired = min(len(rows.fine), MOST_FEATURES)
    return WeakSearch(tuple(one for one, _ in found), len(at), len(rows.fine), comb(paired, 2))


class _Rows:
    """The labelled rows of a window, cut into cells; ``searched``: the half that is looked at, bool (n,)."""

    def __init__(
        self, codes: Mapping[str, tuple[Bins, Index]], weight: F64 | None, time: I64, searched: Mask, families: int
    ) -> None:
        self.weight, self.searched, self.families = weight, searched, families
        self.time, self.stretch = time, stretches(time)
        self.fine = [one for name, (bins, of) in codes.items() if (one := cut(name, bins, of, FINE, LEAST_ROWS))]
        self.coarse = {
            name: one for name, (bins, of) in codes.items() if (one := cut(name, bins, of, COARSE, LEAST_ROWS))
        }

    def slices(self, by: By, loss: F64) -> list[tuple[WeakSlice, Mask]]:
        """Return the confirmed slices of one loss, and the rows of each."""
        known = np.isfinite(loss)
        loss = np.where(known, loss, 0.0)
        tamed = np.minimum(loss, np.quantile(loss[known], 0.999)) if by == "absolute_error" and known.any() else loss
        chosen = self._chosen(tamed, known & self.searched)
        whole = known & ~self.searched
        left, confirmed = whole, []
        for one in chosen:
            inside = one.rows()
            if min(np.count_nonzero(inside & left), np.count_nonzero(~inside & left)) < LEAST_ROWS / 2:
                continue
            tested = self._difference(inside, tamed, left)
            told = self._difference(inside, loss, whole)
            p = min(1.0, tested.p_value * len(chosen) * self.families)
            left = left & ~inside  # the next says something of its own
            if (
                p <= ALPHA
                and min(tested.value / max(tested.rest, 1e-300), told.value / max(told.rest, 1e-300)) >= LEAST_RATIO
            ):
                confirmed.append((self._told(by, one, inside, loss, whole, told, p), inside))
        return confirmed

    def _chosen(self, loss: F64, rows: Mask) -> list[Candidate]:
        """The slices that say most, each without the rows of those before; after the first only those that say much."""
        weight = np.ones(len(loss)) if self.weight is None else self.weight
        paired = self._paired(loss, rows, weight)
        chosen: list[Candidate] = []
        while len(chosen) < MOST_SLICES:
            one = best(self.fine, paired, rows, weight, loss, LEAST_ROWS // 2)
            if one is None or (chosen and one.gain <= 0):
                break
            chosen.append(one)
            rows = rows & ~one.rows()
        return chosen

    def _paired(self, loss: F64, rows: Mask, weight: F64) -> Sequence[Cut]:
        """The features whose pairs are looked at."""
        if len(self.coarse) <= MOST_FEATURES:
            return list(self.coarse.values())
        gains = {}
        for name, one in self.coarse.items():
            alone = best([one], [], rows, weight, loss, LEAST_ROWS // 2)
            gains[name] = -np.inf if alone is None else alone.gain
        kept = sorted(gains, key=lambda name: -gains[name])[:MOST_FEATURES]
        return [self.coarse[name] for name in kept]

    def _difference(self, inside: Mask, loss: F64, rows: Mask) -> Difference:
        at = np.flatnonzero(rows)
        weight = None if self.weight is None else self.weight[at]
        stretch = None if self.stretch is None else self.stretch[at]
        return difference(inside[at], loss[at], weight, stretch, few_days(self.time[at]))

    def _told(
        self, by: By, one: Candidate, inside: Mask, loss: F64, rows: Mask, told: Difference, p: float
    ) -> WeakSlice:
        at = np.flatnonzero(inside & rows)
        weight = np.ones(len(at)) if self.weight is None else self.weight[at]
        held = float(weight.sum())
        worth = effective(held, float(weight @ weight)) / told.effect
        if by == "error":
            wrong, right = (Summed(rows, rows) for rows in (told.value * worth, (1 - told.value) * worth))
            low, high = _ends(told.value, wilson(wrong, right, CONFIDENCE))
        else:
            spread = float(weight @ (loss[at] - told.value) ** 2) / held
            low, high = _ends(told.value, student(told.value, spread / worth, CONFIDENCE))
        every = np.flatnonzero(rows)
        total = (np.ones(len(every)) if self.weight is None else self.weight[every]) @ loss[every]
        excess = held * (told.value - told.rest) / float(total)
        conditions = tuple(cut.conditions[choice] for cut, choice in zip(one.cuts, one.choice, strict=True))
        number = int(np.count_nonzero(inside & np.isfinite(loss)))
        name = " and ".join(f"{part.feature} {part.text}" for part in conditions)
        said, plain = _WORDS[by]
        sentence = (
            f"{name}: {said.format(told.value)} ({plain.format(low)} to {plain.format(high)}), "
            f"elsewhere {plain.format(told.rest)}; {number:,} labelled rows"
        )
        return WeakSlice(by, conditions, number, told.value, low, high, told.rest, p, excess, sentence)


def _ends(value: float, limits: Interval) -> tuple[float, float]:
    return (value, value) if limits.low is None or limits.high is None else (limits.low, limits.high)


def _overlap(one: Mask, other: Mask) -> bool:
    """Whether two slices are mostly the same rows."""
    both = int(np.count_nonzero(one & other))
    return 2 * both >= min(int(np.count_nonzero(one)), int(np.count_nonzero(other)))

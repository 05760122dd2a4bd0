"""The sums of one feature, in the baseline and in a window: what every check begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from driftline.bins import Bins, CategoryBins, NumberBins
from driftline.pane import Pane
from driftline.strays import KINDS
from driftline.tables import F64

from driftline_processor.core.drift.methods.chosen import least_kept, missed, own_rows, sure

DOUBT = 3.0
"""Standard deviations by which an estimate may be off."""

_INFINITE = KINDS.index("infinite")


@dataclass(frozen=True, slots=True)
class Sums:
    """One feature of one pane, in weights. ``counts`` float64 (bins,): usable values; ``tails``, ``kinds``,
    ``elsewhere``: as in the pane (:mod:`driftline.strays`), None where nothing strayed.
    """

    counts: F64
    usable: float
    missing: float
    invalid: float
    tails: F64 | None = None
    kinds: F64 | None = None
    elsewhere: F64 | None = None

    @property
    def told(self) -> float:
        """Weight of the rows that have a value, usable or not."""
        return self.usable + self.invalid

    @property
    def rows(self) -> float:
        """Weight of all rows."""
        return self.told + self.missing

    @property
    def infinite(self) -> float:
        """Weight of the infinities."""
        return 0.0 if self.kinds is None else float(self.kinds[_INFINITE])


@dataclass(frozen=True, slots=True)
class Pair:
    """One feature, then and now.

    ``n`` and ``m`` turn weights of the baseline and of the window into effective rows; ``alike``: how many rows count
    as one in them, because their values resemble each other; ``lengths``: whether the feature is an embedding.
    """

    name: str
    bins: Bins
    was: Sums
    now: Sums
    n: float
    m: float
    least: float | None = None
    greatest: float | None = None
    alike: float = 1.0
    lengths: bool = False

    @property
    def values(self) -> str:
        """What bins count, in words: of an embedding the lengths of its vectors."""
        return "lengths (L2 norm)" if self.lengths else "values"

    @property
    def number(self) -> bool:
        """Whether the feature is a number."""
        return isinstance(self.bins, NumberBins)


def sums_of(pane: Pane, name: str, bins: Bins) -> Sums | None:
    """Return the sums of one feature; None where the pane says nothing of it."""
    parts = pane.parts
    part = parts.get(f"feature:{name}")
    if part is None:
        return None
    size = bins.size
    counts = part[:size]
    usable = float(counts.sum())
    missing, invalid = part[size:].tolist()
    if usable + missing + invalid <= 0:
        return None
    found = (parts.get(f"tails:{name}"), parts.get(f"kinds:{name}"), parts.get(f"elsewhere:{name}"))
    return Sums(counts, usable, missing, invalid, *found)


def labelled(pair: Pair) -> bool:
    """Whether a feature is a category of which the baseline knows a label."""
    return isinstance(pair.bins, CategoryBins) and bool(pair.bins.labels)


def effective_rows(pair: Pair) -> tuple[float, float]:
    """Return the effective rows with a usable value, then and now."""
    return pair.was.usable * pair.n, pair.now.usable * pair.m


def shares(sums: Sums) -> F64:
    """Return the shares of the usable values over the bins: float64 (bins,)."""
    return sums.counts / sums.usable if sums.usable else np.zeros_like(sums.counts)


def missed_in_other(pair: Pair) -> tuple[float, float]:
    """Return how much weight the baseline's ``other`` has too little of, since it is what was not kept; and at most.

    Of rows that the labels were not chosen from, one hour's or one country's, it cannot be told by how many rows a
    label was kept: at most those of the rare labels, or half of ``other``.
    """
    if not labelled(pair) or not pair.was.counts[-1]:
        return 0.0, 0.0
    rows = pair.n * pair.alike
    counts, others = pair.was.counts[np.newaxis] * rows, np.array([len(pair.was.counts) - 1])
    if own_rows(counts, others)[0]:
        (more,), (off,) = missed(counts, others)
        return float(more) / rows, float(more + DOUBT * off) / rows
    labels = counts[0, :-1]
    rare = float(labels[labels < sure(least_kept(counts, others)[0])].sum())
    return 0.0, min(rare, float(counts[0, -1]) / 2) / rows

"""How many values keep a rule, from bins alone: exact where the rule cuts no bin, else between two shares."""

from __future__ import annotations

import numpy as np
from driftline.bins import Bins, NumberBins
from driftline.strays import octave_bounds
from driftline.tables import F64

from driftline_processor.core.quality.sums import Sums

from .rule import Rule

_BOUNDS = octave_bounds()


def share_from_bins(rule: Rule, bins: Bins, sums: Sums) -> tuple[float, float] | None:
    """Return the least and the greatest share of the values (of those that are not missing) that keep a rule.

    None for a rule that bins say nothing of. Values within a bin may lie anywhere in it; beyond the outer edges powers
    of two are told apart, where the window kept them.

    >>> from driftline.bins import NumberBins
    >>> sums = Sums(np.array([0.0, 6.0, 4.0, 0.0]), 10.0, 0.0, 0.0)
    >>> bins = NumberBins(np.array([0.0, 1.0, 2.0]))
    >>> share_from_bins(Rule("range", "x", "", low=0.0, high=1.5), bins, sums)
    (0.6, 1.0)
    """
    told = sums.told
    if told <= 0:
        return None
    if isinstance(bins, NumberBins):
        if rule.kind == "range":
            low, high = _range(rule, bins, sums)
            return low / told, high / told
        if rule.kind == "type" and rule.type == "number":
            return sums.usable / told, sums.usable / told
        return None
    if rule.kind in ("values", "not_values"):
        wanted = set(rule.values)
        listed = np.array([label in wanted for label in bins.labels], dtype=np.bool_)
        inside, other = float(sums.counts[:-1][listed].sum()), float(sums.counts[-1])
        maybe = 0.0 if wanted <= set(bins.labels) else other
        if rule.kind == "values":
            return inside / told, (inside + maybe) / told
        return (told - inside - maybe) / told, (told - inside) / told
    return None


def _range(rule: Rule, bins: NumberBins, sums: Sums) -> tuple[float, float]:
    """The least and the greatest weight of values within ``[low, high]``."""
    starts, ends, weights = _cells(bins, sums)
    low = -np.inf if rule.low is None else rule.low
    high = np.inf if rule.high is None else rule.high
    # a cell is [start, end): its greatest value lies below its end
    inside = (starts >= low) & (np.nextafter(ends, -np.inf) <= high)
    touched = (np.nextafter(ends, -np.inf) >= low) & (starts <= high)
    return float(weights[inside].sum()), float(weights[touched].sum())


def _cells(bins: NumberBins, sums: Sums) -> tuple[F64, F64, F64]:
    edges = bins.edges
    starts, ends = np.append(-np.inf, edges), np.append(edges, np.inf)
    weights = sums.counts.astype(np.float64)
    if sums.tails is None or not len(edges):
        return starts, ends, weights
    lows, highs = np.append(-np.inf, _BOUNDS), np.append(_BOUNDS, np.inf)
    below, above = lows < edges[0], highs > edges[-1]
    both = below & above  # an octave that holds the whole range: which side its values lie on is known from the bins
    under, over = np.where(below & ~both, sums.tails, 0.0), np.where(above & ~both, sums.tails, 0.0)
    if both.any():
        at = int(np.flatnonzero(both)[0])
        under[at], over[at] = weights[0] - under.sum(), weights[-1] - over.sum()
    return (
        np.concatenate([lows[below], starts[1:-1], np.maximum(lows, edges[-1])[above]]),
        np.concatenate([np.minimum(highs, edges[0])[below], ends[1:-1], highs[above]]),
        np.concatenate([under[below], weights[1:-1], over[above]]),
    )

"""Misplaced columns: each of three or more features has the values of another one, such as all shifted by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import CategoryBins, NumberBins

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import (
    CheckInput,
    Mixture,
    distribution_function,
    effective_rows,
    largest,
    mixture,
    noise_of,
    shares,
)

from .swapped import ALIKE, APART, LEAST_SHARE, MOST, good, of_other, strayed_values

LEAST = 3
"""Minimum number of features that have the values of another one; two are a swap."""

ALL = 0.9
"""Fraction of a category feature's values that are categories of another from which on neither shows the other."""

MOST_LEFT = 0.35
"""Maximum KS distance between a feature and the one whose values it has, as a fraction of its distance from itself:
features may drift, too, and three neighbours do not do this by chance.
"""

APART_IN_PART = 0.5
"""Minimum KS distance of two columns if a part of the rows is misplaced and the features drift, too."""

MOST_SOURCES = 100
"""Number of features whose values are looked for in others."""


class _Source(NamedTuple):
    """The fraction of a feature's values that are those of another, and what a mixture of both leaves of it."""

    share: float
    left: float
    p: float


_Sources = Mapping[tuple[str, str], _Source]


def find(look: CheckInput) -> CheckResult:
    """Find features that look like a mixture of themselves and another, in the same proportion, in a chain.

    From panes, as swapped columns. First neighbours are compared: a file with one separator too many or too few shifts
    all columns from there on by one. Features that cannot be distinguished from their neighbour are part of the chain.
    Then any order: each feature belongs to the feature that it looks like most, and a cycle is a finding. Features that
    cannot be distinguished may also close a cycle.
    """
    sources = dict(_sources(look))
    if len(sources) < LEAST:
        return CheckResult(1, [])
    names = list(look.pairs)
    chains = [*(_neighbours(names, sources, look, step) for step in (1, -1)), _cycle(sources, look)]
    chain = max(chains, key=len)
    return CheckResult(1, [_finding(chain, sources)] if chain else [])


def _sources(look: CheckInput) -> Iterator[tuple[tuple[str, str], _Source]]:
    """Yield each feature with another one whose values it has."""
    changed = sorted(look.changed, key=lambda one: -one.distance)[:MOST]
    functions = dict(islice(look.functions.items(), MOST_SOURCES)) if len(changed) >= LEAST else {}
    for one in changed:
        for name, function in functions.items():
            if name == one.pair.name:
                continue
            other = function.at(one.now.points)
            left = largest(one.now.below - other)
            fit = mixture(one.now.below, one.baseline_cdf, other)
            if one.distance >= APART and left <= MOST_LEFT * one.distance:
                yield (one.pair.name, name), _Source(1.0, left, one.p)
            elif good(fit, one.noise) or _mostly(fit):
                yield (one.pair.name, name), _Source(fit.share, fit.residual, one.p)
    for pair in strayed_values(look):
        for other_pair in look.pairs.values():
            if other_pair is pair or (pair.number and other_pair.number):
                continue
            strayed = of_other(pair, other_pair, look)
            if strayed.share >= LEAST_SHARE:  # numbers in a category feature may be any number's
                yield (pair.name, other_pair.name), _Source(strayed.share, float(other_pair.number), strayed.p)


def _mostly(fit: Mixture) -> bool:
    return fit.component_distance >= APART_IN_PART and fit.share >= ALIKE and fit.residual <= MOST_LEFT * fit.distance


def _neighbours(names: list[str], sources: _Sources, look: CheckInput, step: int) -> list[tuple[str, str]]:
    """Return the longest chain of features that have the values of the next one, or of the one before; [] if none."""
    chains: list[list[tuple[str, str]]] = [[]]
    for index, name in enumerate(names):
        other = names[(index + step) % len(names)]
        if (name, other) in sources or _left_hidden(look, name, other) < np.inf:
            chains[-1].append((name, other))
        else:
            chains.append([])
    chains = [_trimmed(chain, sources) for chain in chains]
    best = max(chains, key=len)
    proven = [edge for edge in best if edge in sources]
    return best if len(proven) >= LEAST and len(proven) * 3 >= len(best) and _one_share(proven, sources) else []


def _left_hidden(look: CheckInput, name: str, other: str, share: float = 1.0) -> float:
    """Return the KS distance that is left of a feature that may have a fraction of the values of another.

    Few rows or other changes hide these; infinite if they would show.
    """
    first, second = look.pairs[name], look.pairs[other]
    if isinstance(first.bins, CategoryBins) and isinstance(second.bins, CategoryBins):
        common = np.isin(second.bins.categories, first.bins.categories)
        return 0.0 if shares(second.was)[:-1][common].sum() >= ALL else np.inf
    rows = [*effective_rows(first), *effective_rows(second)]
    if not isinstance(first.bins, NumberBins) or not isinstance(second.bins, NumberBins) or min(rows) <= 0:
        return np.inf
    now = distribution_function(first.bins, first.now)
    was, theirs = (look.functions[one].at(now.points) for one in (name, other))
    own, left = (largest(now.below - one) for one in (was, (1 - share) * was + share * theirs))
    return left if left <= max(own, noise_of(*rows[:2]), noise_of(*rows[2:])) else np.inf


def _trimmed(chain: list[tuple[str, str]], sources: _Sources) -> list[tuple[str, str]]:
    """Return a chain from its first to its last proven feature, closed if the last one has the values of the first."""
    proven = [index for index, edge in enumerate(chain) if edge in sources]
    if not proven:
        return []
    chain = chain[proven[0] : proven[-1] + 1]
    closing = (chain[-1][1], chain[0][0])
    return [*chain, closing] if closing in sources and closing not in chain else chain


def _cycle(sources: _Sources, look: CheckInput) -> list[tuple[str, str]]:
    """Return the longest cycle of features in the order of columns that leaves least of their changes; [] if none."""
    from scipy.optimize import linear_sum_assignment

    names = [name for name in look.pairs if any(name in edge for edge in sources)]
    share = float(np.median([source.share for source in sources.values()]))
    left = np.zeros((len(names), len(names)))
    own = {one.pair.name: one.distance for one in look.changed} | {
        name: source.share for (name, _), source in sources.items() if not look.pairs[name].number
    }
    for (row, name), (column, other) in product(enumerate(names), repeat=2):
        if name == other:
            left[row, column] = own.get(name, 0.0)
        elif (name, other) in sources:
            left[row, column] = sources[name, other].left
        else:
            left[row, column] = _left_hidden(look, name, other, share)
    order = dict(zip(names, (names[place] for place in linear_sum_assignment(left)[1]), strict=True))
    longest: list[tuple[str, str]] = []
    for start in names:
        chain = [(start, order[start])]
        while chain[-1][1] != start:
            chain.append((chain[-1][1], order[chain[-1][1]]))
        proven = [edge for edge in chain if edge in sources]
        if len(proven) >= LEAST and len(chain) > len(longest) and _one_share(proven, sources):
            longest = chain
    return longest


def _one_share(chain: list[tuple[str, str]], sources: _Sources) -> bool:
    """Return True if nearly all features of a chain have the same fraction of values of the other."""
    shares = np.array([sources[edge].share for edge in chain])
    middle = float(np.median(shares))
    alike = np.count_nonzero(np.abs(shares - middle) <= 2 * ALIKE * max(0.5, middle))
    return bool(alike >= max(LEAST, 0.75 * len(chain)))


def _finding(chain: list[tuple[str, str]], sources: _Sources) -> Suspicion:
    proven = [sources[edge] for edge in chain if edge in sources]
    share = float(np.median([source.share for source in proven]))
    return suspicion(
        CHECK.name,
        [name for name, _ in chain],
        sorted(source.p for source in proven)[LEAST - 1],
        was=0.0,
        now=share,
        concerned=share,
        sources=tuple(other for _, other in chain),
    )


CHECK = Check(
    "misplaced",
    "columns in the wrong place",
    "panes",
    find,
    covers=frozenset(
        {"swapped", "copied", "type_change", "unseen", "out_of_range", "unit_change", "constant", "missing"}
    ),
)

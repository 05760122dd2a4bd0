"""Swapped columns: two features stand in each other's place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from driftline.bins import CategoryBins
from driftline.strays import KINDS

from driftline_processor.core.quality.check import Check, Suspicion, Tested, suspicion
from driftline_processor.core.quality.ladder import Changed, Mixture, mixture
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.rate import more_often
from driftline_processor.core.quality.sums import Pair, labelled, shares
from driftline_processor.core.quality.words import percent, quoted

LEAST_SHARE = 0.05
APART = 0.3
"""Two columns whose distributions lie closer (KS) cannot be told from each other, nor whether they were swapped."""

ALIKE, MOST_UNLIKE = 0.1, 0.3
"""How far the two shares of a swap may lie apart: the first, or as far as chance moves them where rows are few (each by
a third of what it moves a distribution, over how far the two distributions lie apart), but the second. With the first
alone, 18 % of swaps in days of 500 rows that count as 100 were told as two features that drift."""

MOST = 40
"""Features that changed most, of which all pairs are tried."""

_NUMBER = KINDS.index("number")


def find(look: Look) -> Tested:
    """Find pairs of features that each look like a mixture of themselves and of the other, by the same share.

    From panes. Numbers by their distribution functions; categories by the labels that belong to the other one; a number
    and a category by labels of the category where numbers belong, and numbers where its labels belong. Only features
    that changed beyond chance are tried; two that look alike cannot be told apart, swapped or not.
    """
    pairs = list(look.pairs.values())
    places = {name: at for at, name in enumerate(look.baseline.bins.features)}
    found = [*_numbers(look.changed), *_texts(pairs, places)]
    return Tested(len(pairs), found)


def _numbers(changed: Sequence[Changed]) -> Iterator[Suspicion]:
    most = sorted(changed, key=lambda one: -one.distance)[:MOST]
    for a, b in combinations(most, 2):
        one = mixture(a.now.below, a.own, b.was.at(a.now.points))
        other = mixture(b.now.below, b.own, a.was.at(b.now.points))
        if _good(one, a.noise) and _good(other, b.noise) and abs(one.share - other.share) <= _chance(a, one, b, other):
            yield _finding(a.pair, b.pair, (one.share + other.share) / 2, max(a.p, b.p))


def _chance(a: Changed, one: Mixture, b: Changed, other: Mixture) -> float:
    """How far two estimates of the share of one swap may lie apart."""
    return min(MOST_UNLIKE, max(ALIKE, (a.noise / one.apart + b.noise / other.apart) / 3))


def _good(fit: Mixture, chance: float) -> bool:
    return fit.share >= LEAST_SHARE and fit.apart >= APART and fit.left <= min(chance, 0.25 * fit.distance)


def _texts(pairs: Sequence[Pair], places: dict[str, int]) -> Iterator[Suspicion]:
    """Pairs of which at least one is a category."""
    strayed = [pair for pair in pairs if pair.now.elsewhere is not None or pair.now.kinds is not None]
    for a, b in combinations([pair for pair in strayed if labelled(pair) or pair.number][:MOST], 2):
        if a.number and b.number:
            continue
        one, other = _of_other(a, b, places), _of_other(b, a, places)
        share = (one + other) / 2
        if min(one, other) >= LEAST_SHARE and abs(one - other) <= 0.1 * max(share, 0.5):
            p = max(
                more_often(1.0, pair.was.told * pair.n, part * pair.now.told * pair.m, pair.now.told * pair.m)
                for pair, part in ((a, one), (b, other))
            )
            yield _finding(a, b, share, p)


def _of_other(pair: Pair, other: Pair, places: dict[str, int]) -> float:
    """The share of a feature's values that belong to the other, beyond those that it had itself."""
    told = pair.now.told
    if not told:
        return 0.0
    if other.number:
        return 0.0 if pair.now.kinds is None else float(pair.now.kinds[_NUMBER]) / told
    assert isinstance(other.bins, CategoryBins)
    if pair.now.elsewhere is None or len(pair.now.elsewhere) <= places[other.name]:
        return 0.0
    known = 1.0
    if isinstance(pair.bins, CategoryBins):  # labels that both know are seen in neither
        own = set(pair.bins.labels)
        both = [label in own for label in other.bins.labels]
        known = 1.0 - float(shares(other.was)[:-1][both].sum() + shares(other.was)[-1])
    return min(1.0, float(pair.now.elsewhere[places[other.name]]) / told / known) if known > 0.1 else 0.0


def _finding(a: Pair, b: Pair, share: float, p: float) -> Suspicion:
    return suspicion(
        CHECK.name,
        [a.name, b.name],
        p,
        f"{quoted(a.name)} and {quoted(b.name)}: {percent(share)} of values stand in each other's column (swapped?)",
        was=0.0,
        now=share,
        concerned=share,
    )


CHECK = Check(
    "swapped",
    "swapped columns",
    "panes",
    find,
    covers=frozenset({"type_change", "unseen", "out_of_range", "unit_change"}),
)

"""Swapped columns: the values of two features are exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from driftline.panes.bins import CategoryBins
from driftline.panes.unbinned_values import KINDS

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import (
    ChangedNumber,
    CheckInput,
    FeaturePair,
    Mixture,
    Sums,
    has_categories,
    missed_in_other,
    mixture,
    shares,
)
from driftline_processor.core.quality.share_test import more_often

LEAST_SHARE = 0.05
"""Minimum fraction of swapped rows; fewer would be a minor finding."""

ALIKE, MOST_UNLIKE = 0.1, 0.3
"""Maximum difference of the two estimated fractions of a swap: the first number, or the difference by chance if rows
are few, but at most the second. Chance changes a fraction by a third of the noise of a distribution, divided by the
distance of the two distributions. With the first number alone, 18 % of swaps were reported as two features that
drift (days of 500 rows, 100 effective rows).
"""

MOST = 40
"""Number of features, those that changed most, of which all 780 pairs are tried."""

APART = 0.3
"""Minimum KS distance of two columns to detect a swap."""

_NUMBER = KINDS.index("number")


def find(look: CheckInput) -> CheckResult:
    """Find pairs of features that each look like a mixture of themselves and the other, in the same proportion.

    From panes. Numbers are compared by their distribution functions; categorical features by the categories that belong
    to the other; a number and a categorical feature by the values of the other kind. Only features that changed
    significantly are tried; two features with similar distributions cannot be distinguished.
    """
    return CheckResult(len(look.pairs), [*_numbers(look.changed), *_texts(look)])


def _numbers(changed: Sequence[ChangedNumber]) -> Iterator[Suspicion]:
    least = sorted((one.distance for one in changed), reverse=True)[:MOST][-1:]
    for a, b in combinations([one for one in changed if one.distance >= least[0]], 2):
        first_mixture = mixture(a.now.below, a.baseline_cdf, b.was.at(a.now.points))
        second_mixture = mixture(b.now.below, b.baseline_cdf, a.was.at(b.now.points))
        if (
            good(first_mixture, a.noise)
            and good(second_mixture, b.noise)
            and abs(first_mixture.share - second_mixture.share) <= _chance(a, first_mixture, b, second_mixture)
        ):
            yield _finding(a.pair, b.pair, (first_mixture.share + second_mixture.share) / 2, max(a.p, b.p))


def _chance(a: ChangedNumber, mixture: Mixture, b: ChangedNumber, other: Mixture) -> float:
    """Return the maximum difference of two estimates of the fraction of one swap."""
    return min(MOST_UNLIKE, max(ALIKE, (a.noise / mixture.component_distance + b.noise / other.component_distance) / 3))


def good(fit: Mixture, chance: float) -> bool:
    """Return True if a mixture explains a changed number, but for what chance leaves."""
    # 0.25: maximum unexplained fraction of the distance; otherwise something else shifted the feature
    return (
        fit.share >= LEAST_SHARE
        and fit.component_distance >= APART
        and fit.residual <= min(chance, 0.25 * fit.distance)
    )


def strayed_values(look: CheckInput) -> list[FeaturePair]:
    """Return the features with values of another type, or of other features."""
    found = [pair for pair in look.pairs.values() if pair.now.elsewhere is not None or pair.now.kinds is not None]
    return [pair for pair in found if has_categories(pair) or pair.number][:MOST]


def _texts(look: CheckInput) -> Iterator[Suspicion]:
    """Yield findings for pairs with at least one categorical feature."""
    for a, b in combinations(strayed_values(look), 2):
        if a.number and b.number:
            continue
        one, other = of_other(a, b, look), of_other(b, a, look)
        share = (one.share + other.share) / 2
        if min(one.share, other.share) >= LEAST_SHARE and abs(one.share - other.share) <= ALIKE * max(share, 0.5):
            yield _finding(a, b, share, max(one.p, other.p))


class _Strayed(NamedTuple):
    """The fraction of a feature's values that belong to another feature, with its p-value."""

    share: float = 0.0
    p: float = 1.0


def of_other(pair: FeaturePair, feature_pair: FeaturePair, look: CheckInput) -> _Strayed:
    """Return the fraction of a feature that belongs to the other, above that in the baseline.

    The result is empty if the baseline itself contains nearly as much of the other feature, such as two columns of the
    same cities.
    """
    now = _strange(pair.now, feature_pair, look.places)
    if now <= 0 or pair.was.with_value <= 0:
        return _Strayed()
    was, known_share, most_missed = _strange(pair.was, feature_pair, look.places), 1.0, 0.0
    if isinstance(feature_pair.bins, CategoryBins):
        other_shares = shares(feature_pair.was)
        known_share -= float(other_shares[-1])
        if isinstance(pair.bins, CategoryBins):  # common categories are not unseen in either
            own_categories = set(pair.bins.categories)
            is_common = [category in own_categories for category in feature_pair.bins.categories]
            known_share -= float(other_shares[:-1][is_common].sum())
            if any(is_common):
                more, most_missed = missed_in_other(pair)
                was, most_missed = (
                    (was + more, was + most_missed) if look.counts_strayed else (float(pair.was.counts[-1]),) * 2
                )
    before = was / pair.was.with_value
    # 0.1: minimum fraction of a feature's values in categories that the other feature lacks
    if known_share - before < max(0.1, before):
        return _Strayed()
    share = min(1.0, max(0.0, (now / pair.now.with_value - before) / (known_share - before)))
    expected_cases = max(1.0, max(was, most_missed) * pair.n)
    return _Strayed(
        share, more_often(expected_cases, pair.was.with_value * pair.n, now * pair.m, pair.now.with_value * pair.m)
    )


def _strange(sums: Sums, feature_pair: FeaturePair, places: Mapping[str, int]) -> float:
    """Return the weight of values that belong to the other feature."""
    if feature_pair.number:
        return 0.0 if sums.kinds is None else float(sums.kinds[_NUMBER])
    place = places[feature_pair.name]
    return 0.0 if sums.elsewhere is None or len(sums.elsewhere) <= place else float(sums.elsewhere[place])


def _finding(a: FeaturePair, b: FeaturePair, share: float, p: float) -> Suspicion:
    return suspicion(
        CHECK.name,
        [a.name, b.name],
        p,
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

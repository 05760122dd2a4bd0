"""Out of range: numbers outside the range of nearly all baseline values.

New infinities and values far outside are found however few they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.panes.unbinned_values import octave_bounds
from msgspec.structs import replace

from driftline_processor.core.drift.bin_edges import edge_number, single_value
from driftline_processor.core.drift.dependence import of_clusters
from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import CERTAIN, MARGIN, CheckInput, FeaturePair, FeatureTable, Mask
from driftline_processor.core.quality.share_test import CaseShare, may_matter, shares_of, suspect_new_values

ONE_END = 0.995
"""Fraction of the values outside the range at one end above which the finding names that end only: the fraction of the
values there is then the same in two digits.
"""

FAR = 1e6
"""Multiple of the baseline's largest magnitude above which a value is far."""

_BOUNDS = octave_bounds()
_NEAREST = np.concatenate([-_BOUNDS[: len(_BOUNDS) // 2], [0.0], _BOUNDS[len(_BOUNDS) // 2 :]])
"""The minimum magnitude of a value in each entry of ``tails:NAME``: float64 (TAILS,)."""


def suspect_far_values(check: str, pair: FeaturePair) -> Suspicion | None:
    """Return a suspicion for new infinities, or for values far above the baseline's maximum; else None.

    Chance cannot make an infinity from finite values. A window of m rows has a value F times the maximum of n rows with
    probability m / (m + n F) if the tails are Cauchy, with an infinite mean, and less often if they are lighter.
    Magnitudes are known up to 2^63, so a baseline within a factor of a million of that has no far values.
    """
    infinite = pair.now.infinite if _had_no_infinity(pair) else 0.0
    beyond, times = _beyond(pair)
    if infinite + beyond <= 0:
        return None
    values_given = pair.now.usable + pair.now.infinite
    n, m = pair.was.usable * pair.n, values_given * pair.m
    now = (infinite + beyond) / values_given
    return suspicion(
        check,
        [pair.name],
        0.0 if infinite else m / (m + n * times),
        was=0.0,
        now=now,
        concerned=now * values_given / pair.now.rows,
        infinite=infinite / values_given,
        far=beyond / values_given,
        lengths=pair.lengths,
    )


def _had_no_infinity(pair: FeaturePair) -> bool:
    """Return True if the baseline had no infinity; one without kinds of invalid values must have no invalid value."""
    return pair.was.usable > 0 and (pair.was.infinite == 0 if pair.was.kinds is not None else pair.was.invalid == 0)


def _beyond(pair: FeaturePair) -> tuple[float, float]:
    """Return the weight of far values, and the largest as a multiple of the baseline's maximum."""
    if pair.minimum is None or pair.greatest is None or pair.now.tails is None:
        return 0.0, 1.0
    largest = max(abs(pair.minimum), abs(pair.greatest))
    is_far = (FAR * largest <= _NEAREST) & (pair.now.tails > 0)
    if largest <= 0 or not is_far.any():
        return 0.0, 1.0
    return float(pair.now.tails[is_far].sum()), float(_NEAREST[is_far].max()) / largest


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of values outside the outer edges of the bins, infinities included.

    From panes, exactly. The edges are the 0.1 % and the 99.9 % quantile of the baseline, or its minimum and maximum if
    it has few values, so a single outlier in the baseline does not widen the range. Infinities and far values are found
    however few they are. If most values lie outside, it is a finding whatever the variance between days.
    """
    table = look.table
    looked_at = table.number & (np.diff(table.now.start, append=len(table.now.counts)) > 1)
    was, now = (shares_of(one.outer + one.infinite, one.usable + one.infinite) for one in (table.was, table.now))
    suspect = may_matter(was, now) | (table.now.infinite > 0) | _may_be_far(table)
    suspicions = [
        one
        for pair in table.where(looked_at & suspect)
        if (one := _check_pair(_by_own_design(pair, look), pair.bins, look.shares.level)) is not None
    ]
    return CheckResult(int(np.count_nonzero(looked_at)), suspicions)


def _may_be_far(known: FeatureTable) -> Mask:
    """Return False for features without a far value."""
    found = np.zeros(len(known.pairs), np.bool_)
    tails = [(index, pair, pair.now.tails) for index, pair in enumerate(known.pairs) if pair.now.tails is not None]
    if tails:
        largest = np.array([max(abs(pair.minimum or 0.0), abs(pair.greatest or 0.0)) for _, pair, _ in tails])
        held = (np.stack([one for *_, one in tails]) > 0) & (largest[:, np.newaxis] <= _NEAREST * ((1 + MARGIN) / FAR))
        found[[at for at, *_ in tails]] = held.any(axis=1)
    return found


def _by_own_design(pair: FeaturePair, look: CheckInput) -> FeaturePair:
    """Return the pair with the design effect of the fractions out of range, by days or by clusters.

    Days with different levels have nearly the same fractions outside the edges, so far more of their rows are
    effective. The fraction that a far day may have outside by its level alone counts as the baseline's.
    """
    by_days = look.shares.outside.get(f"feature:{pair.name}")
    if by_days is None:
        return pair
    groups = look.outside_by_group(pair.name)
    own = by_days
    if groups is not None:
        own = max(own, of_clusters(groups, None, max(1.0, pair.was.usable), ordered=True).effect)
    return replace(pair, n=pair.n * pair.design_effect / own, m=pair.m * pair.design_effect / own, design_effect=own)


def _check_pair(pair: FeaturePair, bins: object, by_level: Mapping[str, float]) -> Suspicion | None:
    assert isinstance(bins, NumberBins)
    was, now = (
        CaseShare(float(sums.counts[0] + sums.counts[-1]) + sums.infinite, sums.usable + sums.infinite)
        for sums in (pair.was, pair.now)
    )
    if was.of <= 0 or now.of <= 0:
        return None
    low, high = float(pair.now.counts[0]), float(pair.now.counts[-1])
    one_end = low > ONE_END * now.cases or high > ONE_END * now.cases
    side: Literal["", "below", "above"] = "" if not one_end else "below" if low > high else "above"
    # 0.5: fraction of the values out of range from which on the design effect is ignored: most rows are unlike the
    # training data, whatever the reason.
    if now.share >= 0.5 and pair.design_effect > 1:
        pair = replace(pair, n=pair.n * pair.design_effect, m=pair.m * pair.design_effect, design_effect=1.0)
    usual_days = max(0.0, by_level.get(f"feature:{pair.name}", 0.0) - was.share) * was.of * pair.n
    least, greatest = edge_number(bins.edges, 0), edge_number(bins.edges, len(bins.edges) - 1)
    values = {
        "low": least,
        "high": greatest,
        "side": side,
        "high_outside": single_value(bins.edges, len(bins.edges) - 1) is None,
        "infinite": pair.now.infinite / now.of,
    }
    # 2.0: expected values of the next sample outside the range of a sample of the same size, one at either end
    # (Gumbel and von Schelling 1950)
    more = suspect_new_values(CHECK.name, pair, was, now, 2.0 + usual_days, **values)
    return more if more is not None and more.p <= CERTAIN else suspect_far_values(CHECK.name, pair) or more


CHECK = Check("out_of_range", "out of range", "panes", find)

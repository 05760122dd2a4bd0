"""Test whether a kind of value occurs in a larger fraction of the rows than before."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from driftline.tables.table import F64
from msgspec.structs import replace

from driftline_processor.core.special_functions import betainc

from .check import Suspicion, suspicion
from .feature_sums import MARGIN, FeaturePair, Mask

LEAST = 0.1
"""Minimum relevant difference, as Cohen's h: from 0 to 0.25 %, from 2 to 3.6 %, from 10 to 13.2 %, from 50 to 55 %.
From 1.9 % to 2 % is 0.007.
"""


def effect(was: float, now: float) -> float:
    """Return Cohen's h of two fractions, 2 asin √now - 2 asin √was, which needs the same rows to detect at any level.

    Source: Cohen, "Statistical power analysis for the behavioral sciences" (1988), chapter 6.

    >>> round(effect(0.019, 0.02), 4), round(effect(0.02, 0.05), 4)
    (0.0072, 0.1672)
    """
    return 2 * (math.asin(math.sqrt(min(1.0, max(0.0, now)))) - math.asin(math.sqrt(min(1.0, max(0.0, was)))))


def may_matter(was: F64, now: F64, *, both: bool = False) -> Mask:
    """Return True if a fraction has risen by at least :data:`LEAST`; ``both``: or fallen.

    Args:
        was: float64 (k,), from 0 to 1; NaN returns False.
        now: float64 (k,), likewise.
        both: Include falls.
    """
    difference = 2 * (np.arcsin(np.sqrt(np.clip(now, 0.0, 1.0))) - np.arcsin(np.sqrt(np.clip(was, 0.0, 1.0))))
    matters: Mask = (np.abs(difference) if both else difference) >= LEAST * (1 - MARGIN)
    return matters


def shares_of(cases: F64, of: F64) -> F64:
    """Return cases / of, NaN if ``of`` is 0: float64 (k,)."""
    shares: F64 = np.divide(cases, of, out=np.full(len(of), np.nan), where=of > 0)
    return shares


def more_often(was: float, n: float, now: float, m: float) -> float:
    """Return the one-sided p-value of ``now`` cases in ``m`` rows after ``was`` in ``n``.

    Given all cases, those of the window are binomial, or less dispersed: the test is exact for rare cases, and
    conservative for frequent ones. Both samples count as uncertain. Cases and rows may be effective ones.

    Source: Przyborowski and Wilenski, "Homogeneity of results in testing samples from Poisson series" (1940).

    >>> more_often(0, 1000, 0, 500)
    1.0
    >>> round(more_often(0, 100_000, 3, 1_000), 9)
    9.71e-07
    """
    if now <= 0 or m <= 0:
        return 1.0
    if n <= 0:
        return 1.0
    return float(betainc(now, was + 1, m / (n + m)))


class CaseShare(NamedTuple):
    """A weight of ``cases`` among a weight ``of`` values."""

    cases: float
    of: float

    @property
    def share(self) -> float:
        """The fraction of the values that are cases."""
        return self.cases / self.of


CONSTANT = 0.95
"""Fraction of the baseline's values from which a feature with one value is nearly constant."""


def suspect_new_values(
    check: str, pair: FeaturePair, was: CaseShare, now: CaseShare, beyond: float = 0.0, **values: Any
) -> Suspicion | None:
    """Return :func:`suspect_rise` for values that the baseline lacks.

    A new value of a nearly constant feature is minor: the baseline had no occasion to show other values. If most rows
    have it, the feature is not the same any more.
    """
    found = suspect_rise(check, pair, was, now, beyond, **values)
    if found is None or found.finding.severity == "critical":
        return found
    if float(pair.was.counts.max(initial=0.0)) < CONSTANT * pair.was.usable:
        return found
    return found._replace(finding=replace(found.finding, severity="minor"))


def suspect_rise(
    check: str, pair: FeaturePair, was: CaseShare, now: CaseShare, beyond: float = 0.0, **values: Any
) -> Suspicion | None:
    """Return a suspicion if more values of a feature are cases than before; None if the effect is too small.

    ``beyond``: cases added to the baseline's; ``values``: further attributes of the finding. The p-value is that of
    :func:`more_often` with effective rows.
    """
    if was.of <= 0 or now.of <= 0 or effect(was.share, now.share) < LEAST:
        return None
    p = more_often(was.cases * pair.n + beyond, was.of * pair.n, now.cases * pair.m, now.of * pair.m)
    concerned = (now.share - was.share) * now.of / pair.now.rows
    return suspicion(
        check, [pair.name], p, was=was.share, now=now.share, concerned=concerned, lengths=pair.lengths, **values
    )

"""Recoded: categories have other names, such as "NY" and "New York", or 0 and "no"."""

from __future__ import annotations

import math

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair, effective_rows, has_categories
from driftline_processor.core.quality.share_test import more_often

ALL = 0.9
"""Minimum fraction of the values that are other texts, and of the baseline's values that were not."""

MOST_VALUES = 50
"""Maximum number of different values: more share a hash by chance."""


def find(look: CheckInput) -> CheckResult:
    """Find features of which all values are new texts, with the frequencies of the categories before.

    From panes: the frequencies of new texts are counted by a hash of 256 values. Categories, or numbers with few
    values, are compared in the order of their frequency. Categories of another feature are no new names.
    """
    candidates = [pair for pair in look.pairs.values() if has_categories(pair) or isinstance(pair.bins, NumberBins)]
    suspicions = [found for pair in candidates if (found := _check_pair(pair)) is not None]
    return CheckResult(len(candidates), suspicions)


def _check_pair(pair: FeaturePair) -> Suspicion | None:
    new, given = pair.now.others, pair.now.with_value
    elsewhere = 0.0 if pair.now.elsewhere is None else float(pair.now.elsewhere.sum())
    if new is None or pair.now.numbers_are_texts or elsewhere > 0.1 * given:
        return None
    if new.sum() < ALL * given or pair.was.usable < ALL * pair.was.with_value:
        return None
    known = pair.was.counts if pair.number else pair.was.counts[:-1]
    n, m = effective_rows(pair)[0], float(new.sum()) * pair.m
    # 0.001: fraction of the values below which a text is an error rather than a category
    was, now = (_ordered(counts[counts > 0.001 * counts.sum()]) for counts in (known, new))
    if known.sum() < ALL * pair.was.usable or not 2 <= len(was) <= MOST_VALUES or not 2 <= len(now) <= len(was):
        return None
    now = np.append(now, np.zeros(len(was) - len(now)))
    # 0.05: difference between periods; 0.8: by chance, the mean absolute deviation of a normal variable
    if np.abs(now - was).sum() / 2 > 0.05 + 0.4 * math.sqrt(len(was) * (1 / n + 1 / m)):
        return None
    strange = pair.was.with_value - float(known.sum())
    p = more_often(strange * pair.n, pair.was.with_value * pair.n, m, given * pair.m)
    return suspicion(CHECK.name, [pair.name], p, was=0.0, now=float(new.sum()) / given, concerned=1.0)


def _ordered(counts: F64) -> F64:
    """Return fractions, the largest first."""
    fractions: F64 = np.sort(counts)[::-1] / max(float(counts.sum()), 1e-12)
    return fractions


CHECK = Check("recoded", "other names of categories", "panes", find, covers=frozenset({"unseen", "type_change"}))

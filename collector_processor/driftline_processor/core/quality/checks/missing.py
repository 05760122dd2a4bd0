"""Missing values: a feature lacks values in another fraction of the rows than before."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.panes.pane import Pane

from driftline_processor.core.drift.dependence import Design, of_clusters, student_p_value
from driftline_processor.core.nearest_names import nearest
from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair
from driftline_processor.core.quality.share_test import LEAST, effect, may_matter, more_often, shares_of

UNKNOWN = "unknown:"
"""Prefix of part names for features that the baseline lacks."""


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of missing values: more of them, or far fewer (imputed upstream).

    From panes, exactly. The test is two-sided. If a key defines groups of rows, the design effect is estimated from
    these groups: a customer may lack a value in all of its rows.
    """
    was, now = (shares_of(suspicion.missing, suspicion.rows) for suspicion in (look.table.was, look.table.now))
    suspect = look.table.where(may_matter(was, now, both=True))
    suspicions = [suspicion for pair in suspect if (suspicion := _check_pair(pair, look)) is not None]
    return CheckResult(len(look.pairs), suspicions)


def _check_pair(pair: FeaturePair, look: CheckInput) -> Suspicion | None:
    was, now = pair.was.missing / pair.was.rows, pair.now.missing / pair.now.rows
    if abs(effect(was, now)) < LEAST:
        return None
    design = _design(pair, look)
    worth, similar = pair.design_effect / design.effect, ""
    n, m = pair.was.rows * pair.n * worth, pair.now.rows * pair.m * worth
    if now > was:
        p = more_often(was * n, n, now * m, m)
        if now == 1.0:
            similar = similar_feature(pair.name, unknown_features(look.pane))
    else:
        p = more_often((1 - was) * n, n, (1 - now) * m, m)
    return suspicion(
        CHECK.name,
        [pair.name],
        min(1.0, 2 * student_p_value(p, design.freedom)),
        was=was,
        now=now,
        concerned=abs(now - was),
        similar=similar,
    )


def similar_feature(name: str, unknown: Sequence[str]) -> str:
    """Return the new feature with the name nearest to a missing feature; "" if none is near.

    >>> similar_feature("age", ["age_years"])
    'age_years'
    """
    return next(iter(nearest(name, unknown, most=1)), "")


def unknown_features(pane: Pane) -> list[str]:
    """Return the names of features in the window that the baseline lacks."""
    return [part.removeprefix(UNKNOWN) for part in sorted(pane.parts) if part.startswith(UNKNOWN)]


def _design(pair: FeaturePair, look: CheckInput) -> Design:
    """Return the design effect of missing values: from days or from clusters, whichever is larger."""
    by_days = Design(look.shares.missing.get(f"feature:{pair.name}", 1.0))
    groups = look.missing_by_group(pair.name)
    if groups is None:
        return by_days
    by_clusters = of_clusters(groups, None, max(1.0, pair.was.rows), ordered=True)
    return max(by_days, by_clusters, key=lambda design: design.effect)


CHECK = Check("missing", "missing values", "panes", find)

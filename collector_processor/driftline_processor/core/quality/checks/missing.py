"""Missing: a feature has no value in another share of the rows than before."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.panes.pane import Pane

from driftline_processor.core.drift.dependence import Design, of_clusters, student_p_value
from driftline_processor.core.nearest_names import nearest
from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair
from driftline_processor.core.quality.share_test import LEAST, effect, may_matter, more_often, shares_of

UNKNOWN = "unknown:"
"""Before the name of a feature that the baseline does not know, in the names of parts."""


def find(look: CheckInput) -> CheckResult:
    """Compare the share of missing values: more of them, or far fewer (somebody fills them in).

    From panes, exactly. Both ways, so a p-value counts twice. Where a key says which rows belong together, the design
    effect of being missing is estimated from their groups: a customer may lack a value in all of its rows.
    """
    was, now = (shares_of(suspicion.missing, suspicion.rows) for suspicion in (look.table.was, look.table.now))
    suspect = look.table.where(may_matter(was, now, both=True))
    suspicions = [suspicion for pair in suspect if (suspicion := _of(pair, look)) is not None]
    return CheckResult(len(look.pairs), suspicions)


def _of(pair: FeaturePair, look: CheckInput) -> Suspicion | None:
    was, now = pair.was.missing / pair.was.rows, pair.now.missing / pair.now.rows
    if abs(effect(was, now)) < LEAST:
        return None
    design = _design(pair, look)
    worth, similar = pair.alike / design.effect, ""
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
    """Return the new feature whose name is nearest to a missing one; "" if none is near.

    >>> similar_feature("age", ["age_years"])
    'age_years'
    """
    return next(iter(nearest(name, unknown, most=1)), "")


def unknown_features(pane: Pane) -> list[str]:
    """Return the names of features that rows had and that the baseline does not know."""
    return [part.removeprefix(UNKNOWN) for part in sorted(pane.parts) if part.startswith(UNKNOWN)]


def _design(pair: FeaturePair, look: CheckInput) -> Design:
    """Return the design effect of missing values: by days whose shares differ, or by clusters, whichever is greater."""
    by_days = Design(look.shares.missing.get(f"feature:{pair.name}", 1.0))
    groups = look.missing_by_group(pair.name)
    if groups is None:
        return by_days
    by_clusters = of_clusters(groups, None, max(1.0, pair.was.rows), ordered=True)
    return max(by_days, by_clusters, key=lambda design: design.effect)


CHECK = Check("missing", "missing values", "panes", find)

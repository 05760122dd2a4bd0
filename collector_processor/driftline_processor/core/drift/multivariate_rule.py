"""The rule for multivariate drift: the p-values of its methods are a family of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.pca_fit import PcaFit
from driftline.panes.fold import PREFIX
from driftline.panes.pane import Pane
from driftline.panes.pca import Space
from driftline.tables.table import F64

from driftline_processor.core.drift.multivariate.method import ALPHA, JointResult, PanePair
from driftline_processor.core.evaluation import ColumnDrift, InconclusiveReason, JointDrift, State

from .multivariate import JOINT
from .p_values import benjamini_hochberg

MIN_ROWS = 100
"""Minimum (effective) rows of either sample for a decision: errors are skewed, and the mean of 60 is not yet normal."""


_KNOWN: WeakKeyDictionary[Baseline, dict[str, Any]] = WeakKeyDictionary()
"""Cached results of baselines alone, half the work of a window."""


def drift_together(
    pane: Pane,
    baseline: Baseline,
    features: Mapping[str, ColumnDrift],
    from_rows: Mapping[str, JointResult] | None = None,
    wanted: Collection[str] | None = None,
    least: float = 0.0,
    blocks: float = 0.0,
) -> dict[str, JointDrift]:
    """Compare a window with the baseline by all multivariate methods that its sums, or rows, allow.

    ``features``: their univariate results, with design effects. ``blocks``: see
    :func:`~.normal_variation.rows_of_a_block`. ``from_rows``: results of methods that need rows, by name. ``wanted``:
    the methods to compute from sums, None for all. ``least``: the minimum effect of any method. State *drift* =
    Benjamini-Hochberg-adjusted p <= 0.01 over the methods and effect >= the method's minimum.
    """
    results: dict[str, JointResult] = {}
    space = baseline.bins.space
    if space is not None and space.names_in(baseline.bins.features):
        fitted = baseline.extras.pca_fit or PcaFit(0, 0.0)
        clustered = any(name.startswith(PREFIX) for name in pane.parts)
        design_effects = products_design_effect(space, features, 0.0 if clustered else blocks)
        sides = PanePair(space, baseline.pane, pane, fitted, design_effects, _KNOWN.setdefault(baseline, {}))
        for name, method in JOINT.items():
            requested = wanted is None or name in wanted
            if requested and method.measure is not None and (result := method.measure(sides)) is not None:
                results[name] = result
    results |= from_rows or {}
    enough = {name: result for name, result in results.items() if result.rows >= MIN_ROWS and not result.missing}
    adjusted = benjamini_hochberg(np.array([result.p_value for result in enough.values()], dtype=np.float64)).tolist()
    p_values = dict(zip(enough, adjusted, strict=True))
    return {name: _decided(name, result, p_values.get(name), least) for name, result in results.items()}


def products_design_effect(space: Space, features: Mapping[str, ColumnDrift], blocks: float) -> F64:
    """Return the design effect of the mean product of two features: float64 (d, d).

    If days differ, with a variance v of their levels relative to that of rows, the mean of each feature varies by v,
    but the mean product of two features only by v². For example, a design effect of 21 of both features, with 1,000
    rows per day, is 1.4 for their product. With clusters, whose rows are correlated in all features, it equals that of
    the features.

    Args:
        space: The features.
        features: Their univariate results.
        blocks: Factor from variance between blocks to design effect, see :func:`~.normal_variation.rows_of_a_block`; 0
            = rows are correlated by clusters.
    """
    single_effects = np.array([features[name].design_effect if name in features else 1.0 for name in space.names])
    design_effects: F64 = np.maximum(single_effects[:, np.newaxis], single_effects)
    return (
        design_effects
        if blocks <= 0
        else np.minimum(design_effects, 1 + np.outer(single_effects - 1, single_effects - 1) / blocks)
    )


def joint_design_effect(space: Space, features: Mapping[str, ColumnDrift]) -> float:
    """Return the greatest design effect of the features."""
    return max([1.0, *(features[name].design_effect for name in space.names if name in features)])


def _decided(name: str, joint_result: JointResult, p: float | None, least: float) -> JointDrift:
    state: State = "inconclusive"
    reason: InconclusiveReason = "not_comparable" if joint_result.missing else "too_few_rows"
    if p is not None:
        state = "drift" if p <= ALPHA and joint_result.effect >= max(JOINT[name].min_effect, least) else "ok"
        reason = ""
    value, contributors = joint_result.value, joint_result.contributors
    return JointDrift(
        method=name,
        state=state,
        rows=round(joint_result.rows),
        value=None if joint_result.missing else value,
        p_value=p,
        effect=joint_result.effect,
        was=joint_result.was,
        now=joint_result.now,
        contributors=() if joint_result.missing else contributors,
        changed_pairs=joint_result.changed_pairs,
        missing=joint_result.missing,
        reason=reason,
    )

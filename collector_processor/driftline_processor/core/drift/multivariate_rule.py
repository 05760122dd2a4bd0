"""The rule for multivariate drift: the p-values of its methods are a family of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.pca_fit import PcaFit
from driftline.panes.pane import Pane
from driftline.panes.pca import Space

from driftline_processor.core.drift.multivariate.method import ALPHA, JointResult, PanePair
from driftline_processor.core.evaluation import JointDrift, State, TargetDrift

from .multivariate import JOINT
from .p_values import benjamini_hochberg

MIN_ROWS = 100
"""Fewer (effective) rows, of either side, decide nothing: errors are skewed, and over 60 rows their mean is no normal
one yet."""


def drift_together(
    pane: Pane,
    baseline: Baseline,
    features: Mapping[str, TargetDrift],
    from_rows: Mapping[str, JointResult] | None = None,
    wanted: Collection[str] | None = None,
    least: float = 0.0,
) -> dict[str, JointDrift]:
    """Compare a window with the baseline by all methods that its sums, or rows, suffice for.

    ``features``: what was found of them one at a time; rows count for as many independent ones as those of the feature
    whose rows resemble each other most. ``from_rows``: what methods found that need rows, by name. ``wanted``: the
    methods that are computed from sums, None for all. ``least``: the least effect that counts, of any method.
    State *drift* = Benjamini-Hochberg-adjusted p <= 0.01 over the methods and effect >= the method's least.
    """
    found: dict[str, JointResult] = {}
    space = baseline.bins.space
    if space is not None and space.names_in(baseline.bins.features):
        fitted = baseline.extras.fitted or PcaFit(0, 0.0)
        sides = PanePair(space, baseline.pane, pane, fitted, joint_design_effect(space, features))
        for name, method in JOINT.items():
            asked = wanted is None or name in wanted
            if asked and method.measure is not None and (result := method.measure(sides)) is not None:
                found[name] = result
    found |= from_rows or {}
    enough = {name: result for name, result in found.items() if result.rows >= MIN_ROWS and not result.blind}
    adjusted = benjamini_hochberg(np.array([result.p_value for result in enough.values()], dtype=np.float64)).tolist()
    p_values = dict(zip(enough, adjusted, strict=True))
    return {name: _decided(name, result, p_values.get(name), least) for name, result in found.items()}


def joint_design_effect(space: Space, features: Mapping[str, TargetDrift]) -> float:
    """Return the design effect: as many as of the feature whose rows resemble each other most."""
    return max([1.0, *(features[name].design_effect for name in space.names if name in features)])


def _decided(name: str, found: JointResult, p: float | None, least: float) -> JointDrift:
    state: State = "blind" if found.blind else "cannot_tell"
    if p is not None:
        state = "drift" if p <= ALPHA and found.effect >= max(JOINT[name].min_effect, least) else "ok"
    contributors, sentence = ((), found.blind) if found.blind else (found.told, JOINT[name].sentence(found))
    value = None if found.blind else found.value
    return JointDrift(
        name, state, round(found.rows), value, p, found.effect, found.was, found.now, contributors, sentence
    )

"""Target shift of a regression: whether a new distribution of the target explains that predictions moved.

Direct loss estimation assumes that inputs moved, and each row errs as rows like it erred. If the target moved instead,
each value as it was, rows of the same inputs have other targets, and other errors. Nobody knows which without knowing
how the target is spread at each input. So an estimate has no interval where predictions moved and nothing refutes that
the target did.

One number tells what is due, as with classes (:mod:`.label_shift`): the move δ of the target's mean, by how much of its
variance the predictions explain. Each feature must then move by its own share of that variance. This holds where a
feature's mean rises about evenly with the target, whatever else moved of the target's distribution.
"""

from __future__ import annotations

import math

from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from msgspec import Struct

from driftline_processor.core.evaluation import LabelShift

from .label_shift import POSSIBLE, ScalarOutcome, explanation, feature_shifts, move_of
from .point import DEVIATIONS


class TargetShift(Struct, frozen=True):
    """The mean of the target in the reference, and in the window."""

    was: float
    now: float


def explain_target_shift(pane: Pane, baseline: Baseline, between: float = 0.0) -> tuple[LabelShift, TargetShift] | None:
    """Say whether a new mean of the target explains that predictions moved; None where they are well within chance.

    Args:
        pane: Pane of the window.
        baseline: Baseline whose outcomes are known.
        between: Variance of the target's mean between stretches of time of the window's length.
    """
    target, known, losses = _target(baseline), baseline.extras.score_means, pane.parts.get("score")
    means = None if known is None else known.by_part.get("score")
    if target is None or means is None or losses is None:
        return None
    mean, variance = target
    whole = ScalarOutcome(lambda one: one.outcome, variance, 1.0, 1.0)
    move = move_of(pane, baseline, "score", means, whole)
    # 0.01: share of the target's variance that predictions explain, from which on they tell of the target at all: with
    # less, a move of one tenth of a standard deviation of the predictions would be one of the whole target
    if move is None or move.due < 0.01 or move.deviation <= 0:
        return None
    deviation = math.sqrt(move.deviation**2 + between)
    p_value = math.erfc(abs(move.carried) / deviation / math.sqrt(2))
    if p_value > POSSIBLE:
        return None
    shift, wide = move.carried / move.due, DEVIATIONS * deviation / move.due
    features = feature_shifts(pane, baseline, ScalarOutcome(lambda one: one.outcome, variance, move.due, shift))
    explains, by = explanation(features, p_value)
    now = mean + shift
    moved = LabelShift(explains, mean, now, now - wide, now + wide, p_value, 1.0, by, quantity="mean")
    return moved, TargetShift(mean, now)


def target_sums(pane: Pane) -> tuple[float, float, float] | None:
    """Return weight, mean and variance of the target of a pane with outcomes; None without any."""
    sums = pane.parts.get("losses")
    if sums is None or len(sums) < 6 or sums[0] <= 0:
        return None
    weight, total, squares = float(sums[0]), float(sums[4]), float(sums[5])
    return weight, total / weight, max(0.0, squares / weight - (total / weight) ** 2)


def _target(baseline: Baseline) -> tuple[float, float] | None:
    found = target_sums(baseline.pane)
    return None if found is None or found[2] <= 0 else (found[1], found[2])

"""The input of a detector: one number per outcome, greater for a worse prediction."""

from __future__ import annotations

from typing import Literal

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import F64
from driftline.tables.task import PerKind, Task

from driftline_processor.core.outcomes.sums import losses

Kind = Literal["error", "loss"]
"""Input of the detector: 0 or 1 for correct and incorrect, or a standardised loss within ``-CLIP`` and ``CLIP``."""

CLIP = 4.0
"""Standard deviations: an outlier of 1e9 counts as 4, and bounds of detectors that require a range have one."""

LEAST_REFERENCE = 100
"""Minimum losses for a mean and a standard deviation, whose standard errors are then a tenth of a deviation."""


def kind_of(task: Task) -> Kind | None:
    """Return the kind of a task's errors; None without errors (rankings, unknown tasks)."""
    return _KINDS.of(task)


_KINDS: PerKind[Kind | None] = PerKind(
    binary="error", multiclass="error", regression="loss", ranking=None, unknown=None
)


def reference_loss(baseline: Baseline | None) -> tuple[float, float] | None:
    """Return mean and standard deviation of the absolute error in a baseline; None without outcomes."""
    if baseline is None or not baseline.task.predicts_number:
        return None
    sums = losses(baseline.pane, baseline.task)
    if sums is None or sums["weight"] < LEAST_REFERENCE:
        return None
    mean = sums["absolute_error"] / sums["weight"]
    return mean, float(np.sqrt(max(0.0, sums["squared_error"] / sums["weight"] - mean**2)))


def standardised(values: F64, scale: tuple[float, float]) -> F64:
    """Return losses less their mean in standard deviations, within ``-CLIP`` and ``CLIP``.

    >>> standardised(np.array([2.0, 3.0, 1e9]), (2.0, 0.5))
    array([0., 2., 4.])
    """
    mean, deviation = scale
    # if the reference has a single loss value, every other value is at the limit
    shifted = (values - mean) / deviation if deviation > 0 else np.sign(values - mean) * CLIP
    clipped: F64 = np.clip(shifted, -CLIP, CLIP)
    return clipped

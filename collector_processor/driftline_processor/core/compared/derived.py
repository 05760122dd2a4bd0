"""A baseline of other rows over the same bins."""

from __future__ import annotations

from dataclasses import replace

from driftline.baseline import Baseline
from driftline.extras import Extras
from driftline.pane import Pane
from driftline.slices import Slices
from driftline.tables import Task


def derived(baseline: Baseline, pane: Pane, extras: Extras, task: Task | None = None) -> Baseline:
    """Return a baseline with another pane over its bins, and other extras; ``task``: another one.

    It has the same ``fold``, which is not worked out again: that takes longer than the rest. So ``extras`` must not
    change what is folded over (:data:`driftline.extras.FOLDED_OVER`).
    """
    other = replace(baseline, pane=pane, extras=extras, task=task or baseline.task)
    vars(other)["fold"] = baseline.fold
    return other


def with_slices(baseline: Baseline, slices: Slices | None) -> Baseline:
    """Return a baseline with other slices of its rows."""
    return derived(baseline, baseline.pane, replace(baseline.extras, slices=slices))

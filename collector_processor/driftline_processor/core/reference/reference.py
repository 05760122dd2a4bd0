"""A reference: a baseline, or one of other rows over the same bins, and its description."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.panes.pane import Pane
from driftline.tables.task import Task

from driftline_processor.core.facts import Fact


class Reference(NamedTuple):
    """The reference that a window is compared with.

    Attributes:
        baseline: Over the bins, and with the ``fold``, of the one in force, so that everything that compares takes it
            as it is.
        notes: How it differs from the baseline, such as the same hours; () = the baseline as it is.
        shift: The least that counts as drift, in standard deviations, while little is known of the reference
            (:mod:`.cold_start`).
        seasonal: Whether it is at the window's own seasons (:mod:`.season`).
    """

    baseline: Baseline
    notes: tuple[Fact, ...] = ()
    shift: float = 0.0
    seasonal: bool = False


def derive_baseline(baseline: Baseline, pane: Pane, extras: Extras, task: Task | None = None) -> Baseline:
    """Return a baseline with another pane over its bins, and other extras; ``task``: another one.

    It has the same ``fold``, which is not computed again: that takes longer than the rest.
    """
    other = replace(baseline, pane=pane, extras=extras, task=task or baseline.task)
    vars(other)["fold"] = baseline.fold
    return other

"""A reference: a baseline, or other rows over the same bins, with its description."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.panes.pane import Pane
from driftline.tables.task import Task

from driftline_processor.core.fact import Fact


class Reference(NamedTuple):
    """The reference that a window is compared with.

    Attributes:
        baseline: Baseline with the bins and the ``fold`` of the one in force, so that it can be used in its place.
        notes: Differences from the baseline, such as the same hours; () = the baseline as it is.
        shift: Minimum shift that counts as drift, in standard deviations, while the reference is short
            (:mod:`.cold_start`).
        seasonal: True if it has the window's own mix of seasons (:mod:`.season`).
    """

    baseline: Baseline
    notes: tuple[Fact, ...] = ()
    shift: float = 0.0
    seasonal: bool = False


def derive_baseline(baseline: Baseline, pane: Pane, extras: Extras, task: Task | None = None) -> Baseline:
    """Return a baseline with another pane over its bins, other extras, and optionally another ``task``.

    It shares the ``fold``, whose computation would take longer than the rest.
    """
    other = replace(baseline, pane=pane, extras=extras, task=task or baseline.task)
    vars(other)["fold"] = baseline.fold
    return other

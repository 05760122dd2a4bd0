"""A reference: a baseline, or one of other rows over the same bins, and its description."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.panes.pane import Pane
from driftline.tables.task import Task


class Reference(NamedTuple):
    """The reference that a window is compared with.

    Attributes:
        baseline: Over the bins, and with the ``fold``, of the one in force, so that everything that compares takes it
            as it is.
        note: For people, such as "the same hours"; "" = the baseline as it is.
        shift: The least that counts as drift, in standard deviations, while little is known of the reference
            (:mod:`.cold_start`).
        seasonal: Whether it is at the window's own seasons (:mod:`.season`).
    """

    baseline: Baseline
    note: str = ""
    shift: float = 0.0
    seasonal: bool = False

    def and_also(self, note: str) -> str:
        """Return its note with another one behind it.

        >>> from types import SimpleNamespace
        >>> Reference(SimpleNamespace(), "the last 30d").and_also("the same hours")
        'the last 30d, the same hours'
        """
        return ", ".join(one for one in (self.note, note) if one)


def derive_baseline(baseline: Baseline, pane: Pane, extras: Extras, task: Task | None = None) -> Baseline:
    """Return a baseline with another pane over its bins, and other extras; ``task``: another one.

    It has the same ``fold``, which is not computed again: that takes longer than the rest.
    """
    other = replace(baseline, pane=pane, extras=extras, task=task or baseline.task)
    vars(other)["fold"] = baseline.fold
    return other

"""Implicit feedback for rankings: a list without an event counts as a list without clicks.

If a model has ``outcomes: implicit``, a list without any outcome counts as one without relevant items, as soon as its
window has waited for the delay of outcomes. In the sums such a list adds only its weight, so a late click removes its
list by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.relevance import CUTOFFS, PREFIX, WIDTH
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.outcomes.coverage import sent_rows

from .window_outcomes import BlockSums, Steps, WindowOutcomes

OF_ALL_LISTS = ("ctr", "hit_rate", "precision")
"""Metrics for which lists without relevant items count."""


def count_silence(pane: Pane, task: Task) -> Pane:
    """Return a pane in which every recorded list without outcomes counts as not clicked.

    Predictions that were counted but not sent as rows, and deleted ones, are excluded.

    >>> known = {"rows": np.full(3, 9.0), "outcomes": np.full(3, 2.0), "clicks": np.full(2, 1.0)}
    >>> count_silence(Pane(known), Task("ranking")).parts["outcomes"]
    array([9., 9., 9.])
    """
    silent: F64 = np.maximum(0.0, sent_rows(pane) - pane.parts.get("outcomes", np.zeros(3)))
    if silent[0] < 1:
        return pane
    parts = dict(pane.parts)
    for name in ("outcomes", *(f"{PREFIX}{cutoff}" for cutoff in task.cutoffs or CUTOFFS)):
        sums = parts.get(name, np.zeros(3 if name == "outcomes" else WIDTH)).copy()
        sums[:3] += silent
        parts[name] = sums
    return Pane(parts)


def count_silence_everywhere(outcomes: WindowOutcomes, task: Task) -> WindowOutcomes:
    """Return the outcomes with :func:`count_silence` applied to the blocks and slices of a window."""

    def silent(panes: Iterable[Pane]) -> list[Pane]:
        return [count_silence(pane, task) for pane in panes]

    slices = dict(zip(outcomes.slices, silent(outcomes.slices.values()), strict=True))
    in_time = {name: BlockSums.of(silent(one.blocks())) for name, one in outcomes.in_time.items()}
    return replace(outcomes, blocks=silent(outcomes.blocks), slices=slices, in_time=in_time)


def count_silence_in_steps(steps: Steps, task: Task) -> Steps:
    """Return the steps of rolling objectives with :func:`count_silence` applied to those that had their time."""
    panes = [
        count_silence(pane, task) if steps.is_final(window.end) else pane
        for window, pane in zip(steps.windows, steps.panes, strict=True)
    ]
    return steps._replace(panes=panes)


def without_young_lists(realized: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
    """Return the metrics without those that need lists without clicks, which are unknown in a young window."""
    return {name: metric for name, metric in realized.items() if name.partition("@")[0] not in OF_ALL_LISTS}

"""What files know of the outcomes of a window, and what is asked of a model's performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import Task

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.asked import STANDARD, Asked
from driftline_processor.core.performance.blocks import cut
from driftline_processor.core.performance.known import Joined, Known
from driftline_processor.core.performance.names import misnamed
from driftline_processor.core.performance.worth import strangers
from driftline_processor.custom_metrics import load_custom_metrics

from .errors import BadInput, Say, listed, near
from .truth import Truth


def known_of(truth: Truth | None, window: Window, task: Task) -> Known:
    """Return what is known of a window; ``truth``: its rows, None where no file has outcomes."""
    if truth is None:
        return Known()
    rows = Joined(
        *(truth.actual, truth.scores, truth.predicted, truth.weight, truth.time, truth.outcome_time, truth.value),
        truth.slices,
    )
    return Known(panes(truth, cut(window), task), rows=rows)


def panes(truth: Truth, steps: Sequence[Window], task: Task) -> list[Pane]:
    """Return the performance parts of each of some steps of time; none where rows have no time."""
    if truth.time is None or not steps:
        return []
    order = np.argsort(truth.time, kind="stable")
    ends = np.searchsorted(truth.time[order], [steps[0].start, *(step.end for step in steps)])
    return [truth.taken(order[first:last]).sums(task) for first, last in pairwise(ends)]


def asked_of(asked: Mapping[str, Asked], metrics: Sequence[str], baseline: Baseline, say: Say) -> Asked:
    """Return what is asked of a model; ``metrics``: names that are wanted, too.

    Custom metrics are those that are installed. Raises :class:`BadInput` where only of others anything is asked, and
    where something is that a model of its kind has not.
    """
    model, task = baseline.model, baseline.task
    if asked and model not in asked:
        raise BadInput(f"--performance: it says nothing of the model '{model}'; {near(model, tuple(asked))}")
    found = asked.get(model, STANDARD)
    wrong = [problem for name in found.metrics if (problem := misnamed(name, task.kind))]
    if unknown := strangers(found.costs, task):
        wrong.append(f"costs: {listed(unknown)}: no class of the model, which has {', '.join(task.classes) or 'none'}")
    if wrong:
        raise BadInput(f"--performance: {wrong[0]}")
    return replace(found, metrics=(*found.metrics, *metrics), custom=load_custom_metrics(say))

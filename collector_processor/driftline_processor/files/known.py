"""What files know of the outcomes of a window, and what is asked of a model's performance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import Task

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.asked import STANDARD, Asked
from driftline_processor.core.performance.blocks import cut
from driftline_processor.core.performance.known import Known
from driftline_processor.core.performance.names import misnamed
from driftline_processor.core.performance.objectives import stretch
from driftline_processor.core.performance.worth import strangers
from driftline_processor.core.window import PANE
from driftline_processor.custom_metrics import load_custom_metrics

from .asked import Asked as AskedOfFiles
from .errors import BadInput, Say, listed, near
from .truth import Truth


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What happened in all rows, beside those of a window. ``whole``: None where no file has outcomes."""

    whole: Truth | None
    task: Task
    asked: Asked

    @classmethod
    def of(cls, rows: Callable[[], Truth | None], task: Task, asked: Asked) -> Outcomes:
        """Keep the rows in the order of time, where objectives roll over them; else none of them."""
        whole = rows() if any(one.rolling for one in asked.objectives) else None
        if whole is None or whole.time is None:
            return cls(None, task, asked)
        return cls(whole.taken(np.argsort(whole.time, kind="stable")), task, asked)

    def known(self, truth: Truth | None, window: Window) -> Known:
        """Return what is known of a window; ``truth``: its rows, None where no file has outcomes."""
        if truth is None:
            return Known()
        steps, minutes = None, None
        if self.whole is not None:
            minutes = stretch(window, self.asked.objectives, "UTC", window.end + PANE, 0)
        if minutes is not None and self.whole is not None:
            steps = (minutes, panes(self.whole, minutes, self.task))
        return Known(panes(truth, cut(window), self.task), steps=steps)


def panes(truth: Truth, steps: Sequence[Window], task: Task) -> list[Pane]:
    """Return the performance parts of each of some steps of time; none where rows have no time."""
    time = truth.time
    if time is None or not steps:
        return []
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        truth, time = truth.taken(order), time[order]
    ends = np.searchsorted(time, [steps[0].start, *(step.end for step in steps)])
    return [truth.taken(np.arange(first, last)).sums(task) for first, last in pairwise(ends)]


def check_slices(asked: Asked, keys: Collection[str]) -> None:
    """Raise :class:`BadInput` where an objective is of a slice that neither rows nor outcomes tell apart."""
    for objective in asked.objectives:
        if objective.key and objective.key not in keys:
            known = f"; {near(objective.key, tuple(keys))}" if keys else ""
            raise BadInput(
                f"objective '{objective.rule}': no column and no slice of an outcome is called '{objective.key}'{known}"
            )


def asked_of(asked: AskedOfFiles, baseline: Baseline, say: Say) -> Asked:
    """Return what is asked of a model.

    Custom metrics are those that are installed. Raises :class:`BadInput` where only of others anything is asked, and
    where something is that a model of its kind has not.
    """
    model, task, known = baseline.model, baseline.task, asked.performance
    if known and model not in known:
        raise BadInput(f"--performance: it says nothing of the model '{model}'; {near(model, tuple(known))}")
    found, custom = known.get(model, STANDARD), load_custom_metrics(say)
    named = (*found.metrics, *(objective.metric for objective in found.objectives))
    wrong = [problem for name in named if (problem := misnamed(name, task.kind, custom))]
    if unknown := strangers(found.costs, task):
        wrong.append(f"costs: {listed(unknown)}: no class of the model, which has {', '.join(task.classes) or 'none'}")
    if wrong:
        raise BadInput(f"--performance: {wrong[0]}")
    metrics = [*found.metrics, *asked.metrics]
    for objective in asked.objectives:
        if problem := misnamed(objective.metric, task.kind, custom):
            raise BadInput(f"--objective '{objective.rule}': {problem}")
        if objective.metric not in custom:
            metrics.append(objective.metric)
    return replace(found, metrics=tuple(metrics), custom=custom, objectives=(*found.objectives, *asked.objectives))

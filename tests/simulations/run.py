"""Run windows through the product's own rule, and count what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import ModelKey, Task
from driftline_processor.core.drift import drift
from driftline_processor.core.drift.rule import ALPHA
from driftline_processor.core.evaluation import Evaluation, TargetDrift, Window
from driftline_processor.core.incident import incident

from .worlds import Counted, Customers, Stray, World, folded, pane_of

HOUR = 3_600 * 10**9


@dataclass(frozen=True)
class Counts:
    """Of ``windows``: in how many any feature was in state drift; any p-value small enough; the first one in drift."""

    windows: int
    alarms: int
    alone: int
    found: int

    @property
    def alarm(self) -> float:
        """The share of windows in which any feature drifts."""
        return self.alarms / self.windows


def count(world: World, windows: int, seed: int) -> Counts:
    """Judge so many windows."""
    alarms = alone = found = 0
    for pane, baseline, span in islice(world.windows(np.random.default_rng(seed)), windows):
        features = drift(pane, baseline, span=span).features
        alarms += any(one.state == "drift" for one in features.values())
        alone += any(_p(one) <= ALPHA for one in features.values())
        found += features["x0"].state == "drift"
    return Counts(windows, alarms, alone, found)


def incidents(world: Counted | Customers, models: int, hours: int, seed: int) -> tuple[int, int]:
    """Return how many windows drift and how many incidents begin in so many hourly windows of as many models."""
    drifted = began = 0
    for model in range(models):
        rng = np.random.default_rng([seed, model])
        previous: Evaluation | None = None
        for at, (pane, baseline) in enumerate(islice(_one_baseline(world, rng), hours)):
            window = Window("1h", at * HOUR, (at + 1) * HOUR)
            features = drift(pane, baseline, span=HOUR).features
            current = Evaluation(ModelKey("m"), window, pane.rows, closed=True, features=features)
            current.incident = incident(current, previous)
            drifted += any(one.state == "drift" for one in features.values())
            began += bool(current.incident) and not (previous is not None and previous.incident)
            previous = current
    return drifted, began


def _one_baseline(world: Counted | Customers, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline]]:
    if isinstance(world, Customers):
        for pane, baseline, _ in world.windows(rng):
            yield pane, baseline
        return
    reference, _ = world.counts(rng)
    baseline = Baseline("m", "", Task("regression"), world.bins, pane_of(reference))
    while True:
        yield pane_of(world.now(rng)), baseline


def distance(world: Stray) -> TargetDrift:
    """Judge the moved window."""
    frame = {"x0": world.reference, "score": world.reference}
    baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
    return drift(folded(world.window[:, np.newaxis], baseline), baseline).features["x0"]


def _p(target: TargetDrift) -> float:
    p = target.methods[target.decided_by].p_value
    return 1.0 if p is None else p

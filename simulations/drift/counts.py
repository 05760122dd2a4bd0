"""Run windows through the product's own rule, and count what it says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins
from driftline.tables.table import F64, ModelKey
from driftline_processor.core.drift.incident import incident
from driftline_processor.core.drift.method_choice import DECIDES
from driftline_processor.core.drift.rule import ALPHA, drift
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MethodValue
from driftline_processor.core.windows.window import Window

from simulations.drift.window_batches import Mask, Verdicts, chunks, judged, verdicts
from simulations.drift.worlds import Many, Stray, World, folded

HOUR = 3_600 * 10**9


@dataclass
class Counts:
    """Of ``windows``: in how many any feature was in state drift; any p-value small enough; the first one in drift."""

    windows: int = 0
    alarms: int = 0
    alone: int = 0
    found: int = 0

    def add(self, said: Verdicts) -> None:
        """Count some windows more."""
        self.windows += len(said.p)
        self.alarms += int(said.drift.any(axis=1).sum())
        self.alone += int((said.p <= ALPHA).any(axis=1).sum())
        self.found += int(said.drift[:, 0].sum())

    def figures(self) -> dict[str, float]:
        """Return the shares."""
        found = {"alarm": self.alarms, "alone": self.alone, "found": self.found}
        return {"windows": self.windows} | {name: times / self.windows for name, times in found.items()}


def decides(world: Many) -> str:
    """Return the method that decides by default."""
    return DECIDES["category" if isinstance(world.over, CategoryBins) else "number"]


def count_many(world: Many, windows: int, rng: np.random.Generator, method: str = "") -> Counts:
    """Judge so many windows, many at once; ``method``: that decides, "" the default."""
    counts = Counts()
    for said in judged(world, windows, rng, method or decides(world)):
        counts.add(said)
    return counts


def count(world: World, windows: int, rng: np.random.Generator) -> Counts:
    """Judge so many windows, one by one: those of worlds that fold rows, or whose baseline has more than counts."""
    counts = Counts()
    for pane, baseline, span in islice(world.windows(rng), windows):
        features = drift(pane, baseline, span=span).features.values()
        p, drifts = np.array([_p(one) for one in features]), np.array([one.state == "drift" for one in features])
        counts.add(Verdicts(p[np.newaxis], drifts[np.newaxis]))
    return counts


def incidents(world: Many, models: int, hours: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return how many windows drift and how many incidents begin in so many hourly windows of as many models.

    Each model has one baseline.
    """
    drifted = began = 0
    for _ in range(models):
        reference = next(world.references(rng))[np.newaxis]
        previous = Evaluation(ModelKey("m"), Window("1h", -HOUR, 0), 0, closed=True)
        hour = 0
        for some in chunks(hours, world.features):
            said = verdicts(reference, world.draw(rng, some), world.over, decides(world), exact=True)
            drifted += int(said.drift.any(axis=1).sum())
            for p, drift_of in zip(said.p, said.drift, strict=True):
                current = next_hour(previous, hour, p, drift_of)
                began += bool(current.incident) and not previous.incident
                previous, hour = current, hour + 1
    return drifted, began


def next_hour(previous: Evaluation, hour: int, p: F64, drift_of: Mask) -> Evaluation:
    """Return the window of an hour with its incident; of features that neither drift nor were in one, nothing."""
    window = Window("1h", hour * HOUR, (hour + 1) * HOUR)
    told = {*np.flatnonzero(drift_of).tolist(), *(int(name.removeprefix("feature:x")) for name in previous.incident)}
    features = {f"x{at}": _column(f"x{at}", float(p[at]), drifts=bool(drift_of[at])) for at in sorted(told)}
    current = Evaluation(ModelKey("m"), window, 0, closed=True, features=features)
    if told:
        current.incident = incident(current, previous)
    return current


def _column(name: str, p: float, *, drifts: bool) -> ColumnDrift:
    return ColumnDrift("feature", name, "drift" if drifts else "ok", "ks", 0, {"ks": MethodValue(None, p)})


def distance(world: Stray) -> ColumnDrift:
    """Judge the moved window."""
    frame = {"x0": world.reference, "score": world.reference}
    baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
    return drift(folded(world.window[:, np.newaxis], baseline), baseline).features["x0"]


def _p(column: ColumnDrift) -> float:
    p = column.methods[column.decided_by].p_value
    return 1.0 if p is None else p

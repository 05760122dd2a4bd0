"""Objectives of slices: how often one of many is called broken, and met, where each is just what it shall be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, Judgement
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.objective_states import judge_objectives
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import judge_slices
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import Window

from simulations.frame import DATA, Figures, Random, Table
from simulations.promise import Promise, text

BINARY = Task("binary", ("0", "1"), "1")
LIMIT = 0.9
ASKED = PerformanceSettings(objectives=(Objective("precision", least=LIMIT, slice="country"),))


@dataclass(frozen=True)
class Countries:
    """Windows of so many slices of so many flagged rows each, whose precision is ``truth``, in the first ``first``."""

    slices: int
    rows: int
    truth: float = LIMIT
    first: float = LIMIT

    def state(self, rng: Random) -> Judgement:
        """Draw a window and judge it."""
        truth = np.full(self.slices, self.truth)
        truth[0] = self.first
        right = rng.binomial(self.rows, truth).astype(np.float64)
        counts = np.full(3, float(self.rows))
        known = {
            f"country={at}": Pane({"outcomes": counts, "confusion": np.array([0, self.rows - hits, 0, hits])})
            for at, hits in enumerate(right)
        }
        evaluation = Evaluation(ModelKey("m"), Window("1d", 0, 1), self.rows * self.slices, True)
        judge_slices(evaluation, Pane(), BINARY, WindowOutcomes(slices=known), ASKED)
        (found,) = judge_objectives(evaluation, BINARY, WindowOutcomes(slices=known), ASKED)
        return found.state


def _measured(world: Countries, found: Judgement = "broken") -> Callable[[int, Random], Figures]:
    """Return in which share of the windows the objective is broken, is met, and is what it should be found to be."""

    def measure(windows: int, rng: Random) -> Figures:
        states = [world.state(rng) for _ in range(windows)]
        return {
            "broken": states.count("broken") / windows,
            "met": states.count("met") / windows,
            "found": states.count(found) / windows,
        }

    return measure


def _claims() -> Iterator[Promise]:
    for slices, short in ((1, 40), (5, 10), (20, 4)):
        what = f"{slices} slices of 200 flagged rows, a precision of .9 in each" if slices > 1 else "one of 200 rows"
        world = Countries(slices, 200)
        yield Promise(f"objective-edge-{slices}", _measured(world), 2_000, what, short, most=0.025, rare="broken")
    what = "19 slices of 500 rows with a precision of .98, one with .9"
    yield Promise("objective-not-met", _measured(Countries(20, 500, 0.98)), 2_000, what, 4, most=0.025, rare="met")
    what = "20 slices of 500 rows, a precision of .96 in each"
    yield Promise("objective-met", _measured(Countries(20, 500, 0.96, 0.96), "met"), 500, what, 4, least=0.9)
    what = "19 slices of 200 rows with a precision of .95, one with .75"
    yield Promise("objective-broken", _measured(Countries(20, 200, 0.95, 0.75)), 500, what, 4, least=0.9)


CLAIMS = {claim.name: claim for claim in _claims()}

OBJECTIVES = Table("objectives", DATA / "objectives.md", CLAIMS, text(CLAIMS))

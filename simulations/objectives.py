"""Objectives of slices and of rolling hours: how often one is broken, and met, where each is just what it shall be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import I64, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, Judgement
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.objective_states import confidence_of_looks, judge_objectives
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import judge_slices
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import Window
from scipy import stats

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

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


ROLLING = Objective("precision", least=0.95, window="1h", rolling=True)
MINUTES, DAYS = 1_440, 90
STEP, STEPS, QUIET = 5, 12, 120
"""Minutes of a pane, panes of a period, and minutes without a break that end an alert."""


@dataclass(frozen=True)
class Reviews:
    """Reviews of flagged rows, and a look a minute at a rolling objective, as :func:`judge_rolling` does.

    Attributes:
        hourly: Reviews an hour.
        precision: The true precision.
        alike: Correlation of the reviews of five minutes.
        late: Mean delay of a review, minutes.
    """

    hourly: float
    precision: float = 0.95
    alike: float = 0.0
    late: float = 0.0

    def quiet(self, objectives: int, rng: Random) -> Figures:
        """Return how many alerts there are in ninety days."""
        alerts = [self._alerts(self._breaks(DAYS * MINUTES, rng)) for _ in range(objectives)]
        return {"mean": float(np.mean(alerts)), "twice": float(np.mean(np.array(alerts) > 1)), "most": max(alerts)}

    def fault(self, objectives: int, rng: Random) -> Figures:
        """Return how soon 45 minutes at a precision of 0.6 break the objective, after a morning without a fault."""
        begins, soon = 6 * 60 + 17, np.full(objectives, np.inf)
        for at in range(objectives):
            after = np.flatnonzero(self._breaks(begins + 45, rng, begins)[begins:])
            soon[at] = after[0] + 1 if len(after) else np.inf
        within = {f"q{share}": float(np.quantile(soon, share / 100, method="higher")) for share in (50, 95)}
        return {"found": float((soon <= 10).mean()), **within}

    def _breaks(self, minutes: int, rng: Random, bad: int | None = None) -> Bools:
        """Return at which look something breaks: bool (minutes,)."""
        precision = np.full(minutes, self.precision)
        if self.alike:
            size = (1 - self.alike) / self.alike  # of a beta distribution
            draws = rng.beta(self.precision * size, (1 - self.precision) * size, -(-minutes // STEP))
            precision = np.repeat(draws, STEP)[:minutes]
        precision[bad or minutes :] = 0.6
        time = np.repeat(np.arange(minutes), rng.poisson(self.hourly / 60, minutes))
        wrong = rng.random(len(time)) >= precision[time]
        arrived = time + (rng.exponential(self.late, len(time)).astype(int) if self.late else 0)
        lags = round(6 * self.late / STEP)  # panes with reviews that still come
        found = np.zeros(minutes, bool)
        for first in range(0, minutes, CHUNK):
            looks = np.arange(first, min(first + CHUNK, minutes))
            near = slice(*np.searchsorted(time, [first - STEP * (lags + 3 * STEPS), first + CHUNK]))
            found[looks] = self._chunk(looks, time[near] // STEP, arrived[near], wrong[near], lags)
        return found

    def _chunk(self, looks: I64, pane: I64, arrived: I64, wrong: Bools, lags: int) -> Bools:
        """Return at which of some consecutive looks something breaks, of reviews by pane, arrival and truth."""
        span = lags + 2 * STEPS if lags else STEPS
        base = int(looks[0]) // STEP - span
        panes = (int(looks[-1]) // STEP) - base + 1
        place = (np.maximum(arrived, looks[0]) - looks[0]) * panes + pane - base
        there = (arrived <= looks[-1]) & (pane >= base)
        known = [
            np.bincount(place[of], minlength=len(looks) * panes).reshape(len(looks), panes).cumsum(axis=0)
            for of in (there, there & wrong)
        ]
        newest = looks // STEP - base
        at = newest[:, None] - np.arange(span)[::-1]  # of which the last is still open
        rows, bad = (np.pad(np.take_along_axis(one, at, 1).cumsum(axis=1), ((0, 0), (1, 0))) for one in known)
        found = np.zeros(len(looks), bool)
        for end in range(STEPS, span + 1):
            hour = bad[:, end] - bad[:, end - STEPS] > (1 - ROLLING.limit) * (rows[:, end] - rows[:, end - STEPS])
            parts = np.zeros(len(looks), bool)
            for part in range(1, STEPS + 1):
                parts |= bad[:, end] - bad[:, end - part] >= FEWEST[rows[:, end] - rows[:, end - part]]
            found |= hour & parts
        return found

    def _alerts(self, found: Bools) -> int:
        at = np.flatnonzero(found)
        return 0 if not len(at) else 1 + int((np.diff(at) > QUIET).sum())


CHUNK = 480
"""Looks that are drawn together."""

_SURE = (1 - confidence_of_looks(ROLLING, 0.95)) / 2
FEWEST = stats.binom.isf(_SURE, np.arange(20_000), 1 - ROLLING.limit).astype(np.int64) + 1
"""Rows → the fewest wrong ones whose exact interval lies below the limit."""


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
    rule = "precision >= 0.95 over rolling 1h"
    for hourly in (30, 100, 667, 3_000):
        what = f"{rule}: just so in truth, {hourly:,} reviews an hour, 90 days"
        yield Promise(f"rolling-edge-{hourly}", Reviews(hourly).quiet, 200, what, 4, most=0.05, rare="twice")
    what = f"{rule}: just so, 667 reviews an hour that come 20 minutes late"
    yield Promise("rolling-edge-late", Reviews(667, late=20).quiet, 60, what, 1, most=0.05, rare="twice")
    what = f"{rule}: 0.97 in truth, reviews of five minutes correlate by 0.01"
    yield Promise("rolling-alike", Reviews(667, 0.97, 0.01).quiet, 200, what, 4, most=0.05, rare="twice")
    what = f"{rule}: 0.97, then 45 minutes at 0.6 with 500 reviews, found within 10 minutes"
    yield Promise("rolling-fault", Reviews(667, 0.97).fault, 500, what, 20, least=0.95)


CLAIMS = {claim.name: claim for claim in _claims()}

OBJECTIVES = Table("objectives", CLAIMS, text(CLAIMS))

"""How often a window as good as its baseline is called worse, and how soon one that is worse: evidence/worse.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.estimation import Estimation
from driftline.baseline.sections.time_blocks import OutcomeBlocks
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.concept.baseline_level import TOO_LOW, BaselineLevel, Bet
from driftline_processor.core.evaluation import Evaluation, MetricChange
from driftline_processor.core.intervals.confidence import WeightSums, clopper_pearson
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window

from simulations.frame import Figures, Random, Table, percent
from simulations.promise import Promise, text

BINARY = Task("binary", ("0", "1"), "1")
THREE = Task("multiclass", ("a", "b", "c"))
REGRESSION = Task("regression")

RUNS = 400
WINDOWS = 10
"""Windows of one baseline."""

AS_GOOD = 0.013
"""Most windows in which any metric may be called worse where the model is as good as its baseline."""

RESEMBLING = 0.03
"""The same where a day resembles the one before: of thirty days and fewer that is not surely seen."""

Draw = Callable[[Random, int, float], Pane]
"""Rows of a day, and how far the day is from others in standard deviations → the sums of its outcomes."""


@dataclass(frozen=True)
class Scores:
    """A binary model.

    Attributes:
        level: Mean logit of the outcome.
        slope: Standard deviation of the logit that the model sees.
        unseen: Standard deviation of what a day adds to the logit of its outcomes.
        flipped: Share of outcomes that are turned round: what makes the model worse.
        blurred: Standard deviation of what is added to the model's logit: what costs it its order.
    """

    level: float = -1.5
    slope: float = 2.5
    unseen: float = 0.0
    flipped: float = 0.0
    blurred: float = 0.0

    def __call__(self, rng: Random, rows: int, day: float) -> Pane:
        """Draw a day."""
        logit = self.level + self.slope * rng.normal(size=rows)
        happened = rng.random(rows) < 1 / (1 + np.exp(-logit - self.unseen * day))
        happened ^= rng.random(rows) < self.flipped
        said = logit + self.blurred * rng.normal(size=rows)
        return fold_outcomes(
            BINARY, (1 / (1 + np.exp(-said)))[:, np.newaxis], None, Column(numbers=happened.astype(np.float64))
        )


@dataclass(frozen=True)
class Classes:
    """A model of three classes; ``wrong``: share of outcomes drawn anew, ``unseen``: how much that share differs."""

    wrong: float = 0.1
    unseen: float = 0.0

    def __call__(self, rng: Random, rows: int, day: float) -> Pane:
        """Draw a day."""
        scores = rng.dirichlet((1.0, 0.6, 0.4), rows)
        codes = (rng.random(rows)[:, np.newaxis] > scores.cumsum(axis=1)[:, :2]).sum(axis=1)
        again = rng.random(rows) < self.wrong * np.exp(self.unseen * day)
        codes = np.where(again, rng.integers(0, 3, rows), codes)
        return fold_outcomes(THREE, scores, None, Column(codes=codes.astype(np.int32), categories=THREE.classes))


@dataclass(frozen=True)
class Numbers:
    """A regression with errors of Student's t with 5 degrees; ``unseen``: how much their size differs by day."""

    scale: float = 1.0
    unseen: float = 0.0

    def __call__(self, rng: Random, rows: int, day: float) -> Pane:
        """Draw a day."""
        said = rng.normal(size=rows)
        actual = said + self.scale * np.exp(self.unseen * day) * rng.standard_t(5, rows)
        return fold_outcomes(REGRESSION, said[:, np.newaxis], None, Column(numbers=actual))


_KIND = {Scores: BINARY, Classes: THREE, Numbers: REGRESSION}


@dataclass(frozen=True)
class World:
    """A baseline, and a window of the same model.

    Attributes:
        usual: Days of the baseline, and of a window that is as good.
        now: Days of the window.
        before: Days of the baseline, and rows of each; one day: nothing is known of its time.
        window: Days of the window, and rows of each.
        keeps: What a day keeps of the one before.
    """

    usual: Scores | Classes | Numbers
    before: tuple[int, int]
    window: tuple[int, int]
    now: Scores | Classes | Numbers | None = None
    keeps: float = 0.0

    def changes(self, rng: Random) -> list[dict[str, MetricChange]]:
        """Draw a baseline and windows, and return how these differ from it."""
        return [one.realized_changes for one in self.evaluations(rng)]

    def evaluations(self, rng: Random) -> list[Evaluation]:
        """Draw a baseline and windows, and compare them: those of days that keep nothing of the one before."""
        task, (many, rows), (long, _) = _KIND[type(self.usual)], self.before, self.window
        levels = self._levels(rng, many + 7 + long)
        days = [self.usual(rng, rows, level) for level in levels[:many]]
        blocks = None if many < 2 else OutcomeBlocks.of(DAY, days)
        extras = Extras(estimation=Estimation(blocks=blocks))
        baseline = Baseline("m", "", task, ModelBins(), merge(days), extras=extras)
        own = levels[-long:]
        found = []
        for _ in range(1 if self.keeps else WINDOWS):
            found.append(self._window(rng, baseline, task, own))
            own = rng.normal(size=long).tolist()
        return found

    def _window(self, rng: Random, baseline: Baseline, task: Task, levels: list[float]) -> Evaluation:
        long, each = self.window
        panes = [(self.now or self.usual)(rng, each, level) for level in levels]
        pane = merge(panes)
        end = long * DAY if self.before[0] > 1 else 0
        evaluation = Evaluation(ModelKey("m"), Window("1d", 0, end), pane.rows, True, coverage=1.0)
        outcomes = WindowOutcomes(blocks=panes if long > 1 else ())
        judge_performance(evaluation, pane, baseline, task, outcomes, STANDARD)
        return evaluation

    def _levels(self, rng: Random, many: int) -> list[float]:
        levels = rng.normal(size=many)
        for at in range(1, many):
            levels[at] = self.keeps * levels[at - 1] + np.sqrt(1 - self.keeps**2) * levels[at]
        found: list[float] = levels.tolist()
        return found


def _measured(world: World, metric: str = "") -> Callable[[int, Random], Figures]:
    """Return in which share of windows any metric is worse, ``metric`` is, and is not."""

    def measure(windows: int, rng: Random) -> Figures:
        found: list[dict[str, MetricChange]] = []
        while len(found) < windows:
            found += world.changes(rng)
        found = found[:windows]
        own = [one.get(metric) for one in found]
        return {
            "alarm": sum(any(change.state == "worse" for change in one.values()) for one in found) / windows,
            "found": sum(one is not None and one.state == "worse" for one in own) / windows,
            "not_worse": sum(one is not None and one.state == "not_worse" for one in own) / windows,
        }

    return measure


_SCORES = Scores()
_RARE = Scores(level=-7.0, slope=2.0)


def _claims() -> Iterator[Promise]:
    quiet: dict[str, tuple[str, World, int]] = {}
    for rows in (300, 1_000, 5_000):
        world = World(_SCORES, (1, 5_000), (1, rows))
        quiet[f"quiet-undated-{rows}"] = (f"independent rows: {rows:,} beside a baseline of 5,000", world, RUNS)
    quiet["quiet-rare"] = (
        "1 % positives, 20,000 rows beside 50,000",
        World(_RARE, (1, 50_000), (1, 20_000)),
        RUNS // 2,
    )
    for kind, usual in (("classes", Classes()), ("numbers", Numbers())):
        quiet[f"quiet-{kind}"] = (
            {"classes": "three classes", "numbers": "a regression"}[kind] + ", 2,000 rows beside 5,000",
            World(usual, (1, 5_000), (1, 2_000)),
            RUNS,
        )
    for unseen, many, long in (
        *((0.0, 14, 1), (0.15, 7, 1), (0.15, 14, 2), (0.15, 30, 1)),
        *((0.4, 7, 1), (0.4, 7, 2), (0.4, 14, 1)),
        *((0.15, 30, 7), (0.4, 30, 7)),
    ):
        world = World(replace(_SCORES, unseen=unseen), (many, 1_000), (long, 1_000))
        window = "a day" if long == 1 else f"{long} days"
        what = f"{window} of 1,000 rows beside {many}, logits of a day differ by {unseen}"
        runs = 10 * RUNS if (unseen, many, long) == (0.4, 7, 1) else RUNS
        quiet[f"quiet-dated-{unseen}-{many}-{long}"] = (what, world, runs)
    for keeps in (0.5,):
        for many, long in ((14, 2), (30, 2), (30, 7)):
            world = World(replace(_SCORES, unseen=0.3), (many, 1_000), (long, 1_000), keeps=keeps)
            what = (
                f"{long} days of 1,000 rows beside {many}, logits differ by .3, a day keeps {keeps} of the one before"
            )
            name = f"quiet-keeps-{keeps}-{many}" if long == 2 else f"quiet-keeps-{keeps}-{many}-{long}"
            quiet[name] = (what, world, RUNS // 2)
    world = World(Numbers(unseen=0.1), (14, 500), (1, 500))
    quiet["quiet-days-numbers"] = (
        "a regression, a day of 500 rows beside 14, the size of errors differs by .1",
        world,
        RUNS,
    )
    world = World(Classes(unseen=0.3), (14, 500), (1, 500))
    quiet["quiet-days-classes"] = ("three classes, a day of 500 rows beside 14, on which errors differ", world, RUNS)
    for name, (what, world, runs) in quiet.items():
        yield Promise(name, _measured(world), runs, what, 10, most=RESEMBLING if world.keeps else AS_GOOD)
    for name, (what, metric, world, least) in _worse().items():
        yield Promise(name, _measured(world, metric), RUNS // 2, what, 10, least=least)


def _worse() -> dict[str, tuple[str, str, World, float]]:
    flipped = Scores(flipped=0.045)
    return {
        "worse-accuracy": (
            "accuracy 3 points worse by its log loss, 5,000 labels beside 20,000",
            "log_loss",
            World(_SCORES, (1, 20_000), (1, 5_000), flipped),
            0.9,
        ),
        "worse-accuracy-days": (
            "accuracy 3 points worse by its log loss, a day of 5,000 labels beside 30 alike",
            "log_loss",
            World(_SCORES, (30, 1_000), (1, 5_000), flipped),
            0.9,
        ),
        "worse-accuracy-7-days": (
            "accuracy 3 points worse by its log loss, a week of 5,000 labels beside 30 days that differ",
            "log_loss",
            World(replace(_SCORES, unseen=0.15), (30, 1_000), (7, 714), replace(flipped, unseen=0.15)),
            0.9,
        ),
        "worse-auc": (
            "AUC .07 worse, beyond its margin of .05, 10,000 labels beside 20,000",
            "roc_auc",
            World(_SCORES, (1, 20_000), (1, 10_000), Scores(blurred=1.6)),
            0.9,
        ),
        "worse-mae": (
            "MAE 10 % worse, 5,000 labels beside 20,000",
            "mae",
            World(Numbers(), (1, 20_000), (1, 5_000), Numbers(scale=1.1)),
            0.9,
        ),
        "worse-mae-days": (
            "MAE 10 % worse, a day of 5,000 labels beside 14 alike",
            "mae",
            World(Numbers(), (14, 5_000), (1, 5_000), Numbers(scale=1.1)),
            0.9,
        ),
    }


def _streams(rate: float, rows: int, length: int) -> Callable[[int, Random], Figures]:
    """Return in which share of streams errors are found to be more than those of a baseline of .18, and how soon."""

    def measure(windows: int, rng: Random) -> Figures:
        late = []
        for _ in range(windows):
            wrong = int(rng.binomial(rows, BASELINE_ERRORS))
            hits, misses = WeightSums(wrong, wrong), WeightSums(rows - wrong, rows - wrong)
            most = clopper_pearson(hits, misses, 1 - 2 * TOO_LOW).high
            bet = Bet()
            values, times = (rng.random(length) < rate).astype(np.float64), np.arange(length) * (DAY // 1_000)
            found = bet.first_rise(BaselineLevel(wrong / rows, most or 1.0), values, times)
            late.append(found if found >= 0 else np.inf)
        found_share = float(np.isfinite(late).mean())
        middle = float(np.median(late))
        return {"alarm": found_share, "found": found_share, "median": middle if np.isfinite(middle) else None}

    return measure


BASELINE_ERRORS = 0.18


def _levels() -> Iterator[Promise]:
    for rows in (1_000, 3_000, 20_000):
        what = f"100,000 outcomes of a model as good as its baseline of {rows:,} rows"
        yield Promise(f"level-quiet-{rows}", _streams(BASELINE_ERRORS, rows, 100_000), 300, what, 4, most=AS_GOOD)
    for rows, least in ((5_000, 0.9), (20_000, 0.99)):
        what = f"50,000 outcomes 3 points worse than a baseline of {rows:,} rows"
        yield Promise(f"level-worse-{rows}", _streams(BASELINE_ERRORS + 0.03, rows, 50_000), 300, what, 4, least=least)


CLAIMS = {claim.name: claim for claim in (*_claims(), *_levels())}

WORSE = Table("worse", CLAIMS, text(CLAIMS, lambda found: f"; any metric {percent(found['alarm'])}"))

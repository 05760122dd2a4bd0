"""How often intervals hold the truth, through the code itself; the table is in evidence/coverage.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.estimation import Estimation
from driftline.baseline.sections.time_blocks import OutcomeBlocks
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.fairness.criteria import FairnessRule, judge_fairness
from driftline_processor.core.intervals.confidence import Interval, difference
from driftline_processor.core.metrics.cost_and_value import Costs
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.reference import lent_days, reference_of
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings, Shares
from driftline_processor.core.performance.slices import counts_of
from driftline_processor.core.windows.window import DAY
from msgspec.structs import replace
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import beta

from simulations.frame import Figures, Random, Row, Table, percent, table_of

BINARY = Task("binary", ("0", "1"), "1")
THREE = Task("multiclass", ("a", "b", "c"))
REGRESSION = Task("regression")
RUNS = 20_000
MEAN_RUNS, SINCE_RUNS = 3_000, 500

Window = tuple[Pane, tuple[Pane, ...]]
"""A pane and its blocks."""

Limits = tuple[float | None, float | None, str]
"""Of an interval, and how it was made."""


@dataclass(frozen=True)
class Covered(Row):
    """``what``: was done. ``least`` / ``most``: the shares that are promised; None where it is only shown."""

    what: str
    least: float | None
    most: float = 1.0
    short: int = 0

    def kept(self, found: Figures) -> bool:
        """Say whether figures are what was promised."""
        return self.least is None or self.least <= found["covered"] <= self.most


def covering(
    draw: Callable[[Random], Window],
    task: Task,
    metric: str,
    truth: float,
    shares: Shares = "clopper_pearson",
    costs: Costs = MappingProxyType({}),
    *,
    by_days: bool = False,
) -> Callable[[int, Random], Figures]:
    """Return how often the interval of a metric holds the truth, is below it and above it, and how long it is."""
    asked = PerformanceSettings(shares=shares, costs=costs, metrics=(metric,))
    unknown = MetricValue(0.5, 0, "panes")  # of those not derived from sums alone, only the limits are looked at

    def limits(rng: Random) -> Limits:
        pane, parts = draw(rng)
        measured = {metric: realized(pane, task, asked).get(metric, unknown)}
        found = with_intervals(measured, pane, parts, task, asked, days=by_days)[metric]
        return found.low, found.high, found.interval

    return holding(limits, truth)


def comparing(groups: Sequence[Callable[[Random], Window]], truth: float) -> Callable[[int, Random], Figures]:
    """Return the same of the difference between the true positive rates of two groups."""

    def limits(rng: Random) -> Limits:
        counts = {name: counts_of(draw(rng)[0], BINARY) for name, draw in zip("ab", groups, strict=True)}
        found = judge_fairness(FairnessRule("group", "b"), counts)
        assert found is not None
        criterion = next(one for one in found.criteria if one.name == "equal_opportunity")
        return criterion.comparisons[0].low, criterion.comparisons[0].high, ""

    return holding(limits, truth)


def since_baseline(
    before: Callable[[Random], Window], now: Callable[[Random], Window]
) -> Callable[[int, Random], Figures]:
    """Return the same of the accuracy of a window less that of its baseline, both by days; in truth they are equal."""

    def limits(rng: Random) -> Limits:
        (pane, parts), (whole, blocks) = before(rng), now(rng)
        known = Extras(estimation=Estimation(blocks=OutcomeBlocks(DAY, parts)))
        baseline = Baseline("m", "", BINARY, ModelBins(), pane, extras=known)
        reference = reference_of(baseline, STANDARD)["accuracy"]
        measured, lending = realized(whole, BINARY), lent_days(baseline, STANDARD)
        found = with_intervals(measured, whole, blocks, BINARY, STANDARD, days=True, lent=lending)["accuracy"]
        assert found.value is not None
        assert reference.value is not None
        than = Interval(reference.low, reference.high, "")
        low, high, _ = difference(found.value, Interval(found.low, found.high, ""), reference.value, than)
        return low, high, reference.interval

    return holding(limits, 0.0)


def holding(limits: Callable[[Random], Limits], truth: float) -> Callable[[int, Random], Figures]:
    """Return how often such limits hold the truth, are below it and above it, and how far they are apart."""

    def measure(runs: int, rng: Random) -> Figures:
        held = below = above = silent = blocks = 0
        length = 0.0
        for _ in range(runs):
            low, high, how = limits(rng)
            if low is None or high is None:
                silent += 1
                continue
            below, above = below + (high < truth), above + (low > truth)
            held += low <= truth <= high
            blocks += how == "blocks"
            length += high - low
        said = max(1, runs - silent)
        figures = {"covered": held / said, "below": below / said, "above": above / said, "length": length / said}
        return {**figures, "silent": silent / runs, "blocks": blocks / said}

    return measure


def cells(weight: F64, squares: F64 | None = None, rows: float | None = None) -> Pane:
    """A pane of weights by actual and predicted class, of so many rows; None = of as many as they weigh."""
    squared = weight if squares is None else squares
    outcomes = np.array([weight.sum() if rows is None else rows, weight.sum(), squared.sum()])
    return Pane({"outcomes": outcomes, "confusion": weight.ravel(), "confusion_excess": (squared - weight).ravel()})


def alone(pane: Pane) -> Window:
    """A window without blocks."""
    return pane, ()


def total(panes: list[Pane]) -> Pane:
    """The sum of panes that all have the same parts."""
    return Pane({name: np.sum([one.parts[name] for one in panes], axis=0) for name in panes[0].parts})


def share(n: int, p: float) -> Callable[[Random], Window]:
    """Draw n decisions, of which a share p is right."""

    def draw(rng: Random) -> Window:
        hits = rng.binomial(n, p)
        return alone(cells(np.array([[0.0, n - hits], [0.0, hits]])))

    return draw


def table(n: int, shares: F64) -> Callable[[Random], Window]:
    """Draw n rows of these cells."""
    return lambda rng: alone(cells(rng.multinomial(n, shares.ravel()).astype(np.float64).reshape(shares.shape)))


def reviewed(flagged: int, others: int, one_in: int, right: float, missed: float) -> Callable[[Random], Window]:
    """Draw a day of fraud: what was flagged is all reviewed, of the others one in so many, with that weight."""

    def draw(rng: Random) -> Window:
        hits, wrong = rng.binomial(flagged, right), rng.binomial(others, missed)
        seen, quiet = rng.binomial(wrong, 1 / one_in), rng.binomial(others - wrong, 1 / one_in)
        weight = np.array([[quiet * one_in, flagged - hits], [seen * one_in, hits]], np.float64)
        squares = np.array([[quiet * one_in**2, flagged - hits], [seen * one_in**2, hits]], np.float64)
        return alone(cells(weight, squares, seen + quiet + flagged))

    return draw


def chosen(n: int, p: float, chance: Callable[[Random, int], F64]) -> Callable[[Random], Window]:
    """Draw n flagged rows, each reviewed with its own probability; ``p``: those of a high one are right more often."""

    def draw(rng: Random) -> Window:
        found = chance(rng, n)
        right = rng.random(n) < np.clip(p + 0.1 * (found - found.mean()), 0, 1)
        reviewed_ones = rng.random(n) < found
        weight, right = 1 / found[reviewed_ones], right[reviewed_ones]
        sums = [(weight[right] ** power).sum() for power in (1, 2)]
        less = [(weight[~right] ** power).sum() for power in (1, 2)]
        squares = np.array([[0, less[1]], [0, sums[1]]])
        return alone(cells(np.array([[0, less[0]], [0, sums[0]]]), squares, float(len(weight))))

    return draw


def curve(positives: int, negatives: int, area: float) -> Callable[[Random], Window]:
    """Draw scores whose logits are normal and apart so far that the area under the ROC curve is this."""
    apart = np.sqrt(2) * ndtri(area)

    def draw(rng: Random) -> Window:
        return alone(_scored(rng.normal(0, 1, negatives), rng.normal(apart, 1, positives)))

    return draw


def scores_reviewed(n: int, rate: float, area: float, chance: Callable[[F64], F64]) -> Callable[[Random], Window]:
    """Draw scores of which a share is of positives; ``chance``: with which a score is reviewed."""
    apart = np.sqrt(2) * ndtri(area)

    def draw(rng: Random) -> Window:
        truth = rng.random(n) < rate
        score = ndtr(rng.normal(0, 1, n) + apart * truth)
        likely = chance(score)
        held = rng.random(n) < likely
        known = Column(numbers=truth[held].astype(np.float64))
        return alone(fold_outcomes(BINARY, score[held][:, np.newaxis], None, known, 1 / likely[held]))

    return draw


def _scored(negative: F64, positive: F64) -> Pane:
    counts = [
        np.bincount(score_bin(ndtr(one)), minlength=SCORE_BINS).astype(np.float64) for one in (negative, positive)
    ]
    n = float(len(negative) + len(positive))
    return Pane({"outcomes": np.array([n, n, n]), "score_negative": counts[0], "score_positive": counts[1]})


def days(
    p: float, spread: float, each: int | Sequence[int], many: int, persist: float = 0.0
) -> Callable[[Random], Window]:
    """Draw days on which another share is right: beta with mean ``p`` and this standard deviation.

    ``each``: the rows of a day, of all or of each.
    """
    rows = p * (1 - p) / spread**2 - 1 if spread else 0.0

    def draw(rng: Random) -> Window:
        n = np.maximum(1, rng.poisson(each, many))
        own = beta.ppf(_uniform(rng, many, persist), p * rows, (1 - p) * rows) if spread else np.full(many, p)
        blocks = [
            cells(np.array([[0.0, m - hits], [0.0, hits]])) for m, hits in zip(n, rng.binomial(n, own), strict=True)
        ]
        return total(blocks), tuple(blocks)

    return draw


def _uniform(rng: Random, many: int, persist: float) -> F64:
    """Uniform numbers whose normal deviates keep a part of the one before."""
    at = rng.normal(0, 1, many)
    for one in range(1, many):
        at[one] = persist * at[one - 1] + np.sqrt(1 - persist**2) * at[one]
    uniform: F64 = ndtr(at)
    return uniform


def error_days(many: int, each: int, spread: float, persist: float = 0.0) -> Callable[[Random], Window]:
    """Draw days of a regression whose errors have a mean of their own, of this standard deviation; within, of 1."""

    def draw(rng: Random) -> Window:
        own = spread * ndtri(_uniform(rng, many, persist))
        blocks = [_errors(rng.normal(mean, 1, each)) for mean in own]
        return total(blocks), tuple(blocks)

    return draw


def _errors(error: F64) -> Pane:
    n, nothing = float(len(error)), np.zeros(len(error))
    losses = (error, np.abs(error), error**2, nothing, nothing)
    spread = [one for loss in losses for one in (loss.sum(), (loss**2).sum())]
    return Pane(
        {
            "outcomes": np.array([n, n, n]),
            "losses": np.array([n, *(loss.sum() for loss in losses)]),
            "spread": np.array([n, *spread]),
        }
    )


def errors(n: int, draw: Callable[[Random, int], F64]) -> Callable[[Random], Window]:
    """Draw n errors of a regression."""
    return lambda rng: alone(_errors(draw(rng, n)))


def curve_days(many: int, each: int, area: float, spread: float) -> Callable[[Random], Window]:
    """Draw days of scores whose positives are apart from the negatives by a distance of their own."""
    apart = np.sqrt(2) * ndtri(area) * np.sqrt(1 + spread**2 / 2)  # the area over all days is that of the mean distance

    def draw(rng: Random) -> Window:
        own = rng.normal(apart, spread, many)
        positives = rng.binomial(each, 0.2, many)
        blocks = [
            _scored(rng.normal(0, 1, each - n), rng.normal(mean, 1, n)) for n, mean in zip(positives, own, strict=True)
        ]
        return total(blocks), tuple(blocks)

    return draw


def _shares() -> Iterator[Covered]:
    methods: tuple[tuple[Shares, str, float, float], ...] = (
        ("clopper_pearson", "exact", 0.945, 1.0),
        ("wilson", "wilson", 0.91, 0.985),
    )
    for method, name, least, most in methods:
        for n in (20, 100, 1_000):
            for p in (0.5, 0.9, 0.95, 0.99):
                measure = covering(share(n, p), BINARY, "precision", p, method)
                what = f"{'exact' if name == 'exact' else 'Wilson'}: {n:,} rows, a precision of {p}"
                if name == "wilson" and n * (1 - p) < 1:
                    yield Covered(f"{name}-{n}-{p}", measure, RUNS, what, None)
                else:
                    yield Covered(f"{name}-{n}-{p}", measure, RUNS, what, least, most, 500 if n < 1_000 else 0)
    confusion = np.array([[0.85, 0.03], [0.02, 0.10]])
    for n in (100, 1_000):
        yield Covered(f"f1-{n}", covering(table(n, confusion), BINARY, "f1", 0.8), RUNS, f"F1 of {n:,} rows, .8", 0.945)
        measure = covering(table(n, confusion), BINARY, "fbeta@2", 5 * 0.1 / (5 * 0.1 + 4 * 0.02 + 0.03))
        yield Covered(f"f2-{n}", measure, RUNS, f"F2 of {n:,} rows, .82", 0.945)
        measure = covering(table(n, confusion), BINARY, "balanced_accuracy", (0.85 / 0.88 + 0.1 / 0.12) / 2)
        yield Covered(f"balanced-{n}", measure, RUNS, f"balanced accuracy of {n:,} rows, .9", 0.945)
    three = np.array([[0.55, 0.03, 0.02], [0.04, 0.2, 0.01], [0.02, 0.03, 0.1]])
    f1 = float((2 * three.diagonal() / (three.sum(axis=0) + three.sum(axis=1))).mean())
    for n in (100, 1_000):
        measure = covering(table(n, three), THREE, "f1", f1)
        yield Covered(f"macro-{n}", measure, RUNS, f"macro F1 of 3 classes, {n:,} rows", 0.945)


def _weighted() -> Iterator[Covered]:
    right, missed = 0.9, 0.002
    recall = 500 * right / (500 * right + 50_000 * missed)
    for one_in in (10, 100, 1_000):
        measure = covering(reviewed(500, 50_000, one_in, right, missed), BINARY, "recall", recall)
        what = f"recall, 500 flagged rows reviewed and one of {one_in:,} of 50,000 others, 100 of which were missed"
        yield Covered(f"review-{one_in}", measure, RUNS, what, 0.945, short=200)
    accuracy = (500 * right + 50_000 * (1 - missed)) / 50_500
    measure = covering(reviewed(500, 50_000, 100, right, missed), BINARY, "accuracy", accuracy)
    yield Covered("review-accuracy", measure, RUNS, "accuracy of the same, one of 100 reviewed", 0.945)
    missed_of = (0.0009, 0.0087)
    rates = [100 * right / (100 * right + 10_000 * missed) for missed in missed_of]
    for one_in in (10, 100):
        groups = [reviewed(100, 10_000, one_in, right, missed) for missed in missed_of]
        what = f"difference between two groups' recall, .91 and .51: 100 flagged each, one of {one_in} of 10,000 others"
        measure = comparing(groups, rates[0] - rates[1])
        yield Covered(f"fairness-{one_in}", measure, 2_000, what, 0.945, short=100)
    weights: Mapping[str, tuple[str, Callable[[Random, int], F64]]] = {
        "even": ("probabilities of .1 to 1", lambda rng, n: rng.uniform(0.1, 1, n)),
        "steps": (".05 for nine of ten, else 1", lambda rng, n: np.where(rng.random(n) < 0.9, 0.05, 1.0)),
        "skewed": ("probabilities of 1 down to .01", lambda rng, n: 10 ** rng.uniform(-2, 0, n)),
    }
    means = {"even": 0.55, "steps": 0.145, "skewed": 0.99 / np.log(100)}
    for name, (said, chance) in weights.items():
        for n in (200, 2_000):
            measure = covering(chosen(n, 0.9, chance), BINARY, "precision", _truth(name, means[name]))
            what = f"precision near .9 of {n:,} flagged rows, reviewed with {said}: likelier where likelier right"
            yield Covered(f"weights-{name}-{n}", measure, RUNS, what, 0.945)


def _truth(name: str, mean: float) -> float:
    """The mean of what :func:`chosen` clips, which it does of none but the even and the skewed ones."""
    at = (np.arange(1_000_000) + 0.5) / 1_000_000
    found = {"even": 0.1 + 0.9 * at, "steps": np.where(at < 0.9, 0.05, 1.0), "skewed": 10 ** (2 * at - 2)}[name]
    return float(np.clip(0.9 + 0.1 * (found - mean), 0, 1).mean())


REVIEWED: Mapping[str, tuple[str, Callable[[F64], F64]]] = {
    "flagged": ("all above .95 and a tenth of the others", lambda score: np.where(score > 0.95, 1.0, 0.1)),
    "steps": (
        "all above .9, three tenths above .5, else a tenth",
        lambda score: np.where(score > 0.9, 1.0, np.where(score > 0.5, 0.3, 0.1)),
    ),
    "smooth": ("with the score as probability, at least .05", lambda score: np.clip(score, 0.05, 1)),
    "even": ("a fifth of all", lambda score: np.full(len(score), 0.2)),
}
"""By which chance rows of a score are reviewed."""

OF_DAYS = 0.3
"""By how many standard deviations of scores the distance of positives, and the level of all, differ between days."""


def _areas() -> Iterator[Covered]:
    for positives, negatives in ((100, 100), (100, 1_000), (1_000, 10_000)):
        for area in (0.6, 0.8, 0.9, 0.98):
            measure = covering(curve(positives, negatives, area), BINARY, "roc_auc", area)
            what = f"ROC AUC of {area}, {positives:,} positives and {negatives:,} negatives"
            least = 0.93 if area <= 0.9 else None
            yield Covered(
                f"auc-{positives}-{negatives}-{area}",
                measure,
                RUNS,
                what,
                least,
                short=100 if negatives < 10_000 else 0,
            )


def _reviewed_areas() -> Iterator[Covered]:
    for name, (said, chance) in REVIEWED.items():
        for n, rate, area in ((20_000, 0.05, 0.8), (4_000, 0.1, 0.9)):
            draw = scores_reviewed(n, rate, area, chance)
            what = f"ROC AUC of {area}, {n:,} rows with {n * rate:,.0f} positives, reviewed: {said}"
            measure = covering(draw, BINARY, "roc_auc", area)
            yield Covered(f"auc-{name}-{n}", measure, 2_000, what, 0.93, short=50 if n < 10_000 else 0)


def scored_days(many: int, each: int, rate: float, area: float) -> Callable[[Random], Window]:
    """Draw days whose rates, distances of positives and levels of scores are their own."""
    apart = np.sqrt(2) * ndtri(area)

    def draw(rng: Random) -> Window:
        positives = rng.binomial(each, np.clip(rng.normal(rate, rate / 4, many), 0.001, 1))
        own, level = rng.normal(apart, OF_DAYS, many), rng.normal(0, OF_DAYS, many)
        blocks = [
            _scored(rng.normal(at, 1, each - n), rng.normal(at + mean, 1, n))
            for n, at, mean in zip(positives, level, own, strict=True)
        ]
        return total(blocks), tuple(blocks)

    return draw


def gained(rate: float, area: float, share: float, of_days: float = 0.0) -> float:
    """The share of positives among so many rows, whose scores are normal; ``of_days``: σ of level and of distance."""
    apart, spread = np.sqrt(2) * ndtri(area), np.sqrt(1 + np.array([1, 2]) * of_days**2)

    def beyond(at: float) -> F64:
        found: F64 = ndtr((np.array([0, apart]) - at) / spread)
        return found

    at = brentq(lambda at: float(beyond(at) @ [1 - rate, rate]) - share, -10, 10)
    return float(beyond(at)[1])


def _gains() -> Iterator[Covered]:
    plain = ((500, 0.3, 0.8, 0.1), (500, 0.3, 0.95, 0.5), (5_000, 0.3, 0.8, 0.02), (5_000, 0.3, 0.7, 0.5))
    rare = ((2_000, 0.05, 0.8, 0.1), (2_000, 0.05, 0.95, 0.02), (20_000, 0.05, 0.8, 0.1), (20_000, 0.05, 0.6, 0.5))
    for n, rate, area, share in (*plain, *rare):
        draw = scores_reviewed(n, rate, area, np.ones_like)
        what = f"gain@{share} of {n:,} rows, {rate * 100:g} % of them positive, at a ROC AUC of {area}"
        measure = covering(draw, BINARY, f"gain@{share}", gained(rate, area, share))
        yield Covered(f"gain-{n}-{share}", measure, 5_000, what, 0.93, short=50 if n < 2_000 else 0)
    for name, (said, chance) in REVIEWED.items():
        measure = covering(scores_reviewed(4_000, 0.1, 0.9, chance), BINARY, "lift@0.1", gained(0.1, 0.9, 0.1) / 0.1)
        what = f"lift@0.1 of 4,000 rows, 10 % of them positive, reviewed: {said}"
        yield Covered(f"lift-{name}", measure, 2_000, what, 0.93)
    for many, each, rate, share in ((30, 200, 0.2, 0.1), (30, 700, 0.05, 0.02), (7, 700, 0.2, 0.5), (3, 700, 0.2, 0.1)):
        truth = gained(rate, 0.8, share, OF_DAYS)
        measure = covering(scored_days(many, each, rate, 0.8), BINARY, f"gain@{share}", truth, by_days=True)
        what = f"gain@{share} of {many} days of {each} rows, on which rate, area and level of the scores differ"
        yield Covered(f"gain-days-{many}-{share}", measure, 2_000, what, 0.92)


def _means() -> Iterator[Covered]:
    laws: Mapping[str, tuple[str, str, float, Callable[[Random, int], F64]]] = {
        "mae": ("normal errors", "mae", float(np.sqrt(2 / np.pi)), lambda rng, n: rng.normal(0, 1, n)),
        "rmse": ("normal errors", "rmse", 1.0, lambda rng, n: rng.normal(0, 1, n)),
        "skewed": ("exponential errors", "mae", 1.0, lambda rng, n: rng.exponential(1, n)),
    }
    for name, (said, metric, truth, draw) in laws.items():
        for n in (20, 50, 200):
            measure = covering(errors(n, draw), REGRESSION, metric, truth)
            least = 0.93 if n >= 50 and name != "skewed" else None
            yield Covered(f"mean-{name}-{n}", measure, MEAN_RUNS, f"{metric.upper()} of {n} rows, {said}", least)


def _costly() -> Iterator[Covered]:
    costs = {"1": {"0": 500.0}, "0": {"1": 20.0}}
    rare = np.array([[0.90, 0.045], [0.005, 0.05]])
    for n in (200, 500, 1_000):
        measure = covering(table(n, rare), BINARY, "cost_per_prediction", 3.4, costs=costs)
        yield Covered(f"cost-{n}", measure, RUNS, f"cost of {n:,} rows, 20 of one in 22 and 500 of one in 200", 0.945)
    truth = (20 * 400 + 500 * 100) / 50_500
    measure = covering(reviewed(500, 50_000, 100, 0.2, 0.002), BINARY, "cost_per_prediction", truth, costs=costs)
    what = "cost of 50,500 rows, 500 flagged and reviewed, 100 of it right, and one of 100 others"
    yield Covered("cost-review", measure, RUNS, what, 0.945)
    said = "MAE of {:,} rows, 50 in one of a hundred, else normal errors of σ .1"
    for n in (200, 1_000, 5_000):
        measure = covering(errors(n, _rarely), REGRESSION, "mae", 0.5 + 0.1 * float(np.sqrt(2 / np.pi)))
        yield Covered(f"spikes-{n}", measure, MEAN_RUNS, said.format(n), None if n < 1_000 else 0.93)
    for n in (200, 1_000):
        measure = covering(errors(n, lambda rng, n: rng.lognormal(0, 1, n)), REGRESSION, "mae", float(np.exp(0.5)))
        least = None if n < 1_000 else 0.93
        yield Covered(f"lognormal-{n}", measure, MEAN_RUNS, f"MAE of {n:,} rows, lognormal errors of σ 1", least)


def _rarely(rng: Random, n: int) -> F64:
    found: F64 = rng.normal(0, 0.1, n) + np.where(rng.random(n) < 0.01, 50.0 * rng.choice([-1, 1], n), 0.0)
    return found


def _days() -> Iterator[Covered]:
    said = "accuracy of .9 on {} days of {} rows, on which it differs by {}"
    for many, each, spread in ((30, 200, 0.0), (30, 200, 0.01), (30, 200, 0.02), (30, 200, 0.05), (30, 2_000, 0.05)):
        measure = covering(days(0.9, spread, each, many), BINARY, "accuracy", 0.9)
        yield Covered(f"days-{each}-{spread}", measure, RUNS, said.format(many, f"{each:,}", spread), 0.92, short=100)
    for many in (2, 3, 4, 5, 6):
        for spread in (0.0, 0.015, 0.03, 0.1):
            measure = covering(days(0.9, spread, 500, many), BINARY, "accuracy", 0.9, by_days=True)
            least = 0.92 if spread else 0.945
            yield Covered(f"few-{many}-{spread}", measure, RUNS, said.format(many, 500, spread), least)
    for sizes in ((900, 300), (900, 100), (900, 100, 100), (900, 100, 100, 100, 100)):
        measure = covering(days(0.9, 0.03, sizes, len(sizes)), BINARY, "accuracy", 0.9, by_days=True)
        rows = " and ".join(str(one) for one in sizes)
        yield Covered(f"unlike-{'-'.join(map(str, sizes))}", measure, RUNS, said.format(len(sizes), rows, 0.03), 0.92)
    for many in (7, 14, 60):
        measure = covering(days(0.9, 0.03, 200, many), BINARY, "accuracy", 0.9)
        yield Covered(f"days-{many}", measure, RUNS, said.format(many, 200, 0.03), 0.92)
    for persist in (0.3, 0.5, 0.9):
        for many in (30, 60):
            measure = covering(days(0.9, 0.03, 200, many, persist), BINARY, "accuracy", 0.9)
            what = said.format(many, 200, 0.03) + f", a day like the one before by {persist}"
            yield Covered(f"lasting-{persist}-{many}", measure, RUNS, what, 0.92 if persist < 0.5 else None)
    for before, now in ((30, 30), (14, 30), (30, 7)):
        for spread in (0.0, 0.02, 0.05):
            measure = since_baseline(days(0.9, spread, 200, before), days(0.9, spread, 200, now))
            what = f"accuracy of {now} days less that of the baseline's {before}, 200 rows each, on which it differs by"
            yield Covered(f"since-{before}-{now}-{spread}", measure, SINCE_RUNS, f"{what} {spread}", 0.95)
    measure = covering(error_days(30, 200, 0.2), REGRESSION, "bias", 0.0)
    yield Covered(
        "days-bias", measure, RUNS, "bias of 30 days of 200 rows, on which it differs by .2 of the errors' σ", 0.92
    )
    measure = covering(curve_days(30, 200, 0.8, 0.3), BINARY, "roc_auc", 0.8)
    yield Covered(
        "days-auc", measure, RUNS, "ROC AUC of .8 on 30 days of 200 rows, that differs by day by about .08", 0.92
    )


LENT_RUNS, APART_RUNS = 1_000, 300
LENT_TO = (5, 7, 10, 14, 30)
"""Days of a window."""

ACCURACY = replace(STANDARD, metrics=("accuracy",))


def lent(
    before: int, now: int, spread: float, persist: float = 0.0, apart: float = 1.0
) -> Callable[[int, Random], Figures]:
    """Return the same of the accuracy of days of 500 rows, which a baseline lends how its days differ.

    Lengths are in that of the interval of who knows how days differ. ``persist``: what a day keeps of the one before;
    ``apart``: in how many times the standard deviation the window's days differ.
    """
    p, each = 0.9, 500
    own = spread * apart
    alike = 1 + 2 * sum((1 - at / now) * persist**at for at in range(1, now))
    known = 2 * ndtri(0.975) * np.sqrt(p * (1 - p) / each / now + own**2 / now * alike)

    def limits(rng: Random) -> Limits:
        pane, parts = days(p, spread, each, before, persist)(rng)
        whole, blocks = days(p, own, each, now, persist)(rng)
        extras = Extras(estimation=Estimation(blocks=OutcomeBlocks(DAY, parts)))
        spreads = lent_days(Baseline("m", "", BINARY, ModelBins(), pane, extras=extras), ACCURACY)
        measured = {"accuracy": realized(whole, BINARY, ACCURACY)["accuracy"]}
        found = with_intervals(measured, whole, blocks, BINARY, ACCURACY, days=True, lent=spreads)["accuracy"]
        ends = [None if end is None else float(end / known) for end in (found.low, found.high)]
        return ends[0], ends[1], found.interval

    return holding(limits, p / known)


def _lent() -> Iterator[Covered]:
    said = "accuracy of .9 on {} days of 500 rows beside {}, on which it differs by {}"
    known = "; length in that of known variance"
    for before, now in ((7, 2), (14, 2), (30, 2), (14, 3), (14, 4), (14, 7), *((30, now) for now in LENT_TO)):
        for spread in (0.0, 0.015, 0.05) if now < 5 else (0.0, 0.05) if now < 10 else (0.05,):
            what = said.format(now, before, spread) + known
            yield Covered(f"lent-{before}-{now}-{spread}", lent(before, now, spread), LENT_RUNS, what, 0.93)
    for before, least, long in ((14, 0.87, (7,)), (30, 0.9, LENT_TO)):
        for now in long:
            what = f"{said.format(now, before, 0.03)}, a day keeps half of the one before{known}"
            yield Covered(f"lent-{before}-{now}-keeps", lent(before, now, 0.03, 0.5), APART_RUNS, what, least)
    for now in (5, 7, 14):
        for name, times, more in (("variance", 2**0.5, "twice the variance"), ("apart", 2.0, "twice the deviation")):
            what = f"{said.format(now, 30, 0.03)}, in the window with {more}{known}"
            measure, least = lent(30, now, 0.03, apart=times), 0.9
            if name == "variance" and now > 7:
                continue
            yield Covered(f"lent-30-{now}-{name}", measure, APART_RUNS, what, least)


ROWS = {
    row.name: row
    for rows in (_shares, _weighted, _areas, _reviewed_areas, _gains, _means, _costly, _days, _lent)
    for row in rows()
}


HEAD = ["what", "promised", "held the truth", "above / below it", "mean length", "from blocks"]


def _told(row: Covered, found: Figures) -> list[str]:
    promised = "" if row.least is None else f"at least {percent(row.least)}"
    promised = f"{percent(row.least or 0)} to {percent(row.most)}" if row.most < 1 else promised
    sides = f"{percent(found['above'])} / {percent(found['below'])}"
    blocks = percent(found["blocks"]) if found["blocks"] else "–"
    runs = f"{percent(found['covered'])} of {round(found['windows'] * (1 - found['silent'])):,}"
    return [promised, runs, sides, f"{found['length']:.3g}", blocks]


COVERAGE = Table("coverage", ROWS, table_of(ROWS, HEAD, _told))

"""How often equal versions are told apart, and how soon one that is worse is: the tables of evidence/versions.json.

Somebody looks after every row. Evidence against the null is at most what the best single bet would have, so looks at
which even that is not enough are left out; all others go through the product's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core import evidence as normal
from driftline_processor.core import evidence as wagers
from driftline_processor.core.versions.comparison import CONFIDENCE, typical
from driftline_processor.core.versions.sums import SingleSums, Sums, by_stretch

from simulations.frame import Figures, Random, Row, Table, markdown, percent

LOOKS = 10_000
FOUND = 5_000
"""Rows within which five points more than an error rate of 20 % are to be found."""

ENOUGH = log(1 / (1 - CONFIDENCE))
HOUR = 100
"""Requests in an hour, within which versions with requests of their own are compared."""

_CELLS = 1_000_000

Draw = Callable[[Random, int, int], "Losses"]


@dataclass(frozen=True)
class Losses:
    """Losses of runs × looks: of the champion and the challenger, where ``second`` says whose row it is, else of both.

    ``weight``: of each row, None where all weigh 1. ``bounded``: between 0 and 1. ``hour``: rows of each hour.
    """

    champion: F64
    challenger: F64
    second: np.ndarray | None = None
    weight: F64 | None = None
    bounded: bool = True
    hour: int = HOUR


def first_verdicts(losses: Losses) -> F64:
    """Return after how many rows the challenger of each run is called worse, and better: float64 (2, runs).

    Infinite where never.
    """
    found = _paired if losses.second is None else _apart
    return np.stack([_first(evidence >= ENOUGH) for evidence in found(losses)])


def _first(told: np.ndarray) -> F64:
    return np.where(told.any(axis=1), told.argmax(axis=1) + 1.0, np.inf)


def _paired(losses: Losses) -> Iterator[F64]:
    d = losses.challenger - losses.champion
    w = np.ones_like(d) if losses.weight is None else losses.weight
    worse, squares = (w * d).cumsum(axis=1), (w**2 * d**2).cumsum(axis=1)
    rows = w.cumsum(axis=1) ** 2 / (w**2).cumsum(axis=1)
    for total in (worse, -worse):
        evidence = np.full(d.shape, -np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            could = (total > 0) & (total**2 / (2 * squares) >= ENOUGH - log(2))
        if losses.bounded and losses.weight is None:
            evidence[could] = wagers.betting_evidence(total[could], squares[could], np.ones(could.sum()))
        else:
            could &= rows >= normal.LEAST
            evidence[could] = normal.mixture_evidence(total[could] / np.sqrt(squares[could]), rows[could])
        yield evidence


def _apart(losses: Losses) -> Iterator[F64]:
    second = losses.second
    assert second is not None
    shape = len(second), -1, losses.hour
    weight = np.ones(second.shape) if losses.weight is None else losses.weight
    so_far, before = [], []
    for mine, loss in ((~second, losses.champion), (second, losses.challenger)):
        w = mine * weight
        rows = np.stack([mine, w, w**2, w * loss, w**2 * loss, w**2 * loss**2]).reshape(6, *shape)
        so_far.append(rows.cumsum(axis=-1))
        before.append(_earlier(so_far[-1]))
    found = by_stretch(*so_far)
    found = (found + _earlier(found)).reshape(-1, *second.shape)
    worse, variance = found[2] - found[1], np.maximum(found[3], found[6])
    first, other = ((hour + earlier).reshape(6, *second.shape) for hour, earlier in zip(so_far, before, strict=True))
    exact, bounds = losses.bounded and losses.weight is None, (0.0, 1.0) if losses.bounded else None
    for moved in (worse, -worse):
        with np.errstate(divide="ignore", invalid="ignore"):
            could = (moved > 0) & (moved**2 / (2 * variance) >= ENOUGH)
            if not exact:
                could &= np.minimum(first[1] ** 2 / first[2], other[1] ** 2 / other[2]) >= normal.LEAST
        unit = np.ones(could.sum())
        if not exact:
            sums = np.stack([first[:, could], other[:, could]], axis=1)
            unit = np.array([typical(Sums(None, SingleSums(*a), SingleSums(*b)), bounds) for a, b in sums.T])
        evidence = np.full(second.shape, -np.inf)
        evidence[could] = wagers.evidence_of_counts(moved[could] / unit, variance[could] / unit**2)
        yield evidence


def _earlier(hours: F64) -> F64:
    """What had been added up when each hour began: ``hours``: float64 (..., hours, rows), added up within hours."""
    ends = hours[..., -1:]
    earlier: F64 = ends.cumsum(axis=-2) - ends
    return earlier


def chunks(runs: int, looks: int) -> Iterator[int]:
    """Yield how many runs to draw at a time."""
    most = max(1, _CELLS // looks)
    for done in range(0, runs, most):
        yield min(most, runs - done)


def errors(rate: float, worse: float = 0.0, share: float | None = None, alike: float = 0.0) -> Draw:
    """Draw 0/1 errors. ``share``: of rows that are the challenger's own; ``alike``: of those in which both agree."""

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        at, other = rng.random((2, runs, looks))
        same = rng.random((runs, looks)) < alike
        champion, challenger = at < rate, np.where(same, at, other) < rate + worse
        second = None if share is None else rng.random((runs, looks)) < share
        return Losses(champion.astype(np.float64), challenger.astype(np.float64), second)

    return draw


def scored(loss: Callable[[F64], F64], share: float | None = None) -> Draw:
    """Draw losses of the probability that was given to what happened, by two models of the same skill."""

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        logit = rng.normal(1.5, 1.5, (runs, looks))
        one, other = (loss(1 / (1 + np.exp(-(logit + rng.normal(0, 0.7, logit.shape))))) for _ in range(2))
        second = None if share is None else rng.random((runs, looks)) < share
        return Losses(one, other, second)

    return draw


def distances(values: Callable[[Random, tuple[int, int]], F64], worse: float = 1.0, share: float | None = None) -> Draw:
    """Draw absolute errors of regressions; ``worse``: the challenger's are so many times as large."""

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        champion, challenger = np.abs(values(rng, (runs, looks))), np.abs(values(rng, (runs, looks))) * worse
        second = None if share is None else rng.random((runs, looks)) < share
        return Losses(champion, challenger, second, bounded=False)

    return draw


def reviewed(rate: float, uneven: float = 0.0) -> Draw:
    """Draw 0/1 errors of which a fifth weighs 10; ``uneven``: the challenger is better there by so much."""

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        heavy = rng.random((runs, looks)) < 0.2
        champion = rng.random((runs, looks)) < rate
        challenger = rng.random((runs, looks)) < rate + np.where(heavy, -uneven, 2.5 * uneven)
        weight = np.where(heavy, 10.0, 1.0)
        return Losses(champion.astype(np.float64), challenger.astype(np.float64), weight=weight)

    return draw


def sampled(rates: tuple[float, float], weight: float, often: float, share: float) -> Draw:
    """Draw 0/1 errors of requests of their own, some of which weigh more; ``rates``: of others and of those."""

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        heavy = rng.random((runs, looks)) < often
        wrong = (rng.random((runs, looks)) < np.where(heavy, rates[1], rates[0])).astype(np.float64)
        return Losses(wrong, wrong, rng.random((runs, looks)) < share, np.where(heavy, weight, 1.0))

    return draw


def ramped(rates: tuple[float, float] | None) -> Draw:
    """Draw 0/1 errors of a canary whose share grows from 1 to 50 % within 20 stretches, 5 hours each.

    ``rates``: of both versions in the first and in the last stretch; None = by chance, those of days that differ.
    """

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        stretch = np.arange(looks) * 20 // looks
        share = np.repeat([0.01, 0.05, 0.1, 0.25, 0.5], 4)[stretch]
        of_each = rng.normal(0.15, 0.03, (runs, 20)).clip(0.01) if rates is None else np.linspace(*rates, 20)
        wrong = (rng.random((runs, looks)) < of_each[..., stretch]).astype(np.float64)
        return Losses(wrong, wrong, rng.random((runs, looks)) < share)

    return draw


def measured(
    draw: Draw, looks: int, judge: Callable[[Losses], F64] = first_verdicts
) -> Callable[[int, Random], Figures]:
    """Return what counts how often a challenger is called worse, and better, within so many rows; the median of how
    many it takes to call it worse."""

    def measure(runs: int, rng: Random) -> Figures:
        after = [judge(draw(rng, some, looks)) for some in chunks(runs, looks)]
        worse, better = np.concatenate(after, axis=1)
        middle = float(np.median(worse))
        often = {name: float(np.isfinite(one).mean()) for name, one in (("worse", worse), ("better", better))}
        return {**often, "rows": middle if np.isfinite(middle) else None}

    return measure


def peeked(losses: Losses) -> F64:
    """Judge by ordinary one-sided z-tests at 5 % after every row from the hundredth on."""
    d = losses.challenger - losses.champion
    n = np.arange(1.0, d.shape[1] + 1)
    total, squares = d.cumsum(axis=1), (d**2).cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised = total / np.sqrt(squares - total**2 / n)
    return np.stack([_first((sign * standardised >= 1.6449) & (n >= 100)) for sign in (1, -1)])


def priced(miss: tuple[float, float], alarm: tuple[float, float], share: float | None = None) -> Draw:
    """Draw what decisions cost: 500 of a fraud that is missed, 20 of a false alarm, and one row in fifty is a fraud.

    ``miss``, ``alarm``: how often, by the champion and the challenger.
    """

    def draw(rng: Random, runs: int, looks: int) -> Losses:
        fraud = rng.random((runs, looks)) < 0.02
        at = rng.random((2, runs, looks))
        one, other = (
            np.where(fraud, (at[side] < miss[side]) * 1.0, (at[side] < alarm[side]) * (20 / 500)) for side in (0, 1)
        )
        second = None if share is None else rng.random((runs, looks)) < share
        return Losses(one, other, second)

    return draw


def gaussian(rng: Random, shape: tuple[int, int]) -> F64:
    """Draw errors as most regressions have them."""
    return rng.normal(size=shape)


def heavy(rng: Random, shape: tuple[int, int]) -> F64:
    """Draw errors some of which are enormous."""
    return rng.standard_t(3, shape)


def skewed(rng: Random, shape: tuple[int, int]) -> F64:
    """Draw errors of amounts of money."""
    return rng.lognormal(0, 1, shape)


def rare(rng: Random, shape: tuple[int, int]) -> F64:
    """Draw errors of which one in a hundred is enormous."""
    return np.where(rng.random(shape) < 0.01, 50.0, rng.normal(0, 0.1, shape))


def log_loss(p: F64) -> F64:
    """Return the log loss of probabilities, at least a thousandth, in units of its greatest value."""
    return -np.log(np.maximum(p, 1e-3)) / log(1e3)


QUIET: dict[str, tuple[str, Draw]] = {
    "quiet-shadow": ("error rate 20 %, the same requests, errors independent", errors(0.2)),
    "quiet-shadow-alike": ("the same, in 90 % of requests both say the same", errors(0.2, alike=0.9)),
    "quiet-shadow-rare": ("error rate 1 %, the same requests", errors(0.01)),
    "quiet-shadow-brier": ("Brier score, the same requests", scored(lambda p: (1 - p) ** 2)),
    "quiet-shadow-log-loss": ("log loss, the same requests", scored(log_loss)),
    "quiet-canary-half": ("error rate 20 %, half of the requests each", errors(0.2, share=0.5)),
    "quiet-canary-tenth": ("error rate 20 %, the challenger has a tenth of the requests", errors(0.2, share=0.1)),
    "quiet-canary-hundredth": ("error rate 20 %, the challenger has a hundredth", errors(0.2, share=0.01)),
    "quiet-canary-rare": ("error rate 1 %, half of the requests each", errors(0.01, share=0.5)),
    "quiet-canary-brier": ("Brier score, half of the requests each", scored(lambda p: (1 - p) ** 2, 0.5)),
    "quiet-shadow-cost": ("costs of 500 and 20, one row in fifty is a fraud", priced((0.3, 0.3), (0.05, 0.05))),
    "quiet-shadow-cost-errors": (
        "the same mean cost, the challenger errs less",
        priced((0.3, 0.38), (0.05, 0.18 / 19.6)),
    ),
    "quiet-canary-cost": (
        "costs of 500 and 20, half of the requests each",
        priced((0.3, 0.3), (0.05, 0.05), 0.5),
    ),
    "quiet-shadow-absolute": ("absolute error, normal, the same requests", distances(gaussian)),
    "quiet-shadow-heavy": ("absolute error, Student's t with 3 degrees, the same requests", distances(heavy)),
    "quiet-canary-absolute": ("absolute error, normal, half of the requests each", distances(gaussian, share=0.5)),
    "quiet-canary-tenth-skewed": ("absolute error, log-normal, a tenth of the requests", distances(skewed, share=0.1)),
    "quiet-canary-half-skewed": ("the same, half of the requests", distances(skewed, share=0.5)),
    "quiet-canary-tenth-heavy": (
        "absolute error, log-normal with a deviation of 2, a tenth",
        distances(lambda rng, shape: rng.lognormal(0, 2, shape), share=0.1),
    ),
    "quiet-canary-tenth-outliers": ("one row in a hundred is off by 50, a tenth", distances(rare, share=0.1)),
    "quiet-canary-ramped": (
        "error rate of both from 10 to 20 % while the share goes from 1 to 50 %",
        ramped((0.1, 0.2)),
    ),
    "quiet-canary-ramped-falling": ("the same, from 20 to 10 %", ramped((0.2, 0.1))),
    "quiet-canary-ramped-days": ("the same share, error rates that differ by chance, 15 ± 3 %", ramped(None)),
    "quiet-canary-weighted": (
        "error rate 1 %, a fifth of the rows weighs 10, a tenth of the requests",
        sampled((0.01, 0.01), 10.0, 0.2, 0.1),
    ),
    "quiet-canary-flagged": (
        "10 % errors where rows weigh 1, 0.5 % in the 30 % that weigh 50, a tenth of the requests",
        sampled((0.1, 0.005), 50.0, 0.3, 0.1),
    ),
    "quiet-shadow-weighted": ("error rate 20 %, a fifth of the rows weighs 10", reviewed(0.2)),
    "quiet-shadow-uneven": ("the same; better where rows weigh 10, worse elsewhere, equal in all", reviewed(0.2, 0.1)),
}
WORSE: dict[str, tuple[str, Draw]] = {
    "worse-shadow": ("error rate 25 % instead of 20 %, the same requests, errors independent", errors(0.2, 0.05)),
    "worse-shadow-alike": ("the same, in 90 % of requests both do the same", errors(0.2, 0.05, alike=0.9)),
    "worse-canary-half": ("error rate 25 % instead of 20 %, half of 5,000 requests each", errors(0.2, 0.05, 0.5)),
    "worse-canary-tenth": ("the same, the challenger has a tenth of 5,000 requests", errors(0.2, 0.05, 0.1)),
    "worse-shadow-cost": (
        "twice as many frauds missed, and fewer false alarms: fewer errors, and a cost of 6.4 instead of 4.0",
        priced((0.3, 0.6), (0.05, 0.02)),
    ),
    "worse-canary-absolute": (
        "absolute error a tenth greater, normal, half of 5,000 requests each",
        distances(gaussian, 1.1, 0.5),
    ),
    "worse-canary-skewed": (
        "absolute error three tenths greater, log-normal, half of 5,000 requests each",
        distances(skewed, 1.3, 0.5),
    ),
    "worse-shadow-absolute": ("absolute error a tenth greater, normal, the same requests", distances(gaussian, 1.1)),
}
RUNS = {"quiet-shadow": 10_000, "quiet-canary": 2_000, "worse": 2_000}


def _rows() -> Iterator[Row]:
    for name, (_, draw) in QUIET.items():
        yield Row(name, measured(draw, LOOKS), RUNS["quiet-shadow" if "shadow" in name else "quiet-canary"])
    yield Row("peeking-z", measured(errors(0.2), LOOKS, peeked), RUNS["worse"])
    for name, (_, draw) in WORSE.items():
        yield Row(name, measured(draw, FOUND), RUNS["worse"])


def text(figures: Mapping[str, Figures]) -> str:
    """Return both tables."""
    quiet = [
        [f"`{name}`", what, *(percent(figures[name][verdict]) for verdict in ("worse", "better"))]
        for name, (what, _) in QUIET.items()
        if name in figures
    ]
    if "peeking-z" in figures:
        what = "as `quiet-shadow`, but an ordinary z-test at 5 % after every row from the hundredth on"
        quiet.append(
            ["`peeking-z`", what, *(percent(figures["peeking-z"][verdict]) for verdict in ("worse", "better"))]
        )
    worse = []
    for name, (what, _) in WORSE.items():
        if name in figures:
            rows = figures[name]["rows"]
            worse.append([f"`{name}`", what, percent(figures[name]["worse"]), "–" if rows is None else f"{rows:,.0f}"])
    first = markdown(["row", "no difference, a look after each of 10,000 rows", 'ever "worse"', 'ever "better"'], quiet)
    return first + "\n" + markdown(["row", "worse", "found within 5,000 rows", "half are found within"], worse)


VERSIONS = Table("versions", {row.name: row for row in _rows()}, text)

"""How often equal versions are told apart, and how soon one that is worse is: the tables of docs/performance.md.

Somebody looks after every row. Evidence against the null is at most what the best single bet would have, so looks at
which even that is not enough are left out; all others go through the product's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from driftline.tables import F64
from driftline_processor.core.versions import normal, wagers
from driftline_processor.core.versions.compare import CONFIDENCE

from .frame import ROOT, Figures, Random, Row, Table, markdown, percent

LOOKS = 10_000
FOUND = 5_000
"""Rows within which five points more than an error rate of 20 % are to be found."""

ENOUGH = log(1 / (1 - CONFIDENCE))
_CELLS = 2_000_000
_AT_ONCE = 50

Draw = Callable[[Random, int, int], "Losses"]


@dataclass(frozen=True)
class Losses:
    """Losses of runs × looks: of the champion and the challenger, where ``second`` says whose row it is, else of both.

    ``weight``: of each row, None where all weigh 1. ``bounded``: between 0 and 1.
    """

    champion: F64
    challenger: F64
    second: np.ndarray | None = None
    weight: F64 | None = None
    bounded: bool = True


def first_verdicts(losses: Losses) -> F64:
    """Return after how many rows the challenger of each run is called worse: float64 (runs,), infinite where never."""
    evidence = _paired(losses) if losses.second is None else _apart(losses)
    told = evidence >= ENOUGH
    return np.where(told.any(axis=1), told.argmax(axis=1) + 1.0, np.inf)


def _paired(losses: Losses) -> F64:
    d = losses.challenger - losses.champion
    w = np.ones_like(d) if losses.weight is None else losses.weight
    total, squares = (w * d).cumsum(axis=1), (w**2 * d**2).cumsum(axis=1)
    evidence = np.full(d.shape, -np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        could = (total > 0) & (total**2 / (2 * squares) >= ENOUGH - log(2))
    if losses.bounded and losses.weight is None:
        evidence[could] = wagers.evidence(total[could], squares[could], np.ones(could.sum()))
        return evidence
    rows = w.cumsum(axis=1) ** 2 / (w**2).cumsum(axis=1)
    could &= rows >= normal.LEAST
    evidence[could] = normal.evidence(total[could] / np.sqrt(squares[could]), rows[could])
    return evidence


def _apart(losses: Losses) -> F64:
    second = losses.second
    assert second is not None
    first_of, second_of = (
        np.stack([np.cumsum(mine * loss**power, axis=1) for power in range(3)])
        for mine, loss in ((~second, losses.champion), (second, losses.challenger))
    )
    evidence = np.full(second.shape, -np.inf)
    (n, total, squares), (m, more, more_squares) = first_of, second_of
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (squares - total**2 / n) / n**2 + (more_squares - more**2 / m) / m**2
        standardised = (more / m - total / n) / np.sqrt(variance)
        if not losses.bounded:
            could = (np.minimum(n, m) >= normal.LEAST) & (standardised > 1)
            evidence[could] = normal.evidence(standardised[could], (n + m)[could])
            return evidence
        common = (total + more) / (n + m)
        fallen, risen = common - total / n, more / m - common
        spread = squares - 2 * common * total + n * common**2, more_squares - 2 * common * more + m * common**2
        best = (n * fallen) ** 2 / (2 * spread[0]) + (m * risen) ** 2 / (2 * spread[1])
        could = (risen > 0) & (np.minimum(n, m) > 0) & (best >= ENOUGH)
    known = wagers.evidence_at(first_of[:, could], second_of[:, could], np.zeros(could.sum()), common[could])
    runs, looks = (places[known >= ENOUGH] for places in np.nonzero(could))
    told = np.zeros(len(second), dtype=bool)
    for begin in range(0, second.shape[1], _AT_ONCE):  # once a run is told apart, nobody asks any more
        some = (looks >= begin) & (looks < begin + _AT_ONCE) & ~told[runs]
        at = runs[some], looks[some]
        evidence[at] = wagers.evidence_of_two(first_of[:, *at], second_of[:, *at], np.zeros(len(at[0])))
        told[at[0][evidence[at] >= ENOUGH]] = True
    return evidence


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


def measured(
    draw: Draw, looks: int, judge: Callable[[Losses], F64] = first_verdicts
) -> Callable[[int, Random], Figures]:
    """Return what counts how often a challenger is called worse within so many rows, and after how many, the median."""

    def measure(runs: int, rng: Random) -> Figures:
        after = np.concatenate([judge(draw(rng, some, looks)) for some in chunks(runs, looks)])
        middle = float(np.median(after))
        return {"worse": float(np.isfinite(after).mean()), "rows": middle if np.isfinite(middle) else None}

    return measure


def peeked(losses: Losses) -> F64:
    """Judge by an ordinary one-sided z-test at 5 % after every row from the hundredth on."""
    d = losses.challenger - losses.champion
    n = np.arange(1.0, d.shape[1] + 1)
    total, squares = d.cumsum(axis=1), (d**2).cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        told = (total / np.sqrt(squares - total**2 / n) >= 1.6449) & (n >= 100)
    return np.where(told.any(axis=1), told.argmax(axis=1) + 1.0, np.inf)


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
    "worse-shadow-absolute": ("absolute error a tenth greater, normal, the same requests", distances(gaussian, 1.1)),
}
RUNS = {"quiet": 10_000, "worse": 2_000}


def _rows() -> Iterator[Row]:
    for name, (_, draw) in QUIET.items():
        yield Row(name, measured(draw, LOOKS), RUNS["quiet"])
    yield Row("peeking-z", measured(errors(0.2), LOOKS, peeked), RUNS["worse"])
    for name, (_, draw) in WORSE.items():
        yield Row(name, measured(draw, FOUND), RUNS["worse"])


def text(figures: Mapping[str, Figures]) -> str:
    """Return both tables."""
    quiet = [
        [f"`{name}`", what, percent(figures[name]["worse"])] for name, (what, _) in QUIET.items() if name in figures
    ]
    if "peeking-z" in figures:
        what = "as `quiet-shadow`, but an ordinary z-test at 5 % after every row from the hundredth on"
        quiet.append(["`peeking-z`", what, percent(figures["peeking-z"]["worse"])])
    worse = []
    for name, (what, _) in WORSE.items():
        if name in figures:
            rows = figures[name]["rows"]
            worse.append([f"`{name}`", what, percent(figures[name]["worse"]), "–" if rows is None else f"{rows:,.0f}"])
    first = markdown(["row", "no difference, a look after each of 10,000 rows", 'ever called "worse"'], quiet)
    return first + "\n" + markdown(["row", "worse", "found within 5,000 rows", "half are found within"], worse)


VERSIONS = Table("versions", ROOT / "docs" / "performance.md", {row.name: row for row in _rows()}, text)

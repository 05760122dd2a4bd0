"""How often evidence over windows raises a false alarm in a year, and how soon it finds a small shift that lasts.

Each run has a reference of some days, and d targets with one score function each; the mean score of a day is normal,
with a variance between days (ICC) and that of its rows. What is measured is the product's own step and evidence, of all
targets of all runs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.drift.lasting import (
    ALPHA,
    BETWEEN,
    BLOCKS,
    EPOCH,
    LEAST_BLOCKS,
    LIFE,
    MEAN,
    NEWEST,
    RECENT,
    REFERENCE,
    ROWS,
    SQUARES,
    STEPS,
    TOTAL,
    WHOLE,
    kept_share,
    log_evidence,
    own_facts,
    take_step,
    whiten,
)
from driftline_processor.core.evaluation import LastingDrift
from driftline_processor.present.numbers import percent
from scipy.special import stdtr

from simulations.frame import DATA, Figures, Random, Row, Table, markdown

ROWS_A_DAY = 1_000
YEAR, WITHIN = 365, 60
RUNS, SHIFTED = 2_000, 500


def series(rng: Random, runs: int, targets: int, days: int, icc: float, keeps: float) -> F64:
    """Draw the mean score of each day, in standard deviations of rows: float64 (runs, targets, days)."""
    moves = rng.normal(size=(runs, targets, days))
    for day in range(1, days):
        moves[..., day] = keeps * moves[..., day - 1] + np.sqrt(1 - keeps**2) * moves[..., day]
    found: F64 = np.sqrt(icc) * moves + rng.normal(size=moves.shape) / np.sqrt(ROWS_A_DAY)
    return found


def found_after(days: F64, reference: int, shift: float = 0.0, quiet: int = 0, timed: bool = True) -> F64:
    """Return the day on which a run first has an alarm, counted from the shift on: float64 (runs,), inf = never.

    Args:
        days: float64 (runs, targets, days), the reference's first.
        reference: How many are the reference's.
        shift: Of the first target, from the day ``quiet`` on.
        quiet: Days before the shift.
        timed: Whether the reference knows its days.
    """
    runs, targets, many = days.shape
    days = days - days[..., :reference].mean(axis=2, keepdims=True)
    days[:, 0, reference + quiet :] += shift
    facts = np.zeros((runs * targets, 5))
    facts[:, REFERENCE] = reference * ROWS_A_DAY
    keeps, rows = np.zeros(runs), np.full(reference, float(ROWS_A_DAY))
    if timed and reference >= LEAST_BLOCKS:
        for run in range(runs):
            own = [(days[run, target, :reference], rows) for target in range(targets)]
            keeps[run] = kept_share(own)
            for target, one in enumerate(own):
                at = run * targets + target
                facts[at, BLOCKS:] = own_facts(one)
                moved = whiten(one[0] / np.sqrt(facts[at, BETWEEN] + 1 / ROWS_A_DAY), keeps[run])
                facts[at, MEAN], facts[at, SQUARES] = moved.mean(), ((moved - moved.mean()) ** 2).sum()
    none = np.zeros((runs * targets, 2))
    now = LastingDrift(
        {}, ("",) * len(facts), ("",) * len(facts), np.ones(len(facts)), facts, 0.0, 1, none, np.zeros((len(facts), 13))
    )
    each = np.repeat(keeps, targets)
    found, epoch = np.full(runs, np.inf), 1
    for day in range(many - reference):
        now.memory[:, TOTAL] += days[..., reference + day].ravel() * ROWS_A_DAY
        now.memory[:, ROWS] += ROWS_A_DAY
        take_step(replace(now, keeps=each))  # type: ignore[arg-type]  # that of each run
        life = log_evidence(now, LIFE) + log(WHOLE)
        newest = log_evidence(now, RECENT) + log(NEWEST / (epoch * (epoch + 1)))
        told = np.maximum(life, newest).reshape(runs, targets).max(axis=1) - log(targets)
        found[(told >= -log(ALPHA)) & np.isinf(found)] = day + 1 - quiet
        if now.memory[0, RECENT + STEPS] >= EPOCH:
            now.memory[:, RECENT : RECENT + 4] = 0.0
            epoch += 1
    return found


def by_product(days: F64, reference: int) -> F64:
    """Return the same of a product of the windows' p-values, each made a bet of 0.5 / √p (Shafer et al. 2011)."""
    targets = days.shape[1]
    own = days[..., :reference]
    deviation = own.std(axis=2, ddof=1, keepdims=True) * np.sqrt(1 + 1 / reference)
    t = (days[..., reference:] - own.mean(axis=2, keepdims=True)) / deviation
    p = 2 * stdtr(reference - 1, -np.abs(t))
    capital = np.cumsum(np.log(0.5) - 0.5 * np.log(np.maximum(p, 1e-300)), axis=2).max(axis=1) - log(targets)
    over = capital >= -log(ALPHA)
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


def at_once(days: F64, reference: int, shift: float) -> float:
    """Return the share of single windows that find the shift: Student's t of days at 0.01, Bonferroni over targets."""
    own = days[:, 0, :reference]
    t = (days[:, 0, reference] + shift - own.mean(axis=1)) / own.std(axis=1, ddof=1) / np.sqrt(1 + 1 / reference)
    return float((2 * stdtr(reference - 1, -np.abs(t)) <= ALPHA / days.shape[1]).mean())


def _quiet(targets: int, reference: int, icc: float, keeps: float, timed: bool) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        days = series(rng, runs, targets, reference + YEAR, icc, keeps)
        figures = {"alarms": float(np.isfinite(found_after(days, reference, timed=timed)).mean())}
        return figures | ({"product": float(np.isfinite(by_product(days, reference)).mean())} if timed else {})

    return measure


def _power(reference: int, size: float, quiet: int, icc: float) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        days = series(rng, runs, 10, reference + quiet + WITHIN, icc, 0.0)
        shift = size * float(np.sqrt(icc + 1 / ROWS_A_DAY))
        late = found_after(days, reference, shift, quiet)
        middle = float(np.median(late))
        return {
            "median": middle if np.isfinite(middle) else None,
            "found": float(np.isfinite(late).mean()),
            "shift": shift,
            "at_once": at_once(days, reference, shift),
        }

    return measure


QUIET = [
    (targets, reference, icc, keeps, timed)
    for targets in (1, 10)
    for reference in (7, 14, 30, 60)
    for icc, keeps, timed in ((0.0, 0.0, True), (0.02, 0.0, True), (0.02, 0.5, True), (0.02, 0.9, True))
] + [(10, 30, icc, keeps, False) for icc, keeps in ((0.0, 0.0), (0.02, 0.0), (0.02, 0.5))]
POWER = [(days, size, quiet, 0.02) for days in (14, 30, 60) for size in (1.0, 2.0, 3.0) for quiet in (0, 200)]


def quiet_name(targets: int, reference: int, icc: float, keeps: float, timed: bool) -> str:
    return f"a quiet year: {targets} x {reference}, ICC {icc}, keeps {keeps}{'' if timed else ', no times'}"


def power_name(reference: int, size: float, quiet: int, icc: float) -> str:
    return f"a shift that lasts: {reference} days, {size}, after {quiet}, ICC {icc}"


def text(figures: Mapping[str, Figures]) -> str:
    """Return both tables."""
    quiet = []
    for case in QUIET:
        found = figures.get(quiet_name(*case))
        targets, reference, icc, keeps, timed = case
        if found is not None:
            product = percent(found["product"]) if "product" in found else ""
            days = f"{reference}" if timed else f"{reference}, without times"
            quiet.append([str(targets), days, f"{icc:g}", f"{keeps:g}", percent(found["alarms"]), product])
    power = []
    for reference, size, quiet_days, icc in POWER:
        found = figures.get(power_name(reference, size, quiet_days, icc))
        if found is not None:
            middle = "" if found["median"] is None else f"{found['median']:.0f}"
            shift = f"{size:g} ({found['shift']:.2f} sd)"
            power.append(
                [str(reference), shift, str(quiet_days), percent(found["at_once"]), middle, percent(found["found"])]
            )
    head = ["targets", "days of reference", "ICC", "a day keeps", "years with an alarm", "with a product of p-values"]
    other = [
        "days of reference",
        "shift, in standard deviations of a day (of rows)",
        "quiet days before",
        "found by the first window alone",
        "days until half are found",
        f"found within {WITHIN}",
    ]
    return markdown(head, quiet) + "\n" + markdown(other, power)


LASTING = Table(
    "lasting",
    DATA / "lasting-drift.md",
    {
        row.name: row
        for row in (
            *(Row(quiet_name(*case), _quiet(*case), RUNS) for case in QUIET),
            *(Row(power_name(*case), _power(*case), SHIFTED) for case in POWER),
        )
    },
    text,
)

"""How often evidence over windows raises a false alarm in a year, and how soon it finds a small shift that lasts.

Each run has a reference of some days, and d columns with one score function each; the mean score of a day is normal,
with a variance between days (ICC) and that of its rows. What is measured is the product's own step and evidence, of all
columns of all runs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.drift.lasting import (
    ALPHA,
    COUNT,
    EPOCH,
    NEWEST,
    RECENT,
    ROWS,
    TOTAL,
    WHOLE,
    WIDTH,
    log_evidence,
    own_facts,
    take_step,
)
from driftline_processor.present.numbers import percent
from scipy.special import stdtr

from simulations.frame import Figures, Random, Row, Table, markdown

ROWS_A_DAY = 1_000
YEAR, WITHIN = 365, 60
RUNS, SHIFTED = 2_000, 300
AT_ONCE = 1_000
"""Columns that are worked out together: their sums for all shares that days keep stay in the processor's cache."""


def series(rng: Random, runs: int, columns: int, days: int, icc: float, keeps: float) -> F64:
    """Draw the mean score of each day, in standard deviations of rows: float64 (runs, columns, days)."""
    moves = rng.normal(size=(runs, columns, days))
    for day in range(1, days):
        moves[..., day] = keeps * moves[..., day - 1] + np.sqrt(1 - keeps**2) * moves[..., day]
    found: F64 = np.sqrt(icc) * moves + rng.normal(size=moves.shape) / np.sqrt(ROWS_A_DAY)
    return found


def found_after(days: F64, reference: int, shift: float = 0.0, quiet: int = 0) -> F64:
    """Return the day on which a run first has an alarm, counted from the shift on: float64 (runs,), inf = never.

    Args:
        days: float64 (runs, columns, days), the reference's first.
        reference: How many are the reference's.
        shift: Of the first column, from the day ``quiet`` on.
        quiet: Days before the shift.
    """
    runs, columns, many = days.shape
    some = max(1, AT_ONCE // columns)
    if runs > some:
        parts = np.array_split(days, -(-runs // some))
        return np.concatenate([found_after(part, reference, shift, quiet) for part in parts])
    days = days - days[..., :reference].mean(axis=2, keepdims=True)
    days[:, 0, reference + quiet :] += shift
    rows = np.full(reference, float(ROWS_A_DAY))
    facts = np.array([own_facts(one, rows) for one in days[..., :reference].reshape(-1, reference)])
    memory = np.zeros((runs * columns, WIDTH))
    found, epoch = np.full(runs, np.inf), 1
    for day in range(many - reference):
        memory[:, TOTAL] += days[..., reference + day].ravel() * ROWS_A_DAY
        memory[:, ROWS] += ROWS_A_DAY
        take_step(memory, facts)
        life, newest = log_evidence(memory, facts)
        life, newest = life + log(WHOLE), newest + log(NEWEST / (epoch * (epoch + 1)))
        told = np.maximum(life, newest).reshape(runs, columns).max(axis=1) - log(columns)
        found[(told >= -log(ALPHA)) & np.isinf(found)] = day + 1 - quiet
        if memory[0, RECENT + COUNT] >= EPOCH:
            memory[:, RECENT:WIDTH] = 0.0
            epoch += 1
    return found


def by_product(days: F64, reference: int) -> F64:
    """Return the same of a product of the windows' p-values, each made a bet of 0.5 / √p (Shafer et al. 2011)."""
    columns = days.shape[1]
    own = days[..., :reference]
    deviation = own.std(axis=2, ddof=1, keepdims=True) * np.sqrt(1 + 1 / reference)
    t = (days[..., reference:] - own.mean(axis=2, keepdims=True)) / deviation
    p = 2 * stdtr(reference - 1, -np.abs(t))
    capital = np.cumsum(np.log(0.5) - 0.5 * np.log(np.maximum(p, 1e-300)), axis=2).max(axis=1) - log(columns)
    over = capital >= -log(ALPHA)
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


def at_once(days: F64, reference: int, shift: float) -> float:
    """Return the share of single windows that find the shift: Student's t of days at 0.01, Bonferroni over columns."""
    own = days[:, 0, :reference]
    t = (days[:, 0, reference] + shift - own.mean(axis=1)) / own.std(axis=1, ddof=1) / np.sqrt(1 + 1 / reference)
    return float((2 * stdtr(reference - 1, -np.abs(t)) <= ALPHA / days.shape[1]).mean())


def without_times(days: F64, rows: float) -> F64:
    """Return the same of a rule that takes the rows of a reference for independent, as one without times must.

    The deviation of windows is learned from these, and their mean compared with that of the reference by a Bayes factor
    of Student's t (Gönen, Johnson, Lu and Westfall 2005). The mean of ``days`` is that from the reference.

    Args:
        days: float64 (runs, columns, days), of windows.
        rows: Those of the reference, in days of windows.
    """
    many = np.arange(1.0, days.shape[2] + 1)
    total, squares = np.cumsum(days, axis=2), np.cumsum(days**2, axis=2)
    pairs, freedom = 1 / (1 / many + 1 / rows), np.maximum(many - 1, 1.0)
    spread = np.maximum(squares - total**2 / many, 1e-12)
    t = (total / many) ** 2 * pairs * freedom / spread
    factor = -0.5 * np.log1p(pairs) + (freedom + 1) / 2 * (np.log1p(t / freedom) - np.log1p(t / freedom / (1 + pairs)))
    told = np.where(many >= 5, factor, -np.inf).max(axis=1) - log(days.shape[1])
    over = told >= -log(ALPHA)
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


def _quiet(columns: int, reference: int, icc: float, keeps: float) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        days = series(rng, runs, columns, reference + YEAR, icc, keeps)
        return {
            "alarms": float(np.isfinite(found_after(days, reference)).mean()),
            "product": float(np.isfinite(by_product(days, reference)).mean()),
        }

    return measure


def _undated(reference: int, keeps: float) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        days = series(rng, runs, 10, reference + YEAR, 0.02, keeps)
        windows = days[..., reference:] - days[..., :reference].mean(axis=2, keepdims=True)
        return {"alarms": float(np.isfinite(without_times(windows, 30.0)).mean())}

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
    (columns, reference, icc, keeps)
    for columns, references in ((1, (7, 14, 30, 60)), (10, (7, 30)))
    for reference in references
    for icc, keeps in ((0.0, 0.0), (0.02, 0.0), (0.001, 0.9), (0.02, 0.5), (0.02, 0.9))
]
UNDATED = [(reference, keeps) for reference in (1, 3, 10, 30) for keeps in (0.0, 0.5)]
POWER = [(days, size, quiet, 0.02) for days in (14, 30, 60) for size in (1.0, 2.0, 3.0) for quiet in (0, 200)]


def quiet_name(columns: int, reference: int, icc: float, keeps: float) -> str:
    return f"a quiet year: {columns} x {reference}, ICC {icc}, keeps {keeps}"


def undated_name(reference: int, keeps: float) -> str:
    return f"a quiet year without times: 10 x {reference}, keeps {keeps}"


def power_name(reference: int, size: float, quiet: int, icc: float) -> str:
    return f"a shift that lasts: {reference} days, {size}, after {quiet}, ICC {icc}"


def text(figures: Mapping[str, Figures]) -> str:
    """Return the three tables."""
    quiet, undated = [], []
    for case in QUIET:
        found = figures.get(quiet_name(*case))
        columns, reference, icc, keeps = case
        if found is not None:
            shown = [str(columns), str(reference), f"{icc:g}", f"{keeps:g}"]
            quiet.append([*shown, percent(found["alarms"]), percent(found["product"])])
    for reference, keeps in UNDATED:
        found = figures.get(undated_name(reference, keeps))
        if found is not None:
            undated.append([str(reference), f"{keeps:g}", percent(found["alarms"])])
    power = []
    for reference, size, quiet_days, icc in POWER:
        found = figures.get(power_name(reference, size, quiet_days, icc))
        if found is not None:
            middle = "" if found["median"] is None else f"{found['median']:.0f}"
            shift = f"{size:g} ({found['shift']:.2f} sd)"
            power.append(
                [str(reference), shift, str(quiet_days), percent(found["at_once"]), middle, percent(found["found"])]
            )
    head = ["columns", "days of reference", "ICC", "a day keeps", "years with an alarm", "with a product of p-values"]
    other = [
        "days of reference",
        "shift, in standard deviations of a day (of rows)",
        "quiet days before",
        "found by the first window alone",
        "days until half are found",
        f"found within {WITHIN}",
    ]
    last = ["days of the 30,000 rows of reference", "a day keeps", "years with an alarm"]
    return "\n".join((markdown(head, quiet), markdown(other, power), markdown(last, undated)))


LASTING = Table(
    "lasting",
    {
        row.name: row
        for row in (
            *(Row(quiet_name(*case), _quiet(*case), RUNS if case[0] == 1 else RUNS // 4) for case in QUIET),
            *(Row(undated_name(*case), _undated(*case), RUNS) for case in UNDATED),
            *(Row(power_name(*case), _power(*case), SHIFTED) for case in POWER),
        )
    },
    text,
)

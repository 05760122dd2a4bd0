"""Two faults of one model, one after the other: which one the verdict calls the cause, and what it says of the other.

Each history has 42 days of a baseline and 200 rows a day. The first fault begins on the ninth day, the second 1 to 30
days later. Its truth is known: the same rows without the second fault have another loss, or the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import driftline
import numpy as np
import pandas as pd
from driftline_processor.core.evaluation import Finding, Verdict

from simulations.frame import Figures, Random, Row, Table, percent, table_of

KINDS = ("bias", "concept", "harder", "unit", "recoded", "missing", "constant", "output")
"""Faults of the outcomes, of the inputs' distribution, of the inputs' values, and of the output."""

PER_DAY, FIRST, AFTER = 200, 8, 12
DAY = 86_400 * 10**9
START = pd.Timestamp("2026-03-01")

HARM, NO_HARM = 0.5, 0.1
"""Rise of the squared error or log loss by the second fault from which on it joined, and up to which it is harmless, as
a fraction of the rise by the first.
"""

EFFECT = {"a": 0.0, "b": 2.0, "c": -2.0}
ALONE = 0.25
"""Rise of the loss by the first fault from which on its days must show it."""

DRAWS = ("of_outcome", "of_missing", "of_harder")
"""Columns of draws that the rows with and without a fault share."""

COLUMN = {"harder": "z", "unit": "x", "recoded": "c", "missing": "z", "constant": "x"}


class History(NamedTuple):
    """The baseline, the rows, the day on which the second fault begins, and what both faults do.

    ``alone``: the rise of the loss by the first, as a fraction of the loss. ``harm``: that by the second, as a fraction
    of the rise by the first.
    """

    reference: pd.DataFrame
    rows: pd.DataFrame
    second: int
    alone: float
    harm: float


def history(rng: Random, first: str, second: str, gap: int, *, regression: bool) -> History:
    """Draw a history; ``second`` = "" for one fault."""
    length = FIRST + gap + AFTER
    reference, rows = _features(rng, 42, START), _features(rng, length, START + pd.Timedelta(days=60))
    day = (rows["time"] - rows["time"].iloc[0].normalize()).dt.days
    spans = {first: day >= FIRST} | ({second: day >= FIRST + gap} if second else {})
    noise = rng.normal(size=len(rows))
    served = _served(rows, spans, noise, regression)
    alone = harm = 0.0
    if second:
        fine, one = (_served(rows, one, noise, regression) for one in ({}, {first: spans[first]}))
        late = day >= FIRST + gap
        losses = [_loss(frame[late], regression) for frame in (fine, one, served)]
        alone = losses[1] / losses[0] - 1
        harm = (losses[2] - losses[1]) / max(losses[1] - losses[0], 0.05 * losses[0])
    usual = _served(reference, {}, rng.normal(size=len(reference)), regression)
    return History(usual, served, FIRST + gap, alone, harm)


def _features(rng: Random, days: int, start: pd.Timestamp) -> pd.DataFrame:
    n = days * PER_DAY
    time = start + pd.to_timedelta(np.sort(rng.uniform(0, days * 86_400, n)), unit="s")
    columns = {"x": rng.normal(5, 1, n), "z": rng.gamma(4, 2, n), "c": rng.choice(list("aabc"), n)}
    return pd.DataFrame({"time": time, **columns, **{name: rng.random(n) for name in DRAWS}})


def _served(rows: pd.DataFrame, spans: dict[str, pd.Series], noise: np.ndarray, regression: bool) -> pd.DataFrame:
    """Return rows with outcomes and predictions, as faults bend them."""
    rows = rows.copy()
    never = pd.Series(False, index=rows.index)
    has = {kind: spans.get(kind, never) for kind in KINDS}
    rows.loc[has["harder"], "z"] += 9.0 * rows["of_harder"][has["harder"]]
    mean = 3 * (rows["x"] - 5) + rows["c"].map(EFFECT) + 0.4 * (rows["z"] - 8)
    mean += 2.5 * has["bias"] - 2.2 * has["concept"] * (rows["x"] - 5)
    if regression:
        rows["actual"] = 10 + mean + noise * (0.7 + 0.25 * np.maximum(rows["z"] - 10, 0))
    else:
        rows["actual"] = (rows["of_outcome"] < 1 / (1 + np.exp(-0.6 * mean))).astype(int)
    rows.loc[has["unit"], "x"] *= 1.609344
    rows.loc[has["constant"], "x"] = 5.75
    rows.loc[has["recoded"], "c"] = rows["c"][has["recoded"]].str.upper()
    rows.loc[has["missing"] & (rows["of_missing"] < 0.85), "z"] = np.nan
    told = 3 * (rows["x"] - 5) + rows["c"].map(EFFECT).fillna(0.0) + 0.4 * (rows["z"].fillna(8.0) - 8)
    rows["said"] = 10 + told if regression else 1 / (1 + np.exp(-0.6 * told))
    rows.loc[has["output"], "said"] = 13.5 if regression else 0.55
    return rows


def _loss(rows: pd.DataFrame, regression: bool) -> float:
    if regression:
        return float(((rows["actual"] - rows["said"]) ** 2).mean())
    said = rows["said"].clip(1e-6, 1 - 1e-6)
    return float(-np.where(rows["actual"] == 1, np.log(said), np.log(1 - said)).mean())


def verdict(drawn: History, *, regression: bool) -> Verdict:
    """Return the verdict at the end of a history, by days."""
    reference, rows = (frame.drop(columns=[*DRAWS]) for frame in (drawn.reference, drawn.rows))
    report = driftline.evaluate(
        rows,
        baseline=reference,
        actual="actual",
        time="time",
        window="1d",
        task="regression" if regression else "binary",
        predicted="said" if regression else "",
        score="" if regression else "said",
    )
    found: Verdict = report.result.verdict  # type: ignore[attr-defined]
    return found


def is_right(found: Verdict, drawn: History, first: str, second: str) -> bool:
    """Return True if the first fault is the cause, and the second has its role and its begin within a day."""
    start = int(drawn.rows["time"].iloc[0].normalize().value)
    named = found.cause.features if isinstance(found.cause, Finding) else ()

    def begins_on(day: int, since: int | None) -> bool:
        return since is not None and abs(since - start - day * DAY) <= DAY

    if drawn.alone < ALONE and not begins_on(FIRST, found.since):
        # the first fault does too little harm for days to show it; if anything began the degradation, the second did
        by_second = begins_on(drawn.second, found.since) and COLUMN.get(first) not in named
        return found.state != "degraded" or by_second
    roles = {one.role for one in found.later if begins_on(drawn.second, one.since)}
    others = [one for one in found.later if not begins_on(drawn.second, one.since)]
    is_first_right = begins_on(FIRST, found.since) and (not named or COLUMN.get(first) in named) and not others
    if drawn.harm > HARM:
        return is_first_right and roles == {"joined"}
    return is_first_right and (drawn.harm > NO_HARM or roles <= {"harmless"} or second == "output")


@dataclass(frozen=True)
class Histories(Row):
    """``what``: the histories. ``promised``: of their figure."""

    what: str
    promised: str


def pairs(rng: Random, number: int) -> Iterator[tuple[str, str, int, bool]]:
    """Yield two kinds, the days between them, and whether the model is a regression."""
    for _ in range(number):
        first = str(rng.choice(KINDS[:-1]))  # after a constant output, nothing else does harm
        second = str(rng.choice([kind for kind in KINDS if kind != first]))
        yield first, second, int(rng.choice([1, 2, 4, 8, 15, 30])), bool(rng.integers(2))


def two(runs: int, rng: Random) -> Figures:
    """Return how often the verdict is right about two faults."""
    right = 0
    for first, second, gap, regression in pairs(rng, runs):
        drawn = history(rng, first, second, gap, regression=regression)
        right += is_right(verdict(drawn, regression=regression), drawn, first, second)
    return {"right": right / runs}


def one(runs: int, rng: Random) -> Figures:
    """Return how often the verdict adds something to a single fault."""
    more = 0
    for _ in range(runs):
        first, regression = str(rng.choice(KINDS)), bool(rng.integers(2))
        more += bool(verdict(history(rng, first, "", 20, regression=regression), regression=regression).later)
    return {"more": more / runs}


ROWS = {
    row.name: row
    for row in (
        Histories("second-none", one, 120, "one fault that lasts 32 days", "the verdict adds something in at most 3 %"),
        Histories("second-two", two, 120, "two faults, the second 1 to 30 days later", "the verdict is right in 80 %"),
    )
}


def _measured(row: Histories, found: Figures) -> list[str]:
    figure = found.get("more", found.get("right", 0.0))
    return [row.promised, f"{percent(figure)} of {found['windows']:,}"]


SECOND_FAULTS = Table("second_faults", ROWS, table_of(ROWS, ["histories", "promised", "measured"], _measured))

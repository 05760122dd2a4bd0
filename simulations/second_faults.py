"""Two faults of one model, one after the other: which one the verdict calls the cause, and what it says of the other.

Each history has 42 days of a baseline and 200 rows a day. The first fault begins on the ninth day, the second 1 to 60
days later. One of them may end while the other stays. The truth is known: the same rows without a fault have another
loss, or the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import driftline
import numpy as np
import pandas as pd
from driftline_processor.core.evaluation import Cause, Finding, LaterFinding, Verdict

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
"""Rise of the loss by a fault, as a fraction of the loss without faults, from which on its days must show it."""

SMALLEST = 0.05
"""Fraction of the loss to which the rise by the second fault is compared if the rise by the first is smaller."""

DRAWS = ("of_outcome", "of_missing", "of_harder")
"""Columns of draws that the rows with and without a fault share."""

COLUMN = {"harder": "z", "unit": "x", "recoded": "c", "missing": "z", "constant": "x"}
CHECK = {"unit": "unit_change", "recoded": "recoded", "missing": "missing", "constant": "constant"}
HIDDEN = {("unit", "constant")}
"""A first fault that its values no longer have once the second sets them all to one."""

OF_OUTCOMES = ("bias", "concept")
"""Faults that only outcomes show. On the next day, a second one looks like the rest of a first one since noon."""


class Ending(NamedTuple):
    """The fault that ends, and the days from the begin of the second one to that end."""

    fault: str = ""
    days: int = 0


LASTS = Ending()
"""Both faults last."""


class History(NamedTuple):
    """The baseline, the rows, the days on which the second fault begins and one ends, and what the faults do.

    ``alone``: the rise of the loss by the first, as a fraction of the loss. ``harm``: that by the second, as a fraction
    of the rise by the first. ``left``: the rise after the end by the fault that stays, as a fraction of the loss.
    ``fall``: the fall of the loss at the end, as a fraction of the rise that is left.
    """

    reference: pd.DataFrame
    rows: pd.DataFrame
    second: int
    alone: float
    harm: float
    end: int
    left: float
    fall: float

    @property
    def further(self) -> float:
        """The rise by the second, as a fraction of the loss."""
        return self.harm * max(self.alone, SMALLEST)


def history(rng: Random, first: str, second: str, gap: int, *, regression: bool, ending: Ending = LASTS) -> History:
    """Draw a history; ``second`` = "" for one fault."""
    end = FIRST + gap + ending.days
    reference, rows = _features(rng, 42, START), _features(rng, end + AFTER, START + pd.Timedelta(days=60))
    day = (rows["time"] - rows["time"].iloc[0].normalize()).dt.days
    began = {first: day >= FIRST} | ({second: day >= FIRST + gap} if second else {})
    spans = {kind: is_on & ((kind != ending.fault) | (day < end)) for kind, is_on in began.items()}
    noise = rng.normal(size=len(rows))
    served = _served(rows, spans, noise, regression)
    alone = harm = left = fall = 0.0
    if second:
        fine, one, both = (_served(rows, one, noise, regression) for one in ({}, {first: began[first]}, began))
        late = day >= FIRST + gap
        losses = [_loss(frame[late], regression) for frame in (fine, one, both)]
        alone = losses[1] / losses[0] - 1
        harm = (losses[2] - losses[1]) / max(losses[1] - losses[0], SMALLEST * losses[0])
        usual, stays, ends = (_loss(frame[day >= end], regression) for frame in (fine, served, both))
        left, fall = stays / usual - 1, (ends - stays) / max(stays - usual, SMALLEST * usual)
    baseline = _served(reference, {}, rng.normal(size=len(reference)), regression)
    return History(baseline, served, FIRST + gap, alone, harm, end, left, fall)


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
    """Return True if the first fault is the cause, and the second has its role and its begin within a day.

    A fault that does too little harm for days to show it need not be mentioned, nor dated better than by its range.
    """
    told = _Told(found, drawn)
    if drawn.alone < ALONE and told.is_by_second(first, second):
        return True
    if found.state != "degraded":
        return max(drawn.alone, drawn.further) < ALONE
    roles = {one.role for one in found.later if told.begins_on(drawn.second, one.since)}
    claimed = {one.role for one in found.later if told.begins_on(drawn.second, one.since) and one.shown}
    others = [one for one in found.later if not told.begins_on(drawn.second, one.since)]
    is_first_right = told.is_by_first(first, second) and not others
    if (first, second) in HIDDEN:
        return is_first_right and roles == {"joined"} and told.begins_on(drawn.second, told.first_end())
    if drawn.harm > HARM:
        is_next_day = drawn.second == FIRST + 1 and second in OF_OUTCOMES and first in ("harder", *OF_OUTCOMES)
        return is_first_right and (roles == {"joined"} or (not roles and (drawn.further < ALONE or is_next_day)))
    return is_first_right and (drawn.harm > NO_HARM or claimed <= {"harmless"} or second == "output")


def is_right_after(found: Verdict, drawn: History, first: str, second: str, ended: str) -> bool:
    """Return True if what is left degrades the model, with its own begin, and what ended has its end within a day.

    A fault that days are too few to show need not be mentioned, and one that does too little harm alone not be dated.
    """
    told = _Told(found, drawn)
    if found.state != "degraded":
        return drawn.left < ALONE
    if drawn.alone < ALONE and told.is_by_second(first, second):
        return ended == first
    lasting = [one for one in found.later if one.until is None]
    over = [one for one in found.later if one.until is not None]
    if any(not told.begins_on(drawn.second, one.since) and not told.rises_at_end(one) for one in lasting):
        return False
    if drawn.left < ALONE and told.is_about(*((second, first) if ended == first else (first, second))):
        return True
    # its finding ends, or the loss falls
    shows_end = ended in CHECK or ended == "output" or drawn.fall > HARM
    if ended == second:
        is_end_told = any(told.begins_on(drawn.second, one.since) and told.ends(one.until) for one in over)
        is_second_told = told.first_end() is None and all(map(told.rises_at_end, lasting))
        shows_end = shows_end and drawn.harm > HARM and drawn.further >= ALONE
    else:
        is_end_told = told.ends(told.first_end())
        is_second_told = not all(map(told.rises_at_end, lasting)) or COLUMN.get(second) in (None, *told.columns())
        shows_end = shows_end and drawn.alone > ALONE
    is_begin_right = told.begins_on(FIRST, found.since) and (ended == first or told.is_by_first(first, second))
    return is_begin_right and is_second_told and (is_end_told or not shows_end)


class _Told(NamedTuple):
    """A verdict about a history."""

    found: Verdict
    drawn: History

    def time(self, day: int) -> int:
        """Return when a day begins."""
        return int(self.drawn.rows["time"].iloc[0].normalize().value) + day * DAY

    def begins_on(self, day: int, time: int | None) -> bool:
        """Return True if a time is a day, within a day."""
        return time is not None and abs(time - self.time(day)) <= DAY

    def is_by_second(self, first: str, second: str) -> bool:
        """Return True if the degradation begins with the second fault, and the first one is not its cause."""
        since, earliest = self.found.since, self.found.since_earliest
        day = self.drawn.second
        time, is_after = self.time(day), since is not None and self.time(day) <= since + DAY
        is_in_range = is_after and earliest is not None and earliest - DAY <= time
        return (self.begins_on(day, since) or is_in_range) and not self.names(first, second)

    def ends(self, time: int | None) -> bool:
        """Return True if a time is that at which a fault ends."""
        return self.begins_on(self.drawn.end, time)

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the cause."""
        return tuple(self.found.cause.features) if isinstance(self.found.cause, (Cause, Finding)) else ()

    def names(self, fault: str, other: str) -> bool:
        """Return True if the cause is a finding of the column of a fault, and not that of the other fault."""
        cause = self.found.cause
        return isinstance(cause, Finding) and COLUMN.get(fault) in cause.features and cause.check != CHECK.get(other)

    def is_by_first(self, first: str, second: str) -> bool:
        """Return True if the degradation begins with the first fault, and no finding of another column is its cause."""
        return self.begins_on(FIRST, self.found.since) and self.is_about(first, second)

    def is_about(self, fault: str, other: str) -> bool:
        """Return True if no finding of another column than that of a fault is the cause."""
        is_finding = isinstance(self.found.cause, Finding) and bool(self.found.cause.features)
        return not is_finding or self.names(fault, other)

    def rises_at_end(self, later: LaterFinding) -> bool:
        """Return True for a rise of the loss, without a finding, where a fault ends that offset a part of the other."""
        return later.subject.split(":")[0] == "loss" and self.drawn.fall < 0 and self.ends(later.since)

    def first_end(self) -> int | None:
        """Return when the cause ended."""
        mended = (one.until for one in self.found.later if one.role == "mended")
        return next(mended, self.found.cause_until)


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
        yield first, second, int(rng.choice([1, 2, 4, 8, 15, 30, 60])), bool(rng.integers(2))


def two(runs: int, rng: Random) -> Figures:
    """Return how often the verdict is right about two faults."""
    right = 0
    for first, second, gap, regression in pairs(rng, runs):
        drawn = history(rng, first, second, gap, regression=regression)
        right += is_right(verdict(drawn, regression=regression), drawn, first, second)
    return {"right": right / runs}


def ended(runs: int, rng: Random) -> Figures:
    """Return how often the verdict is right about what is left of two faults, in turns the first and the second."""
    right = 0
    for number, (first, second, gap, regression) in enumerate(pairs(rng, runs)):
        while {first, second} == set(*HIDDEN):
            first, second, gap, regression = next(pairs(rng, 1))
        ending = Ending((first, second)[number % 2], int(rng.choice([2, 4, 8, 15])))
        drawn = history(rng, first, second, gap, regression=regression, ending=ending)
        right += is_right_after(verdict(drawn, regression=regression), drawn, first, second, ending.fault)
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
        Histories("second-two", two, 120, "two faults, the second 1 to 60 days later", "the verdict is right in 90 %"),
        Histories(
            "second-ended",
            ended,
            120,
            "two faults, of which one ends while the other stays",
            "the verdict is right in 85 %",
        ),
    )
}


def _measured(row: Histories, found: Figures) -> list[str]:
    figure = found.get("more", found.get("right", 0.0))
    return [row.promised, f"{percent(figure)} of {found['windows']:,}"]


SECOND_FAULTS = Table("second_faults", ROWS, table_of(ROWS, ["histories", "promised", "measured"], _measured))

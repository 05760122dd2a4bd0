"""How often the detector of concept drift alarms falsely, and how soon it finds a rise: evidence/concept.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from driftline.tables.table import F64, I64
from driftline_processor.core.concept.losses import Kind, standardised
from driftline_processor.core.concept.stream import Stream
from driftline_processor.present.numbers import percent

from simulations.frame import Figures, Random, Row, Table, markdown

LENGTH = 100_000
Draw = Callable[[np.random.Generator, int], F64]


def errors(rate: float) -> Draw:
    return lambda rng, n: (rng.random(n) < rate).astype(np.float64)


def losses(values: Draw) -> Draw:
    """Absolute errors, standardised as by a large baseline."""
    reference = np.abs(values(np.random.default_rng(0), 1_000_000))
    scale = (float(reference.mean()), float(reference.std()))
    return lambda rng, n: standardised(np.abs(values(rng, n)), scale)


WORLDS: dict[str, tuple[Kind, Draw]] = {
    "errors, 0.5 %": ("error", errors(0.005)),
    "errors, 1 %": ("error", errors(0.01)),
    "errors, 5 %": ("error", errors(0.05)),
    "errors, 20 %": ("error", errors(0.2)),
    "errors, 50 %": ("error", errors(0.5)),
    "losses, normal": ("loss", losses(lambda rng, n: rng.normal(size=n))),
    "losses, exponential": ("loss", losses(lambda rng, n: rng.exponential(size=n))),
    "losses, Student's t, 3": ("loss", losses(lambda rng, n: rng.standard_t(3, n))),
}
RISES = ((0.01, 0.02), (0.05, 0.1), (0.2, 0.25), (0.2, 0.3), (0.2, 0.4))
BEFORE, AFTER = 5_000, 5_000
"""Outcomes before a rise, and those within which it should be found."""

STREAMS, RUNS = 50, 200


def alarms(kind: Kind, draw: Draw, streams: int, rng: Random, length: int = LENGTH) -> float:
    """Count alarms per 100,000 values of streams in which nothing changes."""
    found = 0
    for _ in range(streams):
        stream = Stream(kind, (0.0, 1.0))
        at = np.arange(length)
        stream.feed(draw(rng, length), at, at)
        found += stream.watch.change_count
    return found / (streams * length) * 100_000


def alarms_of_river(draw: Draw, streams: int, rng: Random, length: int = LENGTH) -> float:
    """Count the same with River's ADWIN and its own parameters."""
    from river import drift

    found = 0
    for _ in range(streams):
        river: Any = drift.ADWIN()  # type: ignore[no-untyped-call]
        update = river.update
        for value in draw(rng, length).tolist():
            update(value)
            found += river.drift_detected
    return found / (streams * length) * 100_000


def delays(before: float, after: float, runs: int, rng: Random) -> tuple[float | None, float]:
    """Return the median number of outcomes after which a rise is found, and the share found within AFTER of it.

    None where fewer than half are.
    """
    found: list[float] = []
    for _ in range(runs):
        values = np.concatenate([errors(before)(rng, BEFORE), errors(after)(rng, AFTER)])
        at = np.arange(len(values))
        changes = Stream("error").feed(values, at, at)
        late = [
            change.detected_at - BEFORE + 1
            for change in changes
            if change.detected_at >= BEFORE and change.after > change.before
        ]
        found.append(late[0] if late else np.inf)
    middle = float(np.median(found))
    return (middle if np.isfinite(middle) else None), float(np.mean(np.isfinite(found)))


APART = {"days of 500 rows, 1 % of the variance": (500, 0.01), "days of 2,000 rows, 2 %": (2_000, 0.02)}
"""Rows of a day, and the part of the variance of an error that they share."""

DAYS_OF_YEAR, DAY = 365, 86_400 * 10**9


def year_of_errors(rows: int, shared: float, rng: Random, rise: float = 0.0) -> tuple[F64, I64]:
    """Draw a year of errors, 20 % of the rows, whose rate differs by day and rises in the middle; and their times."""
    rate = 0.2 + rng.normal(0, np.sqrt(shared * 0.2 * 0.8), DAYS_OF_YEAR) + rise * (np.arange(365) >= 182)
    values = rng.random((DAYS_OF_YEAR, rows)) < rate.clip(0, 1)[:, np.newaxis]
    return values.astype(np.float64).ravel(), np.arange(values.size) * (DAY // rows)


def _of_year(rows: int, shared: float) -> Callable[[int, Random], Figures]:
    """Count the years with an alarm, without and with the variance between days; and the days until a rise is found."""

    def first(between: float, rise: float, rng: Random) -> float:
        values, times = year_of_errors(rows, shared, rng, rise)
        stream = Stream("error")
        stream.watch.days = between
        rises = [change for change in stream.feed(values, times, times) if change.after > change.before]
        return rises[0].detected_at / DAY if rises else np.inf

    def measure(years: int, rng: Random) -> Figures:
        unknown, known = (
            [first(between, 0.0, rng) < np.inf for _ in range(years)] for between in (0.0, shared / (1 - shared))
        )
        found = np.array([first(shared / (1 - shared), 0.1, rng) for _ in range(years)]) - 182
        return {"unknown": float(np.mean(unknown)), "known": float(np.mean(known)), "median": float(np.median(found))}

    return measure


YEARS = 50


def _alarms(kind: Kind, draw: Draw) -> Callable[[int, Random], Figures]:
    def measure(streams: int, rng: Random) -> Figures:
        ours = alarms(kind, draw, streams, rng)
        theirs = alarms_of_river(draw, max(1, streams // 5), rng)
        return {"ours": ours, "theirs": theirs, "values": streams * LENGTH}

    return measure


def _delays(before: float, after: float) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        middle, share = delays(before, after, runs, rng)
        return {"median": middle, "found": share}

    return measure


def _rows() -> list[Row]:
    quiet = [Row(f"alarms of adwin: {world}", _alarms(kind, draw), STREAMS) for world, (kind, draw) in WORLDS.items()]
    rises = [Row(f"rises by adwin: {before} → {after}", _delays(before, after), RUNS) for before, after in RISES]
    apart = [Row(f"years of adwin: {world}", _of_year(*of_day), YEARS) for world, of_day in APART.items()]
    return [*quiet, *rises, *apart]


def text(figures: Mapping[str, Figures]) -> str:
    """Return the three tables."""
    quiet = [[world, _rate(figures[f"alarms of adwin: {world}"])] for world in WORLDS]
    rises = [
        [
            f"{before:.0%} → {after:.0%}".replace("%", " %"),
            _delay(figures[f"rises by adwin: {before} → {after}"]),
        ]
        for before, after in RISES
    ]
    first = ["nothing changes", "alarms in 100,000 values: ours / River's own parameters"]
    second = ["rise of the error rate", "outcomes until half of the rises are found"]
    apart = [[world, *_year(figures[f"years of adwin: {world}"])] for world in APART]
    third = ["days differ", "years with an alarm, if nothing changes", "with the variance between days", "20 → 30 %"]
    return "\n".join([markdown(first, quiet), markdown(second, rises), markdown(third, apart)])


def _rate(figures: Figures) -> str:
    values = (figures["ours"], figures["theirs"])
    return " / ".join(f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in values)


def _year(figures: Figures) -> list[str]:
    return [percent(figures["unknown"]), percent(figures["known"]), f"{figures['median']:.0f} days"]


def _delay(figures: Figures) -> str:
    within = f"({percent(figures['found'])})"
    return within if figures["median"] is None else f"{figures['median']:,.0f} {within}"


CONCEPT = Table("concept", {row.name: row for row in _rows()}, text)

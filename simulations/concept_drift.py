"""How often detectors of concept drift cry wolf, and how soon they find a rise: docs/data/concept-drift.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.concept import Settings, Stream
from driftline_processor.core.concept.detectors import DETECTORS, Detector, Kind
from driftline_processor.core.concept.losses import standardised
from driftline_processor.present.numbers import percent

from simulations.frame import DATA, Figures, Random, Row, Table, markdown

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

STREAMS = {"adwin": 50, "ddm": 20, "hddm_a": 10, "page_hinkley": 20, "kswin": 5}
RUNS = {"adwin": 200, "ddm": 200, "hddm_a": 100, "page_hinkley": 200, "kswin": 100}


def river_own(name: str) -> Any:
    """Make the detector as River does unless told otherwise."""
    from river import drift

    made = {"adwin": drift.ADWIN, "ddm": drift.binary.DDM, "hddm_a": drift.binary.HDDMA, "kswin": drift.KSWIN}
    return made.get(name, drift.PageHinkley)(**({"seed": 1} if name == "kswin" else {}))


def alarms(detector: Detector, kind: Kind, draw: Draw, streams: int, rng: Random, length: int = LENGTH) -> float:
    """Count alarms per 100,000 values of streams in which nothing changes."""
    found = 0
    for _ in range(streams):
        stream = Stream(kind, Settings((detector.name,)), (0.0, 1.0))
        at = np.arange(length)
        stream.feed(draw(rng, length), at, at)
        found += stream.watches[detector.name].found
    return found / (streams * length) * 100_000


def alarms_of_river(name: str, draw: Draw, streams: int, rng: Random, length: int = LENGTH) -> float:
    """Count the same with the parameters of River."""
    found = 0
    for _ in range(streams):
        river = river_own(name)
        update = river.update
        for value in draw(rng, length).tolist():
            update(value)
            found += river.drift_detected
    return found / (streams * length) * 100_000


def delays(name: str, before: float, after: float, runs: int, rng: Random) -> tuple[float | None, float]:
    """Return the median number of outcomes after which a rise is found, and the share found within AFTER of it.

    None where fewer than half are.
    """
    found: list[float] = []
    for _ in range(runs):
        first, then = (1_500, 1_500) if name == "kswin" else (BEFORE, AFTER)
        values = np.concatenate([errors(before)(rng, first), errors(after)(rng, then)])
        at = np.arange(len(values))
        changes = Stream("error", Settings((name,))).feed(values, at, at)
        late = [
            change.found - first + 1 for change in changes if change.found >= first and change.after > change.before
        ]
        found.append(late[0] if late else np.inf)
    middle = float(np.median(found))
    return (middle if np.isfinite(middle) else None), float(np.mean(np.isfinite(found)))


def _alarms(name: str, kind: Kind, draw: Draw) -> Callable[[int, Random], Figures]:
    def measure(streams: int, rng: Random) -> Figures:
        length = 20_000 if name == "kswin" else LENGTH
        ours = alarms(DETECTORS[name], kind, draw, streams, rng, length)
        theirs = alarms_of_river(name, draw, max(1, streams // 5), rng, length)
        return {"ours": ours, "theirs": theirs, "values": streams * length}

    return measure


def _delays(name: str, before: float, after: float) -> Callable[[int, Random], Figures]:
    def measure(runs: int, rng: Random) -> Figures:
        middle, share = delays(name, before, after, runs, rng)
        return {"median": middle, "found": share}

    return measure


def _rows() -> list[Row]:
    rows = []
    for name, detector in DETECTORS.items():
        for world, (kind, draw) in WORLDS.items():
            if kind in detector.kinds:
                rows.append(Row(f"alarms of {name}: {world}", _alarms(name, kind, draw), STREAMS[name]))
        for before, after in RISES:
            rows.append(Row(f"rises by {name}: {before} → {after}", _delays(name, before, after), RUNS[name]))
    return rows


def text(figures: Mapping[str, Figures]) -> str:
    """Return both tables."""
    names = list(DETECTORS)
    head = [f"`{name}`" for name in names]
    quiet = [[world, *(_rate(figures.get(f"alarms of {name}: {world}")) for name in names)] for world in WORLDS]
    rises = []
    for before, after in RISES:
        found = (figures.get(f"rises by {name}: {before} → {after}") for name in names)
        rises.append([f"{before:.0%} → {after:.0%}".replace("%", " %"), *(_delay(one) for one in found)])
    first = "alarms in 100,000 values where nothing changes: ours / River's own parameters"
    second = "outcomes until half of the rises of the error rate are found"
    return markdown([first, *head], quiet) + "\n" + markdown([second, *head], rises)


def _rate(figures: Figures | None) -> str:
    if figures is None:
        return ""
    values = (figures["ours"], figures["theirs"])
    return " / ".join(f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in values)


def _delay(figures: Figures | None) -> str:
    if figures is None:
        return ""
    within = f"({percent(figures['found'])})"
    return within if figures["median"] is None else f"{figures['median']:,.0f} {within}"


CONCEPT = Table("concept", DATA / "concept-drift.md", {row.name: row for row in _rows()}, text)

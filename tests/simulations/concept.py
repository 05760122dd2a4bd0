"""How often detectors of concept drift cry wolf, and how soon they find a rise: measured, kept, and put into the docs.

python -m tests.benchmarks.simulate_concept            # a quarter of an hour
python -m tests.benchmarks.simulate_concept --table    # only write the tables of docs/methods.md anew
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from driftline.tables import F64
from driftline_processor.core.concept import Settings, Stream
from driftline_processor.core.concept.detectors import DETECTORS, Kind, River
from driftline_processor.core.concept.errors import standardised
from driftline_processor.core.concept.stream import DELTA
from driftline_processor.files.words import percent

FOUND = Path(__file__).with_name("concept.json")
PAGE = Path(__file__).parents[2] / "docs/methods.md"
BEGIN, END = "<!-- concept drift: written by tests/benchmarks/simulate_concept.py -->\n", "<!-- end -->"

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

STREAMS = {"adwin": 50, "ddm": 20, "hddm_a": 10, "page_hinkley": 20, "kswin": 1}
RUNS = {"adwin": 200, "ddm": 200, "hddm_a": 100, "page_hinkley": 200, "kswin": 10}


def river_own(name: str) -> River:
    """Make the detector as River does unless told otherwise."""
    from river import drift

    made = {"adwin": drift.ADWIN, "ddm": drift.binary.DDM, "hddm_a": drift.binary.HDDMA, "kswin": drift.KSWIN}
    return made.get(name, drift.PageHinkley)(**({"seed": 1} if name == "kswin" else {}))


def alarms(make: Callable[[], River], draw: Draw, streams: int, length: int = LENGTH) -> float:
    """Count alarms per 100,000 values of streams in which nothing changes."""
    found = 0
    for seed in range(streams):
        river = make()
        update = river.update
        for value in draw(np.random.default_rng(seed), length).tolist():
            update(value)
            found += river.drift_detected
    return found / (streams * length) * 100_000


def delays(name: str, before: float, after: float, runs: int) -> tuple[float | None, float]:
    """Return the median number of outcomes after which a rise is found, and the share found within AFTER of it.

    None where fewer than half are.
    """
    found: list[float] = []
    for seed in range(runs):
        rng = np.random.default_rng(10_000 + seed)
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


def measure() -> None:
    """Measure everything, and keep each figure as it comes."""
    for name, detector in DETECTORS.items():
        streams, length = (1, 20_000) if name == "kswin" else (STREAMS[name], LENGTH)
        for world, (kind, draw) in WORLDS.items():
            if kind in detector.kinds:
                ours = alarms(lambda d=detector, k=kind: d.make(k, DELTA), draw, streams, length)  # type: ignore[misc]
                few = max(1, streams // 5)
                theirs = alarms(lambda n=name: river_own(n), draw, few, length)  # type: ignore[misc]
                keep("alarms", name, world, [ours, theirs, streams * length])
        for before, after in RISES:
            middle, share = delays(name, before, after, RUNS[name])
            keep("delays", name, f"{before} → {after}", [middle, share, RUNS[name]])


def keep(kind: str, name: str, what: str, figures: list[float | None]) -> None:
    """Add figures to the file."""
    known = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    known.setdefault(kind, {}).setdefault(name, {})[what] = figures
    FOUND.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    print(kind, name, what, figures, flush=True)


def tables(found: dict[str, dict[str, dict[str, list[float | None]]]]) -> str:
    """Return what docs/methods.md says of the figures."""
    lines = ["| alarms in 100,000 values where nothing changes: ours / River's own parameters | "]
    names = list(DETECTORS)
    lines[0] += " | ".join(f"`{name}`" for name in names) + " |"
    lines.append("|---" * (len(names) + 1) + "|")
    for world in WORLDS:
        cells = [_rate(found["alarms"].get(name, {}).get(world)) for name in names]
        lines.append(f"| {world} | " + " | ".join(cells) + " |")
    lines += ["", "| outcomes until half of the rises of the error rate are found | " + lines[0].split(" | ", 1)[1]]
    lines.append("|---" * (len(names) + 1) + "|")
    for before, after in RISES:
        key = f"{before} → {after}"
        cells = [_delay(found["delays"].get(name, {}).get(key)) for name in names]
        lines.append(f"| {before:.0%} → {after:.0%} | ".replace("%", " %") + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _rate(figures: list[float | None] | None) -> str:
    if figures is None:
        return ""
    values = (value or 0.0 for value in figures[:2])
    return " / ".join(f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in values)


def _delay(figures: list[float | None] | None) -> str:
    if figures is None:
        return ""
    middle, share, _ = figures
    within = f"({percent(share)})"
    return within if middle is None else f"{middle:,.0f} {within}"


def write() -> None:
    """Put the tables into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + tables(json.loads(FOUND.read_text())) + END + after, encoding="utf-8")


if __name__ == "__main__":
    if "--table" not in sys.argv:
        measure()
    write()

"""Slices: how often twenty features in ten slices cry wolf together, and what is found in one slice alone.

python -m tests.simulations.sliced [WINDOWS]     # draws the windows of each row and writes the table
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from driftline.baseline import Baseline
from driftline.extras import Extras
from driftline.pane import Pane, merge
from driftline.slices import Slices, slice_name
from driftline.tables import F64, Task
from driftline_processor.core.drift.by_slice import drift_with_slices

from .worlds import REFERENCE, Counted, normal, pane_of

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULTS = ROOT / "docs" / "methods.md", ROOT / "tests" / "golden" / "simulated_slices.json"
BEGIN, END = "<!-- slices: python -m tests.simulations.sliced -->\n", "<!-- end of slices -->\n"
MOVED = 0
"""The slice that moves, by its number."""


@dataclass(frozen=True)
class Sliced:
    """Windows of ten slices that differ from each other by their means, as they do in a reference of 100,000 rows.

    ``rows``: of a window. ``shift``: how far the first feature moved in the first slice, which has 5 % of the rows, in
    standard deviations.
    """

    rows: int
    shift: float = 0.0
    slices: int = 10
    features: int = 20

    def shares(self) -> F64:
        """Return the share of the rows that each slice has."""
        return np.append(0.05, np.full(self.slices - 1, 0.95 / (self.slices - 1)))

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, dict[str, Pane], Baseline]]:
        """Yield windows, their slices and a fresh baseline each."""
        bins = Counted(self.rows, self.features).bins
        of = [normal(0.1 * at) for at in range(self.slices)]
        names = [f"s{at}" for at in range(self.slices)]
        while True:
            before = [self._drawn(rng, REFERENCE, at, [own] * self.features) for at, own in enumerate(of)]
            moved = [of[MOVED], *of[1:]]
            now = []
            for at, own in enumerate(moved):
                first = normal(self.shift) if at == MOVED else own
                now.append(self._drawn(rng, self.rows, at, [first, *[own] * (self.features - 1)]))
            slices = Slices({"slice": dict(zip(names, before, strict=True))})
            baseline = Baseline("m", "", Task("regression"), bins, merge(before), extras=Extras(slices=slices))
            yield merge(now), {slice_name("slice", n): one for n, one in zip(names, now, strict=True)}, baseline

    def _drawn(self, rng: np.random.Generator, rows: int, at: int, of: list[F64]) -> Pane:
        n = round(rows * float(self.shares()[at]))
        return pane_of(np.stack([rng.multinomial(n, shares) for shares in of]))


@dataclass(frozen=True)
class Row:
    """A row of the table: a world, how many windows of it, and what is promised."""

    what: str
    world: Sliced
    windows: int
    short: int
    most: float | None = None
    least: float | None = None


ROWS = {
    "slices-quiet-2000": Row("20 numbers in 10 slices, 2,000 rows", Sliced(2_000), 1_000, 4, most=0.013),
    "slices-quiet-10000": Row("20 numbers in 10 slices, 10,000 rows", Sliced(10_000), 1_000, 4, most=0.013),
    "slices-moved": Row(
        "one of 20 numbers moved by 0.5 σ in a slice of 5 % of 10,000 rows", Sliced(10_000, 0.5), 200, 4, least=0.95
    ),
}


def measure(world: Sliced, windows: int, seed: int) -> dict[str, float]:
    """Return in which share of the windows anything drifts, all rows show it, and the slice that moved does."""
    drawn = world.windows(np.random.default_rng(seed))
    alarms = whole = found = 0
    for _ in range(windows):
        all_rows, slices, against = next(drawn)
        judged = drift_with_slices(all_rows, against, slices)
        drifted = {name for name, one in judged.slices.items() if one.state == "drift"}
        shown = any(one.state == "drift" for one in judged.whole.features.values())
        whole += shown
        alarms += shown or bool(drifted)
        moved = judged.slices[slice_name("slice", f"s{MOVED}")].features["x0"]
        found += moved.state == "drift"
    return {"windows": windows, "alarm": alarms / windows, "whole": whole / windows, "found": found / windows}


def table() -> str:
    """Return the table."""
    known = json.loads(RESULTS.read_text())
    lines = ["| row | what | promised | Driftline |", "|---|---|---|---|"]
    for name, row in ROWS.items():
        one, quiet = known[name], row.most is not None
        promised = f"alarm in at most {100 * (row.most or 0):.2g} %" if quiet else "found in at least 95 %"
        told = one["alarm"] if quiet else one["found"]
        beside = "" if quiet else f", by all rows {100 * one['whole']:.2g} %"
        lines.append(f"| `{name}` | {row.what} | {promised} | {100 * told:.3g} % of {one['windows']:,}{beside} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw the windows, keep what they say, and write the table into the page."""
    known = {}
    for name, row in ROWS.items():
        row = replace(row, windows=int(sys.argv[1])) if len(sys.argv) > 1 else row
        known[name] = measure(row.world, row.windows, 1)
        print(name, known[name], flush=True)
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()

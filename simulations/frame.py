"""The frame of all simulations: tables of rows, whose figures are kept as they come and written into the documentation.

A table belongs to a page, between its two markers. What its rows measured stands in ``simulations/measured``, a file
a table; a row that stands there with as many windows as a full run has is not measured again, so a run that was
interrupted goes on where it was.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zlib import crc32

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "simulations" / "measured"
DATA = ROOT / "docs" / "data"
"""The pages that have a table each."""

Figures = Mapping[str, Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Row:
    """One row of a table.

    ``name``: by which the documentation cites it. ``measure``: figures, as JSON has them, from a number of windows
    and a generator. ``windows``: how many a full run has.
    """

    name: str
    measure: Callable[[int, Random], Figures]
    windows: int

    def rng(self, seed: int) -> Random:
        """Return a generator; every row has draws of its own."""
        return np.random.default_rng([seed, crc32(self.name.encode())])

    def run(self, windows: int, seed: int) -> dict[str, Any]:
        """Measure."""
        start = time.process_time()
        found = self.measure(windows, self.rng(seed))
        return {"windows": windows, **_rounded(found), "cpu_seconds": round(time.process_time() - start, 1)}


class Named(Protocol):
    """What has words for itself."""

    @property
    def what(self) -> str:
        """The words."""


R = TypeVar("R", bound=Named)


@dataclass(frozen=True)
class Table:
    """Rows that belong together. ``page``: of the documentation. ``text``: what it says of the figures of all rows."""

    name: str
    page: Path
    rows: Mapping[str, Row]
    text: Callable[[Mapping[str, Figures]], str]

    @property
    def path(self) -> Path:
        """Where the figures are kept."""
        return GOLDEN / f"{self.name}.json"

    def figures(self) -> dict[str, Figures]:
        """Return what was measured, in the order of the rows."""
        known = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        return {name: known[name] for name in self.rows if name in known}

    def keep(self, name: str, figures: Figures) -> None:
        """Put the figures of a row beside the others."""
        found = self.figures() | {name: figures}
        self.path.parent.mkdir(exist_ok=True)
        ordered = {row: found[row] for row in self.rows if row in found}
        self.path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def in_full(self, name: str) -> bool:
        """Whether a row was measured with as many windows as a full run has."""
        return bool(self.figures().get(name, {}).get("windows", -1) >= self.rows[name].windows)

    def on_page(self) -> str:
        """Return what the page has."""
        return self._parts()[1]

    def write(self) -> None:
        """Put the text into the page."""
        before, _, after = self._parts()
        self.page.write_text(f"{before}{self.text(self.figures())}{after}", encoding="utf-8")

    def _parts(self) -> tuple[str, str, str]:
        begin, end = f"<!-- simulated: {self.name} -->\n", "<!-- simulated: end -->\n"
        before, found, rest = self.page.read_text(encoding="utf-8").partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{self.page.name} has no {begin.strip()} ... {end.strip()}; write both lines")
        inside, _, after = rest.partition(end)
        return before + begin, inside, end + after


def run(tables: Iterable[Table], patterns: Sequence[str], share: float, *, again: bool) -> None:
    """Measure the rows that are named so, all where no pattern is given, and keep the figures of each as it comes."""
    for table in tables:
        for name, row in table.rows.items():
            asked = not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
            if not asked or (table.in_full(name) and not again):
                continue
            print(f"{table.page.stem}: {name}: {getattr(row, 'what', table.name)}", flush=True)
            table.keep(name, found := row.run(max(1, round(row.windows * share)), 1))
            print(f"    {json.dumps(found, ensure_ascii=False)}", flush=True)


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table of the page."""
    cells = [list(head), *(list(line) for line in lines)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in cells).replace("| --- ", "|---").replace("|--- |", "|---|")


def table_of(
    rows: Mapping[str, R], head: Sequence[str], told: Callable[[R, Figures], Sequence[str]]
) -> Callable[[Mapping[str, Figures]], str]:
    """Return what writes a line of each row that was measured: its name, what it is, and what is ``told`` of it.

    ``head``: what the columns after its name are.
    """

    def written(figures: Mapping[str, Figures]) -> str:
        measured = [(name, row) for name, row in rows.items() if name in figures]
        return markdown(["row", *head], [[f"`{name}`", row.what, *told(row, figures[name])] for name, row in measured])

    return written


def percent(share: float) -> str:
    """Return a share as percent, two or three digits."""
    return f"{share * 100:.2g} %" if share < 0.0995 else f"{share * 100:.3g} %"


def cited(text: str) -> set[str]:
    """Return what a part of a page names as code with a dash in it: names of rows, and nothing else looks so."""
    return set(re.findall(r"`([a-z]+(?:-[a-z0-9.]+)+)`", text))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value

"""The frame of all simulations: tables of rows, whose figures are written to ``evidence/*.json`` as they are measured.

Each table has one file. A row that has been measured with the windows of a full run is not measured again, so an
interrupted run resumes.
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
EVIDENCE = ROOT / "evidence"

Figures = Mapping[str, Any]


def stored(name: str) -> dict[str, Any]:
    """Return a file of evidence; {} if it does not exist."""
    path = EVIDENCE / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


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
    """Rows that belong together. ``text``: returns the figures of the measured rows as Markdown."""

    name: str
    rows: Mapping[str, Row]
    text: Callable[[Mapping[str, Figures]], str]

    @property
    def path(self) -> Path:
        """The file of the figures."""
        return EVIDENCE / f"{self.name}.json"

    def figures(self) -> dict[str, Figures]:
        """Return the measured figures in the order of the rows."""
        measured = stored(self.name)
        return {name: measured[name] for name in self.rows if name in measured}

    def keep(self, name: str, figures: Figures) -> None:
        """Write the figures of a row."""
        found = self.figures() | {name: figures}
        ordered = {row: found[row] for row in self.rows if row in found}
        self.path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def in_full(self, name: str) -> bool:
        """Return whether a row was measured with the windows of a full run."""
        return bool(self.figures().get(name, {}).get("windows", -1) >= self.rows[name].windows)

    def printed(self) -> str:
        """Return the table under its name."""
        return f"## {self.name}\n\n{self.text(self.figures())}"


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name matches any of the patterns; every name matches if there are none."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def run(tables: Iterable[Table], patterns: Sequence[str], share: float, *, again: bool) -> None:
    """Measure the rows that match the patterns, and write the figures of each row when they are measured.

    Figures of fewer windows than those in the file are printed only.
    """
    for table in tables:
        for name, row in table.rows.items():
            if not matches(name, patterns) or (table.in_full(name) and not again):
                continue
            print(f"{table.name}: {name}: {getattr(row, 'what', table.name)}", flush=True)
            found = row.run(max(1, round(row.windows * share)), 1)
            print(f"    {json.dumps(found, ensure_ascii=False)}", flush=True)
            if found["windows"] >= table.figures().get(name, {}).get("windows", 0):
                table.keep(name, found)
            else:
                print(f"    not written: {table.path.name} has more windows of this row", flush=True)


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table as Markdown."""
    cells = [list(head), *(list(line) for line in lines)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in cells).replace("| --- ", "|---").replace("|--- |", "|---|")


def table_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table in Markdown by the heads of their columns.

    >>> table_rows("| a | b |\\n|---|---|\\n| 1 | 2 |\\n")
    [{'a': '1', 'b': '2'}]
    """
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    head, *rows = [[cell.strip() for cell in line] for line in lines]
    return [dict(zip(head, row, strict=False)) for row in rows[1:]]


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
    """Return the names of rows in a part of a page: code with a dash in it, and nothing else looks so."""
    return set(re.findall(r"`([a-z]+(?:-[a-z0-9.]+)+)`", text))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value

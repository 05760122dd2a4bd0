"""The layout of a fact: a title, sentences, and tables of typed cells. Each renderer draws what it can.

A section is a struct, so that the API sends it and another process reads it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import numpy as np
from driftline.tables.table import F64
from msgspec import Struct, structs

Tone = Literal["", "quiet", "bad", "alert", "warn", "good", "info"]
"""What a text stands out for: pages mark what is ``bad`` and what is ``quiet``, a terminal has a colour for each."""

Kind = Literal["text", "words", "number", "drawing"]
"""What a column holds: short texts, sentences, numbers, or drawings."""


class Interval(Struct, frozen=True, tag=True):
    """A value in its interval, beside the value that it is read against, on an axis from ``start`` to ``end``."""

    value: float | None
    low: float | None
    high: float | None
    usual: float | None
    start: float
    end: float


class Bars(Struct, frozen=True, tag=True):
    """Shares of the cells of a column: of the baseline and of the window; ``state``: of its drift."""

    was: tuple[float, ...]
    now: tuple[float, ...]
    state: str


class Spark(Struct, frozen=True, tag=True):
    """Values in one line of text; ``highest`` is a full block."""

    values: tuple[float, ...]
    highest: float


class Cell(Struct, frozen=True):
    """A cell of a table.

    Attributes:
        text: What it says.
        tone: What it stands out for.
        note: A quiet text behind it.
        badge: The class of a badge around the text, "" without one.
        slice_name: The slice whose rows the text leads to, "" where it leads nowhere.
        drawing: What is drawn in place of the text.
    """

    text: str = ""
    tone: Tone = ""
    note: str = ""
    badge: str = ""
    slice_name: str = ""
    drawing: Interval | Bars | Spark | None = None


class Column(Struct, frozen=True):
    """A column of a table.

    Attributes:
        title: Its heading.
        kind: What it holds.
        term: The word of the glossary that the heading is.
        surfaces: Where it is shown; see :func:`is_shown`.
        note: A quiet text behind the heading.
        spare: The order in which columns go where there is no room, the greatest first; 0 stays.
    """

    title: str
    kind: Kind = "text"
    term: str = ""
    surfaces: str = ""
    note: str = ""
    spare: int = 0


class Row(Struct, frozen=True):
    """A row of a table; ``anchor``: the kind and the name that its address is made of. Without cells it is a gap."""

    cells: tuple[Cell, ...] = ()
    surfaces: str = ""
    anchor: tuple[str, str] = ("", "")


class Table(Struct, frozen=True, tag=True):
    """A table.

    Attributes:
        columns: Its columns.
        rows: Its rows.
        folded: Rows from which on a page folds them; 0 where it folds none.
        noun: What a row is.
        folded_as: The words behind which a page folds the whole table; "" where it does not.
        hidden: Rows that are shown where all are asked for.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: int = 0
    noun: str = "row"
    folded_as: str = ""
    hidden: int = 0

    def on_surface(self, surfaces: Collection[str]) -> Table:
        """Return the columns and rows that a surface shows."""
        indices = [index for index, column in enumerate(self.columns) if is_shown(column.surfaces, surfaces)]
        rows = [row for row in self.rows if is_shown(row.surfaces, surfaces)]
        hidden = sum("all" in row.surfaces for row in self.rows) - sum("all" in row.surfaces for row in rows)
        if len(indices) < len(self.columns):
            rows = [
                structs.replace(row, cells=tuple(row.cells[index] for index in indices if row.cells)) for row in rows
            ]
        return structs.replace(
            self, columns=tuple(self.columns[index] for index in indices), rows=tuple(rows), hidden=hidden
        )


class Line(Struct, frozen=True, tag=True):
    """A paragraph; ``key``: its id on a page."""

    text: str
    tone: Tone = ""
    key: str = ""
    surfaces: str = ""


class Listing(Struct, frozen=True, tag=True):
    """An ordered list of sentences, what matters most first."""

    items: tuple[str, ...]
    most: int = 3
    hidden: int = 0


class Section(Struct, frozen=True):
    """A fact, laid out.

    Attributes:
        key: Its id.
        title: Its heading.
        parts: Paragraphs, lists and tables, in their order. Without any there is nothing to show.
        term: The word of the glossary that the heading is, or holds.
        note: A quiet text behind the heading.
        surfaces: Where it is shown; see :func:`is_shown`.
    """

    key: str
    title: str
    parts: tuple[Line | Listing | Table, ...] = ()
    term: str = ""
    note: str = ""
    surfaces: str = ""

    def on_surface(self, surfaces: Collection[str]) -> Section | None:
        """Return what a surface shows of it; None where that is nothing."""
        if not self.parts or not is_shown(self.surfaces, surfaces):
            return None
        parts: list[Line | Listing | Table] = []
        for part in self.parts:
            if isinstance(part, Table):
                table = part.on_surface(surfaces)
                parts += [table] if table.rows or table.hidden else []
            elif isinstance(part, Listing):
                items = part.items if {"all", "page"} & {*surfaces} else part.items[: part.most]
                parts.append(structs.replace(part, items=items, hidden=len(part.items) - len(items)))
            elif is_shown(part.surfaces, surfaces):
                parts.append(part)
        return structs.replace(self, parts=tuple(parts)) if parts else None


class ModelSections(Struct, frozen=True):
    """What ``/api/v1/models/{name}/sections`` answers: the sections of the windows of one version of a model."""

    model: str
    version: str
    environment: str
    window: str
    timezone: str
    sections: tuple[Section, ...]


PAGE = frozenset({"page"})
"""The surface of pages and of reports to send."""

TOP = frozenset({"terminal", "top"})
"""The surface of `driftline top`: all columns of a model and all metrics, the first rows of all else."""


def is_shown(names: str, surfaces: Collection[str]) -> bool:
    """Return whether something is shown: ``names`` names surfaces with spaces between, "" = all.

    Surfaces are ``page``, ``terminal``, ``notebook`` and ``top``, and what their reader asks for: ``all`` rows, or
    ``explain``, the statistics.

    >>> is_shown("page explain", {"terminal", "explain"}), is_shown("page", {"terminal"}), is_shown("", {"terminal"})
    (True, False, True)
    """
    return not names or any(surface in surfaces for surface in names.split())


def row(*cells: Cell | str, surfaces: str = "", anchor: tuple[str, str] = ("", "")) -> Row:
    """Return a row of cells and plain texts."""
    return Row(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells), surfaces, anchor)


def first_rows(rows: Iterable[Row], limit: int) -> tuple[Row, ...]:
    """Return rows of which the first are shown everywhere, and the others on pages and where all are asked for."""
    return tuple(
        line if index < limit else structs.replace(line, surfaces="page all") for index, line in enumerate(rows)
    )


def floats(values: F64) -> tuple[float, ...]:
    """Return an array as a tuple."""
    return tuple(np.asarray(values, dtype=float).tolist())

"""The layout of a fact: a title, sentences, and tables of typed cells. Each renderer draws what it supports.

A section is a struct, so that the API can send it to another process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import numpy as np
from driftline.tables.table import F64
from msgspec import Struct, structs

Tone = Literal["", "quiet", "bad", "alert", "warn", "good", "info"]
"""Emphasis of a text: pages mark ``bad`` and ``quiet``, a terminal has a colour for each."""

Kind = Literal["text", "words", "number", "drawing"]
"""Content of a column: short texts, sentences, numbers, or drawings."""


class Interval(Struct, frozen=True, tag=True):
    """A value in its interval with its reference value, on an axis from ``start`` to ``end``."""

    value: float | None
    low: float | None
    high: float | None
    usual: float | None
    start: float
    end: float


class Bars(Struct, frozen=True, tag=True):
    """Fractions of a column's cells in the baseline and in the window; ``state``: state of the drift."""

    was: tuple[float, ...]
    now: tuple[float, ...]
    state: str


class Spark(Struct, frozen=True, tag=True):
    """Values in one text line; ``highest`` is a full block."""

    values: tuple[float, ...]
    highest: float


class Cell(Struct, frozen=True):
    """A cell of a table.

    Attributes:
        text: Its text.
        tone: Its emphasis.
        note: A muted text after it.
        badge: Class of a badge around the text, "" without a badge.
        link: Kind and name of what the text links to: a ``slice``, a ``prediction``, or a ``trace`` with its span.
        drawing: Drawing in place of the text.
    """

    text: str = ""
    tone: Tone = ""
    note: str = ""
    badge: str = ""
    link: tuple[str, str] = ("", "")
    drawing: Interval | Bars | Spark | None = None


class Column(Struct, frozen=True):
    """A column of a table.

    Attributes:
        title: Its heading.
        kind: Kind of its content.
        term: Glossary term of the heading.
        surfaces: Surfaces that show it; see :func:`is_shown`.
        note: A muted text after the heading.
        spare: Order in which columns are removed if space is short, the largest first; 0 = never.
    """

    title: str
    kind: Kind = "text"
    term: str = ""
    surfaces: str = ""
    note: str = ""
    spare: int = 0


class Row(Struct, frozen=True):
    """A row of a table; ``anchor``: kind and name for its element id. A row without cells is a gap."""

    cells: tuple[Cell, ...] = ()
    surfaces: str = ""
    anchor: tuple[str, str] = ("", "")


class Table(Struct, frozen=True, tag=True):
    """A table.

    Attributes:
        columns: Its columns.
        rows: Its rows.
        folded: Index of the first row that a page folds; 0 = no folding.
        noun: Noun for a row.
        folded_as: Words behind which a page folds the whole table; "" = not folded.
        hidden: Number of rows that are shown only with all rows.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: int = 0
    noun: str = "row"
    folded_as: str = ""
    hidden: int = 0

    def on_surface(self, surfaces: Collection[str]) -> Table:
        """Return the columns and rows of a surface."""
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
    """An ordered list of sentences, the most important first."""

    items: tuple[str, ...]
    max_rows: int = 3
    hidden: int = 0


class Section(Struct, frozen=True):
    """The layout of a fact.

    Attributes:
        key: Its id.
        title: Its heading.
        parts: Paragraphs, lists and tables in their order; a section without parts is not shown.
        term: Glossary term of the heading.
        note: A muted text after the heading.
        surfaces: Surfaces that show it; see :func:`is_shown`.
    """

    key: str
    title: str
    parts: tuple[Line | Listing | Table, ...] = ()
    term: str = ""
    note: str = ""
    surfaces: str = ""

    def on_surface(self, surfaces: Collection[str]) -> Section | None:
        """Return the section of a surface; None if it is empty there."""
        if not self.parts or not is_shown(self.surfaces, surfaces):
            return None
        parts: list[Line | Listing | Table] = []
        for part in self.parts:
            if isinstance(part, Table):
                table = part.on_surface(surfaces)
                parts += [table] if table.rows or table.hidden else []
            elif isinstance(part, Listing):
                items = part.items if {"all", "page"} & {*surfaces} else part.items[: part.max_rows]
                parts.append(structs.replace(part, items=items, hidden=len(part.items) - len(items)))
            elif is_shown(part.surfaces, surfaces):
                parts.append(part)
        return structs.replace(self, parts=tuple(parts)) if parts else None


class ModelSections(Struct, frozen=True):
    """The response of ``/api/v1/models/{name}/sections``: the sections of the windows of one version of a model."""

    model: str
    version: str
    environment: str
    window: str
    timezone: str
    sections: tuple[Section, ...]


PAGE = frozenset({"page"})
"""The surface of pages and report files."""

TOP = frozenset({"terminal", "top"})
"""The surface of `driftline top`: all columns of a model and all metrics, the first rows of everything else."""


def is_shown(names: str, surfaces: Collection[str]) -> bool:
    """Return whether something is shown: ``names`` is a space-separated list of surfaces, "" = all.

    Surfaces are ``page``, ``terminal``, ``notebook``, ``report`` (a notebook with numbers of each window) and ``top``,
    and the reader's options: ``all`` rows, or ``explain``, the statistics.

    >>> is_shown("page explain", {"terminal", "explain"}), is_shown("page", {"terminal"}), is_shown("", {"terminal"})
    (True, False, True)
    """
    return not names or any(surface in surfaces for surface in names.split())


def row(*cells: Cell | str, surfaces: str = "", anchor: tuple[str, str] = ("", "")) -> Row:
    """Return a row of cells and plain texts."""
    return Row(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells), surfaces, anchor)


def first_rows(rows: Iterable[Row], limit: int) -> tuple[Row, ...]:
    """Return rows; those after the first ``limit`` are shown only on pages and with all rows."""
    return tuple(
        line if index < limit else structs.replace(line, surfaces="page all") for index, line in enumerate(rows)
    )


def floats(values: F64) -> tuple[float, ...]:
    """Return an array as a tuple."""
    return tuple(np.asarray(values, dtype=float).tolist())

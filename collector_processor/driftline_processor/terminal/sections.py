"""Sections in the terminal: a title line, then paragraphs, lists and tables that fit the width."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable

from driftline_processor.present.sections.section import Cell, Line, Listing, Section, Spark, Table, Tone
from driftline_processor.present.wording import printable

from .console import LONGEST_NAME, Readable, Text, empty, histogram, terminal

LONGEST_TEXT = 44
"""Upper limit of characters of a text on one line."""

TONES: dict[Tone, str] = {
    "": "",
    "quiet": "dim",
    "bad": "bold red",
    "alert": "bold yellow",
    "warn": "yellow",
    "good": "green",
    "info": "cyan",
}
"""Tone → colour."""


def section_views(sections: Iterable[Section], more: str = ": --all") -> list[RenderableType]:
    """Return sections with an empty line before each; ``more``: option that shows the remaining rows."""
    return [part for section in sections for part in (Text(), _heading(section), *section_parts(section, more))]


def _heading(section: Section) -> Text:
    return Text.assemble((section.title, "bold"), (f"  {section.note}" if section.note else "", "dim"))


def show_sections(sections: Iterable[Section]) -> None:
    """Print sections."""
    terminal().print(Readable(Group(*section_views(sections))))


def section_parts(section: Section, more: str = ": --all") -> list[RenderableType]:
    """Return the paragraphs, lists and tables of a section."""
    parts: list[RenderableType] = []
    for part in section.parts:
        if isinstance(part, Line):
            parts.append(Text(printable(part.text), TONES[part.tone]))
        elif isinstance(part, Table):
            parts.append(TableView(part, more))
        else:
            parts.append(_list(part, more))
    return parts


def _list(listing: Listing, more: str) -> RichTable:
    table = RichTable.grid(padding=(0, 1))
    for place, item in enumerate(listing.items, 1):
        table.add_row(Text(f"{place}.", "dim"), Text(printable(item)))
    if listing.hidden:
        table.add_row("", Text(f"and {listing.hidden} more{more}", "dim"))
    return table


class TableView(Struct, frozen=True):
    """A table that drops its least important columns if it is narrow."""

    table: Table
    more: str = ": --all"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns, rows = self.table.columns, [[_cell(cell) for cell in row.cells] for row in self.table.rows]
        widths = {
            index: 2 + max(len(column.title), *(row[index].cell_len for row in rows if row), 0)
            for index, column in enumerate(columns)
        }
        # longer texts are wrapped
        words = {
            index
            for index, column in enumerate(columns)
            if column.kind == "words" or (column.kind == "text" and index and widths[index] > LONGEST_TEXT)
        }
        widths = {index: width for index, width in widths.items() if index not in words}
        left = options.max_width - 20 * len(words)
        if 0 in widths:
            widths[0] = min(widths[0], LONGEST_NAME + 2)
        for index in sorted(
            (place for place in widths if columns[place].spare), key=lambda place: -columns[place].spare
        ):
            if sum(widths.values()) > left + 2:
                widths.pop(index)
        indices = sorted({*widths, *words})
        table = empty()
        for index in indices:
            column, limit = columns[index], LONGEST_NAME if index == 0 and index in widths else None
            right = "right" if column.kind == "number" else "left"
            table.add_column(
                f"{column.title} {column.note}".strip(),
                justify=right,  # type: ignore[arg-type]
                no_wrap=index in widths,
                max_width=limit,
            )
        for row in rows:
            table.add_row(*(row[index] for index in indices if row))
        if self.table.hidden:
            table.add_row(Text(f"and {self.table.hidden} more{self.more}", "dim"))
        yield table


def _cell(cell: Cell) -> Text:
    if isinstance(cell.drawing, Spark):
        return Text(histogram(np.array(cell.drawing.values), cell.drawing.highest), TONES[cell.tone])
    text = Text(printable(cell.text), TONES[cell.tone])
    return text.append(f" {printable(cell.note)}", "dim") if cell.note else text  # type: ignore[return-value]

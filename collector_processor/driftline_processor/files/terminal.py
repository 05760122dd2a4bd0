"""What every view in a terminal shares: its console, its characters, its plain tables."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table

LONGEST_NAME = 28
_PIPE_WIDTH = 120
_ASCII = str.maketrans("▁▂▃▄▅▆▇█→–−·≈χ²", ".:-=+*%#>---~X2")


def terminal() -> Console:
    """The console of standard output; a pipe has no width, so it gets one that cuts little."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name no such terminal can show ends no report
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


@dataclass(frozen=True, slots=True)
class Readable:
    """Anything, in characters the terminal has: where it has no Unicode, each of ours becomes one of ASCII."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield Segment(segment.text.translate(_ASCII), *segment[1:]) if options.ascii_only else segment


def empty() -> Table:
    """Return a table without lines, columns or rows."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def plain_table(first: str, numbers: Sequence[str]) -> Table:
    """Return an empty table: a column of names, then columns of numbers."""
    table = empty()
    table.add_column(first, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table

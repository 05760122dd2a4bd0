"""Console, characters, small histograms, tables and colours of all terminal output."""

from __future__ import annotations

import io
import sys
from typing import Any, cast

import numpy as np
from driftline.tables.table import F64
from msgspec import Struct
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.containers import Lines
from rich.segment import Segment
from rich.table import Table
from rich.text import Text as RichText

from driftline_processor.present.wording import keep_units

LONGEST_NAME = 28

_BLOCKS = " ▁▂▃▄▅▆▇█"
_PIPE_WIDTH = 120
_KEPT = "\ue000"
"""Placeholder of the space before a unit while lines are broken; our texts never contain it."""

_ASCII = str.maketrans("▁▂▃▄▅▆▇█→–−·≈χ²", ".:-=+*%#>---~X2")


def terminal() -> Console:
    """Return the console of standard output; a pipe gets a large width."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show must not raise
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


class Text(RichText):
    """A text that keeps units on the line of their number."""

    @classmethod
    def assemble(cls, *parts: Any, **options: Any) -> Text:
        """Return a text of parts, each with its style."""
        return cast("Text", super().assemble(*parts, **options))

    def wrap(self, console: Console, width: int, **options: Any) -> Lines:
        """Return the lines of the text; spaces before units are hidden from rich, which breaks at any space."""
        copied = self.copy()
        copied.plain = keep_units(self.plain, _KEPT)
        lines = copied.wrap(console, width, **options)
        for line in lines:
            line.plain = line.plain.replace(_KEPT, " ")
        return lines


class Readable(Struct, frozen=True):
    """Output in the terminal's characters: without Unicode, special characters are replaced by ASCII."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield Segment(segment.text.translate(_ASCII), *segment[1:]) if options.ascii_only else segment


def empty() -> Table:
    """Return a table without lines, columns or rows."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def histogram(shares: F64 | None, highest: float) -> str:
    """Return fractions as one line of blocks. A fraction above 0 has at least the lowest block.

    Args:
        shares: float64 (n,); None draws nothing.
        highest: The fraction of a full block.


    >>> histogram(np.array([0.0, 0.001, 0.25, 0.5]), 0.5)
    ' ▁▄█'
    """
    if shares is None or highest <= 0:
        return ""
    top = len(_BLOCKS) - 1
    heights = np.clip(np.rint(np.asarray(shares) / highest * top), 0, top).astype(int)
    heights[(heights == 0) & (np.asarray(shares) > 0)] = 1
    return "".join(_BLOCKS[height] for height in heights.tolist())

"""The rows of a file: the interface of every format, and how the texts of a column are written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa

from .errors import BadInput

Style = Literal["decimal_point", "decimal_comma", "day_first", "month_first"]
NUMBERS: tuple[Style, ...] = ("decimal_point", "decimal_comma")
DATES: tuple[Style, ...] = ("day_first", "month_first")
STYLES = (*NUMBERS, *DATES)

PERCENT = "%"

WORDS = {
    "decimal_point": ("--decimal .", "a decimal point"),
    "decimal_comma": ("--decimal ,", "a decimal comma"),
    "day_first": ("--dayfirst", "the day first"),
    "month_first": ("--monthfirst", "the month first"),
}
"""Style → the option that asks for it, and the style in words."""

_BECAUSE = {
    "default": "",
    "baseline": ", as in the baseline",
    "other columns": ", as in other columns",
    "semicolons": ", as semicolons stand between the values",
}


class CellPlace(NamedTuple):
    """The place of a value: its file, its row, counted from 1, and the text."""

    path: str
    row: int
    text: str


@dataclass(frozen=True, slots=True)
class Notation:
    """The notation of a column.

    Attributes:
        unit: A currency or a percent sign, "" for none.
        decided_by: "values" where one style reads most of them, else "--decimal", "--dayfirst", "--monthfirst",
            "baseline", "other columns", "semicolons" or "default".
        other: The style that reads as many, "" for none.
        unread: How many of the ``values`` it cannot read.
        first: The first of them, with its file and row.
        plain: Numbers as programs write them.
        alike: The other style reads the same values.
    """

    style: Style
    unit: str = ""
    example: str = ""
    decided_by: str = "values"
    other: str = ""
    values: int = 0
    unread: int = 0
    first: CellPlace | None = None
    plain: bool = False
    alike: bool = False

    @property
    def is_date(self) -> bool:
        """Return True where values are dates."""
        return self.style in DATES

    def accepts(self, unit: str) -> bool:
        """Return True where a value with this unit, "" for none, is one of the column's: a bare 12 is no 12 %."""
        return unit == self.unit or (unit == "" and self.unit != PERCENT)

    def to_json(self) -> dict[str, Any]:
        """Return the notation as JSON has it; null where there is none."""
        first = None if self.first is None else {"row": self.first.row, "value": self.first.text}
        told = {"style": self.style, "unit": self.unit or None, "example": self.example or None}
        told |= {"decided_by": self.decided_by, "fits_too": self.other or None}
        return told | {"values": self.values, "unread": self.unread, "first_unread": first}

    def sentence(self) -> str:
        """Return the notation of the column in words, and the option that would read it otherwise.

        >>> Notation("decimal_comma", "€", "1.234,56 €").sentence()
        "'1.234,56 €' is read as a number in € with a decimal comma"
        >>> Notation("month_first", example="03/04/2026", decided_by="default", other="day_first").sentence()
        "'03/04/2026' is read as a date, the month first; --dayfirst reads the day first"
        """
        if self.is_date:
            told = "a date" if self.alike else f"a date, {WORDS[self.style][1]}"
        else:
            unit = f" in {self.unit}" if self.unit not in ("", PERCENT) else ""
            told = "a share of 1, 12 % as 0.12" if self.unit == PERCENT else f"a number{unit}"
            told += "" if self.alike else f"{',' * (self.unit == PERCENT)} with {WORDS[self.style][1]}"
        sentence = f"'{self.example}' is read as {told}"
        if not self.other:
            return sentence
        because = _BECAUSE.get(self.decided_by, f", as {self.decided_by} says")
        option, other = WORDS[self.other]
        return f"{sentence}{because}; {option} reads {other}"


class Source(Protocol):
    """Rows of one file. ``schema`` knows every column's type; ``rows`` how many there are.

    Attributes:
        by_looks: Columns whose texts may be numbers, because the file does not say what they are: all texts of a CSV,
            and of NDJSON those of columns that hold several types. Everywhere else a text is a text, "1" and "02139"
            too.
        notations: How columns are written that were read from their texts (:mod:`.notation`).
    """

    path: str
    schema: pa.Schema
    rows: int
    by_looks: Collection[str]
    notations: Mapping[str, Notation]

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows, in the file's order."""

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn what Arrow and the system say about a file into one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{path}: cannot be read: {reason}") from error

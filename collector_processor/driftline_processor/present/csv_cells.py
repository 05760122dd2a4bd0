"""Cells of CSV files that spreadsheets do not evaluate as formulas (OWASP: CSV injection) or terminals as commands."""

from __future__ import annotations

from typing import Any, Final
from unicodedata import category

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet may evaluate."""

TEXT_MARK: Final = "'"
"""Prefix that marks a cell as a text for spreadsheets."""

_JOINERS: Final = "\u200c\u200d"
"""Format characters that words of some languages and emoji need."""

_LINE: Final = "\t\n\r"


def without_controls(value: Any) -> Any:
    r"""Replace control and format characters of a text by a dot; a file is often printed in a terminal.

    Format characters such as U+202E change the order in which a text is shown. Tabs, line breaks and joiners stay.

    >>> without_controls("a\x1b[31mb"), without_controls("a\nb"), without_controls("a\u202eb"), without_controls(0.5)
    ('a·[31mb', 'a\nb', 'a·b', 0.5)
    """
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join("·" if _is_control(character) else character for character in value)


def _is_control(character: str) -> bool:
    return category(character) in ("Cc", "Cf") and character not in _LINE + _JOINERS


def plain_cell(value: Any) -> Any:
    """Return the cell of a value; a text that a spreadsheet may evaluate begins with an apostrophe.

    >>> plain_cell("=1+1"), plain_cell("churn"), plain_cell(-0.5)
    ("'=1+1", 'churn', -0.5)
    """
    value = without_controls(value)
    return f"{TEXT_MARK}{value}" if isinstance(value, str) and value.startswith(FORMULA) else value

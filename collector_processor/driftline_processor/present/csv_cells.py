"""Cells of CSV files that spreadsheets do not evaluate as formulas (OWASP: CSV injection)."""

from __future__ import annotations

from typing import Any, Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet may evaluate."""

TEXT_MARK: Final = "'"
"""Prefix that marks a cell as a text for spreadsheets."""


def plain_cell(value: Any) -> Any:
    """Return the cell of a value; a text that a spreadsheet may evaluate begins with an apostrophe.

    >>> plain_cell("=1+1"), plain_cell("churn"), plain_cell(-0.5)
    ("'=1+1", 'churn', -0.5)
    """
    return f"{TEXT_MARK}{value}" if isinstance(value, str) and value.startswith(FORMULA) else value

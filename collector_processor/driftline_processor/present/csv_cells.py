"""Cells of CSV files that spreadsheets do not evaluate as formulas (OWASP: CSV injection) or terminals as commands."""

from __future__ import annotations

import re
from typing import Any, Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet may evaluate."""

TEXT_MARK: Final = "'"
"""Prefix that marks a cell as a text for spreadsheets."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters except tabs and line breaks, such as the escape character of terminals."""


def without_controls(value: Any) -> Any:
    r"""Replace the control characters of a text by a dot; a file is often printed in a terminal.

    >>> without_controls("a\x1b[31mb"), without_controls("a\nb"), without_controls(0.5)
    ('a·[31mb', 'a\nb', 0.5)
    """
    return _CONTROL.sub("·", value) if isinstance(value, str) else value


def plain_cell(value: Any) -> Any:
    """Return the cell of a value; a text that a spreadsheet may evaluate begins with an apostrophe.

    >>> plain_cell("=1+1"), plain_cell("churn"), plain_cell(-0.5)
    ("'=1+1", 'churn', -0.5)
    """
    value = without_controls(value)
    return f"{TEXT_MARK}{value}" if isinstance(value, str) and value.startswith(FORMULA) else value

"""Errors in a file, a column or an option that the user named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from driftline_processor.core.nearest_names import listed as listed
from driftline_processor.core.nearest_names import near as near
from driftline_processor.core.nearest_names import nearest as nearest

Say: TypeAlias = Callable[[str], None]
"""Tells the user, one sentence a call, what was guessed, left out or could not be used."""


class BadInput(Exception):  # noqa: N818 - the state of a file or an option, and what its owner is told
    """One sentence that names the file, column or option, the rule and the fix; the exit code is 2."""

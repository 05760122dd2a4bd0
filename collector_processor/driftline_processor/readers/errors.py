"""Errors in a file, a column or an option that the user named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from driftline_processor.core.nearest_names import listed as listed
from driftline_processor.core.nearest_names import near as near
from driftline_processor.core.nearest_names import nearest as nearest

Say: TypeAlias = Callable[[str], None]
"""Tells the user, one sentence a call, what was guessed, left out or could not be used."""


class BadInput(Exception):  # noqa: N818 - the state of a file or an option, and what its owner is told
    """One sentence that names the file, column or option, the rule and the fix; the exit code is 2."""


def say_columns_of_one_name(path: str, names: Sequence[str], say: Say) -> list[str]:
    """Say which names several columns of a file have, and return them; the first column of each is read."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        say(f"{path}: {listed(twice)}: several columns of one name; the first is read")
    return twice

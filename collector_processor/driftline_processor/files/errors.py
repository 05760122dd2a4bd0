"""What is wrong with what the user gave."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TypeAlias

Say: TypeAlias = Callable[[str], None]
"""Tells the user, one sentence a call, what was guessed, left out or could not be used."""


class BadInput(Exception):  # noqa: N818 - the state of a file or an option, and what its owner is told
    """One sentence that names the file, column or option, the rule and the fix; the exit code is 2."""


def near(name: str, names: tuple[str, ...]) -> str:
    """Say which of ``names`` could have been meant by ``name``: the nearest, or all when none is near.

    >>> near("scores", ("score", "temp"))
    "did you mean 'score'?"
    >>> near("x", ("score", "temp"))
    'there are score, temp'
    """
    lowered = {other.lower(): other for other in reversed(names)}
    close = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"there are {listed(names)}" if names else "there are none"


def listed(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Join names for a sentence, and count those beyond ``most``.

    >>> listed(("a", "b", "c"), most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def rows(n: int, noun: str = "row") -> str:
    """Count things.

    >>> rows(1), rows(12345)
    ('1 row', '12,345 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

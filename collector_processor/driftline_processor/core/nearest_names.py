"""What to say of a name that is unknown: the names that could have been meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def near(name: str, names: Sequence[str], most: int = 12) -> str:
    """Say which of ``names`` could have been meant by ``name``: the nearest, or else ``most`` of all.

    >>> near("scores", ("score", "temp"))
    "did you mean 'score'?"
    >>> near("x", ("score", "temp"))
    'there are score, temp'
    """
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"there are {listed(names, most)}" if names else "there are none"


def nearest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Return which of ``names`` are written nearly as ``name``, the nearest first; capitals do not matter.

    >>> nearest("Age", ["age_years", "page", "income"])
    ['page']
    """
    lowered = {other.lower(): other for other in reversed(names)}
    return [lowered[match] for match in get_close_matches(name.lower(), lowered, n=most, cutoff=0.6)]


def listed(names: Sequence[str], most: int = 12) -> str:
    """Join names for a sentence, and count those beyond ``most``.

    >>> listed(("a", "b", "c"), most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"

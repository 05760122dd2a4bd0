"""Values that no sampling explains, however few they are: infinities where there was none, and values far beyond."""

from __future__ import annotations

import numpy as np
from driftline.strays import octave_bounds

from .check import Suspicion, suspicion
from .sums import Pair
from .words import percent, quoted

FAR = 1e6
"""How many times the baseline's largest value, by magnitude, a value must be."""

_BOUNDS = octave_bounds()
_NEAREST = np.concatenate([-_BOUNDS[: len(_BOUNDS) // 2], [0.0], _BOUNDS[len(_BOUNDS) // 2 :]])
"""The magnitude that every value of an entry of ``tails:NAME`` has at least: float64 (TAILS,)."""


def far(check: str, pair: Pair) -> Suspicion | None:
    """Suspect a number with infinities, of which the baseline had none, or with values far beyond its largest.

    No chance makes an infinity of finite values. That a window of m rows has a value F times the largest of n rows
    is m / (m + n F) likely where tails are Cauchy's, whose mean is infinite, and less where they are lighter. How far
    values lie is told up to 2^63: of a baseline that comes within a millionth of that, nothing is.
    """
    infinite = pair.now.infinite if _had_no_infinity(pair) else 0.0
    beyond, times = _beyond(pair)
    if infinite + beyond <= 0:
        return None
    of = pair.now.usable + pair.now.infinite
    n, m = pair.was.usable * pair.n, of * pair.m
    parts = [f"{percent(infinite / of)} of {pair.values} are infinite (in the baseline none was)"] if infinite else []
    if beyond:
        which = f"{percent(beyond / of)} of {pair.values} are" if not parts else f"{percent(beyond / of)}"
        parts.append(f"{which} more than a million times the largest in the baseline")
    now = (infinite + beyond) / of
    return suspicion(
        check,
        [pair.name],
        0.0 if infinite else m / (m + n * times),
        f"{quoted(pair.name)}: {', '.join(parts)}",
        was=0.0,
        now=now,
        concerned=now * of / pair.now.rows,
    )


def _had_no_infinity(pair: Pair) -> bool:
    """Whether the baseline had none: one from before kinds were told has invalid values of any kind."""
    return pair.was.usable > 0 and (pair.was.infinite == 0 if pair.was.kinds is not None else pair.was.invalid == 0)


def _beyond(pair: Pair) -> tuple[float, float]:
    """The weight of values that are far beyond, and how many times the baseline's largest the farthest is."""
    if pair.least is None or pair.greatest is None or pair.now.tails is None:
        return 0.0, 1.0
    largest = max(abs(pair.least), abs(pair.greatest))
    held = (FAR * largest <= _NEAREST) & (pair.now.tails > 0)
    if largest <= 0 or not held.any():
        return 0.0, 1.0
    return float(pair.now.tails[held].sum()), float(_NEAREST[held].max()) / largest

"""What a later word leaves out stays what the word before it said: weight, worth and slices, each by itself.

Nobody says the weight of a reviewed row again when a label is corrected. The words are ordered by the time at which
what they say was known, so it does not matter in which order they came. What takes back all that was said before takes
that with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .tables import I64

Mask = NDArray[np.bool_]


def carried(group: I64, taken_back: Mask, said: Mask) -> NDArray[np.intp]:
    """Return, for each of n words, the place of the one that it has something from, -1 where nobody said it.

    ``group``: int64 (n,), of which prediction; the words of one stand together, oldest first. ``taken_back``: bool
    (n,), words that take back all that was said before them. ``said``: bool (n,), those that say it.

    >>> group, nobody = np.array([7, 7, 7, 8]), np.zeros(4, np.bool_)
    >>> carried(group, nobody, np.array([True, False, False, False]))
    array([ 0,  0,  0, -1])
    >>> carried(group, np.array([False, True, False, False]), np.array([True, False, False, True]))
    array([ 0, -1, -1,  3])
    """
    place = np.arange(len(group))
    begins = np.diff(group, prepend=group[:1] - 1) != 0
    since = np.maximum.accumulate(np.where(begins | taken_back, place, 0))
    last = np.maximum.accumulate(np.where(said & ~taken_back, place, -1))
    return np.where(last >= since, last, -1)

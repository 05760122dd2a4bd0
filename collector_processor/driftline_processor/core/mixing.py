"""Numbers as if drawn, and always the same: of a row's own number, whatever else came, in whatever order."""

from __future__ import annotations

from typing import Final

import numpy as np
from driftline.tables import I64
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_ODD: Final = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT: Final = np.uint64(30), np.uint64(27), np.uint64(31)


def mix(bits: U64) -> U64:
    """Return 64 bits as if drawn for each number: uint64 (n,); different ones for different numbers.

    SplitMix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators).

    >>> mix(np.array([0, 1], np.uint64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    bits = bits + _STEP
    bits = (bits ^ (bits >> _SHIFT[0])) * _ODD[0]
    bits = (bits ^ (bits >> _SHIFT[1])) * _ODD[1]
    return bits ^ (bits >> _SHIFT[2])


def mixed(numbers: I64, salt: int = 0) -> U64:
    """Return the same of whole numbers, int64 (n,); ``salt``: what they are drawn for, so that other draws say nothing.

    >>> bool((mixed(np.arange(9)) == mixed(np.arange(9), 1)).any())
    False
    """
    return mix(numbers.astype(np.uint64) ^ np.uint64(salt))

"""Hashes in place of random numbers: a row always gets the same one, in any order of rows."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio in 64 bits, SplitMix64's increment."""

_ODD: Final = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""SplitMix64's factors (Stafford's variant 13)."""

_SHIFT: Final = np.uint64(30), np.uint64(27), np.uint64(31)
"""Bits of SplitMix64's three shifts (Stafford's variant 13)."""


def hash_bits(bits: U64) -> U64:
    """Return 64 pseudo-random bits per number: uint64 (n,); distinct for distinct numbers.

    SplitMix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators).

    >>> hash_bits(np.array([0, 1], np.uint64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    bits = bits + _STEP
    bits = (bits ^ (bits >> _SHIFT[0])) * _ODD[0]
    bits = (bits ^ (bits >> _SHIFT[1])) * _ODD[1]
    return bits ^ (bits >> _SHIFT[2])


def hash_numbers(numbers: I64 | U64, salt: int = 0) -> U64:
    """Return 64 pseudo-random bits per integer, int64 or uint64 (n,).

    ``salt``: separates independent draws.

    >>> bool((hash_numbers(np.arange(9)) == hash_numbers(np.arange(9), 1)).any())
    False
    """
    return hash_bits(numbers.astype(np.uint64) ^ np.uint64(salt))


def hash_texts(data: U8, offsets: I64, key: int = 0) -> U64:
    """Return 64 pseudo-random bits per text, stable over releases: uint64 (n,).

    Args:
        data: uint8, all texts concatenated in UTF-8.
        offsets: int64 (n + 1,), the start of each, and the end.
        key: 64 secret bits, 0 = none. Without them collisions cannot be constructed: a second round of mixing hides the
            difference between two words.

    >>> hash_texts(np.frombuffer(b"abab", np.uint8), np.array([0, 2, 4])).tolist()
    [8569939193919485869, 8569939193919485869]
    """
    size = np.diff(offsets)
    found, secret = hash_bits(size.astype(np.uint64) ^ np.uint64(key)), np.uint64(key)
    words = np.ndarray(len(data) + 1, "<u8", np.concatenate([data, np.zeros(8, np.uint8)]), strides=(1,))
    for start in range(0, int(size.max(initial=0)), 8):
        rows = np.flatnonzero(size > start)
        unused = 8 * np.maximum(start + 8 - size[rows], 0)
        word = words[offsets[rows] + start] << unused.astype(np.uint64)
        mixed = hash_bits(found[rows] ^ word)
        found[rows] = hash_bits(mixed ^ secret) if key else mixed
    return found


def numbers_of_ids(ids: pa.Array | pa.ChunkedArray, key: int = 0) -> U64:
    """Return a stable number per id: uint64 (n,). Lookups are ten times as fast as by text.

    Two ids have the same number with a probability of 2^-64. Without a key, see :func:`hash_texts`, such pairs can be
    constructed, so compare the texts too.
    """
    return hash_texts(*bytes_of(ids), key)


def bytes_of(ids: pa.Array | pa.ChunkedArray) -> tuple[U8, I64]:
    """Return the concatenated bytes of texts without nulls, with the start of each and the end: int64 (n + 1,)."""
    texts = ids.cast(pa.large_binary())
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    begins = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), begins

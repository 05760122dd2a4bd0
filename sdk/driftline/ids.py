"""Prediction ids: text, made in the process without a system call per id."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

_POOL_BYTES = 10 * 512


class IdSource:
    """Make version 7 UUIDs (RFC 9562, section 5.7), whose first 48 bits are the unix time in milliseconds.

    An id that carries its time lets the processor join an outcome by reading one day. The random bits come from one
    ``os.urandom`` per 512 ids. Two threads never draw the same: ``list.pop`` is one step.

    >>> IdSource(urandom=lambda n: bytes(n)).uuid7(1_700_000_000_000_000_000)
    '018bcfe5-6800-7000-8000-000000000000'
    """

    def __init__(self, urandom: Callable[[int], bytes] = os.urandom) -> None:
        self._urandom = urandom
        self._pool: list[int] = []

    def _random(self) -> int:
        try:
            return self._pool.pop()
        except IndexError:
            data = self._urandom(_POOL_BYTES)
            fresh = [int.from_bytes(data[i : i + 10], "big") for i in range(0, _POOL_BYTES, 10)]
            last = fresh.pop()
            self._pool = fresh
            return last

    def uuid7(self, unix_nanoseconds: int | None = None) -> str:
        """Return a new id for a prediction made at that time (now, if not given)."""
        now = time.time_ns() if unix_nanoseconds is None else unix_nanoseconds
        bits = self._random()
        text = (
            f"{(now // 1_000_000) & 0xFFFFFFFFFFFF:012x}7{bits & 0xFFF:03x}"
            f"{0x8000000000000000 | (bits >> 12) & 0x3FFFFFFFFFFFFFFF:016x}"
        )
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def reset(self) -> None:
        """Throw the random bits away: two processes must not draw from one pool."""
        self._pool = []


IDS = IdSource()


def id_text(value: Any) -> str:
    """Return the text of an id: 17, 17.0 and "17" are one id; the empty text when there is none (None, NaN, "").

    >>> id_text(17), id_text(17.0), id_text(" 17 "), id_text(None), id_text(float("nan"))
    ('17', '17', '17', '', '')
    """
    if value.__class__ is str:
        return str(value).strip()
    if value is None:
        return ""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        value = value.item()
    if isinstance(value, float):
        if value != value:
            return ""
        if value.is_integer() and abs(value) < 2**63:
            return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip()

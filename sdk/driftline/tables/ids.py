"""Prediction ids: text, generated without a system call per id."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np

from driftline.faults import FAULTS, logger

from .classes import EXACT
from .text import sendable

_COUNTS = tuple(f"{count:03x}" for count in range(4096))
LONGEST_ID = 1024
"""Maximum number of characters of an id, as in the processor. Longer ones, such as a whole document, are truncated."""
_MICROSECONDS = 6
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


class IdSource:
    """Generator of version 7 UUIDs (RFC 9562, section 5.7), whose first 48 bits are the unix time in milliseconds.

    Because an id contains its time, the processor joins an outcome by reading one day. The 12 bits after the time are a
    counter (section 6.2, method 1), and the 62 random bits are renewed every 4,096 ids, so that an id is two
    concatenations: 0.2 µs, instead of 2.5 µs for ``str(uuid4())``. Ids are unique but not secret. ``next`` is atomic,
    so two threads never get the same id.

    >>> ids = IdSource(urandom=lambda n: bytes(n))
    >>> ids.uuid7(1_700_000_000_000_000_000), ids.uuid7(1_700_000_000_000_000_000)
    ('018bcfe5-6800-7000-8000-000000000000', '018bcfe5-6800-7001-8000-000000000000')
    """

    def __init__(self, urandom: Callable[[int], bytes] = os.urandom) -> None:
        self._urandom = urandom
        self._head = (-1, "")
        self.reset()

    def uuid7(self, unix_nanoseconds: int) -> str:
        """Return a new id for a prediction with this time."""
        milliseconds = unix_nanoseconds // 1_000_000
        head = self._head
        if head[0] != milliseconds:
            self._head = head = milliseconds, f"{milliseconds >> 16 & 0xFFFFFFFF:08x}-{milliseconds & 0xFFFF:04x}-7"
        tail = next(self._tails, None)
        if tail is None:
            self.reset()
            tail = next(self._tails)
        return head[1] + tail

    def reset(self) -> None:
        """Renew the random bits: two processes must not share them."""
        text = self._urandom(8).hex()
        self._tails = map(f"%s-{_VARIANT[text[0]]}{text[1:4]}-{text[4:]}".__mod__, _COUNTS)


IDS = IdSource()


def id_text(value: Any) -> str:
    """Return the text of an id, for predictions and outcomes; "" if there is none (None, NaN, "", ()). Never raises.

    17, 17.0 and "17" are one id. An enum is its value, a time with a time zone is in UTC, a tuple or list is the text
    of the tuple, and bytes are their UTF-8, or else hexadecimal digits. A value without a text of its own cannot be an
    id: it is logged once per type. At most ``LONGEST_ID`` characters.

    >>> id_text(17), id_text(17.0), id_text(" 17 "), id_text(2**64), id_text(None), id_text(float("nan"))
    ('17', '17', '17', '18446744073709551616', '', '')
    >>> id_text(np.datetime64("2026-01-05T12:00")), id_text(datetime(2026, 1, 5, 12)), id_text(("A", np.int64(1)))
    ('2026-01-05 12:00:00', '2026-01-05 12:00:00', "('A', 1)")
    """
    if value.__class__ is not str:
        if value is None:
            return ""
        try:
            text = str(value) if value.__class__ is int else _text_of(value)
        except Exception as fault:  # its own text raises, or an integer has too many digits for Python to write
            FAULTS.let_signals_pass(fault)
            text = None
        if text is None:
            _warn_once(
                f"a {type(value).__name__}",
                "cannot be an id: a prediction gets a generated id, and an outcome is not recorded; "
                "an id is a text, a number, a UUID, a time or a tuple of these",
            )
            return ""
        value = text
    text = value.strip()
    if len(text) > LONGEST_ID:
        _warn_once("an id", f"has more than {LONGEST_ID:,} characters, of which only the first {LONGEST_ID:,} are used")
        text = text[:LONGEST_ID]
    return text if text.isascii() else sendable(text)


def _text_of(value: Any) -> str | None:
    """Return the text of a value that is neither a text nor None; None if it cannot be an id."""
    if isinstance(value, Enum):
        return id_text(value.value)
    if isinstance(value, np.datetime64):
        return _time_text(value)
    if value is np.ma.masked:
        return ""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of numpy or torch
        return id_text(value.item())
    if hasattr(value, "as_py"):  # a scalar of Arrow
        return id_text(value.as_py())
    kind = type(value)
    if isinstance(value, bool | Mapping | Set) or hasattr(value, "ndim"):
        return None
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:  # type: ignore[comparison-overlap]
        return None  # its text is its address in memory
    if kind.__name__ in ("NAType", "NaTType"):  # of pandas
        return ""
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(value.astimezone(UTC))  # databases and frames keep the instant, not the zone
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, list | tuple):
        elements = tuple(element.item() if isinstance(element, np.generic) else element for element in value)
        return str(elements) if elements else ""
    return str(value)


def _number_text(value: float | Decimal) -> str:
    if not math.isfinite(value):
        return ""
    if isinstance(value, float) and abs(value) >= EXACT:
        _warn_once(
            "an id",
            "is a float of 2^53 or more, whose last digits are lost; read ids as integers or texts, not as floats",
        )
    if value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, Decimal) else float.__repr__(value)


def _time_text(value: np.datetime64) -> str:
    """Return a time of numpy as ``str`` writes the same time of the standard library or of pandas."""
    if np.isnat(value):
        return ""
    if np.datetime_data(value)[0] in ("Y", "M", "W", "D"):
        return str(value.astype("datetime64[D]"))
    begin, _, fraction = str(value.astype(np.promote_types(value.dtype, "datetime64[us]"))).partition(".")
    fraction = fraction.removesuffix("000") if len(fraction) > _MICROSECONDS else fraction
    return begin.replace("T", " ") + (f".{fraction}" if fraction.strip("0") else "")


def _warn_once(what: str, problem: str) -> None:
    if FAULTS.once(f"{what} {problem}"):
        logger.warning("driftline: %s %s", what, problem)

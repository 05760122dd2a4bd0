"""Fixed clocks and sequential ids, for repeatable tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from types import ModuleType

from driftline import outcomes
from driftline.capture import call, fast_call
from driftline.export import records
from driftline.tables.ids import IDS

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Default start of a test's clock."""

NOW: tuple[ModuleType, ...] = (call, outcomes, records)
"""Modules that read the wall clock, as ``_now``."""

TICKS: tuple[ModuleType, ...] = (call, fast_call)
"""Modules that measure durations, as ``_clock``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """The clock of Driftline in a test. The time only changes when the test changes it.

    Other libraries use the real time.

    Args:
        start: First time of the clock. A datetime without a time zone is UTC.

    >>> clock = Clock()
    >>> clock.now
    datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)
    >>> clock.advance(seconds=5)
    >>> clock.now.second
    5
    """

    def __init__(self, start: datetime = START) -> None:
        self.set(start)

    @property
    def now(self) -> datetime:
        """Time of the clock, in UTC."""
        return _EPOCH + timedelta(microseconds=self._nanoseconds // 1000)

    def set(self, now: datetime) -> None:
        """Set the time of the clock.

        Args:
            now: New time of the clock. A datetime without a time zone is UTC.
        """
        aware = now if now.tzinfo is not None else now.replace(tzinfo=UTC)
        self._nanoseconds = (aware - _EPOCH) // _MICROSECOND * 1000

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Advance the clock between two predictions, or inside a prediction to give this prediction a duration.

        Args:
            days: Days to add.
            hours: Hours to add.
            minutes: Minutes to add.
            seconds: Seconds to add.
        """
        passed = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._nanoseconds += passed // _MICROSECOND * 1000

    def nanoseconds(self) -> int:
        """Return the time of the clock in unix nanoseconds."""
        return self._nanoseconds


@contextmanager
def deterministic(clock: Clock | None = None) -> Iterator[Clock]:
    """Give Driftline a fixed clock, and sequential ids from 1.

    ``capture()`` does the same. Use this function alone in tests that read the sent bytes in another way.

    Args:
        clock: Clock of Driftline. Default: a clock at 2026-01-01 12:00 UTC.

    Yields:
        The clock.

    >>> from driftline.tables.ids import IDS
    >>> with deterministic() as clock:
    ...     IDS.uuid7(clock.nanoseconds())
    '019b796d-d600-7000-8000-000000000001'
    """
    clock = Clock() if clock is None else clock
    places = [(module, "_now") for module in NOW] + [(module, "_clock") for module in TICKS]
    before = [vars(module)[name] for module, name in places]
    numbers, ids = count(1), dict(vars(IDS))
    try:
        for module, name in places:
            setattr(module, name, clock.nanoseconds)
        vars(IDS).update(_urandom=lambda n: next(numbers).to_bytes(n))
        IDS.reset()
        yield clock
    finally:
        for (module, name), function in zip(places, before, strict=True):
            setattr(module, name, function)
        vars(IDS).update(ids)

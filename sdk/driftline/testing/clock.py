"""Time that stands still, and ids that count: what a test says today it says tomorrow."""

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
"""When every prediction of a test is made, unless it says otherwise."""

NOW: tuple[ModuleType, ...] = (call, outcomes, records)
"""The modules that read the time of day, as ``_now``."""

TICKS: tuple[ModuleType, ...] = (call, fast_call)
"""The modules that measure how long something takes, as ``_clock``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """The time that Driftline sees. It stands still, unless a test moves it; nobody else's time is touched.

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
        """Return what time it is, in UTC."""
        return _EPOCH + timedelta(microseconds=self._nanoseconds // 1000)

    def set(self, now: datetime) -> None:
        """Say what time it is. A datetime without a zone is UTC."""
        aware = now if now.tzinfo is not None else now.replace(tzinfo=UTC)
        self._nanoseconds = (aware - _EPOCH) // _MICROSECOND * 1000

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass: between two predictions, or inside one, which then takes that long."""
        passed = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._nanoseconds += passed // _MICROSECOND * 1000

    def nanoseconds(self) -> int:
        """Return unix nanoseconds."""
        return self._nanoseconds


@contextmanager
def deterministic(clock: Clock | None = None) -> Iterator[Clock]:
    """Let Driftline see a clock that stands still, and number the ids that it makes, from 1.

    Capturing does that by itself; this is for tests that look at what is sent in another way.

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

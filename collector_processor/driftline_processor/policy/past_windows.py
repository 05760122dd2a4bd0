"""How long policies wait for past windows: the newest are evaluated first, and their findings may have begun before.

While a model's past windows wait for their evaluation, only urgent alerts begin and none ends. The same is true after a
start, until the stored windows are as new as the messages that were sent. Both waits have a limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

from driftline_processor.present.wording import iso_time

from .alerts import AlertStore, Place
from .version_groups import VersionGroup

PAST_AWAITED: Final = 600 * 10**9
"""Maximum wall time for which a model's policies wait for past windows of which no more are evaluated, nanoseconds."""

LONGEST_WAIT: Final = 1_800 * 10**9
"""Maximum wall time for which they wait in all, nanoseconds, because anyone who sends late rows prolongs the wait."""

STARTING: Final = ("", "")
"""In place of environment and model: the state catches up after a start."""

START_AWAITED: Final = 60 * 10**9
"""Maximum wall time for which policies wait after a start, nanoseconds, however often the process is started again."""


class _Wait(NamedTuple):
    """The past windows of a model that policies wait for.

    Attributes:
        start: When the wait began, wall time.
        fewest: The fewest that waited so far.
        evaluated: Number of evaluated windows that had ended by then.
        since: When one of these was last evaluated, wall time.
    """

    start: int
    fewest: int
    evaluated: int
    since: int

    @classmethod
    def of(cls, group: VersionGroup, pending: int, before: _Wait | None, start: int, now: int) -> _Wait:
        """Return the wait for a number of windows; ``start``: when it began, if it is not known from ``before``."""
        start = min(start if before is None else before.start, now)
        evaluations = itertools.chain(*(windows for view in group.views for windows in view.windows.values()))
        evaluated = sum(evaluation.window.end <= start for evaluation in evaluations)
        if before is None:
            return cls(start, pending, evaluated, now)
        progress = pending < before.fewest or evaluated > before.evaluated
        return cls(start, min(pending, before.fewest), evaluated, now if progress else before.since)

    def lasts(self, now: int) -> bool:
        """Return True if it is within both limits."""
        return abs(now - self.since) < PAST_AWAITED and now - self.start < LONGEST_WAIT


class PastWindowWaits:
    """The models whose policies wait for past windows, of one state.

    Args:
        store: Stores since when they wait, so that a restart does not prolong it.
        clock: Returns unix nanoseconds.
    """

    def __init__(self, store: AlertStore, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._waits: dict[Place, _Wait] = {}
        self.places: Collection[Place] = ()
        """Environments and models that the last evaluation held back."""

    def update(self, groups: Iterable[VersionGroup], now: int, *, caught_up: bool) -> None:
        """Find the models that wait now; ``caught_up``: whether the wait after the start is over."""
        self._waits = {
            group.place: _Wait.of(
                group, pending, self._waits.get(group.place), self._store.waits.get(group.place, now), now
            )
            for group in groups
            if (pending := sum(view.pending_windows for view in group.views))
        }
        self.places = {place for place, wait in self._waits.items() if wait.lasts(now)}
        starts = {place: wait.start for place, wait in self._waits.items()}
        if not caught_up and STARTING in self._store.waits:
            starts[STARTING] = self._store.waits[STARTING]
        self._store.wait(starts)

    def has_waited(self) -> bool:
        """Return True if the state catches up since a minute, possibly over several starts; else note when it began."""
        since, now = self._store.waits.get(STARTING), self._clock()
        if since is None or since > now:
            self._store.wait({**self._store.waits, STARTING: now})
        return since is not None and now - since >= START_AWAITED

    def sentence(self) -> str | None:
        """Return for how many models alerts are held back, and since when; None for none. Thread-safe."""
        waits, places = self._store.waits, self.places
        since = [waits[place] for place in places if place in waits]
        if not since:
            return None
        models = "1 model" if len(since) == 1 else f"{len(since):,} models"
        return f"alerts of {models} wait for the evaluation of past windows, the longest since {iso_time(min(since))}"

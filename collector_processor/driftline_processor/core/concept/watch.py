"""One detector on one stream: what it has found, and what state that leaves the model in.

A detector finds that the level of errors changed. The state is *drift* from a rise on until the level has fallen back
by half of it or more: a model that is wrong more often than it was does not become fine by staying so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import compress, count
from typing import Any

from driftline.tables import F64, I64

from .detectors import DETECTORS, Kind, River
from .stretch import Stretch
from .verdict import Change

MOST_CHANGES = 20
"""Changes that are remembered, the newest."""


@dataclass(slots=True)
class Watch:
    """A detector's running state. ``changes``: found so far, the oldest first.

    ``usual``: the mean before the drift it is in, None while there is none; ``worst``: the greatest since; ``since``:
    when the state began, unix nanoseconds.
    """

    name: str
    kind: Kind
    delta: float
    stretch: Stretch = field(default_factory=Stretch)
    usual: float | None = None
    worst: float = 0.0
    since: int | None = None
    changes: list[Change] = field(default_factory=list)
    found: int = 0
    _river: River = None

    def feed(self, values: F64, times: I64, heard: I64) -> list[Change]:
        """Feed values in their order and return the changes found.

        ``times``: of the predictions, ``heard``: of the outcomes (unix nanoseconds).
        """
        found: list[Change] = []
        start = 0
        while start < len(values):
            alarm = self._first_alarm(values[start:].tolist())
            end = len(values) if alarm < 0 else start + alarm + 1
            self.stretch.add(values[start:end], times[start:end])
            if self.since is None:
                self.since = self.stretch.began
            if alarm >= 0:
                self._river = None
                change = self._changed(int(times[end - 1]), int(heard[end - 1]))
                if change is not None:
                    found.append(change)
            start = end
        return found

    def _first_alarm(self, values: list[float]) -> int:
        if self._river is None:
            self._river = DETECTORS[self.name].make(self.kind, self.delta)
        step = DETECTORS[self.name].step(self._river)
        return next(compress(count(), map(step, values)), -1)  # without a step of Python for each value

    def _changed(self, time: int, heard: int) -> Change | None:
        means = self.stretch.split()
        if means is None:
            return None
        before, after = means
        change = Change(self.stretch.began or time, heard, before, after)
        self.changes = [*self.changes, change][-MOST_CHANGES:]
        self.found += 1
        if self.usual is None:
            if after > before:
                self.usual, self.worst, self.since = before, after, change.since
        elif after > before:
            self.worst = max(self.worst, after)
        elif after - self.usual <= (self.worst - self.usual) / 2:
            self.usual, self.worst, self.since = None, 0.0, change.since
        return change

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "stretch": self.stretch.to_json(),
            "usual": self.usual,
            "worst": self.worst,
            "since": self.since,
            "changes": [asdict(change) for change in self.changes],
            "found": self.found,
            "detector": None if self._river is None else DETECTORS[self.name].state(self._river),
        }

    @classmethod
    def from_json(cls, name: str, kind: Kind, delta: float, said: Any) -> Watch:
        """Read what :meth:`to_json` wrote.

        Where the detector's own state cannot be read (another version of River wrote it), a new one goes on with what
        was found.
        """
        changes = [Change(**change) for change in said["changes"]]
        stretch = Stretch.from_json(said["stretch"])
        watch = cls(name, kind, delta, stretch, said["usual"], said["worst"], said["since"], changes, said["found"])
        if said["detector"] is not None:
            river = DETECTORS[name].make(kind, delta)
            try:
                DETECTORS[name].restore(river, said["detector"])
            except BaseException as error:  # what River's compiled part throws is no Exception
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
            else:
                watch._river = river
        return watch

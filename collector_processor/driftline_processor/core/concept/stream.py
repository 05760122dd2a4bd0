"""The errors of one model as they come, and what detectors say of them: the same however the stream is cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from driftline.tables import F64, I64

from .detectors import DETECTORS, Kind
from .errors import LEAST_REFERENCE, standardised
from .verdict import Change, Concept, ConceptState, Found
from .watch import Watch

LEARNING = 100
"""Outcomes before which nothing is said: of so few no detector finds less than a landslide."""

DELTA = 0.002
"""ADWIN's confidence, as in River."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which detectors watch; the first decides, the others are shown. ``delta``: ADWIN's confidence."""

    detectors: tuple[str, ...] = ("adwin",)
    delta: float = DELTA

    @property
    def of_slice(self) -> Settings:
        """The same for a slice: the deciding detector alone, so that twenty slices cost what twenty of it do."""
        return Settings(self.detectors[:1], self.delta)


@dataclass(slots=True)
class Stream:
    """Errors in the order in which outcomes came.

    ``kind``: what they are. ``scale``: mean and standard deviation by which losses are standardised, the baseline's;
    where it has none, the first :data:`LEAST_REFERENCE` losses give it and wait for it in ``waiting``. ``fed``:
    outcomes that were, ``unusable``: that cannot tell right from wrong. ``corrected``: outcomes that replaced another
    or went away, which are not fed.
    """

    kind: Kind
    settings: Settings = field(default_factory=Settings)
    scale: tuple[float, float] | None = None
    fed: int = 0
    unusable: int = 0
    corrected: int = 0
    waiting: list[tuple[float, int, int]] = field(default_factory=list)
    watches: dict[str, Watch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the detectors that can be fed with this kind of values."""
        for name in self.settings.detectors:
            if name not in self.watches and self.kind in DETECTORS[name].kinds:
                self.watches[name] = Watch(name, self.kind, self.settings.delta)

    def feed(self, values: F64, times: I64, heard: I64) -> list[Change]:
        """Feed errors in their order (:func:`.errors.errors_of`); return the changes that the deciding detector found.

        ``times``: of the predictions, ``heard``: of the outcomes, int64 (n,), unix nanoseconds.
        """
        usable = ~np.isnan(values)
        self.unusable += int(np.count_nonzero(~usable))
        values, times, heard = values[usable], times[usable], heard[usable]
        self.fed += len(values)
        if self.kind == "loss":
            values, times, heard = self._scaled(values, times, heard)
        found = [watch.feed(values, times, heard) for watch in self.watches.values()]
        return [self._in_units(change) for change in found[0]] if found else []

    def _scaled(self, values: F64, times: I64, heard: I64) -> tuple[F64, I64, I64]:
        if self.scale is None:
            missing = LEAST_REFERENCE - len(self.waiting)
            self.waiting += zip(
                values[:missing].tolist(), times[:missing].tolist(), heard[:missing].tolist(), strict=True
            )
            if len(self.waiting) < LEAST_REFERENCE:
                return values[:0], times[:0], heard[:0]
            waited, since, known = zip(*self.waiting, strict=True)
            values = np.concatenate([waited, values[missing:]])
            times = np.concatenate([np.array(since, np.int64), times[missing:]])
            heard = np.concatenate([np.array(known, np.int64), heard[missing:]])
            first = values[:LEAST_REFERENCE]
            self.scale, self.waiting = (float(first.mean()), float(first.std())), []
        return standardised(values, self.scale), times, heard

    def concept(self) -> Concept:
        """Return what is known now."""
        found = {name: self._found(watch) for name, watch in self.watches.items()}
        decided_by = next(iter(found), "")
        first = found.get(decided_by, Found("unknown"))
        return Concept(
            state=first.state,
            decided_by=decided_by,
            measure="error_rate" if self.kind == "error" else "absolute_error",
            outcomes=self.fed,
            unusable=self.unusable,
            corrected=self.corrected,
            since=first.since,
            before=first.before,
            after=first.after,
            changes=tuple(map(self._in_units, self.watches[decided_by].changes)) if decided_by else (),
            detectors=found,
        )

    def _found(self, watch: Watch) -> Found:
        state: ConceptState = "ok" if watch.usual is None else "drift"
        if watch.usual is None and self.fed < LEARNING:
            state = "learning" if self.fed else "unknown"
        return Found(state, watch.since, self._unit(watch.usual), self._unit(watch.stretch.mean), watch.found)

    def _in_units(self, change: Change) -> Change:
        before, after = self._unit(change.before), self._unit(change.after)
        assert before is not None
        assert after is not None
        return Change(change.since, change.found, before, after)

    def _unit(self, value: float | None) -> float | None:
        if value is None or self.scale is None:
            return value
        mean, deviation = self.scale
        return mean + value * deviation

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values: what :meth:`from_json` reads goes on as if nothing had been in between."""
        return {
            "kind": self.kind,
            "delta": self.settings.delta,
            "scale": self.scale,
            "fed": self.fed,
            "unusable": self.unusable,
            "corrected": self.corrected,
            "waiting": self.waiting,
            "watches": {name: watch.to_json() for name, watch in self.watches.items()},
        }

    @classmethod
    def from_json(cls, said: Any, settings: Settings) -> Stream:
        """Read what :meth:`to_json` wrote.

        Detectors that ``settings`` has and the text has not begin anew; so do all of another ``delta``.
        """
        kind: Kind = said["kind"]
        watches = {
            name: Watch.from_json(name, kind, settings.delta, said["watches"][name])
            for name in settings.detectors
            if name in said["watches"] and said["delta"] == settings.delta
        }
        scale = None if said["scale"] is None else (said["scale"][0], said["scale"][1])
        waiting = [(value, time, heard) for value, time, heard in said["waiting"]]
        counted = (said["fed"], said["unusable"], said["corrected"])
        return cls(kind, settings, scale, *counted, waiting, watches)

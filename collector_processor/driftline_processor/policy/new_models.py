"""Undeclared models that appear: a sender of telemetry can invent any number of names.

So many a day become known at once, and have messages like others. If more appear together, none of these does: one
message says how many there are, and their alerts are not notified until they become known, so many a day, those first
that appeared first, if they still receive rows an hour later. A declared model is always known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.actions import RateLimit
from driftline_processor.queries.model_view import ModelView

PROBATION: Final = 3_600 * 10**9
"""Nanoseconds after which a model that waits must still receive rows."""

SETTLED: Final = 60 * 10**9
"""Nanoseconds without the message about new models, so that it counts those of several requests."""

ANNOUNCED: Final = 86_400 * 10**9
"""Minimum nanoseconds between two such messages."""

FAMILIAR: Final = 0
"""In place of the time when a model was first seen: it was evaluated before models were counted, so it is known."""

About = tuple[str, str, str]
"""Policy, environment and model."""


class Sighting(Struct, frozen=True):
    """An undeclared model.

    Attributes:
        model: Its name.
        seen: When it was first seen, wall time; or :data:`FAMILIAR`.
        known: When it became known, wall time; None while it waits.
        announced: When a message counted it, wall time; None without one.
    """

    model: str
    seen: int
    known: int | None = None
    announced: int | None = None

    @property
    def is_admitted(self) -> bool:
        """Whether it became known within the limit."""
        return self.known is not None and self.seen != FAMILIAR

    def has_patience(self, received: int, now: int) -> bool:
        """Return True if it waits, and still received rows an hour after it was first seen."""
        return self.known is None and now - self.seen >= PROBATION and received >= self.seen + PROBATION


class NewModels(Struct, frozen=True):
    """The undeclared models at one time.

    Attributes:
        sightings: All of them, by name.
        changed: New and changed ones.
        announced: How many wait, if a message about them is due; 0 otherwise.
    """

    sightings: Mapping[str, Sighting]
    changed: Collection[Sighting]
    announced: int

    def waits(self, model: str) -> bool:
        """Return True for a model that is not known yet."""
        return model in self.sightings and self.sightings[model].known is None


def observe_models(
    before: Mapping[str, Sighting],
    models: Iterable[ModelView],
    declared: Collection[str],
    evaluated: Collection[About],
    limit: RateLimit,
    now: int,
) -> NewModels:
    """Return the undeclared models, of which some become known now.

    Args:
        before: Those that were seen before, by name.
        models: All versions of all models.
        declared: Names of the declared models.
        evaluated: Policies, environments and models that were evaluated before; these models are known.
        limit: How many become known at most.
        now: Wall time, unix nanoseconds.
    """
    received = _newest_rows(models, declared)
    sightings = {name: sighting for name, sighting in before.items() if name in received}
    free = limit.count - _admitted(before.values(), limit, now)
    new = _first_sightings([name for name in received if name not in before], evaluated, free, now)
    free -= sum(sighting.is_admitted for sighting in new)
    sightings |= {sighting.model: sighting for sighting in new}
    patient = [sighting for sighting in sightings.values() if sighting.has_patience(received[sighting.model], now)]
    patient.sort(key=lambda sighting: (sighting.seen, sighting.model))
    sightings |= {sighting.model: replace(sighting, known=now) for sighting in patient[: max(0, free)]}
    waiting = [sighting for sighting in sightings.values() if sighting.known is None]
    is_due = _is_message_due(sightings.values(), now)
    if is_due:
        sightings |= {sighting.model: replace(sighting, announced=now) for sighting in waiting}
    changed = [sighting for name, sighting in sightings.items() if before.get(name) != sighting]
    return NewModels(sightings, changed, len(waiting) if is_due else 0)


def _newest_rows(models: Iterable[ModelView], declared: Collection[str]) -> dict[str, int]:
    """Return when the newest row of each undeclared model was received, by name."""
    received: dict[str, int] = {}
    for view in models:
        if view.key.model not in declared:
            received[view.key.model] = max(view.received, received.get(view.key.model, 0))
    return received


def _admitted(sightings: Iterable[Sighting], limit: RateLimit, now: int) -> int:
    """Return how many models the limit counts."""
    within = limit.within // timedelta(microseconds=1) * 1_000
    return sum(one.is_admitted and abs(now - (one.known or 0)) < within for one in sightings)


def _first_sightings(new: Sequence[str], evaluated: Collection[About], free: int, now: int) -> list[Sighting]:
    """Return the sightings of new names: they become known all together, if so many may, or none does."""
    familiar = {model for _, _, model in evaluated} if new else set[str]()
    strangers = [name for name in new if name not in familiar]
    known = now if len(strangers) <= free else None
    return [
        *(Sighting(name, FAMILIAR, now) for name in new if name in familiar),
        *(Sighting(name, now, known) for name in strangers),
    ]


def _is_message_due(sightings: Collection[Sighting], now: int) -> bool:
    """Return True if models wait that no message counted, and neither the first of them nor a message is recent."""
    unannounced = [one.seen for one in sightings if one.known is None and one.announced is None]
    last = max((one.announced for one in sightings if one.announced is not None), default=None)
    is_settled = bool(unannounced) and now - min(unannounced) >= SETTLED
    return is_settled and (last is None or abs(now - last) >= ANNOUNCED)

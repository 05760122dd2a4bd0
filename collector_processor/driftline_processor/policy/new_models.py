"""Undeclared models that appear: a sender of telemetry can invent any number of names.

So many a day become known at once, and have messages like others. If more appear together, none of these does: one
message says how many there are, and their alerts are not notified until they become known, so many a day, those first
that appeared first, if they still receive rows an hour later. A declared model is always known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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


About = tuple[str, str, str]
"""Policy, environment and model."""


class Sighting(Struct, frozen=True):
    """An undeclared model.

    Attributes:
        model: Its name.
        seen: When it was first seen, wall time.
        known: When it became known, wall time; None while it waits.
        announced: When a message counted it, wall time; None without one.
    """

    model: str
    seen: int
    known: int | None = None
    announced: int | None = None


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
    received: dict[str, int] = {}
    for view in models:
        if view.key.model not in declared:
            received[view.key.model] = max(view.received, received.get(view.key.model, 0))
    sightings = {name: sighting for name, sighting in before.items() if name in received}
    new = [name for name in received if name not in sightings]
    within = limit.within // timedelta(microseconds=1) * 1_000
    admitted = (one.known for one in before.values() if one.known is not None and one.seen != 0)
    free = limit.count - sum(abs(now - known) < within for known in admitted)
    familiar = {model for _, _, model in evaluated} if new else set[str]()
    strangers = [name for name in new if name not in familiar]
    sightings |= {name: Sighting(name, 0, now) for name in new if name in familiar}
    known = now if len(strangers) <= free else None
    sightings |= {name: Sighting(name, now, known) for name in strangers}
    free -= len(strangers) if known is not None else 0
    waiting = sorted((one for one in sightings.values() if one.known is None), key=lambda one: (one.seen, one.model))
    patient = [one for one in waiting if now - one.seen >= PROBATION and received[one.model] >= one.seen + PROBATION]
    sightings |= {one.model: replace(one, known=now) for one in patient[: max(0, free)]}
    waiting = [one for one in waiting if sightings[one.model].known is None]
    unannounced = [one for one in waiting if one.announced is None]
    last = max((one.announced for one in sightings.values() if one.announced is not None), default=None)
    is_due = bool(unannounced) and now - min(one.seen for one in unannounced) >= SETTLED
    is_due = is_due and (last is None or abs(now - last) >= ANNOUNCED)
    if is_due:
        sightings |= {one.model: replace(one, announced=now) for one in waiting}
    changed = [one for name, one in sightings.items() if before.get(name) != one]
    return NewModels(sightings, changed, len(waiting) if is_due else 0)

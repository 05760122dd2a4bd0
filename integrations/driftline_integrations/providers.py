"""The providers that ``instrument()`` of an instrumentor was given, for the models that no code makes.

``FlaskInstrumentor().instrument(tracer_provider=, meter_provider=)`` is how instrumentations are told that the global
ones are not meant. A process that tells several instrumentors tells them the same, so the last one counts for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from driftline import Model

_NAMES = ("tracer_provider", "meter_provider")
_told: dict[str, dict[str, Any]] = {}


def take(instrumentor: object, given: Mapping[str, Any]) -> None:
    """Remember what the arguments of ``instrument()`` say of providers."""
    forget(instrumentor)
    providers = {name: given[name] for name in _NAMES if given.get(name) is not None}
    if providers:
        _told[type(instrumentor).__name__] = providers


def forget(instrumentor: object) -> None:
    """Forget what an instrumentor was told."""
    _told.pop(type(instrumentor).__name__, None)


def through(model: Model) -> Model:
    """Return a model that no code has made, with the providers that an instrumentor was given; else as it is."""
    if not _told:
        return model
    providers = list(_told.values())[-1]
    copy = Model.__new__(Model)
    copy.__dict__.update(model.__dict__, _blocks={}, _identity=replace(model._identity, **providers))
    return copy

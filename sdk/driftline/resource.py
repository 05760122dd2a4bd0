"""Which process speaks: the application's resource, with an instance id of our own where it has none."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - what Resource.create() needs, before any thread of ours may fork
import uuid
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from .identity import Identity
from .semconv import attributes as a


def resource_attributes(identity: Identity) -> dict[str, Any]:
    """Return the attributes of the tracer provider's resource; of the environment's where there is no provider."""
    provider = identity.tracer_provider or trace.get_tracer_provider()
    resource = getattr(provider, "resource", None)
    attributes = dict(resource.attributes) if isinstance(resource, Resource) else own_attributes()
    if a.SERVICE_INSTANCE_ID not in attributes:
        attributes[a.SERVICE_INSTANCE_ID] = instance_id()
    return attributes


@cache
def own_attributes() -> dict[str, Any]:
    """Return what ``Resource.create()`` finds; without threads, as the interpreter ends, the environment."""
    try:
        return dict(Resource.create().attributes)
    except RuntimeError:
        return dict(OTELResourceDetector().detect().attributes)


@cache
def instance_id() -> str:
    """Return the id of this process."""
    return str(uuid.uuid4())


def forget() -> None:
    """Be somebody else: after a fork."""
    instance_id.cache_clear()
    own_attributes.cache_clear()

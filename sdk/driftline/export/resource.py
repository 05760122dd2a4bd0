"""The resource of the process: the application's, with an instance id of our own where it has none."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - what Resource.create() needs, before any thread of ours may fork
import os
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from driftline.capture.model_identity import Identity
from driftline.semconv import attributes as a


def resource_attributes(identity: Identity) -> dict[str, Any]:
    """Return the attributes of the tracer provider's resource; of the environment's where there is no provider."""
    return {a.SERVICE_INSTANCE_ID: instance_id(), **_application_attributes(identity)}


def _application_attributes(identity: Identity) -> dict[str, Any]:
    provider = identity.tracer_provider or trace.get_tracer_provider()
    resource = getattr(provider, "resource", None)
    return dict(resource.attributes) if isinstance(resource, Resource) else own_attributes()


def set_own_attributes(attributes: Mapping[str, str]) -> None:
    """Let the process be called that where no tracer provider says anything: by ``configure()``."""
    _said.clear()
    _said.update(attributes)
    own_attributes.cache_clear()


@cache
def own_attributes() -> dict[str, Any]:
    """Return what ``Resource.create()`` finds; without threads, as the interpreter ends, the environment."""
    try:
        return dict(Resource.create(_said).attributes)
    except RuntimeError:
        return {**OTELResourceDetector().detect().attributes, **_said}


_said: dict[str, str] = {}
_ORIGIN = os.getpid()


def instance_of(identity: Identity) -> str:
    """Return the id that tells this process's counts from those of its siblings; "" where the resource does.

    Workers of one server have one resource, unless somebody gives each its ``service.instance.id``: four cumulative
    counters that say different things under one name. A process that was forked has that of its parent.
    """
    has_instance_id = a.SERVICE_INSTANCE_ID in _application_attributes(identity)
    return "" if has_instance_id and os.getpid() == _ORIGIN else instance_id()


@cache
def instance_id() -> str:
    """Return the id of this process."""
    return str(uuid.uuid4())


def reset_resource() -> None:
    """Be somebody else: after a fork."""
    instance_id.cache_clear()
    own_attributes.cache_clear()

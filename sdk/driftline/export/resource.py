"""The resource of the process: the application's resource, with our own instance id if it has none."""

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
from driftline.guarded_log import guard_libraries
from driftline.semconv import attributes as a


def resource_attributes(identity: Identity) -> dict[str, Any]:
    """Return the attributes of the tracer provider's resource; without a provider, those of the environment."""
    return {a.SERVICE_INSTANCE_ID: instance_id(), **_application_attributes(identity)}


def _application_attributes(identity: Identity) -> dict[str, Any]:
    provider = identity.tracer_provider or trace.get_tracer_provider()
    resource = getattr(provider, "resource", None)
    return dict(resource.attributes) if isinstance(resource, Resource) else own_attributes()


def set_own_attributes(attributes: Mapping[str, str]) -> None:
    """Set the resource attributes that apply without a tracer provider: by ``configure()``."""
    _said.clear()
    _said.update(attributes)
    own_attributes.cache_clear()


@cache
def own_attributes() -> dict[str, Any]:
    """Return the attributes of ``Resource.create()``; at interpreter exit, those of the environment."""
    try:
        with guard_libraries():
            return dict(Resource.create(_said).attributes)
    except RuntimeError:
        return {**OTELResourceDetector().detect().attributes, **_said}


_said: dict[str, str] = {}
_ORIGIN = os.getpid()


def instance_of(identity: Identity) -> str:
    """Return the instance id of this process's counts; "" if the resource has one.

    Workers of one server share a resource, unless each has its own ``service.instance.id``; otherwise their cumulative
    counters would conflict under one name. A forked process has the resource of its parent.
    """
    has_instance_id = a.SERVICE_INSTANCE_ID in _application_attributes(identity)
    return "" if has_instance_id and os.getpid() == _ORIGIN else instance_id()


@cache
def instance_id() -> str:
    """Return the id of this process."""
    return str(uuid.uuid4())


def reset_resource() -> None:
    """Clear the instance id and attributes, after a fork."""
    instance_id.cache_clear()
    own_attributes.cache_clear()

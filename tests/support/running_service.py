"""The service of the processor in this process, on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from driftline_processor.config.schema import Config
from driftline_processor.service import Service

ANYWHERE = {"endpoint": "127.0.0.1:0"}
PROTOCOLS = {"grpc": ANYWHERE, "http": ANYWHERE}


def receivers(protocols: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the configuration of OTLP receivers."""
    return {"receivers": {"otlp": {"protocols": protocols}}}


def service_config(directory: Path, **keys: Any) -> Config:
    """Return a configuration on free ports; keyword arguments are sections."""
    return Config.model_validate({**receivers(PROTOCOLS), "web": ANYWHERE, "storage": {"directory": directory}, **keys})


@contextmanager
def running(directory: Path, **keys: Any) -> Iterator[Service]:
    """Run the service until the block ends."""
    service = Service(service_config(directory, **keys))
    service.start()
    try:
        yield service
    finally:
        service.stop()


def url(service: Service, part: str, path: str) -> str:
    """Return an address of a part of the service."""
    return f"http://{service.addresses[part]}{path}"


def get(service: Service, path: str) -> httpx.Response:
    """Get a page of the service."""
    return httpx.get(url(service, "web", path), trust_env=False)

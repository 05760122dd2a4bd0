"""OpenTelemetry set up in one line, for programs that have not done so."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from .faults import logger


class WhereNobodyListens(logging.StreamHandler[Any]):
    """Writes to stderr what no other handler would, so that the lines that say how a model is read are seen.

    Python shows no INFO where logging is not set up, which is how uvicorn and most scripts leave it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless the root logger has handlers by now: they write it."""
        if not logging.root.handlers:
            self.stream = sys.stderr  # as it is now: a test runner has closed the one that was there at first
            super().emit(record)


def configure(
    service_name: str | None = None,
    endpoint: str | None = None,
    *,
    environment: str | None = None,
    resource_attributes: Mapping[str, str] | None = None,
) -> None:
    """Set up traces and metrics over OTLP where the program has no providers, and say where records go.

    Leave it out if OpenTelemetry is already set up: a provider that exists is never replaced. Call it once, before
    the first prediction. ``service_name``: else ``OTEL_SERVICE_NAME``. ``endpoint``: of 'driftline up' (or of any OTLP
    receiver), such as "http://localhost:4318"; it wins over ``DRIFTLINE_ENDPOINT`` and ``OTEL_EXPORTER_OTLP_*``, which
    decide where it is left out; headers are theirs. ``environment``: such as "production"; outcomes join within one.
    ``resource_attributes``: further ones. What Driftline has to say (how the first call was read, where nothing
    listens) goes to stderr where logging is not set up. Providers made here end with the process, which waits for them
    no longer than for records. ``OTEL_SDK_DISABLED``, ``OTEL_TRACES_EXPORTER=none`` and ``OTEL_METRICS_EXPORTER=none``
    are obeyed.

    >>> import driftline
    >>> driftline.configure(service_name="shop")  # doctest: +SKIP
    """
    from . import pipelines
    from .endpoint import disabled, resolve

    pipelines.use_endpoint(endpoint)
    be_heard()
    if disabled():
        return
    from opentelemetry.sdk.resources import Resource

    from .providers import set_up_metrics, set_up_traces
    from .resource import say
    from .semconv import attributes as a

    attributes = dict(resource_attributes or {})
    if service_name:
        attributes[a.SERVICE_NAME] = service_name
    if environment:
        attributes[a.DEPLOYMENT_ENVIRONMENT_NAME] = environment
    resource = Resource.create(attributes)
    say(attributes)
    target = resolve(endpoint) if endpoint else None  # one port speaks one protocol: that of the records
    for signal, set_up in (("traces", set_up_traces), ("metrics", set_up_metrics)):
        if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "") == "none":
            continue
        try:
            set_up(resource, target)
        except Exception as error:  # an exporter that cannot be made; the service starts all the same
            logger.warning("driftline: %s are not sent: %s: %s", signal, type(error).__name__, error)


def be_heard() -> None:
    """Let the lines of Driftline be seen where logging is not set up: for programs, never for libraries."""
    if not any(isinstance(handler, WhereNobodyListens) for handler in logger.handlers):
        logger.addHandler(WhereNobodyListens())
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)

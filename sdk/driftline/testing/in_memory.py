"""A receiver and a span exporter in memory, which replace the network and the program's span exporters."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from driftline.export.resource import own_attributes
from driftline.export.transport import Delivery


class Memory:
    """A channel that keeps its requests.

    Args:
        name: Name in the log.
    """

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.bodies: list[bytes] = []

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002 - nothing takes time here
        """Keep a request."""
        self.bodies.append(body)
        return Delivery("delivered")

    def forget(self) -> None:
        """Do nothing: a child process has its own copy of the requests."""

    def close(self) -> None:
        """Do nothing: the requests are read after the end."""


class OutcomeDesk:
    """Receives the outcomes of :meth:`driftline.Model.outcomes`, as ``POST /v1/outcomes`` does.

    ``accepted``: model and row of each accepted outcome.
    """

    def __init__(self) -> None:
        self.accepted: list[tuple[str, dict[str, Any]]] = []

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:  # noqa: ARG002
        """Keep the rows of a document; ``Model.outcomes`` sends only valid rows."""
        document = json.loads(body)
        self.accepted += [(document["model"], row) for row in document["outcomes"]]
        return Delivery("delivered"), json.dumps({"accepted": len(document["outcomes"]), "rejected": []}).encode()

    def close(self) -> None:
        """Do nothing: the rows are read after the end."""


class Sink(SpanProcessor):
    """Keeps the spans that end while it is open."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.open = True

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a sampled span."""
        if self.open and span.context is not None and span.context.trace_flags.sampled:
            self.spans.append(span)


class Numbers(IdGenerator):
    """Span and trace ids that count from 1."""

    def __init__(self) -> None:
        self._spans, self._traces = count(1), count(1)

    def generate_span_id(self) -> int:
        """Return the next span id."""
        return next(self._spans)

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        return next(self._traces)


def provider_of(sink: Sink) -> TracerProvider:
    """Return a provider whose spans are all sampled, have sequential ids, and end in ``sink``."""
    resource = Resource(own_attributes())
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=Numbers())
    provider._disabled = False  # OTEL_SDK_DISABLED only concerns exports
    provider.add_span_processor(sink)
    return provider


class StandIn(trace.TracerProvider):
    """The tracer provider during a capture, for a program without one.

    Tracers made at import time keep the first real provider permanently. So tracers of this provider delegate each
    time: to the capture's provider during a capture, and otherwise to the program's.
    """

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> trace.Tracer:
        """Return a tracer that delegates to the current provider."""
        positional = (instrumenting_module_name, instrumenting_library_version)
        return _Asking(self, (*positional, schema_url, attributes))


class _Asking(trace.Tracer):
    def __init__(self, stand_in: StandIn, scope: tuple[Any, ...]) -> None:
        self._stand_in = stand_in
        self._scope = scope
        self._made: tuple[Any, trace.Tracer] = (None, trace.NoOpTracer())

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """Start a span of the current provider."""
        return self._tracer().start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """Start a span of the current provider, and make it current."""
        return self._tracer().start_as_current_span(*args, **kwargs)

    def _tracer(self) -> trace.Tracer:
        provider: Any = self._stand_in.provider or trace.get_tracer_provider()
        made_by, tracer = self._made
        if provider is not made_by:
            name, version, schema_url, attributes = self._scope
            tracer = provider.get_tracer(name, version, schema_url=schema_url, attributes=attributes)
            self._made = (provider, tracer)
        return tracer


STAND_IN = StandIn()


def stand_in(provider: TracerProvider) -> Callable[[], None]:
    """Set this provider for a program without a tracer provider, until the returned function is called."""
    before, outermost = STAND_IN.provider, trace._TRACER_PROVIDER is None
    if not outermost and trace._TRACER_PROVIDER is not STAND_IN:
        return lambda: None
    STAND_IN.provider = provider
    if outermost:  # not set_tracer_provider(): a program can call that once, and may want to
        trace._TRACER_PROVIDER = STAND_IN

    def put_back() -> None:
        if outermost and trace._TRACER_PROVIDER is STAND_IN:
            trace._TRACER_PROVIDER = None
        STAND_IN.provider = before

    return put_back


def tap(provider: object, sink: Sink) -> Callable[[], None]:
    """Redirect the spans of a provider from its exporters to ``sink``, until the returned function is called.

    Its sampler and the processors without exporters do not change. Only for providers of OpenTelemetry's SDK; others
    keep exporting.
    """
    spread = getattr(provider, "_active_span_processor", None)
    processors = getattr(spread, "_span_processors", None)
    if spread is None or not isinstance(processors, tuple):
        return lambda: None
    spread._span_processors = (*(processor for processor in processors if not _sends(processor)), sink)

    def put_back() -> None:
        added = [
            span_processor
            for span_processor in spread._span_processors
            if span_processor is not sink and span_processor not in processors
        ]
        spread._span_processors = (*processors, *added)

    return put_back


def _sends(processor: SpanProcessor) -> bool:
    """Return True if a processor exports spans, or sends them to an enclosing capture."""
    if isinstance(processor, BatchSpanProcessor):
        return not isinstance(processor.span_exporter, InMemorySpanExporter)
    if isinstance(processor, SimpleSpanProcessor):
        return type(processor.span_exporter).__module__.startswith("opentelemetry.exporter.")
    return isinstance(processor, Sink)

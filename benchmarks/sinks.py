"""An exporter and a channel that take everything and keep nothing: where benchmarks send."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.export.transport import Delivery
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class DroppingExporter(SpanExporter):
    """Drop every span."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


class DroppingChannel:
    """Take every request and drop it."""

    name = "nowhere"

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
        return Delivery("delivered")

    def forget(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""

"""Where benchmarks send what they measure the making of."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.export.transport import Delivery
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class Drop(SpanExporter):
    """Exports nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


class Nowhere:
    """A channel that takes everything."""

    name = "nowhere"

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
        return Delivery("delivered")

    def forget(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""

"""An OTLP receiver for processes that end: it takes everything, and says what came."""

from __future__ import annotations

from collections import Counter
from typing import Any

from driftline.tables.column_codec import strings
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.demo.peers.recorder import Service

from .service import NOW


class Receiver(Service):
    """Takes every request."""

    def __init__(self) -> None:
        super().__init__(lambda _: (200, None))

    @property
    def bodies(self) -> list[bytes]:
        """What came."""
        return [asked.body for asked in self.asked]

    @property
    def requests(self) -> list[tuple[str, bytes]]:
        """What came, and where."""
        return [(asked.path, asked.body) for asked in self.asked]

    @property
    def paths(self) -> Counter[str]:
        """How many came where."""
        return Counter(asked.path for asked in self.asked)

    def ids(self) -> list[str]:
        """Return the prediction ids that arrived, sorted."""
        tables = [table for body in self.bodies for table in predictions_of(body)]
        return sorted(text for table in tables for text in strings(table.id))

    def instances(self) -> set[str]:
        """Return the ids of the processes that sent something."""
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return {
            pair.value.string_value
            for path, body in self.requests
            if path == "/v1/logs"
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs
            for pair in logs.resource.attributes
            if pair.key == "service.instance.id"
        }


def predictions_of(body: bytes) -> list[Any]:
    """Return the prediction tables of a request, none where it is one of traces or metrics."""
    try:
        return list(decode_logs(body, NOW).predictions)
    except ValueError:  # a request of traces or metrics
        return []

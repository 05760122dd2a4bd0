"""An OTLP receiver for processes that end: it takes everything, and says what came."""

from __future__ import annotations

from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from driftline.tables.column_codec import strings
from driftline_processor.core.decode.requests import decode_logs

from .service import NOW


class Receiver(ThreadingHTTPServer):
    """Takes every request.

    ``bodies``: what came, ``requests``: and where; ``paths``: how many came where; ``keys``: with which API key.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.requests: list[tuple[str, bytes]] = []
        self.paths: Counter[str] = Counter()
        self.keys: set[tuple[str, str | None]] = set()
        super().__init__(("127.0.0.1", 0), _Take)

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


class _Take(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)
        self.server.requests.append((self.path, body))
        self.server.paths[self.path] += 1
        self.server.keys.add((self.path, self.headers["api-key"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def predictions_of(body: bytes) -> list[Any]:
    """Return the prediction tables of a request, none where it is one of traces or metrics."""
    try:
        return list(decode_logs(body, NOW).predictions)
    except ValueError:  # a request of traces or metrics
        return []

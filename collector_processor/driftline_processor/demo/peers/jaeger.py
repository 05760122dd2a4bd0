"""Jaeger, which keeps traces: the real one if ``make interop`` has built it beside the clone, else a recording peer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftline_processor.demo.processes import await_answer, free_ports, running

from .recorder import Asked

PROGRAM = Path(__file__).parents[4] / ".peers" / "jaeger"
HOST = "jaeger.example.com"


class SpanSeen(Struct, frozen=True):
    """A span as it is shown.

    Attributes:
        trace: Id of its trace.
        id: Its own id.
        parent: Id of its parent; "" = it has none.
        name: Its name.
        attributes: Its attributes.
    """

    trace: str
    id: str
    parent: str
    name: str
    attributes: dict[str, Any]


class Traces(Protocol):
    """What an example asks of Jaeger.

    Attributes:
        name: What it is.
        variables: The environment variables by which ``driftline.yaml`` reaches it.
    """

    name: str
    variables: dict[str, str]

    def traces(self, service: str, attribute: str, value: str) -> list[list[SpanSeen]]:
        """Return the traces, a few of the newest, with a span that has an attribute; of each its spans."""


class RealJaeger:
    """A running Jaeger; its other attributes are those of :class:`Traces`.

    Attributes:
        grpc: Where it takes OTLP over gRPC, ``host:port``.
        query: The URL of its pages and its API.
    """

    def __init__(self, grpc: str, http: str, query: str) -> None:
        self.name = f"Jaeger {PROGRAM.with_suffix('.version').read_text(encoding='utf-8').strip()} at {query}"
        self.grpc, self.query = grpc, query
        self.variables = {"JAEGER": http}
        self._pages = httpx.Client(base_url=query, timeout=30, trust_env=False)

    def traces(self, service: str, attribute: str, value: str) -> list[list[SpanSeen]]:
        """See :meth:`Traces.traces`."""
        asked = {"service": service, "tags": json.dumps({attribute: value}), "limit": "5"}
        found = self._pages.get("/api/traces", params=asked).raise_for_status().json()["data"]
        return [
            [
                SpanSeen(
                    one["traceID"],
                    one["spanID"],
                    next((of["spanID"] for of in one["references"] if of["traceID"] == one["traceID"]), ""),
                    one["operationName"],
                    {tag["key"]: tag["value"] for tag in one["tags"]},
                )
                for one in sorted(trace["spans"], key=lambda one: int(one["startTime"]))
            ]
            for trace in found
        ]


class RecordingJaeger:
    """Its endpoint of OTLP over HTTP, and the spans that it was sent."""

    def __init__(self) -> None:
        self.name = "recording peer (`make interop` builds a real Jaeger)"
        self.variables: dict[str, str] = {}
        self._spans: list[SpanSeen] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request.

        Raises:
            AssertionError: It has another path than traces of OTLP.
            google.protobuf.message.DecodeError: Its body is no request of OTLP.
        """
        assert (asked.method, asked.path) == ("POST", "/v1/traces"), f"{asked.path} is not the path of traces"
        for of_resource in ExportTraceServiceRequest.FromString(asked.unpacked).resource_spans:
            for of_scope in of_resource.scope_spans:
                for one in of_scope.spans:
                    ids = one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex()
                    self._spans.append(SpanSeen(*ids, one.name, {of.key: _plain(of.value) for of in one.attributes}))
        return 200, b""

    def traces(self, service: str, attribute: str, value: str) -> list[list[SpanSeen]]:  # noqa: ARG002 - one sends here
        """See :meth:`Traces.traces`."""
        ids = dict.fromkeys(one.trace for one in self._spans if one.attributes.get(attribute) == value)
        return [[one for one in self._spans if one.trace == id] for id in [*ids][-5:]]


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


@contextmanager
def real_jaeger(folder: Path, interface: Path | None = None) -> Iterator[RealJaeger]:
    """Run Jaeger in memory until the block ends; ``interface``: the file that configures its pages."""
    others = ("query.grpc-server", "admin.http", "collector.grpc-server", "collector.http-server")
    grpc, http, query, *ports = free_ports(3 + len(others))
    command = [
        str(PROGRAM),
        f"--collector.otlp.grpc.host-port=127.0.0.1:{grpc}",
        f"--collector.otlp.http.host-port=127.0.0.1:{http}",
        f"--query.http-server.host-port=127.0.0.1:{query}",
        *(f"--{name}.host-port=127.0.0.1:{port}" for name, port in zip(others, ports, strict=True)),
        *([] if interface is None else [f"--query.ui-config={interface}"]),
    ]
    with running(command, {**os.environ}, folder / "jaeger.log") as process:
        await_answer(f"http://127.0.0.1:{query}/api/services", process, "Jaeger")
        yield RealJaeger(f"127.0.0.1:{grpc}", f"http://127.0.0.1:{http}", f"http://127.0.0.1:{query}")

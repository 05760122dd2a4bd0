"""Pass predictions on: Driftline beside the OpenTelemetry Collector and rotel, in one run, and print one table.

    make bench-peers-collectors

CPU time of the whole process for spans of 20 features over a day, each with an id of its own, over gRPC and HTTP, in
requests of 500, 100 and 8: received and sent on to one bare destination, as they came, without compression. What is
only passed on are the same spans by other names, which are no predictions; then predictions, of which Driftline keeps
the rows and judges the windows as well.

The Collector is the one of ``make interop`` (``.peers/otel-collector``), rotel is installed into ``.venv-peers/``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench_end_to_end import EVALUATED, SIZES, bodies
from benchmarks.bench_forward import bare, cpu, grpc_server, ours, over_grpc, over_http, serving

from .__main__ import ROOT, environment

COLLECTOR = ROOT / ".peers" / "otel-collector"
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0
"""Seconds in which everything arrives."""

PACKED = 0.8
"""Share of the bytes that arrives at least: a collector packs spans anew."""

SETTLED = 2.0
"""Seconds without CPU time of a process after which it has nothing left to do."""

CONFIGURATION = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "{grpc}"}}, http: {{endpoint: "{http}"}}}}}}}}
processors: {{batch: {{}}}}
exporters: {{otlp: {{endpoint: "{sink}", tls: {{insecure: true}}, compression: none}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}}}
"""


class Server(NamedTuple):
    """A server that runs: how much CPU time it has had, in seconds, and where it listens."""

    seconds: Callable[[], float]
    grpc: str
    http: str


@contextmanager
def in_python(target: Callable[..., None], *arguments: object) -> Iterator[Server]:
    """Run one of our own servers."""
    with serving(target, *arguments) as (pipe, grpc_address, rest):
        yield Server(lambda: cpu(pipe), grpc_address, rest.split()[0])


@contextmanager
def collector(sink: str) -> Iterator[Server]:
    """Run the OpenTelemetry Collector, which sends in batches to ``sink``."""
    grpc, http = free(), free()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(CONFIGURATION.format(grpc=grpc, http=http, sink=sink))
        file.flush()
        with command([str(COLLECTOR), "--config", file.name], grpc, http) as server:
            yield server


@contextmanager
def rotel(sink: str) -> Iterator[Server]:
    """Run rotel, a collector in Rust, which sends to ``sink``."""
    python = Path(environment("rotel"))
    found = next(python.parent.parent.glob("lib/python*/site-packages/rotel/rotel-agent"))
    found.chmod(0o755)
    grpc, http = free(), free()
    listen = ["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http]
    send = ["--exporter", "otlp", "--otlp-exporter-endpoint", f"http://{sink}", "--otlp-exporter-compression", "none"]
    with command([str(found), "start", *listen, *send], grpc, http) as server:
        yield server


@contextmanager
def command(words: list[str], grpc: str, http: str) -> Iterator[Server]:
    """Run a server that is no Python, and wait until it listens."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        try:
            wait_for(grpc, child)
            wait_for(http, child)
            yield Server(lambda: seconds_of(child.pid), grpc, http)
        finally:
            child.kill()


def wait_for(address: str, child: subprocess.Popen[str]) -> None:
    host, _, port = address.rpartition(":")
    for _ in range(600):
        if child.poll() is not None:
            assert child.stderr is not None
            raise SystemExit(f"{child.args!r} ended: {child.stderr.read()[-500:]}")
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"{child.args!r} does not listen on {address}")


def free() -> str:
    """Return an address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def seconds_of(process: int) -> float:
    """Return the CPU time of a process, from Linux' own count."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICK


def settle(server: Server) -> None:
    """Wait until a server has nothing left to do."""
    known, since = server.seconds(), time.monotonic()
    while time.monotonic() - since < SETTLED:
        time.sleep(0.2)
        now = server.seconds()
        if now - known > 0.05 * SETTLED:
            known, since = now, time.monotonic()


class Destination:
    """Counts the bytes that come."""

    def __init__(self) -> None:
        self.bytes = 0
        self.endpoint, self.stop = grpc_server(self._take)

    def _take(self, body: bytes) -> None:
        self.bytes += len(body)

    def wait_until(self, size: int) -> None:
        """Wait until so many bytes came."""
        began = time.monotonic()
        while self.bytes < size:
            if time.monotonic() - began > PATIENCE:
                raise SystemExit(f"{self.bytes:,} bytes came, {size:,} were sent")
            time.sleep(0.05)


class Way(NamedTuple):
    """A server, and what is asked of it.

    Attributes:
        run: Starts it.
        predictions: Whether it is sent predictions, which Driftline keeps and judges, or the same spans by other names.
        passes: Whether it sends them on.
        rest: Seconds that it has afterwards for windows.
    """

    run: Callable[[], AbstractContextManager[Server]]
    predictions: bool
    passes: bool
    rest: float = 0.0


def measure(way: Way, destination: Destination) -> dict[tuple[str, int], float]:
    """Return CPU microseconds of a span, by protocol and spans of a request."""
    found: dict[tuple[str, int], float] = {}
    with way.run() as server:
        sent = 0
        for protocol, send, address in (("gRPC", over_grpc, server.grpc), ("HTTP", over_http, server.http)):
            for of, spans in ((SIZES[0][0], SIZES[0][0] * 4), *SIZES):  # the first ones warm up
                requests = bodies(of, spans, sent)
                if not way.predictions:
                    requests = [body.replace(b"ml.", b"xx.") for body in requests]
                came, before = destination.bytes, server.seconds()
                send(address, requests)
                sent += spans
                if way.passes:
                    destination.wait_until(came + int(PACKED * sum(map(len, requests))))
                time.sleep(way.rest)
                settle(server)
                found[protocol, of] = 1e6 * (server.seconds() - before) / spans
    return found


def main() -> int:
    """Print the table."""
    destination = Destination()
    sink = destination.endpoint
    ways = {
        "bare grpcio and uvicorn, which drop": Way(lambda: in_python(bare), True, False),
        "Driftline, passing on": Way(lambda: in_python(ours, sink, "none"), False, True),
        "rotel, passing on": Way(lambda: rotel(sink), False, True),
        "OpenTelemetry Collector, passing on": Way(lambda: collector(sink), False, True),
        "Driftline, rows kept and windows judged": Way(lambda: in_python(ours, "", "none"), True, False, EVALUATED),
        "Driftline, both": Way(lambda: in_python(ours, sink, "none"), True, True, EVALUATED),
    }
    if not COLLECTOR.exists():
        print(f"no {COLLECTOR.relative_to(ROOT)}: `make interop` builds it", file=sys.stderr)
        del ways["OpenTelemetry Collector, passing on"]
    cases = [f"{protocol} {of}" for protocol in ("gRPC", "HTTP") for of, _ in SIZES]
    print(f"| µs of CPU a span (beside bare) | {' | '.join(cases)} |")
    print(f"|---|{'---|' * len(cases)}")
    reference: dict[tuple[str, int], float] = {}
    for name, way in ways.items():
        found = measure(way, destination)
        reference = reference or found
        cells = [f"{each:.1f} ({each / reference[case]:.1f}×)" for case, each in found.items()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    destination.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What tokens and TLS add to a request, against bare servers of the same libraries, in the same run.

    python -m benchmarks.bench_security

CPU time of the server's process per request of 512 spans, and of 64, sent one after the other over one connection, or
with a new connection each. All ports of Driftline are in one process, in which tokens are switched on and off, and all
bare ones in another: grpcio and uvicorn, which take the bytes and answer. They are measured in turn, a few requests
each, in random order and after one request that is not measured, so that a busy machine is busy for all. Printed are
ratios of medians over the turns, with the range of 95 % of their bootstrap resamples: whether a promise is kept is open
while its limit is within the range.

"Its listener alone" is Driftline's HTTP listener with an application that takes the bytes and answers, as the bare one.

Promised: a token costs at most 2 % of a request, and TLS adds at most 1.1 times the percentage that it adds to a bare
server. Also printed is what it adds in CPU time, compared with the bare server: a process that decodes what it receives
has other data in the caches of its core when the next request is decrypted.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import grpc
import httpx
import numpy as np
import uvicorn
from driftline_processor.access.access import anonymous_of, read_tokens
from driftline_processor.config.auth import Auth
from driftline_processor.config.receivers import Receivers
from driftline_processor.config.schema import Config
from driftline_processor.config.tls import TlsServer
from driftline_processor.otlp.protocol import MAX_REQUEST, PROTOBUF
from driftline_processor.receivers.receiver import Receiver, Surroundings, make_receivers
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.tls import ListenerTls
from driftline_processor.service import Service
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.bench_forward import LOCAL, TRACES, cpu, ordinary, serving
from tests.support.certificates import Authority, Pair

TURNS, CONNECTIONS = 200, 5
SIZES = ((512, 5), (64, 20))
"""Spans of a request, and requests per turn: 512 is the largest batch of the SDKs' default."""
TOKENS = [f"dlt_{number:032}" for number in range(50)]
HEADER = f"Bearer {TOKENS[-1]}"


class Ports(NamedTuple):
    """The addresses of a server."""

    grpc: str
    http: str


class Place(NamedTuple):
    """A running server, and how it is reached.

    Attributes:
        ca: The authority of its certificate; None without TLS.
        token: Whether requests have a token, which the server requires; None = it cannot.
    """

    pipe: Connection
    ports: Ports
    ca: Path | None = None
    token: bool | None = None

    def switch(self) -> None:
        """Switch tokens on or off."""
        if self.token is not None:
            self.pipe.send("tokens" if self.token else "open")
            self.pipe.recv()


async def _drop(scope: Any, receive: Any, send: Any) -> None:
    await Request(scope, receive).body()
    await Response(b"", media_type=PROTOBUF)(scope, receive, send)


def bare(pipe: Connection, pair: Pair) -> None:
    """Serve with grpcio and with uvicorn themselves, without TLS and with it."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
        def service(self, call: Any) -> Any:
            del call
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"")

    options = [("grpc.max_receive_message_length", MAX_REQUEST)]
    over_grpc = grpc.server(ThreadPoolExecutor(16), handlers=[Handler()], options=options)
    chain = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    plain = over_grpc.add_insecure_port(str(LOCAL))
    configuration = grpc.ssl_server_certificate_configuration(chain)
    # a certificate that can be replaced, as ours
    credentials = grpc.dynamic_ssl_server_credentials(configuration, lambda: None)
    encrypted = over_grpc.add_secure_port(str(LOCAL), credentials)
    over_grpc.start()
    with _uvicorn(_drop) as http, _uvicorn(_drop, ssl_certfile=pair.certificate, ssl_keyfile=pair.key) as https:
        pipe.send([Ports(f"127.0.0.1:{plain}", http), Ports(f"127.0.0.1:{encrypted}", https)])
        while pipe.recv():
            pipe.send(time.process_time())
    over_grpc.stop(None).wait()


def listener(pipe: Connection, pair: Pair) -> None:
    """Serve HTTP with Driftline's listener, whose application takes the bytes and answers."""
    servers, tls = HttpServers(), ListenerTls("", TlsServer.model_validate(pair.keys))
    ports = [servers.bind(LOCAL, ""), servers.bind(LOCAL, "", tls=tls)]
    for port in ports:
        port.start(_drop)
    pipe.send([Ports("", str(port.address)) for port in ports])
    while pipe.recv():
        pipe.send(time.process_time())
    for port in ports:
        port.stop()


@contextmanager
def _uvicorn(application: Any, **files: Any) -> Iterator[str]:
    """Serve an application, and yield the address."""
    server = uvicorn.Server(
        uvicorn.Config(
            application, host="127.0.0.1", port=0, http="httptools", log_level="error", lifespan="off", **files
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # of older versions
    thread = threading.Thread(target=lambda: asyncio.run(server._serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def ours(pipe: Connection, pair: Pair) -> None:
    """Serve as `driftline up` does, without TLS and with it.

    ``tokens`` and ``open`` switch between tokens and senders without a name.
    """

    def receivers(**keys: Any) -> Receivers:
        port = {"endpoint": "127.0.0.1:0", **keys}
        return Receivers.model_validate({"otlp": {"protocols": {"grpc": port, "http": port}}})

    def both(plain: Receivers, around: Surroundings) -> Iterator[tuple[str, Receiver]]:
        yield from make_receivers(plain, around)
        for name, receiver in make_receivers(receivers(tls=pair.keys), around):
            yield f"{name}, TLS", receiver

    with tempfile.TemporaryDirectory() as folder, patch("driftline_processor.service.make_receivers", both):
        tokens = [_token(Path(folder), number, text) for number, text in enumerate(TOKENS)]
        auth = Auth.model_validate({"tokens": tokens})
        known = read_tokens(auth)
        web, storage = {"endpoint": "127.0.0.1:0"}, {"directory": Path(folder) / "state"}
        service = Service(Config.model_validate({"receivers": receivers(), "web": web, "storage": storage}))
        service.start()
        pipe.send([Ports(*(str(service.addresses[f"{name}{tls}"]) for name in Ports._fields)) for tls in ("", ", TLS")])
        while request := pipe.recv():
            if request == "tokens":
                service.access.replace(auth, anonymous_of(auth, metrics=False), known)
            elif request == "open":
                service.access.replace(Auth(), anonymous_of(Auth(), metrics=False), [])
            pipe.send(time.process_time())
        service.stop()


def _token(folder: Path, number: int, text: str) -> dict[str, Any]:
    digest = folder / f"{number}.sha256"
    digest.write_text(hashlib.sha256(text.encode()).hexdigest())
    return {"name": f"service-{number}", "sha256_file": digest, "may": ["ingest"]}


Send = Callable[[list[bytes]], object]


@contextmanager
def http_client(place: Place) -> Iterator[Send]:
    """Yield what sends over one connection."""
    verify = True if place.ca is None else ssl.create_default_context(cafile=place.ca)
    url = f"http{'' if place.ca is None else 's'}://{place.ports.http}/v1/traces"
    headers = {"content-type": PROTOBUF, **({"authorization": HEADER} if place.token else {})}
    with httpx.Client(trust_env=False, verify=verify, headers=headers) as client:
        yield lambda bodies: [client.post(url, content=body).raise_for_status() for body in bodies]


@contextmanager
def grpc_client(place: Place) -> Iterator[Send]:
    """Yield what sends over one connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if place.ca is None:
        channel = grpc.insecure_channel(place.ports.grpc, options)
    else:
        channel = grpc.secure_channel(place.ports.grpc, grpc.ssl_channel_credentials(place.ca.read_bytes()), options)
    metadata = (("authorization", HEADER),) if place.token else ()
    export = channel.unary_unary(TRACES)
    with channel:
        yield lambda bodies: [export(body, metadata=metadata, timeout=60, wait_for_ready=True) for body in bodies]


Client = Callable[[Place], Any]
CLIENTS: Mapping[str, Client] = {"HTTP": http_client, "gRPC": grpc_client}


Seconds = Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
"""CPU seconds per request, by server and turn."""


def bodies_of(spans: int) -> Iterator[bytes]:
    """Yield requests that were not seen before: each has another id in one span."""
    body = ordinary(spans)
    first = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0].trace_id
    while True:
        yield body.replace(first, os.urandom(len(first)), 1)


def measure(places: Mapping[str, Place], requests: int, send: Callable[[str, int], object]) -> Seconds:
    """Return the CPU time of each server in each turn; ``send`` sends a number of requests to a server."""
    seconds: dict[str, list[float]] = {name: [] for name in places}
    names, chance = [*places], random.Random(0)
    for turn in range(TURNS + 1):
        chance.shuffle(names)
        for name in names:
            pipe = places[name].pipe
            places[name].switch()
            send(name, 1)
            before = cpu(pipe)
            send(name, requests)
            if turn:  # the first one warms up
                seconds[name].append((cpu(pipe) - before) / requests)
    return {name: np.array(values) for name, values in seconds.items()}


def measure_kept(places: Mapping[str, Place], client: Client, spans: int, requests: int) -> Seconds:
    """Measure over one connection per server."""
    bodies = bodies_of(spans)
    with ExitStack() as stack:
        sends = {name: stack.enter_context(client(place)) for name, place in places.items()}
        return measure(places, requests, lambda name, count: sends[name]([next(bodies) for _ in range(count)]))


def measure_new(places: Mapping[str, Place], client: Client, spans: int) -> Seconds:
    """Measure with a new connection per request."""
    bodies = bodies_of(spans)

    def send(name: str, count: int) -> None:
        for _ in range(count):
            with client(places[name]) as over_it:
                over_it([next(bodies)])

    return measure(places, CONNECTIONS, send)


def with_range(seconds: Seconds, ratio: Callable[[Mapping[str, float]], float]) -> str:
    """Return a ratio of medians over the turns, with the range of 95 % of its bootstrap resamples."""
    turns, rng = len(seconds["ours"]), np.random.default_rng(0)

    def resampled(chosen: Any) -> float:
        return ratio({name: float(np.median(values[chosen])) for name, values in seconds.items()})

    low, high = np.quantile([resampled(rng.integers(turns, size=turns)) for _ in range(1_000)], (0.025, 0.975))
    return f"{resampled(slice(None)):.3f} ({low:.3f}-{high:.3f})"


def _added(name: str, each: Mapping[str, float]) -> float:
    return (each[f"{name}, TLS"] - each[name]) / (each["bare, TLS"] - each["bare"])


def _added_share(name: str, each: Mapping[str, float]) -> float:
    return each[f"{name}, TLS"] / each[name] - 1


def line(way: str, seconds: Seconds) -> str:
    """Return the figures of a protocol in words."""
    token = with_range(seconds, lambda each: each["ours, token"] / each["ours"])
    tls = with_range(seconds, lambda each: _added_share("ours", each) / _added_share("bare", each))
    alone = (
        f" ({with_range(seconds, partial(_added, 'listener'))} to its listener alone)" if "listener" in seconds else ""
    )
    added_time = with_range(seconds, partial(_added, "ours"))
    micro = "; ".join(f"{name} {1e6 * np.median(values):.0f}" for name, values in seconds.items())
    return (
        f"{way:22} token {token}x of ours (at most 1.02); TLS adds {tls}x the percentage that it adds to "
        f"bare (at most 1.1), {added_time}x the time{alone}; µs: {micro}"
    )


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        authority = Authority(Path(folder))
        pair = authority.issue("server")

        pipe, plain, encrypted = stack.enter_context(serving(ours, pair))
        bare_pipe, bare_plain, bare_encrypted = stack.enter_context(serving(bare, pair))
        places = {
            "ours": Place(pipe, plain, token=False),
            "ours, token": Place(pipe, plain, token=True),
            "ours, TLS": Place(pipe, encrypted, authority.file, token=False),
            "bare": Place(bare_pipe, bare_plain),
            "bare, TLS": Place(bare_pipe, bare_encrypted, authority.file),
        }
        alone, alone_plain, alone_encrypted = stack.enter_context(serving(listener, pair))
        listeners = {
            "listener": Place(alone, alone_plain),
            "listener, TLS": Place(alone, alone_encrypted, authority.file),
        }
        served = {"HTTP": places | listeners, "gRPC": places}
        for spans, requests in SIZES:
            print(f"requests of {spans} spans, {len(ordinary(spans)) / 1000:.0f} kB; CPU of the server", flush=True)
            for way, client in CLIENTS.items():
                print(line(f"{way}, one connection", measure_kept(served[way], client, spans, requests)), flush=True)
        for way, client in CLIENTS.items():
            print(line(f"{way}, new connections", measure_new(served[way], client, spans)), flush=True)


if __name__ == "__main__":
    main()

"""What tokens and TLS add to a request, against bare servers of the same libraries, in the same run.

    python -m benchmarks.bench_security

CPU time of the server's process per request of 512 spans, and of 64, sent one after the other over one connection, or
with a new connection each. All servers run at the same time and are measured in turn, a part of the requests each, so
that a busy machine is busy for all, and tokens are switched on and off in one process; the ratios are medians over the
turns. The bare servers are grpcio and uvicorn, which take the bytes and answer.

"Its header alone" is a header that the server ignores: what the libraries do with it.

Promised: a token costs at most 2 % of a request, and TLS makes ours slower by at most 1.1 times the factor by which it
makes a bare server slower.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import uvicorn
from driftline_processor.access.access import anonymous_of, read_tokens
from driftline_processor.config.auth import Auth
from driftline_processor.config.schema import Config
from driftline_processor.otlp.protocol import MAX_REQUEST, PROTOBUF
from driftline_processor.service import Service
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.bench_forward import LOCAL, TRACES, cpu, ordinary, report, serving
from tests.support.certificates import Authority, Pair

TURNS, CONNECTIONS = 60, 10
SIZES = ((512, 10), (64, 40))
"""Spans of a request, and requests per turn: 512 is the largest batch of the SDKs' default."""
TOKENS = [f"dlt_{number:032}" for number in range(50)]
HEADER = f"Bearer {TOKENS[-1]}"


class Place(NamedTuple):
    """A running server, and how it is reached.

    Attributes:
        header: Whether requests have a token in their header.
        token: Whether the server requires it; None = it cannot.
    """

    pipe: Connection
    grpc: str
    http: str
    ca: Path | None
    header: bool
    token: bool | None

    def begin(self) -> float:
        """Switch tokens on or off; return the CPU seconds so far."""
        if self.token is not None:
            self.pipe.send("tokens" if self.token else "open")
            self.pipe.recv()
        return cpu(self.pipe)


def bare(pipe: Connection, pair: Pair | None) -> None:
    """Serve with grpcio and with uvicorn themselves."""

    async def drop(scope: Any, receive: Any, send: Any) -> None:
        await Request(scope, receive).body()
        await Response(b"", media_type=PROTOBUF)(scope, receive, send)

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
        def service(self, call: Any) -> Any:
            del call
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"")

    options = [("grpc.max_receive_message_length", MAX_REQUEST)]
    over_grpc = grpc.server(ThreadPoolExecutor(16), handlers=[Handler()], options=options)
    if pair is None:
        port = over_grpc.add_insecure_port(str(LOCAL))
    else:
        chain = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
        port = over_grpc.add_secure_port(str(LOCAL), grpc.ssl_server_credentials(chain))
    over_grpc.start()
    files: dict[str, Any] = {} if pair is None else {"ssl_certfile": pair.certificate, "ssl_keyfile": pair.key}
    over_http = uvicorn.Server(
        uvicorn.Config(drop, host="127.0.0.1", port=0, http="httptools", log_level="error", lifespan="off", **files)
    )
    over_http.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # of older versions
    thread = threading.Thread(target=lambda: asyncio.run(over_http._serve()), daemon=True)
    thread.start()
    while not over_http.started:
        thread.join(0.01)
    address = over_http.servers[0].sockets[0].getsockname()

    def stop() -> None:
        over_http.should_exit = True
        thread.join(10)

    report(pipe, f"127.0.0.1:{port}", f"127.0.0.1:{address[1]}", stop, lambda: over_grpc.stop(None).wait())


def ours(pipe: Connection, pair: Pair | None) -> None:
    """Serve as `driftline up` does; ``tokens`` and ``open`` switch between tokens and senders without a name."""
    port: dict[str, Any] = {"endpoint": "127.0.0.1:0"}
    if pair is not None:
        port["tls"] = {"cert_file": pair.certificate, "key_file": pair.key}
    with tempfile.TemporaryDirectory() as folder:
        keys: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": {"grpc": port, "http": port}}},
            "web": {"endpoint": "127.0.0.1:0"},
            "storage": {"directory": Path(folder) / "state"},
        }
        tokens = [_token(Path(folder), number, text) for number, text in enumerate(TOKENS)]
        auth = Auth.model_validate({"tokens": tokens})
        known = read_tokens(auth)
        service = Service(Config(**keys))
        service.start()
        pipe.send((str(service.addresses["grpc"]), str(service.addresses["http"])))
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
    url = f"http{'' if place.ca is None else 's'}://{place.http}/v1/traces"
    headers = {"content-type": PROTOBUF, **({"authorization": HEADER} if place.header else {})}
    with httpx.Client(trust_env=False, verify=verify, headers=headers) as client:
        yield lambda bodies: [client.post(url, content=body).raise_for_status() for body in bodies]


@contextmanager
def grpc_client(place: Place) -> Iterator[Send]:
    """Yield what sends over one connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if place.ca is None:
        channel = grpc.insecure_channel(place.grpc, options)
    else:
        channel = grpc.secure_channel(place.grpc, grpc.ssl_channel_credentials(place.ca.read_bytes()), options)
    metadata = (("authorization", HEADER),) if place.header else ()
    export = channel.unary_unary(TRACES)
    with channel:
        yield lambda bodies: [export(body, metadata=metadata, timeout=60, wait_for_ready=True) for body in bodies]


Client = Callable[[Place], Any]
CLIENTS: Mapping[str, Client] = {"HTTP": http_client, "gRPC": grpc_client}


def in_turn(places: Mapping[str, Place], turn: int) -> list[tuple[str, Place]]:
    """Return the servers in the order of a turn: there and back, so that none is always after the same one."""
    servers = list(places.items())
    return servers[::-1] if turn % 2 else servers


def measure_kept(places: Mapping[str, Place], client: Client, spans: int, requests: int) -> dict[str, list[float]]:
    """Return CPU seconds per request and turn, over one connection per server."""
    seconds: dict[str, list[float]] = {name: [] for name in places}
    with ExitStack() as stack:
        sends = {name: stack.enter_context(client(place)) for name, place in places.items()}
        for turn in range(TURNS + 1):
            for name, place in in_turn(places, turn):
                bodies = [ordinary(spans) for _ in range(requests)]
                before = place.begin()
                sends[name](bodies)
                if turn:  # the first one warms up
                    seconds[name].append((cpu(place.pipe) - before) / requests)
    return seconds


def measure_new(places: Mapping[str, Place], client: Client, spans: int) -> dict[str, list[float]]:
    """Return CPU seconds per request and turn, with a new connection each."""
    seconds: dict[str, list[float]] = {name: [] for name in places}
    for turn in range(TURNS + 1):
        for name, place in in_turn(places, turn):
            before = place.begin()
            for _ in range(CONNECTIONS):
                with client(place) as send:
                    send([ordinary(spans)])
            if turn:
                seconds[name].append((cpu(place.pipe) - before) / CONNECTIONS)
    return seconds


def ratio(seconds: Mapping[str, list[float]], over: str, under: str) -> float:
    """Return the median ratio of two servers, of the turns next to each other."""
    return statistics.median(a / b for a, b in zip(seconds[over], seconds[under], strict=True))


def line(way: str, seconds: Mapping[str, list[float]]) -> str:
    """Return the figures of a protocol in words."""
    token, header = (ratio(seconds, name, "ours") for name in ("ours, token", "ours, header"))
    tls, reference = ratio(seconds, "ours, TLS", "ours"), ratio(seconds, "bare, TLS", "bare")
    each = {name: f"{1e6 * statistics.median(values):.0f}" for name, values in seconds.items()}
    return (
        f"{way:22} token {token:.3f}x (at most 1.02), its header alone {header:.3f}x   "
        f"TLS {tls:.3f}x of ours, {reference:.3f}x of bare: "
        f"{tls / reference:.3f} (at most 1.1)   µs of ours {each['ours']}, token {each['ours, token']}, "
        f"TLS {each['ours, TLS']}, bare {each['bare']}, bare TLS {each['bare, TLS']}"
    )


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        authority = Authority(Path(folder))
        pair = authority.issue("server")

        def start(target: Callable[..., None], encrypted: bool, token: bool | None) -> Place:
            serves = serving(target, pair if encrypted else None)
            return Place(*stack.enter_context(serves), authority.file if encrypted else None, False, token)

        plain = start(ours, False, False)
        places = {
            "ours": plain,
            # the same process, so that all three have the same memory
            "ours, header": plain._replace(header=True),
            "ours, token": plain._replace(header=True, token=True),
            "ours, TLS": start(ours, True, None),
            "bare": start(bare, False, None),
            "bare, TLS": start(bare, True, None),
        }
        for spans, requests in SIZES:
            print(f"requests of {spans} spans, {len(ordinary(spans)) / 1000:.0f} kB; CPU of the server")
            for way, client in CLIENTS.items():
                print(line(f"{way}, one connection", measure_kept(places, client, spans, requests)))
        for way, client in CLIENTS.items():
            print(line(f"{way}, new connections", measure_new(places, client, spans)))


if __name__ == "__main__":
    main()

"""The first request of a TLS connection is answered, however close it follows the handshake."""

from __future__ import annotations

import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

from driftline_processor.config.tls import TlsServer
from driftline_processor.config.values import Address
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.tls import ListenerTls
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.paths import ROOT

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def test_a_request_in_the_packet_that_ends_the_handshake_is_answered(tmp_path: Path) -> None:
    subprocess.run(["sh", str(ROOT / "otel-config/make_certificates.sh"), str(tmp_path), "localhost"], check=True)
    server = HttpServers().bind(
        Address("127.0.0.1", 0),
        "web.endpoint",
        tls=ListenerTls(
            "web", TlsServer.model_validate({"cert_file": tmp_path / "tls.crt", "key_file": tmp_path / "tls.key"})
        ),
    )
    server.start(Starlette(routes=[Route("/", hello)]), grace=1)
    try:
        assert b"hello" in answer_to_early_request(server.address.port, tmp_path / "ca.crt")
    finally:
        server.stop()


def answer_to_early_request(port: int, ca: Path) -> bytes:
    """Return the answer to a request that is sent together with the last bytes of the handshake."""
    context = ssl.create_default_context(cafile=ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        client.write(GET)
        sock.sendall(outgoing.read())
        answer = b""
        while b"hello" not in answer and (data := sock.recv(65536)):
            incoming.write(data)
            with suppress(ssl.SSLWantReadError):
                while part := client.read(65536):
                    answer += part
    return answer

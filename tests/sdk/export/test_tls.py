"""A TLS handshake that fails keeps the rows and is named, over both transports; all rows arrive after the fix."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import driftline
import grpc
import pytest
from driftline.export.connection_failures import failure_of
from driftline.export.endpoint import Endpoint
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import GrpcChannel, HttpChannel, _unreachable
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.demo.peers.recorder import Service, listening, service

from tests.support.certificates import Authority, Pair
from tests.support.service import NOW, returns
from tests.support.waiting import PATIENCE

Protocol = Literal["http", "grpc"]


class _HttpServer(Service):
    """A server whose certificates can be replaced while it listens."""

    context: ssl.SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True)
        return connection, address


class _Receiver:
    """A server of one protocol, with or without TLS, that can be replaced by another one at the same port."""

    def __init__(self, protocol: Protocol) -> None:
        self.port = 0
        self.bodies: list[bytes] = []
        self._protocol = protocol
        self._open = ExitStack()
        self._http: _HttpServer | None = None

    def listen(self, pair: Pair | None, client_authority: Authority | None = None) -> None:
        """Replace the server by one with this certificate that requires those of clients; without TLS if None."""
        if self._protocol == "http":
            self._listen_http(pair, client_authority)
        else:
            self.close()
            self._listen_grpc(pair, client_authority)

    def _listen_http(self, pair: Pair | None, client_authority: Authority | None) -> None:
        if self._http is None:
            self._http = self._open.enter_context(listening(_HttpServer(self._answer)))
            self.port = self._http.server_port
        self._http.context = context = None if pair is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if context is not None and pair is not None:
            context.load_cert_chain(*pair)
            if client_authority is not None:
                context.load_verify_locations(client_authority.file)
                context.verify_mode = ssl.CERT_REQUIRED

    def _answer(self, request: Any) -> tuple[int, None]:
        self.bodies.append(request.body)
        return 200, None

    def _listen_grpc(self, pair: Pair | None, client_authority: Authority | None) -> None:
        receiver = self

        class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
            def service(self, _: Any) -> Any:
                return grpc.unary_unary_rpc_method_handler(self.export)

            def export(self, body: bytes, _: Any) -> bytes:
                receiver.bodies.append(body)
                return b""

        server = grpc.server(ThreadPoolExecutor(1), handlers=[Handler()])
        if pair is None:
            self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        else:
            ca = client_authority.file.read_bytes() if client_authority else None
            keys = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
            credentials = grpc.ssl_server_credentials(keys, ca, client_authority is not None)
            self.port = server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        server.start()
        self._open.callback(lambda: server.stop(None).wait())

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def receiver(protocol: Protocol) -> Iterator[_Receiver]:
    server = _Receiver(protocol)
    yield server
    server.close()


class _Files:
    """The certificates of a test: each file of the client can be replaced by the right one."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.other = Authority(folder / "ours"), Authority(folder, "other")
        self.earlier = Authority(folder / "earlier")  # of the same name, with another key
        self.server = self.authority.issue("server")
        self.named = self.authority.issue("named", hosts=["elsewhere"])
        self.right = self.authority.issue("right")
        self.client = self.authority.issue("client")
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(self.authority.file.read_bytes())


Prepare = Callable[[_Files, _Receiver], Callable[[], object]]
"""Breaks the connection; the function that it returns fixes it."""


def _untrusted(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server, files.authority)
    files.ca.write_bytes(files.other.file.read_bytes())
    return lambda: files.ca.write_bytes(files.authority.file.read_bytes())


def _earlier_authority(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    fix = _untrusted(files, receiver)
    files.ca.write_bytes(files.earlier.file.read_bytes())
    return fix


def _empty_authority(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server, files.authority)
    files.ca.write_bytes(b"")
    return lambda: files.ca.write_bytes(files.authority.file.read_bytes())


def _no_certificate(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server, files.authority)
    return lambda: receiver.listen(files.server)


def _wrong_certificate(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server, files.authority)
    files.client.replace_by(files.other.issue("client"))
    return lambda: files.client.replace_by(files.right)


def _wrong_key(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server, files.authority)
    files.client.key.write_bytes(files.server.key.read_bytes())
    return lambda: files.client.replace_by(files.right)


def _wrong_name(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.named)
    return lambda: receiver.listen(files.server)


def _plain_port(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(None)
    return lambda: receiver.listen(files.server)


def _tls_port(files: _Files, receiver: _Receiver) -> Callable[[], object]:
    receiver.listen(files.server)
    return lambda: receiver.listen(None)


CASES: dict[str, tuple[Prepare, str]] = {
    "untrusted": (_untrusted, "the certificate of the server cannot be verified"),
    "earlier authority": (_earlier_authority, "the certificate of the server cannot be verified"),
    "empty authority": (_empty_authority, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    "no certificate": (_no_certificate, "a certificate of the client; set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    "wrong certificate": (_wrong_certificate, "does not accept the certificate of the client"),
    "wrong key": (_wrong_key, "the TLS handshake failed ("),
    "wrong name": (_wrong_name, "the certificate of the server is for another name"),
    "plain port": (_plain_port, "the server does not use TLS at this port"),
    "TLS port": (_tls_port, "as a port with TLS does; use https://"),
}  # fmt: skip

REPLACED = ("no certificate", "wrong name", "plain port", "TLS port")
"""The cases in which the server is replaced; gRPC waits a second before it connects again."""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case in REPLACED else ()) for case in CASES]
)
def test_a_failed_handshake_is_named_and_all_rows_arrive_after_the_fix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: Protocol, receiver: _Receiver, case: str
) -> None:
    prepare, sentence = CASES[case]
    files = _Files(tmp_path)
    fix = prepare(files, receiver)
    scheme = "http" if case == "TLS port" else "https"
    has_certificate = case in ("untrusted", "earlier authority", "empty authority", "wrong certificate", "wrong key")
    base = f"{scheme}://127.0.0.1:{receiver.port}"
    endpoint = Endpoint(
        base=base,
        url=f"{base}/v1/logs" if protocol == "http" else f"127.0.0.1:{receiver.port}",
        protocol=protocol,
        certificate=str(files.ca),
        client_certificate=str(files.client.certificate) if has_certificate else "",
        client_key=str(files.client.key) if has_certificate else "",
        insecure=scheme == "http",
    )
    channel = HttpChannel(endpoint) if protocol == "http" else GrpcChannel(endpoint)
    score = driftline.Model("churn", task="binary", channel=channel).predict(returns(0.5))
    for i in range(3):
        score({"i": i})

    with caplog.at_level(logging.WARNING, "driftline"):
        assert pipeline_of(channel).flush(5.0, again=()) is False
    fix()
    score({"i": 3})
    assert pipeline_of(channel).flush(PATIENCE) is True
    channel.close()

    (line,) = caplog.messages
    assert line.startswith(f"driftline: {base}: ")
    assert line.endswith("; the last 32 MB are kept in memory")
    assert sentence in line
    assert sum(len(table) for body in receiver.bodies for table in decode_logs(body, NOW).predictions) == 4


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_one_file_can_hold_the_certificate_and_the_key_of_the_client(
    tmp_path: Path, protocol: Protocol, receiver: _Receiver
) -> None:
    files = _Files(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(files.client.key.read_bytes() + files.client.certificate.read_bytes())
    receiver.listen(files.server, files.authority)
    url = f"https://127.0.0.1:{receiver.port}"
    endpoint = Endpoint(
        url, url if protocol == "http" else url[8:], protocol, certificate=str(files.ca), client_certificate=str(both)
    )
    channel = HttpChannel(endpoint) if protocol == "http" else GrpcChannel(endpoint)

    assert channel.send(b"body", PATIENCE).state == "delivered"
    channel.close()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_key_without_a_certificate_is_a_missing_certificate(
    tmp_path: Path, protocol: Protocol, receiver: _Receiver
) -> None:
    files = _Files(tmp_path)
    receiver.listen(files.server, files.authority)
    url = f"https://127.0.0.1:{receiver.port}"
    endpoint = Endpoint(
        url, url if protocol == "http" else url[8:], protocol,
        certificate=str(files.ca), client_key=str(files.client.key),
    )  # fmt: skip
    channel = HttpChannel(endpoint) if protocol == "http" else GrpcChannel(endpoint)

    delivery = channel.send(b"body", PATIENCE)
    channel.close()
    assert (delivery.state, "requires a certificate of the client" in delivery.fix) == ("unreachable", True)


def test_a_port_of_http_is_named_over_grpc() -> None:
    with service(lambda _: (200, None)) as server:
        address = f"127.0.0.1:{server.server_port}"
        channel = GrpcChannel(Endpoint(f"http://{address}", address, "grpc", insecure=True))
        delivery = channel.send(b"body", PATIENCE)
        channel.close()

    assert delivery.state == "unreachable"
    assert delivery.fix == (
        "the server does not use HTTP/2 at this port, which gRPC requires; use its port for gRPC, by default 4317, or "
        "http/protobuf"
    )


GRPC_PORT = "the server expects gRPC at this port; use its port for HTTP, by default 4318, or the protocol grpc"


@pytest.mark.parametrize("protocol", ["grpc"])
def test_a_port_of_grpc_is_named_over_http(receiver: _Receiver) -> None:
    receiver.listen(None)
    base = f"http://127.0.0.1:{receiver.port}"
    channel = HttpChannel(Endpoint(base, f"{base}/v1/logs"))
    delivery = channel.send(b"body", PATIENCE)
    channel.close()

    assert (delivery.state, delivery.fix) == ("unreachable", GRPC_PORT)


def test_a_port_of_grpc_that_does_not_answer_is_named_by_its_number() -> None:
    def fix(port: int) -> str:
        endpoint = Endpoint(f"http://d:{port}", f"http://d:{port}/v1/logs")
        return _unreachable(endpoint, "reason", "Remote end closed connection", has_delivered=False).fix

    assert fix(4317) == GRPC_PORT
    assert fix(4319).endswith("as a port with TLS does; use https://")


UNRESOLVED = "the name of the host cannot be resolved; check its spelling, and the DNS of this machine"


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_host_without_an_address_is_named(protocol: Protocol) -> None:
    address = "no-such-host.invalid:4318"
    url = f"http://{address}/v1/logs" if protocol == "http" else address
    endpoint = Endpoint(f"http://{address}", url, protocol, insecure=True)
    channel = HttpChannel(endpoint) if protocol == "http" else GrpcChannel(endpoint)
    channel._has_delivered = True  # the name was removed since
    delivery = channel.send(b"body", PATIENCE)
    channel.close()

    assert (delivery.state, delivery.fix, delivery.may_pass) == ("unreachable", UNRESOLVED, True)


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # bound, never listening
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{held.getsockname()[1]}")
        channel = HttpChannel(Endpoint("http://driftline:4318", "http://driftline:4318/v1/logs"))
        delivery = channel.send(b"body", PATIENCE)
        channel.close()

    assert delivery.state == "unreachable"
    assert delivery.fix == "the proxy of the environment cannot be used; check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:1:1: Tls handshake failed: timeout", "other"),
        ("failed to connect to all addresses; last error: UNKNOWN: Failed to create security handshaker.", "other"),
        ("SSL_ERROR_SSL: error:1a000064:ECDSA routines:OPENSSL_internal:BAD_SIGNATURE", "untrusted"),
        ("empty address list: ", "other"),  # grpcio 1.63, for a key that does not belong to its certificate
        ("Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check failed.", "name"),
        ("Peer name localhost is not in peer certificate", "name"),  # grpcio 1.63
        ("Cannot check peer: missing selected ALPN property.", "http/1.1"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "certificate"),
        ("error:0A000410:SSL routines::ssl/tls alert handshake failure", "refused"),
        ("Socket closed", "refused"),
        ("RemoteProtocolError: illegal status line: bytearray(b'\\x00\\x00\\x18\\x04\\x00')", "grpc"),  # httpx
        ("gaierror: [Errno -3] Temporary failure in name resolution", "unresolved"),
        ("gaierror: [Errno 8] nodename nor servname provided, or not known", "unresolved"),  # macOS
        ("ConnectError: [Errno 11001] getaddrinfo failed", "unresolved"),  # Windows
        ("DNS resolution failed for no-such-host:4317: C-ares status is not ARES_SUCCESS", "unresolved"),
        ("ProxyError: Tunnel connection failed: 407 Proxy Authentication Required", "proxy"),
        ("the alert manager does not answer", None),
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:1:1: Connection refused", None),
    ],
)
def test_the_messages_of_libraries(message: str, kind: str | None) -> None:
    failure = failure_of(message, encrypted=True, certified=True)

    assert (failure and failure.kind) == kind

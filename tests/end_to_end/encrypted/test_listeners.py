"""Stock exporters and a browser's client reach `driftline up` by TLS and mTLS; certificates change under traffic."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from cryptography import x509
from driftline_processor.otlp.protocol import METHODS, PROTOBUF
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.support.certificates import Authority, Pair
from tests.support.processes import process
from tests.support.waiting import wait_until

TRACES = next(method for method, called in METHODS.items() if called == "traces")


class Ports(NamedTuple):
    """The ports of a processor, and the lines of its start."""

    grpc: int
    http: int
    web: int
    lines: str


def file_of(keys: Mapping[str, Any]) -> str:
    """Return a configuration with the same keys of ``tls`` on each listener, as YAML."""
    port = {"endpoint": "127.0.0.1:0", "tls": keys}
    receivers = {"otlp": {"protocols": {"grpc": port, "http": port}}}
    return json.dumps({"receivers": receivers, "web": port, "storage": {"directory": "data"}})


@contextmanager
def encrypted(folder: Path, server: Pair, **keys: Any) -> Iterator[tuple[subprocess.Popen[str], Ports]]:
    """Run ``driftline up`` with TLS on each listener."""
    with process(folder, base=file_of({**server.keys, **keys})) as child:
        assert child.stdout is not None
        lines = child.stdout.readline() + child.stdout.readline()
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", lines)]
        assert len(ports) == 3, lines
        yield child, Ports(ports[0], ports[1], ports[2], lines)


@pytest.fixture(autouse=True)
def no_other_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock exporters prefer these variables of `requests` to their own argument."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)


def a_span() -> list[ReadableSpan]:
    """Return a span for an exporter."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("a")
    span.end()
    assert isinstance(span, ReadableSpan)
    return [span]


def export(protocol: str, ports: Ports, ca: Path, client: Pair | None) -> bool:
    """Send a span with a stock exporter; return whether it was accepted."""
    exporter: Any
    if protocol == "grpc":
        key, chain = (None, None) if client is None else (client.key.read_bytes(), client.certificate.read_bytes())
        credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key, chain)
        exporter = GrpcExporter(endpoint=f"https://localhost:{ports.grpc}", credentials=credentials, timeout=3)
    else:
        exporter = HttpExporter(
            endpoint=f"https://localhost:{ports.http}/v1/traces",
            certificate_file=str(ca),
            client_key_file=None if client is None else str(client.key),
            client_certificate_file=None if client is None else str(client.certificate),
            timeout=3,
        )
    try:
        return exporter.export(a_span()) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()


@pytest.mark.parametrize("mtls", [False, True], ids=["TLS", "mTLS"])
def test_stock_exporters_and_clients_of_pages_are_answered_if_both_sides_trust_each_other(
    tmp_path: Path, mtls: bool
) -> None:
    ours, others = Authority(tmp_path), Authority(tmp_path, "others")
    client, stranger = ours.issue("client"), others.issue("stranger")
    keys = {"client_ca_file": str(ours.file)} if mtls else {}
    with encrypted(tmp_path, ours.issue("server"), **keys) as (_, ports):
        assert f"pages on https://127.0.0.1:{ports.web}" in ports.lines
        for protocol in ("grpc", "http"):
            assert export(protocol, ports, ours.file, client)
            assert export(protocol, ports, ours.file, None) is not mtls
            assert export(protocol, ports, ours.file, stranger) is not mtls
            assert not export(protocol, ports, others.file, client)

        def page(pair: Pair | None, ca: Path = ours.file) -> int:
            context = ssl.create_default_context(cafile=ca)
            if pair is not None:
                context.load_cert_chain(*pair)
            return httpx.get(f"https://localhost:{ports.web}/readyz", verify=context, trust_env=False).status_code

        assert page(client) == 200
        for pair in (None, stranger):
            if mtls:
                with pytest.raises(httpx.HTTPError, match=r"certificate required|unknown ca"):
                    page(pair)
            else:
                assert page(pair) == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            page(client, others.file)


def serial(port: int) -> int:
    """Return the serial number of the certificate of a port."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


@contextmanager
def traffic(*senders: Callable[[], object]) -> Iterator[list[str]]:
    """Call functions again and again until the block ends; yield the results of all calls."""
    results: list[str] = []
    ending = threading.Event()

    def send(sender: Callable[[], object]) -> None:
        while not ending.is_set():
            try:
                sender()
                results.append("ok")
            except Exception as error:
                results.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        ending.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("way", ["reload_interval", "SIGHUP"])
def test_a_certificate_is_replaced_under_traffic_and_no_request_fails(tmp_path: Path, way: str) -> None:
    ours = Authority(tmp_path)
    server = ours.issue("server")
    context = ssl.create_default_context(cafile=ours.file)
    roots = grpc.ssl_channel_credentials(ours.file.read_bytes())
    keys = {"reload_interval": "50ms"} if way == "reload_interval" else {}
    headers = {"content-type": PROTOBUF}
    with encrypted(tmp_path, server, **keys) as (child, ports):
        kept = httpx.Client(verify=context, trust_env=False)

        def by_http() -> None:
            url = f"https://localhost:{ports.http}/v1/traces"
            httpx.post(url, headers=headers, verify=context, trust_env=False).raise_for_status()
            kept.post(url, headers=headers).raise_for_status()

        def by_grpc() -> None:
            options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
            with grpc.secure_channel(f"localhost:{ports.grpc}", roots, options) as channel:
                channel.unary_unary(TRACES)(b"", timeout=20)

        with traffic(by_http, by_grpc) as results:
            for number in range(3):
                before = len(results)
                wait_until(lambda before=before: len(results) > before + 10)  # type: ignore[misc]
                server.replace_by(ours.issue(f"new-{number}"))
                newest = x509.load_pem_x509_certificate(server.certificate.read_bytes()).serial_number
                if way == "SIGHUP":
                    child.send_signal(signal.SIGHUP)
                wait_until(lambda newest=newest: {*map(serial, ports[:3])} == {newest})  # type: ignore[misc]
        kept.close()
    assert set(results) == {"ok"}
    assert len(results) > 30


def test_clients_of_a_new_authority_are_accepted_and_those_of_the_old_one_no_longer(tmp_path: Path) -> None:
    ours, old, new = Authority(tmp_path), Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "clients.crt"
    trusted.write_bytes(old.file.read_bytes())
    before, after = old.issue("before"), new.issue("after")
    keys = {"client_ca_file": str(trusted), "reload_interval": "50ms"}
    with encrypted(tmp_path, ours.issue("server"), **keys) as (_, ports):
        for protocol in ("grpc", "http"):
            assert export(protocol, ports, ours.file, before)
            assert not export(protocol, ports, ours.file, after)
        trusted.write_bytes(new.file.read_bytes())
        time.sleep(0.1)
        for protocol in ("grpc", "http"):
            wait_until(lambda protocol=protocol: export(protocol, ports, ours.file, after))  # type: ignore[misc]
            assert not export(protocol, ports, ours.file, before)


def test_a_bad_new_certificate_is_not_used_and_named_in_the_log_and_in_readyz(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    server = ours.issue("server")
    context = ssl.create_default_context(cafile=ours.file)
    with encrypted(tmp_path, server, reload_interval="50ms") as (child, ports):

        def problems() -> dict[str, str]:
            body = httpx.get(f"https://localhost:{ports.web}/readyz", verify=context, trust_env=False).json()
            assert body["ready"]
            return {problem["name"]: problem["message"] for problem in body["problems"]}

        good = serial(ports.http)
        assert problems() == {}
        server.replace_by(ours.issue("expired", begins=-3, ends=-1))
        wait_until(lambda: {*map(serial, ports[:3])} == {good} and len(problems()) == 3)
        for message in problems().values():
            assert re.search(rf"{server.certificate} expired on .* UTC; renew the certificate; the files from", message)
        server.replace_by(ours.issue("renewed"))
        wait_until(lambda: good not in map(serial, ports[:3]) and problems() == {})
        child.send_signal(signal.SIGTERM)
        log = child.communicate(timeout=60)[1]
    assert log.count("expired on") == 3  # one line for each listener


def test_failed_handshakes_of_strangers_do_not_fill_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    with encrypted(tmp_path, Authority(tmp_path).issue("server")) as (child, ports):
        for port in ports[:3]:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                stranger.recv(1000)
        child.send_signal(signal.SIGTERM)
        log = child.communicate(timeout=60)[1]
    assert log == ""


def test_a_certificate_that_cannot_be_used_ends_the_start_with_one_line(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    bad = {
        "expired on": ours.issue("old", begins=-3, ends=-1),
        "is valid only from": ours.issue("early", begins=1, ends=3),
        "is not the key of": Pair(ours.issue("one").certificate, ours.issue("two").key),
        "needs a passphrase": ours.issue("locked", passphrase=b"word"),
        "cannot be read": Pair(tmp_path / "gone.crt", ours.issue("three").key),
    }
    for number, (reason, pair) in enumerate(bad.items()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(file_of(pair.keys))
        for command in ("up", "validate"):
            options = ["--config", str(file)] if command == "up" else [str(file)]
            run = [sys.executable, "-m", "driftline_processor", command, *options]
            done = subprocess.run(run, capture_output=True, text=True, timeout=60)
            assert done.returncode == 2
            lines = done.stderr.splitlines()
            assert len(lines) == 3  # one for each listener
            for line in lines:
                assert re.search(rf"(receivers\.otlp\.protocols\.(grpc|http)|web)\.tls\.\w+: .*{reason}", line)
                assert re.search(rf"{pair.certificate}|{pair.key}", line)

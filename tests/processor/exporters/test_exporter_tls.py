"""TLS to a destination: whom the exporters trust, how they identify themselves, and files that are replaced."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from driftline_processor.exporters.otlp import Otlp
from driftline_processor.exporters.types.otlp_grpc import OtlpGrpc
from driftline_processor.exporters.types.otlp_http import OtlpHttp

from tests.support.certificates import Authority, Pair
from tests.support.exporter_peers import grpc_server, http_server

Peer = Callable[..., Any]


@contextmanager
def http_peer(pair: Pair, clients: Path | None = None) -> Iterator[str]:
    """A destination for OTLP over HTTP with TLS; yields its endpoint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    with http_server(200, tls=context) as (port, _):
        yield f"https://127.0.0.1:{port}"


@contextmanager
def grpc_peer(pair: Pair, clients: Path | None = None) -> Iterator[str]:
    """A destination for OTLP over gRPC with TLS; yields its endpoint."""
    chain = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    roots = None if clients is None else clients.read_bytes()
    with grpc_server(credentials=grpc.ssl_server_credentials(chain, roots, clients is not None)) as port:
        yield f"127.0.0.1:{port}"


KINDS = pytest.mark.parametrize(("kind", "peer"), [(OtlpHttp, http_peer), (OtlpGrpc, grpc_peer)], ids=["http", "grpc"])


def send(kind: type[Otlp], endpoint: str, **tls: Any) -> str:
    """Send one request; return the result."""
    exporter = kind.model_validate({"endpoint": endpoint, "timeout": "5s", "tls": tls}).connect()
    try:
        return exporter.export("logs", b"body", {}).result
    finally:
        exporter.close()


@KINDS
def test_only_a_trusted_destination_gets_a_request(tmp_path: Path, kind: type[Otlp], peer: Peer) -> None:
    ours, other = Authority(tmp_path), Authority(tmp_path, "other")
    with peer(ours.issue("server")) as endpoint:
        assert send(kind, endpoint, ca_file=ours.file) == "success"
        assert send(kind, endpoint, ca_file=other.file) == "retryable"
        assert send(kind, endpoint) == "retryable"
    with peer(ours.issue("old", begins=-3, ends=-1)) as endpoint:
        assert send(kind, endpoint, ca_file=ours.file) == "retryable"


@KINDS
def test_a_destination_with_another_name_needs_the_override(tmp_path: Path, kind: type[Otlp], peer: Peer) -> None:
    ours = Authority(tmp_path)
    with peer(ours.issue("server", hosts=["collector.internal"])) as endpoint:
        assert send(kind, endpoint, ca_file=ours.file) == "retryable"
        assert send(kind, endpoint, ca_file=ours.file, server_name_override="collector.internal") == "success"


@KINDS
def test_a_destination_that_requires_a_certificate_gets_it(tmp_path: Path, kind: type[Otlp], peer: Peer) -> None:
    ours = Authority(tmp_path)
    client = ours.issue("client")
    with peer(ours.issue("server"), ours.file) as endpoint:
        assert send(kind, endpoint, ca_file=ours.file, cert_file=client[0], key_file=client[1]) == "success"
        assert send(kind, endpoint, ca_file=ours.file) == "retryable"


def test_verification_can_be_turned_off_over_http(tmp_path: Path) -> None:
    with http_peer(Authority(tmp_path).issue("server")) as endpoint:
        assert send(OtlpHttp, endpoint, insecure_skip_verify=True) == "success"


def test_the_minimum_version_is_that_of_the_key(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with http_server(200, tls=context) as (port, _):
        assert send(OtlpHttp, f"https://127.0.0.1:{port}", ca_file=ours.file) == "success"
        assert send(OtlpHttp, f"https://127.0.0.1:{port}", ca_file=ours.file, min_version="1.3") == "retryable"


@KINDS
def test_a_replaced_certificate_is_used_without_a_restart(
    tmp_path: Path, kind: type[Otlp], peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "driftline")
    ours, other = Authority(tmp_path), Authority(tmp_path, "other")
    mine = other.issue("mine")
    tls = {"ca_file": ours.file, "cert_file": mine.certificate, "key_file": mine.key, "reload_interval": "1ms"}
    with peer(ours.issue("server"), ours.file) as endpoint:
        exporter = kind.model_validate({"endpoint": endpoint, "timeout": "5s", "tls": tls}).connect()
        assert exporter.export("logs", b"body", {}).result == "retryable"
        mine.replace_by(ours.issue("accepted"))
        assert exporter.export("logs", b"body", {}).result == "success"
        mine.certificate.write_text("none")
        assert exporter.export("logs", b"body", {}).result == "success"  # by the files from before
        exporter.close()
        assert exporter.export("logs", b"body", {}).kind == "closed"
    assert [line.split(": ", 1)[1] for line in caplog.messages] == [
        "the replaced files of tls are used",
        f"tls.cert_file: {mine.certificate} has no certificate; it must contain the certificate as PEM; "
        "the files from before are used",
    ]


def problems(kind: type[Otlp], **tls: Any) -> list[str]:
    """Return the problems of the keys of ``tls``."""
    endpoint = "127.0.0.1:1" if kind is OtlpGrpc else "https://127.0.0.1:1"
    return [
        f"{one.key}: {one.text}" for one in kind.model_validate({"endpoint": endpoint, "tls": tls})._own_problems([])
    ]


def test_a_bad_file_is_one_line_with_the_file_the_rule_and_the_fix(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    good, old, other = ours.issue("good"), ours.issue("old", begins=-3, ends=-1), ours.issue("other")
    locked, open_key, gone = ours.issue("locked", passphrase=b"word"), ours.issue("open"), tmp_path / "gone.pem"
    open_key.key.chmod(0o644)
    text = tmp_path / "text.pem"
    text.write_text("hello")
    assert problems(OtlpHttp, ca_file=ours.file, cert_file=good[0], key_file=good[1]) == []
    cases: list[tuple[dict[str, Any], str]] = [
        ({"ca_file": gone}, f"tls.ca_file: {gone} cannot be read: No such file or directory; check the path, and that "
         "the user of this process may read it"),
        ({"ca_file": text}, f"tls.ca_file: {text} has no certificate; it must contain certificates as PEM"),
        ({"cert_file": good[0]}, "tls.key_file: is missing; cert_file is set, and needs its key"),
        ({"key_file": good[1]}, "tls.cert_file: is missing; key_file is set, and needs the certificate of this client"),
        ({"cert_file": good[0], "key_file": other[1]},
         f"tls.key_file: {other[1]} is not the key of the certificate {good[0]}; use the files of one issue"),
        ({"cert_file": good[0], "key_file": text},
         f"tls.key_file: {text} can be read by everybody on this machine; run 'chmod 600 {text}'"),
        ({"cert_file": open_key[0], "key_file": open_key[1]},
         f"tls.key_file: {open_key[1]} can be read by everybody on this machine; run 'chmod 600 {open_key[1]}'"),
        ({"cert_file": locked[0], "key_file": locked[1]},
         f"tls.key_file: {locked[1]} needs a passphrase; remove it, for example with 'openssl pkey'"),
        ({"insecure": True, "ca_file": ours.file},
         "tls.insecure: true means no TLS, but other keys of tls are set; remove one of the two"),
        ({"insecure_skip_verify": True, "ca_file": ours.file},
         "tls.insecure_skip_verify: true means that ca_file is not used; remove one of the two"),
        ({"reload_interval": "0s"}, "tls.reload_interval: must be greater than 0; use a duration such as '60s'"),
    ]  # fmt: skip
    for tls, line in cases:
        assert problems(OtlpHttp, **tls) == [line]
    [expired] = problems(OtlpHttp, cert_file=old[0], key_file=old[1])
    assert expired.startswith(f"tls.cert_file: {old[0]} expired on ")
    assert expired.endswith(" UTC; renew the certificate")


def test_keys_that_the_library_for_grpc_lacks_are_named_with_the_alternative() -> None:
    assert problems(OtlpGrpc, insecure_skip_verify=True, min_version="1.3") == [
        "tls.insecure_skip_verify: the library for gRPC always verifies certificates; set ca_file to the certificate "
        "of the destination (and server_name_override to the name in it), or use otlp_http",
        "tls.min_version: the library for gRPC offers 1.2 and 1.3; remove the key, or use otlp_http",
    ]

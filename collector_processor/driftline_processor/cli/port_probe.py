"""Which protocol a port speaks, for the diagnosis of wrong ports."""

from __future__ import annotations

import socket
import ssl
import warnings
from datetime import datetime
from typing import Literal

import httpx
from cryptography import x509
from msgspec import Struct

Speaks = Literal["nothing", "grpc", "otlp_http", "pages", "http", "something else"]
"""``nothing``: nobody answers; ``http``: HTTP, but neither OTLP nor the pages of Driftline."""

WORDS: dict[Speaks, str] = {
    "nothing": "nothing answers",
    "grpc": "a gRPC server answers",
    "otlp_http": "an OTLP/HTTP receiver answers",
    "pages": "the pages of a Driftline processor answer",
    "http": "an HTTP server without OTLP answers",
    "something else": "something answers that is neither HTTP nor gRPC",
}

WAIT = 2.0
"""Seconds for one answer."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The beginning of an HTTP/2 connection (RFC 9113, section 3.4), with empty settings."""

_GET = b"GET / HTTP/1.0\r\n\r\n"

_SETTINGS = 4


class PortAnswer(Struct, frozen=True):
    """What a port speaks.

    Attributes:
        speaks: The protocol.
        tls: Whether it speaks it through TLS.
        expires: End of its certificate; None without TLS.
    """

    speaks: Speaks
    tls: bool = False
    expires: datetime | None = None


def ask_port(host: str, port: int) -> PortAnswer:
    """Return what a port speaks; nothing is changed or stored by the question."""
    try:
        first = _exchange(host, port, _PREFACE)
    except OSError:
        return PortAnswer("nothing")
    if len(first) >= 9 and first[3] == _SETTINGS:
        return PortAnswer("grpc")
    try:  # before HTTP/1, because servers with TLS answer a request without TLS with HTTP/1
        with _secure(host, port) as connection:
            certificate = connection.getpeercert(binary_form=True)
            is_grpc = connection.selected_alpn_protocol() == "h2"
    except OSError:
        return PortAnswer(_kind(host, port, tls=False) if _answers_http(host, port, first) else "something else")
    expires = None if certificate is None else x509.load_der_x509_certificate(certificate).not_valid_after_utc
    return PortAnswer("grpc" if is_grpc else _kind(host, port, tls=True), True, expires)


def _answers_http(host: str, port: int, first: bytes) -> bool:
    """Return True for HTTP/1; ``first``: its answer to HTTP/2, which some servers close or answer without a status."""
    if first.startswith(b"HTTP/1"):
        return True
    try:
        return _exchange(host, port, _GET).startswith(b"HTTP/1")
    except OSError:
        return False


def _exchange(host: str, port: int, question: bytes) -> bytes:
    """Send the first bytes of a connection, and return those of the answer. Raises OSError if nobody listens."""
    with socket.create_connection((host, port), WAIT) as connection:
        connection.settimeout(WAIT)
        try:
            connection.sendall(question)
            return connection.recv(64)
        except OSError:
            return b""


def _secure(host: str, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only questions, and no secrets, are sent
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = socket.create_connection((host, port), WAIT)
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise


def _kind(host: str, port: int, *, tls: bool) -> Speaks:
    """Return what a server of HTTP serves."""
    shown = f"[{host}]" if ":" in host else host
    base = f"{'https' if tls else 'http'}://{shown}:{port}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = httpx.Client(verify=False, trust_env=False, timeout=WAIT)
    with client:
        try:
            ready = client.get(f"{base}/readyz")
            is_json = ready.headers.get("content-type", "").startswith("application/json")
            if is_json and isinstance(document := ready.json(), dict) and "problems" in document:
                return "pages"
            traces = client.post(f"{base}/v1/traces", content=b"", headers={"content-type": "application/x-protobuf"})
        except (httpx.HTTPError, ValueError):
            return "http"
    return "http" if traces.status_code in (404, 405, 501) else "otlp_http"

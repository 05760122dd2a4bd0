"""Why a connection failed, in a sentence with the fix, from the error of any client library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "untrusted",
    "name",
    "certificate",
    "refused",
    "plain",
    "encrypted",
    "http/1.1",
    "grpc",
    "unresolved",
    "proxy",
    "other",
]

_PHRASES: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("name", ("hostname mismatch", "ip address mismatch", "' doesn't match", "is not in peer certificate",
              "hostname verification check failed")),
    ("untrusted", ("certificate_verify_failed", "certificate verify failed", ":bad_signature",
                   ":padding_check_failed")),
    ("certificate", ("certificate required", "certificate_required", "peer_did_not_return_a_certificate")),
    ("refused", ("tlsv1 alert", "tlsv1_alert", "sslv3 alert", "sslv3_alert", "tlsv13 alert", "tlsv13_alert",
                 "ssl/tls alert", "ssl/tls_alert")),
    ("plain", ("wrong_version_number", "wrong version number", "record layer failure", "record_layer_failure")),
)  # fmt: skip
"""Parts of the messages of OpenSSL, BoringSSL and gRPC in lower case, the first match wins."""

_LONGEST_DETAIL = 120

_CUT = ("disconnected", "closed connection", "connection aborted", "connection reset", "socket closed", "broken pipe",
        "unexpected_eof", "eof occurred", "without sending", "recvmsg", "closed before")  # fmt: skip
"""Parts of messages about a connection that the server ended before it answered."""

_NO_HTTP2 = ("missing selected alpn property", "failed parsing http/2")
"""Parts of gRPC's messages about a server of HTTP/1.1, with and without TLS."""

_HTTP2 = re.compile(r"status ?line.{0,20}?(\x00|\\x00){2}", re.DOTALL)
"""Message of a client of HTTP/1.1 about the first frame of a server of gRPC, with the bytes or their escapes."""

_UNRESOLVED = ("gaierror", "failed to resolve", "name or service not known", "nodename nor servname",
               "name resolution", "getaddrinfo failed", "no address associated", "dns resolution failed",
               "errors resolving", "address lookup failed", "domain name not found")  # fmt: skip
"""Parts of the messages of Python, urllib3, the systems and gRPC about the name of a host."""

_REFUSED = ("connection refused", "actively refused", "econnrefused")
"""Parts of the messages of the systems and gRPC about a port at which nothing listens."""

_OTHER = ("sslerror", "ssl_error", "handshak", "empty address list")
"""Parts of messages about a handshake that failed for any reason; gRPC before 1.70 gives the last one for a key that
does not belong to its certificate.
"""


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """A failed connection.

    Attributes:
        kind: untrusted: the certificate of the server cannot be verified. name: it is for another name. certificate:
            the server requires a certificate of the client. refused: it does not accept that of the client. plain: it
            does not use TLS. encrypted: it uses TLS, and the client does not. http/1.1: it does not use HTTP/2, which
            gRPC requires. grpc: it expects gRPC, and the client uses HTTP. unresolved: the name of the host has no
            address. proxy: the proxy of the environment is unusable. other: any other failure of the handshake.
        detail: Reason of the library; "" without.
    """

    kind: Kind
    detail: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether the next attempt may succeed without a fix: names and proxies can be missing for a moment."""
        return self.kind in ("unresolved", "proxy")

    def sentence(self, ca: str, certificate: str) -> str:
        """Return the reason and the fix.

        Args:
            ca: Name of the setting with the trusted certificates.
            certificate: Name of the settings with the certificate of the client.

        >>> ConnectionFailure("plain").sentence("--ca-file", "--cert-file")
        'the server does not use TLS at this port; use http://, or the port that uses TLS'
        """
        detail = f" ({self.detail})" if self.detail else ""
        return {
            "untrusted": f"the certificate of the server cannot be verified{detail}; set {ca} to the certificate of "
            "the authority that issued it",
            "name": f"the certificate of the server is for another name{detail}; use the name in the certificate",
            "certificate": f"the server requires a certificate of the client; set {certificate}",
            "refused": f"the server does not accept the certificate of the client{detail}; check {certificate}",
            "plain": "the server does not use TLS at this port; use http://, or the port that uses TLS",
            "encrypted": "the server closed the connection without an answer, as a port with TLS does; use https://",
            "http/1.1": "the server does not use HTTP/2 at this port, which gRPC requires; use its port for gRPC, "
            "by default 4317, or http/protobuf",
            "grpc": "the server expects gRPC at this port; use its port for HTTP, by default 4318, or the protocol "
            "grpc",
            "unresolved": "the name of the host cannot be resolved; check its spelling, and the DNS of this machine",
            "proxy": "the proxy of the environment cannot be used; check HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
            "other": f"the TLS handshake failed{detail}; check {ca} and {certificate}",
        }[self.kind]


def failure_of(error: BaseException | str, *, encrypted: bool, certified: bool) -> ConnectionFailure | None:
    """Return why a connection failed; None if the error has another cause, such as that nothing listens.

    Args:
        error: The error with its causes, or the message of one.
        encrypted: Whether the client uses TLS.
        certified: Whether the client has a certificate.

    >>> failure_of("SSL: WRONG_VERSION_NUMBER", encrypted=True, certified=False).kind
    'plain'
    """
    messages = _messages(error)
    text = " ".join(messages)
    low = text.lower()
    if any(phrase in low for phrase in _NO_HTTP2):
        return ConnectionFailure("http/1.1")
    if _HTTP2.search(low):
        return ConnectionFailure("grpc")
    if "proxyerror" in low:
        return ConnectionFailure("proxy")
    if any(phrase in low for phrase in _UNRESOLVED):
        return ConnectionFailure("unresolved")
    if encrypted:
        for kind, phrases in _PHRASES:
            if any(phrase in low for phrase in phrases):
                return ConnectionFailure(kind, _detail(text) if kind in ("untrusted", "name", "refused") else "")
    if not any(phrase in low for phrase in _CUT):
        is_tls = encrypted and any(phrase in low for phrase in _OTHER)
        return ConnectionFailure("other", innermost(error)) if is_tls else None
    if not encrypted:
        return ConnectionFailure("encrypted")
    # Python's servers close the connection without an alert if they do not accept a certificate.
    return ConnectionFailure("refused" if certified else "certificate")


def is_refused(error: BaseException | str) -> bool:
    """Return True if the host refused the connection, so that nothing listens at this address.

    >>> is_refused("connect: Connection refused (111)"), is_refused("connection attempt timed out")
    (True, False)
    """
    text = " ".join(_messages(error)).lower()
    return any(phrase in text for phrase in _REFUSED)


def innermost(error: BaseException | str) -> str:
    """Return the message of the first cause of an error, such as that of the system.

    >>> innermost("failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:4317: timed out")
    'UNKNOWN: ipv4:10.0.0.1:4317: timed out'
    """
    return _messages(error)[-1].rpartition("last error: ")[2][:_LONGEST_DETAIL]


def _messages(error: BaseException | str) -> list[str]:
    """Return the messages of an error and its causes, without repetition."""
    if isinstance(error, str):
        return [error]
    messages: list[str] = []
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        messages.append(f"{type(cause).__name__}: {cause}")
        pending += [cause.__cause__, cause.__context__, *cause.args, getattr(cause, "reason", None)]
    return messages


def _detail(text: str) -> str:
    """Return OpenSSL's reason.

    >>> _detail("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)")
    'certificate has expired'
    """
    low = text.lower()
    for mark in ("verify failed: ", "verify_failed: "):
        if mark in low:
            start = low.index(mark) + len(mark)
            reason = text[start : start + _LONGEST_DETAIL].partition(" (_ssl")[0].partition(";")[0]
            return reason.removesuffix(": OK").strip()
    return ""

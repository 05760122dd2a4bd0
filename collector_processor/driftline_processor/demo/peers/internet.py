"""What a process sends to hosts elsewhere, noted on its way and answered: none of it leaves the machine.

A proxy of HTTPS that stands for every host, with a certificate of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .recorder import Answer, Answers, Asked, Service, listening

HOSTS = (
    *("example.com", "*.example.com", "*.atlassian.net", "hooks.slack.com", "slack.com", "events.pagerduty.com"),
    "api.github.com",
)
"""Hosts for which the certificate is good."""


class Internet(Service):
    """Every host of HTTPS, for a process with ``environment``.

    Attributes:
        down: Whether all hosts answer 503.
        loses: The end of paths whose requests are taken, and answered 503 all the same; "" = none.
        taken: What came and was taken, in its order.
        lost: What was taken so that nobody knows.
        environment: Variables that lead a process here.
    """

    def __init__(self, folder: Path, answers: Answers) -> None:
        self.down, self.loses = False, ""
        self.taken, self.lost = list[Asked](), list[Asked]()
        certificate = _certificate(folder)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        super().__init__(self._answered(answers), _Connect)
        said = {"HTTPS_PROXY": self.url, "NO_PROXY": "", "HTTP_PROXY": "", "ALL_PROXY": ""}
        trusted = {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
        self.environment: Mapping[str, str] = {**said, **{name.lower(): one for name, one in said.items()}, **trusted}

    def _answered(self, answers: Answers) -> Answers:
        def answered(asked: Asked) -> tuple[int, Any]:
            if self.down:
                return 503, None
            status, said = answers(asked)
            loses = bool(self.loses) and asked.path.endswith(self.loses)
            if status < 300:
                (self.lost if loses else self.taken).append(asked)
            return (503, None) if loses else (status, said)

        return answered

    def taken_by(self, host: str) -> list[Asked]:
        """Return what a host took."""
        return [one for one in self.taken if one.headers["host"] == host]


class _Connect(Answer):
    server: Internet

    def do_CONNECT(self) -> None:  # noqa: N802 - a name of the base class
        self.send_response(200)
        self.end_headers()
        try:
            tunnel = self.server.tls.wrap_socket(self.connection, server_side=True)
        except OSError:  # whoever asked was killed meanwhile
            return
        with tunnel:
            Answer(tunnel, self.client_address, self.server)
        self.close_connection = True


def _certificate(folder: Path) -> Path:
    """Write a certificate for :data:`HOSTS`, its key beside it; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recording peers of Driftline")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "internet.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.with_suffix(".key").write_bytes(secret)
    return path


def internet(folder: Path, answers: Answers) -> AbstractContextManager[Internet]:
    """Be every host elsewhere until the block ends."""
    return listening(Internet(folder, answers))

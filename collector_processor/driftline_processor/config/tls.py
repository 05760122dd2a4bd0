"""The keys of ``tls`` on a listener, which are those of the OpenTelemetry Collector."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from pydantic import Field

from .auth import file_problem
from .section import Problem, Section
from .values import FilePath, Seconds


class TlsServer(Section):
    """TLS of a listener."""

    cert_file: FilePath = Field(
        description="The certificate of this processor and its intermediate certificates, as PEM.",
        examples=["/etc/driftline/tls.crt"],
    )
    key_file: FilePath = Field(
        description="The private key of the certificate, as PEM, without a passphrase.",
        examples=["/etc/driftline/tls.key"],
    )
    client_ca_file: FilePath | None = Field(
        default=None,
        description="The certificate authorities whose clients may connect, as PEM; other clients are rejected (mTLS).",
        examples=["/etc/driftline/clients-ca.crt"],
        json_schema_extra={"default": "clients need no certificate"},
    )
    min_version: Literal["1.2", "1.3"] = Field(
        default="1.2",
        description='The minimum version of TLS; OTLP over gRPC allows only `"1.2"`, which accepts 1.3 as well.',
        examples=['"1.3"'],
    )
    reload_interval: Seconds | None = Field(
        default=None,
        description="How often the files are checked for changes. SIGHUP and `POST /-/reload` read them, too.",
        examples=["60s"],
        json_schema_extra={"default": "only on SIGHUP and `POST /-/reload`"},
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of certificates and of the key."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file is not None)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        for name, file, secret in (
            ("cert_file", self.cert_file, False),
            ("key_file", self.key_file, True),
            ("client_ca_file", self.client_ca_file, False),
        ):
            problem = None if file is None else file_problem(file, secret=secret)
            if problem is not None:
                yield Problem(name, problem)
                return
        problem = certificate_problem(self.cert_file)
        if problem is not None:
            yield Problem("cert_file", problem)
            return
        try:
            server_context(self)
        except CertificateError as error:
            yield Problem(error.key, str(error))
        if self.reload_interval is not None and self.reload_interval <= timedelta(0):
            yield Problem("reload_interval", "must be greater than 0; use a duration such as '60s'")


class CertificateError(ValueError):
    """A certificate or key cannot be used.

    Attributes:
        key: The key of the configuration.
    """

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def server_context(tls: TlsServer) -> ssl.SSLContext:
    """Return the context of a listener. Raises CertificateError with the file, the rule and the fix."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError("key_file", _key_sentence(tls, error)) from None
    if tls.client_ca_file is not None:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except (OSError, ValueError):
            raise CertificateError(
                "client_ca_file", f"{tls.client_ca_file} has no certificate; it must contain certificates as PEM"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificate_problem(file: Path, now: datetime | None = None) -> str | None:
    """Return what is wrong with a certificate in a sentence with the fix, or None.

    Args:
        file: PEM, the certificate of this processor first.
        now: The time; None = now.
    """
    now = now or datetime.now(UTC)
    try:
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError, IndexError):
        return f"{file} has no certificate; it must contain the certificate of this processor as PEM"
    if now > certificate.not_valid_after_utc:
        return f"{file} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew the certificate"
    if now < certificate.not_valid_before_utc:
        return (
            f"{file} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; "
            "check the clock of this machine"
        )
    return None


def _key_sentence(tls: TlsServer, error: Exception) -> str:
    if "values mismatch" in str(error) or "KEY_VALUES_MISMATCH" in str(error):
        return f"{tls.key_file} is not the key of the certificate {tls.cert_file}; use the files of one issue"
    if "passphrase" in str(error):
        return f"{tls.key_file} needs a passphrase; remove it, for example with 'openssl pkey'"
    return f"{tls.key_file} has no private key that can be read; it must contain the key of {tls.cert_file} as PEM"


def _no_passphrase() -> str:
    raise ValueError("the key needs a passphrase")

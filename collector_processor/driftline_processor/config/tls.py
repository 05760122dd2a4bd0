"""The keys of ``tls`` on a listener and on an exporter, which are those of the OpenTelemetry Collector."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cryptography import x509
from pydantic import BeforeValidator, Field, StrictBool

from .auth import file_problem
from .section import Problem, Section
from .values import FilePath, Seconds, Text


def _as_text(version: object) -> object:
    """Return a version that YAML reads as a number, because it has no quotation marks, as text."""
    return str(version) if isinstance(version, float) else version


TlsVersion = Annotated[Literal["1.2", "1.3"], BeforeValidator(_as_text)]


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
        description="The file (PEM) with the certificate authorities of clients. Only clients with a certificate of "
        "one of these authorities may connect (mTLS).",
        examples=["/etc/driftline/clients-ca.crt"],
        json_schema_extra={"default": "clients need no certificate"},
    )
    min_version: TlsVersion = Field(
        default="1.2",
        description="The minimum version of TLS. For OTLP over gRPC, only `1.2` is possible. Clients can still use "
        "TLS 1.3.",
        examples=["1.3"],
    )
    reload_interval: Seconds | None = Field(
        default=None,
        description="How often the processor checks the files for changes. It also reads the files again on SIGHUP "
        "and `POST /-/reload`.",
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


class TlsClient(Section):
    """TLS of an exporter: trust in the destination, and the identity of the processor there."""

    insecure: StrictBool = Field(
        default=False,
        description="Send gRPC without TLS. An endpoint that starts with `http://` has the same effect. OTLP over "
        "HTTP does not use this key: the scheme of the endpoint decides.",
        examples=["true"],
        json_schema_extra={"shown": True},
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the trusted certificates.",
        examples=["ca.pem"],
        json_schema_extra={"default": "the certificates of the system"},
    )
    cert_file: FilePath | None = Field(
        default=None, description="The file (PEM) with the certificate of this processor.", examples=["client.pem"]
    )
    key_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the key of `cert_file`, without a passphrase.",
        examples=["client.key"],
    )
    insecure_skip_verify: StrictBool = Field(
        default=False,
        description="Send to a destination without verifying its certificate. Only for OTLP over HTTP: the library "
        "for gRPC always verifies the certificate.",
        examples=["true"],
    )
    server_name_override: Text | None = Field(
        default=None,
        description="The name in the certificate of the destination, if it is not the host of the endpoint.",
        examples=["collector.internal"],
        json_schema_extra={"default": "the host of the endpoint"},
    )
    min_version: TlsVersion = Field(
        default="1.2",
        description="The minimum version of TLS. For OTLP over gRPC, only `1.2` is possible. TLS 1.3 is still used if "
        "the destination supports TLS 1.3.",
        examples=["1.3"],
    )
    reload_interval: Seconds = Field(
        default=timedelta(minutes=1),
        description="How often the files are checked for changes. Later requests use the new files.",
        examples=["10s"],
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of certificates and of the key."""
        return tuple(file for file in (self.ca_file, self.cert_file, self.key_file) if file is not None)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        if self.insecure and (self.files or self.insecure_skip_verify or self.server_name_override):
            yield Problem("insecure", "true means no TLS, but other keys of tls are set; remove one of the two")
        elif self.insecure_skip_verify and self.ca_file is not None:
            yield Problem("insecure_skip_verify", "true means that ca_file is not used; remove one of the two")
        if self.reload_interval <= timedelta(0):
            yield Problem("reload_interval", "must be greater than 0; use a duration such as '60s'")
        try:
            self.context()
        except CertificateError as error:
            yield Problem(error.key, str(error))

    def context(self) -> ssl.SSLContext:
        """Return the context of a client. Raises CertificateError with the file, the rule and the fix."""
        context = client_context(self.ca_file, self.cert_file, self.key_file)
        context.minimum_version = _minimum_version(self.min_version)
        if self.insecure_skip_verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class CertificateError(ValueError):
    """A certificate or key cannot be used.

    Attributes:
        key: The key of the configuration.
    """

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def server_context(tls: TlsServer, kind: type[ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
    """Return the context of a listener. Raises CertificateError with the file, the rule and the fix."""
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _minimum_version(tls.min_version)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError("key_file", _key_sentence(tls.cert_file, tls.key_file, error)) from None
    if tls.client_ca_file is not None:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except (OSError, ValueError):
            raise CertificateError(
                "client_ca_file", f"{tls.client_ca_file} has no certificate; it must contain certificates as PEM"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Return the context of a client. Raises CertificateError with the file, the rule and the fix.

    Args:
        ca_file: Trusted certificates, as PEM; None = those of the system.
        cert_file: The certificate of the client, as PEM; None = none.
        key_file: The key of ``cert_file``.
    """
    for key, file, other, fix in (
        ("cert_file", cert_file, key_file, "key_file is set, and needs the certificate of this client"),
        ("key_file", key_file, cert_file, "cert_file is set, and needs its key"),
    ):
        if file is None and other is not None:
            raise CertificateError(key, f"is missing; {fix}")
    for key, file in (("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)):
        problem = None if file is None else file_problem(file, secret=key == "key_file")
        if problem is not None:
            raise CertificateError(key, problem)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError):
        raise CertificateError(
            "ca_file", f"{ca_file} has no certificate; it must contain certificates as PEM"
        ) from None
    if cert_file is not None and key_file is not None:
        problem = certificate_problem(cert_file)
        if problem is not None:
            raise CertificateError("cert_file", problem)
        try:
            context.load_cert_chain(cert_file, key_file, password=_no_passphrase)
        except (OSError, ValueError) as error:
            raise CertificateError("key_file", _key_sentence(cert_file, key_file, error)) from None
    return context


def file_stamps(files: Iterable[Path]) -> list[tuple[int, int] | None]:
    """Return what changes when files are replaced: their times and numbers; None for one that is missing."""
    stamps: list[tuple[int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
            stamps.append((status.st_mtime_ns, status.st_ino))
        except OSError:
            stamps.append(None)
    return stamps


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
        return f"{file} has no certificate; it must contain the certificate as PEM"
    if now > certificate.not_valid_after_utc:
        return f"{file} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew the certificate"
    if now < certificate.not_valid_before_utc:
        return (
            f"{file} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; "
            "check the clock of this machine"
        )
    return None


def _minimum_version(version: Literal["1.2", "1.3"]) -> ssl.TLSVersion:
    return ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2


def _key_sentence(cert_file: Path, key_file: Path, error: Exception) -> str:
    if "values mismatch" in str(error) or "KEY_VALUES_MISMATCH" in str(error):
        return f"{key_file} is not the key of the certificate {cert_file}; use the files of one issue"
    if "passphrase" in str(error):
        return f"{key_file} needs a passphrase; remove it, for example with 'openssl pkey'"
    return f"{key_file} has no private key that can be read; it must contain the key of {cert_file} as PEM"


def _no_passphrase() -> str:
    raise ValueError("the key needs a passphrase")

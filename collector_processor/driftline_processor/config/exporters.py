"""The keys below ``exporters``: one OTLP destination each, and the rules between its keys."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from os.path import isfile
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, StrictBool

from .section import Section
from .values import Address, FilePath, Seconds, Secret, Text

Forwarded = Literal["traces", "metrics", "logs", "records"]
"""What can be passed on as it came; ``records`` are the log records that are predictions, outcomes and baselines."""

ExporterType = Literal["otlp_grpc", "otlp_http"]
"""The types of exporter; each is a module in ``exporters/``."""

Derived = Literal["metrics", "traces"]
"""What Driftline makes itself: drift and performance as metrics, outcomes as spans."""


class Tls(Section):
    """How a destination is trusted, and how the processor identifies itself there."""

    insecure: StrictBool = Field(
        default=False,
        description="Send gRPC without TLS, as an endpoint that begins with `http://` does. Over HTTP the scheme of "
        "the endpoint decides.",
        examples=["true"],
        json_schema_extra={"shown": True},
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the certificates of whom to trust.",
        examples=["ca.pem"],
        json_schema_extra={"default": "those of the system"},
    )
    cert_file: FilePath | None = Field(
        default=None, description="The file (PEM) with the certificate of this processor.", examples=["client.pem"]
    )
    key_file: FilePath | None = Field(
        default=None, description="The file (PEM) with the key of `cert_file`.", examples=["client.key"]
    )

    def context(self) -> ssl.SSLContext:
        """Return the context of a client.

        Raises:
            OSError: A file cannot be used.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Exporter(Section):
    """One OTLP destination: what is forwarded to it, and what is derived for it."""

    endpoint: Text = Field(
        description="Where to send. gRPC: `host:port`. HTTP: the base URL, to which the processor adds `/v1/traces` "
        "and so on.",
        examples=['"${env:JAEGER:-127.0.0.1:14317}"'],
    )
    forward: tuple[Forwarded, ...] = Field(
        default=(),
        description="What is passed on as it came: `traces`, `metrics`, `logs`, or `records` (the log records that "
        "are predictions, outcomes and baselines).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    derived: tuple[Derived, ...] = Field(
        default=(),
        description="What Driftline makes: `metrics` (drift, performance), or `traces` (outcomes as "
        "[spans](../how-to/configure-the-processor.md#outcomes-as-spans), at most 100 a second).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of every request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    forward_headers: tuple[Text, ...] = Field(
        default=(),
        description="Names of received headers that travel on with a forwarded request.",
        examples=["[x-scope-orgid]"],
    )
    compression: Literal["gzip", "none"] | None = Field(
        default=None,
        description="How requests are compressed. Compression is three quarters of what forwarding costs.",
        examples=["none"],
        json_schema_extra={"default": "`gzip`; `none` for an address of this machine"},
    )
    timeout: Seconds = Field(
        default=timedelta(seconds=10), description="How long one request may take.", examples=["30s"]
    )
    tls: Tls = Field(default=Tls(), description="How the destination is trusted.")
    temporality: Literal["cumulative", "delta"] = Field(
        default="cumulative",
        description="The temporality of derived metrics; `delta` for backends that want it (Datadog, Dynatrace).",
        examples=["delta"],
    )

    def problems(self, name: str, listeners: Sequence[tuple[str, Address]]) -> Iterator[str]:
        """Yield a sentence for every rule that the destination breaks, beginning with ``.KEY: ``.

        Args:
            name: The exporter's name, which says how to send.
            listeners: Key and address of everything that this processor listens on.
        """
        kind = type_of(name)
        if kind is None:
            yield ": the name does not say how to send; write otlp_grpc/NAME or otlp_http/NAME"
            return
        if not self.forward and not self.derived:
            yield ": sends nothing; add some of forward: [traces, metrics, logs, records], derived: [metrics, traces]"
        if self.timeout <= timedelta(0):
            yield ".timeout: must be more than nothing; write '10s'"
        yield from self._tls_problems()
        yield from self._header_problems()
        target = _target(kind, self.endpoint)
        if isinstance(target, str):
            yield f".endpoint: {target}"
            return
        for key, address in listeners:
            if address.meets(target) and (address.host == target.host or target.loopback or target.everywhere):
                yield f".endpoint: {self.endpoint} is driftline's own {key}: a loop; write where it should go instead"

    def _tls_problems(self) -> Iterator[str]:
        if (self.tls.cert_file is None) != (self.tls.key_file is None):
            yield ".tls: cert_file and key_file belong together; write both or none"
        named = {key: getattr(self.tls, key) for key in ("ca_file", "cert_file", "key_file")}
        absent = {key: path for key, path in named.items() if path is not None and not isfile(path)}
        for key, path in absent.items():
            yield f".tls.{key}: there is no file {path}; the path is relative to this file"
        if not absent and any(named.values()):
            try:
                self.tls.context()
            except OSError as error:
                yield f".tls: the files cannot be used ({error}); write PEM files, and a key that fits"
        if self.tls.insecure and (self.tls.ca_file or self.tls.cert_file):
            yield ".tls.insecure: true means no TLS, but certificates are given; leave one of the two out"

    def _header_problems(self) -> Iterator[str]:
        for header, value in self.headers.items():
            if not _HEADER.fullmatch(header):
                yield f".headers: '{header}' is not a header; write letters, digits and hyphens"
            if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
                yield f".headers.{header}: the value has a line break, or another character that no header can carry"
        for header in self.forward_headers:
            if header.lower() in _OF_THE_REQUEST:
                yield f".forward_headers: '{header}' is of the request itself and cannot travel; leave it out"


_EXAMPLES: Mapping[ExporterType, str] = {
    "otlp_grpc": "'host:port', as in '127.0.0.1:14317'",
    "otlp_http": "a URL, as in 'http://127.0.0.1:14318'",
}
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_REQUEST = (
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
)


def _target(kind: ExporterType, endpoint: str) -> Address | str:
    """Return where an exporter sends, or what is wrong with its endpoint."""
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"'{endpoint}' has no usable port; write a number up to 65535"
    if kind == "otlp_http" and parts.scheme not in ("http", "https"):
        return f"'{endpoint}' has no scheme; write 'http://{endpoint}' or 'https://{endpoint}'"
    if parts.scheme in ("dns", "unix"):
        return Address("", 0)
    if not host or re.search(r"\s", endpoint):
        return f"'{endpoint}' has no host; write {_EXAMPLES[kind]}"
    if kind == "otlp_http":
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            if parts.path.rstrip("/").endswith(path):
                return f"'{endpoint}' names one signal; driftline adds {path} itself, so leave it out"
        return Address(host, port or (443 if parts.scheme == "https" else 80))
    if parts.scheme not in ("", "http", "https", "grpc", "grpcs"):
        return f"'{parts.scheme}://' is not known; write {_EXAMPLES[kind]}"
    if parts.path not in ("", "/"):
        return f"'{endpoint}' has a path, which gRPC does not; write 'host:port', or name the exporter otlp_http/NAME"
    if port is None:
        return f"'{endpoint}' has no port; write '{endpoint.rstrip('/')}:4317'"
    return Address(host, port)


TYPES: Mapping[str, ExporterType] = {
    "otlp_grpc": "otlp_grpc",
    "otlp": "otlp_grpc",
    "otlp_http": "otlp_http",
    "otlphttp": "otlp_http",
}
"""How a name may begin → the type of the exporter, which is the name of its module in ``exporters/``."""


def type_of(name: str) -> ExporterType | None:
    """Return the type of the exporter of a name, or None where the name says nothing.

    >>> type_of("otlp_grpc/jaeger"), type_of("otlphttp/prometheus"), type_of("jaeger")
    ('otlp_grpc', 'otlp_http', None)
    """
    return TYPES.get(name.partition("/")[0])


def forward_exporter(url: str) -> tuple[str, dict[str, Any]]:
    """Name and keys of the exporter behind ``--forward URL``: everything goes there.

    >>> forward_exporter("http://127.0.0.1:14318")[0], forward_exporter("127.0.0.1:14317")[0]
    ('otlp_http/forward', 'otlp_grpc/forward')
    """
    everything: dict[str, Any] = {"forward": list(get_args(Forwarded)), "derived": list(get_args(Derived))}
    if url.startswith(("http://", "https://")):
        return "otlp_http/forward", {"endpoint": url, **everything}
    scheme, _, rest = url.rpartition("://")
    if scheme not in ("", "grpc", "grpcs"):
        raise ValueError(
            f"--forward: '{scheme}://' is not known; write http://, https://, grpc://, grpcs:// or host:port"
        )
    return "otlp_grpc/forward", {"endpoint": rest.rstrip("/"), "tls": {"insecure": scheme != "grpcs"}, **everything}


def shown_endpoint(endpoint: str) -> str:
    """Return an endpoint for people: without the user and password that a URL may carry.

    >>> shown_endpoint("https://me:secret@collector.example/otlp")
    'https://collector.example/otlp'
    """
    scheme, mark, rest = endpoint.rpartition("://")
    netloc, slash, path = rest.partition("/")
    return f"{scheme}{mark}{netloc.rpartition('@')[2]}{slash}{path}"

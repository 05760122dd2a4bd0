"""The keys below ``exporters``: one class for each type of exporter, and the rules between its keys."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from os.path import isfile
from typing import Any, ClassVar, Literal, Self, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ModelWrapValidatorHandler, StrictBool, ValidationInfo, model_validator

from .http_keys import header_problems
from .section import Section
from .values import Address, FilePath, Seconds, Secret, Text

Forwarded = Literal["traces", "metrics", "logs", "records"]
"""Signals that pass on as they came; ``records`` are the log records that are predictions, outcomes and baselines."""

Derived = Literal["metrics", "traces", "logs"]
"""Signals that Driftline makes itself: drift and performance as metrics, outcomes as spans, new verdicts as logs."""


class Tls(Section):
    """The trust in a destination, and the identity of the processor there."""

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


_OF_THE_REQUEST = (
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
)


class Exporter(Section):
    """Keys of every type of exporter: what is forwarded to the destination, and what is derived for it.

    Attributes:
        type: The module in ``exporters/types/``, and what the exporter's name begins with.
        other_types: What the name may begin with instead.
    """

    type: ClassVar[str] = ""
    other_types: ClassVar[tuple[str, ...]] = ()

    forward: tuple[Forwarded, ...] = Field(
        default=(),
        description="What is passed on as it came: `traces`, `metrics`, `logs`, or `records` (the log records that "
        "are predictions, outcomes and baselines).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    derived: tuple[Derived, ...] = Field(
        default=(),
        description="What Driftline makes: `metrics` (drift, performance), `traces` (outcomes as "
        "[spans](../how-to/configure-the-processor.md#outcomes-as-spans), at most 100 a second), or `logs` (a record "
        "when the verdict of a model changes).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    forward_headers: tuple[Text, ...] = Field(
        default=(),
        description="Names of received headers that travel on with a forwarded request.",
        examples=["[x-scope-orgid]"],
    )
    temporality: Literal["cumulative", "delta"] = Field(
        default="cumulative",
        description="The temporality of derived metrics; `delta` for backends that want it (Datadog, Dynatrace).",
        examples=["delta"],
    )

    on_full: Literal["drop_oldest", "refuse"] = Field(
        default="drop_oldest",
        description="What happens when the destination is further behind than "
        "[the log](../how-to/configure-the-processor.md#the-log) reaches back: it loses its oldest requests, which are "
        "counted, or all senders are asked to come again.",
        examples=["refuse"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_type(cls, written: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        """Read the keys of the type that the name says; :func:`with_names` puts the name beside them."""
        if cls is not Exporter:
            return read(written)
        name, keys = written
        section = keys_of(name)
        if section is None:
            raise ValueError(f"the name does not say how to send; write {TYPES_IN_WORDS}")
        return section.model_validate(keys, context=info.context)

    @property
    def destination(self) -> str:
        """Address of the destination, for people: without any user and password."""
        raise NotImplementedError

    def problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break, beginning with ``.KEY: ``, or ``: `` for no single key.

        Args:
            listeners: Key and address of everything that this processor listens on.
        """
        if not self.forward and not self.derived:
            some, made = (", ".join(get_args(each)) for each in (Forwarded, Derived))
            yield f": sends nothing; add some of forward: [{some}], derived: [{made}]"
        yield from self._own_problems(listeners)

    def _own_problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[str]:
        """Yield a sentence for every rule of the type that the keys break."""
        raise NotImplementedError


class Otlp(Exporter):
    """Keys that OTLP over gRPC and over HTTP share."""

    endpoint: Text
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of every request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
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

    @property
    def destination(self) -> str:
        """The endpoint without the user and password that a URL may carry."""
        scheme, mark, rest = self.endpoint.rpartition("://")
        netloc, slash, path = rest.partition("/")
        return f"{scheme}{mark}{netloc.rpartition('@')[2]}{slash}{path}"

    def _own_problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[str]:
        if self.timeout <= timedelta(0):
            yield ".timeout: must be more than nothing; write '10s'"
        yield from self._tls_problems()
        yield from self._header_problems()
        try:
            target = self._target()
        except ValueError as problem:
            yield f".endpoint: {problem}"
            return
        for key, address in listeners:
            if address.meets(target) and (address.host == target.host or target.loopback or target.everywhere):
                yield f".endpoint: {self.endpoint} is driftline's own {key}: a loop; write where it should go instead"

    def _target(self) -> Address:
        """Return the destination of the exporter; a ValueError names the mistake in the endpoint."""
        endpoint = self.endpoint
        try:
            parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError(f"'{endpoint}' has no usable port; write a number up to 65535") from None
        return self._address(parts, "" if re.search(r"\s", endpoint) else host, port)

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        """Return the address in an endpoint's parts; ValueError says what is wrong with them."""
        raise NotImplementedError

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
        yield from (f".{problem}" for problem in header_problems(self.headers))
        for header in self.forward_headers:
            if header.lower() in _OF_THE_REQUEST:
                yield f".forward_headers: '{header}' is of the request itself and cannot travel; leave it out"


class OtlpGrpc(Otlp):
    """OTLP over gRPC."""

    type = "otlp_grpc"
    other_types = ("otlp",)

    endpoint: Text = Field(description="Where to send, as `host:port`.", examples=['"${env:JAEGER:-127.0.0.1:14317}"'])

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        example = "'host:port', as in '127.0.0.1:14317'"
        if parts.scheme in ("dns", "unix"):
            return Address("", 0)
        if not host:
            raise ValueError(f"'{self.endpoint}' has no host; write {example}")
        if parts.scheme not in ("", "http", "https", "grpc", "grpcs"):
            raise ValueError(f"'{parts.scheme}://' is not known; write {example}")
        if parts.path not in ("", "/"):
            raise ValueError(
                f"'{self.endpoint}' has a path, which gRPC does not; write 'host:port', or name the exporter "
                f"{OtlpHttp.type}/NAME"
            )
        if port is None:
            raise ValueError(f"'{self.endpoint}' has no port; write '{self.endpoint.rstrip('/')}:4317'")
        return Address(host, port)


class OtlpHttp(Otlp):
    """OTLP over HTTP, in protobuf."""

    type = "otlp_http"
    other_types = ("otlphttp",)

    endpoint: Text = Field(
        description="Where to send: the base URL, to which the processor adds `/v1/traces` and so on.",
        examples=['"${env:PROMETHEUS:-http://127.0.0.1:9090}/api/v1/otlp"'],
    )

    def _address(self, parts: SplitResult, host: str, port: int | None) -> Address:
        if parts.scheme not in ("http", "https"):
            raise ValueError(
                f"'{self.endpoint}' has no scheme; write 'http://{self.endpoint}' or 'https://{self.endpoint}'"
            )
        if not host:
            raise ValueError(f"'{self.endpoint}' has no host; write a URL, as in 'http://127.0.0.1:14318'")
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            if parts.path.rstrip("/").endswith(path):
                raise ValueError(f"'{self.endpoint}' names one signal; driftline adds {path} itself, so leave it out")
        return Address(host, port or (443 if parts.scheme == "https" else 80))


TYPES: tuple[type[Exporter], ...] = (OtlpGrpc, OtlpHttp)
"""The keys of each type of exporter; to add a type, add its class here and its module to ``exporters/types/``."""

TYPES_IN_WORDS = " or ".join(f"{section.type}/NAME" for section in TYPES)

_BY_TYPE = {name: section for section in TYPES for name in (section.type, *section.other_types)}


def keys_of(name: str) -> type[Exporter] | None:
    """Return the keys that an exporter of a name has, or None where the name says no type.

    >>> keys_of("otlp/jaeger"), keys_of("jaeger")
    (<class 'driftline_processor.config.exporters.OtlpGrpc'>, None)
    """
    return _BY_TYPE.get(name.partition("/")[0])


def with_names(exporters: object) -> object:
    """Put each exporter's name beside its keys, since the name says which keys there are."""
    return {name: (name, keys) for name, keys in exporters.items()} if isinstance(exporters, Mapping) else exporters


def forward_exporter(url: str) -> tuple[str, dict[str, Any]]:
    """Return name and keys of the exporter behind ``--forward URL``: everything goes there.

    >>> forward_exporter("http://127.0.0.1:14318")[0], forward_exporter("127.0.0.1:14317")[0]
    ('otlp_http/forward', 'otlp_grpc/forward')
    """
    everything: dict[str, Any] = {"forward": list(get_args(Forwarded)), "derived": list(get_args(Derived))}
    if url.startswith(("http://", "https://")):
        return f"{OtlpHttp.type}/forward", {"endpoint": url, **everything}
    scheme, _, rest = url.rpartition("://")
    if scheme not in ("", "grpc", "grpcs"):
        raise ValueError(
            f"--forward: '{scheme}://' is not known; write http://, https://, grpc://, grpcs:// or host:port"
        )
    return f"{OtlpGrpc.type}/forward", {
        "endpoint": rest.rstrip("/"),
        "tls": {"insecure": scheme != "grpcs"},
        **everything,
    }

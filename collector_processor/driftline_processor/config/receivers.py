"""The keys of OTLP below ``receivers``. The keys of another kind are in ``receivers/types/KIND.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from driftline_processor.core.nearest_names import near

from .kinds import RECEIVERS
from .section import Problem, Section, empty_is_default, under
from .tls import TlsServer
from .values import Address, Listen, Origin

_TLS: Any = Field(
    default=None,
    description="TLS of this address. [How to configure it](../deploy/security.md#tls).",
    json_schema_extra={"shown": "comment"},
)


class Grpc(Section):
    """OTLP over gRPC."""

    endpoint: Listen = Field(
        default=Address("127.0.0.1", 4317),
        description="The address that receives OTLP over gRPC.",
        examples=['"127.0.0.1:14317"'],
    )
    tls: TlsServer | None = _TLS


def tls_problems(tls: TlsServer | None, most: str = "1.3") -> Iterator[Problem]:
    """Yield the problems of the key ``tls`` of a listener; ``most``: the highest version that can be the minimum."""
    if tls is not None:
        yield from under("tls", tls.problems())
        if tls.min_version > most:
            yield Problem(
                "tls.min_version",
                f"'{tls.min_version}' is not available for gRPC, whose library has no such setting; use '{most}', with "
                "which clients that can use 1.3 do so",
            )


class Cors(Section):
    """Web pages that may send OTLP from a browser."""

    allowed_origins: tuple[Origin, ...] = Field(
        default=(),
        description="The sites whose web pages may send OTLP from a browser; `*` matches any part of a name.",
        examples=["[https://shop.example.com, https://*.example.com]"],
    )


class Http(Section):
    """OTLP over HTTP."""

    endpoint: Listen = Field(
        default=Address("127.0.0.1", 4318),
        description="The address that receives OTLP over HTTP (protobuf or JSON; plain, gzip, deflate, zstd) and "
        "[`POST /v1/outcomes`](http-api.md#post-v1outcomes).",
        examples=['"127.0.0.1:14318"'],
    )
    cors: Cors = Field(default=Cors(), description="Which web pages may send OTLP from a browser.")
    tls: TlsServer | None = _TLS


class Protocols(Section):
    """The OTLP protocols that are received."""

    grpc: Grpc | None = Field(
        default=None,
        description="Receive OTLP over gRPC. If `protocols` is absent, both protocols are received. Otherwise, only "
        "the protocols below `protocols` are received.",
        json_schema_extra={"shown": True},
    )
    http: Http | None = Field(
        default=None,
        description="Receive OTLP over HTTP. If `protocols` is absent, both protocols are received. Otherwise, only "
        "the protocols below `protocols` are received.",
        json_schema_extra={"shown": True},
    )


class Otlp(Section):
    """The OTLP receiver."""

    protocols: Annotated[Protocols, BeforeValidator(empty_is_default)] = Field(
        default=Protocols(grpc=Grpc(), http=Http()), description="The OTLP protocols that are received."
    )


class ReceiverKeys(Section):
    """Keys of every kind of receiver named ``KIND/NAME`` below ``receivers``."""

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        """Read the keys of the kind in the receiver's name, which :func:`with_receiver_names` adds."""
        if cls is not ReceiverKeys:
            return read(value)
        name, keys = value
        section = receiver_kind(name)
        if section is None:
            kind = name.partition("/")[0]
            raise ValueError(f"'{kind:.40}' is not a type of receiver; {near(kind, ['otlp', *RECEIVERS.names()])}")
        return section.model_validate(keys, context=info.context)

    def connect(self, key: str, around: Any) -> Any:
        """Return the receiver, see ``receivers/receiver.py``.

        Args:
            key: Its place in the file: ``kafka/labels``.
            around: The parts of the processor that receivers use.
        """
        raise NotImplementedError

    def problems(self, others: Mapping[str, ReceiverKeys]) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break.

        Args:
            others: The receivers before this one in the file, by name.
        """
        del others
        yield from ()


def receiver_kind(name: str) -> type[ReceiverKeys] | None:
    """Return the kind in a receiver's name; None if there is no such kind.

    >>> receiver_kind("kafka/labels").__name__
    'Kafka'
    """
    kind: type[ReceiverKeys] | None = RECEIVERS.find(name.partition("/")[0])
    return kind


def with_receiver_names(receivers: object) -> object:
    """Add each receiver's name to its keys, because the name determines the kind."""
    return {name: (name, keys) for name, keys in receivers.items()} if isinstance(receivers, Mapping) else receivers


class Declared(NamedTuple):
    """One receiver of the file.

    Attributes:
        key: Its place below ``receivers``, such as ``otlp.protocols.grpc`` or ``kafka/labels``.
        type: ``grpc``, ``http``, or the kind.
        settings: Its keys.
    """

    key: str
    type: str
    settings: Any

    @property
    def endpoint(self) -> Address | None:
        """Address of the receiver; None for a receiver without a listener."""
        return getattr(self.settings, "endpoint", None)


class Receivers(Section):
    """OTLP, and the receivers named ``KIND/NAME`` in the file."""

    otlp: Otlp = Field(default=Otlp(), description="OTLP over gRPC and HTTP.")
    named: Annotated[dict[str, ReceiverKeys], BeforeValidator(with_receiver_names)] = Field(
        default_factory=dict,
        description="Receivers of other kinds, each as `KIND/NAME`.",
        json_schema_extra={"name": "kafka/labels", "shown": "comment"},
    )

    @property
    def declared(self) -> list[Declared]:
        """Every receiver of the file."""
        protocols = [(name, getattr(self.otlp.protocols, name)) for name in Protocols.model_fields]
        declared_receivers = [
            Declared(f"otlp.protocols.{name}", name, keys) for name, keys in protocols if keys is not None
        ]
        return declared_receivers + [Declared(name, name.partition("/")[0], keys) for name, keys in self.named.items()]

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that receivers break."""
        protocols = self.otlp.protocols
        if protocols.grpc is not None:
            yield from under("otlp.protocols.grpc", tls_problems(protocols.grpc.tls, "1.2"))
        if protocols.http is not None:
            yield from under("otlp.protocols.http", tls_problems(protocols.http.tls))
        before: dict[str, ReceiverKeys] = {}
        for name, keys in self.named.items():
            yield from under(name, keys.problems(before))
            before[name] = keys


def by_name(receivers: object) -> object:
    """Return the receivers with each ``KIND/NAME`` moved below the key ``named``.

    >>> by_name({"otlp": 1, "kafka/labels": {"topics": "labels"}})
    {'otlp': 1, 'named': {'kafka/labels': {'topics': 'labels'}}}
    """
    if not isinstance(receivers, Mapping):
        return receivers
    keys_by_name = {key: keys for key, keys in receivers.items() if isinstance(key, str) and _is_kind(key)}
    rest = {key: keys for key, keys in receivers.items() if key not in keys_by_name}
    return {**rest, "named": keys_by_name} if keys_by_name else rest


def _is_kind(key: str) -> bool:
    return key not in Receivers.model_fields and ("/" in key or key in RECEIVERS.names())

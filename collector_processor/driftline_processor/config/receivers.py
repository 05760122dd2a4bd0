"""The keys below ``receivers``: one class for each type of receiver, and the rules between its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal, NamedTuple, get_origin

from pydantic import BeforeValidator, Field

from .section import Section, empty_is_default
from .values import Address, Form, Listen, Origin, Secret, Text, one_or_several


class Grpc(Section):
    """OTLP over gRPC."""

    endpoint: Listen = Field(
        default=Address("127.0.0.1", 4317),
        description="The address that receives OTLP over gRPC.",
        examples=['"127.0.0.1:14317"'],
    )


class Cors(Section):
    """Web pages that may send OTLP from a browser."""

    allowed_origins: tuple[Origin, ...] = Field(
        default=(),
        description="The sites whose web pages may send OTLP from a browser; `*` stands for any part of a name.",
        examples=["[https://shop.example.com, https://*.example.com]"],
    )


class Http(Section):
    """OTLP over HTTP."""

    endpoint: Listen = Field(
        default=Address("127.0.0.1", 4318),
        description="The address that receives OTLP over HTTP (protobuf or JSON; plain, gzip, deflate) and "
        "[`POST /v1/outcomes`](http-api.md#post-v1outcomes).",
        examples=['"127.0.0.1:14318"'],
    )
    cors: Cors = Field(default=Cors(), description="Which web pages may send OTLP from a browser.")


class Protocols(Section):
    """The OTLP protocols that are received."""

    grpc: Grpc | None = Field(
        default=None,
        description="Receive OTLP over gRPC. Only protocols that are named are received; both where `protocols` is "
        "absent.",
        json_schema_extra={"shown": True},
    )
    http: Http | None = Field(
        default=None,
        description="Receive OTLP over HTTP. Only protocols that are named are received; both where `protocols` is "
        "absent.",
        json_schema_extra={"shown": True},
    )


class Otlp(Section):
    """The OTLP receiver."""

    protocols: Annotated[Protocols, BeforeValidator(empty_is_default)] = Field(
        default=Protocols(grpc=Grpc(), http=Http()), description="The OTLP protocols that are received."
    )


_OURS = {
    "bootstrap.servers": "write brokers",
    "group.id": "write group",
    "auto.offset.reset": "write start",
    "enable.auto.commit": "leave it out: messages count when they are on disk",
    "enable.auto.offset.store": "leave it out: messages count when they are on disk",
}

Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_several), Form("text, or list of text")]


class Kafka(Section):
    """Topics of Kafka, and what their messages hold."""

    brokers: Texts = Field(
        description="The brokers to connect to first: one `host:port`, or a list.", examples=['["kafka:9092"]']
    )
    topics: Texts = Field(
        description="One topic, or a list. The receiver waits for a topic that does not exist yet.",
        examples=["[labels]"],
    )
    group: Text = Field(
        default="driftline",
        description="The consumer group. Members of a group share partitions, so each processor needs its own group.",
        examples=["driftline-eu"],
    )
    format: Literal["json", "ndjson", "otlp_proto", "otlp_json"] = Field(
        default="json",
        description="What a message holds. `json`: an outcome, a list of outcomes, or a document as of "
        "[`POST /v1/outcomes`](http-api.md#post-v1outcomes). `ndjson`: an outcome a line. `otlp_proto`, `otlp_json`: "
        "an OTLP request, as the Collector's exporter for Kafka writes it.",
        examples=["otlp_proto"],
    )
    signal: Literal["logs", "traces", "metrics"] = Field(
        default="logs",
        description="The signal of the OTLP requests; `logs` hold records and outcomes. Only for OTLP formats.",
        examples=["traces"],
        json_schema_extra={"shown": "comment"},
    )
    model: Text | None = Field(default=None, description="The model of outcomes that name none.", examples=["churn"])
    environment: Text | None = Field(
        default=None, description="The environment of outcomes that name none.", examples=["production"]
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a new consumer group begins to read.", examples=["latest"]
    )
    options: dict[str, Secret] = Field(
        default_factory=dict,
        description="Settings of [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md),"
        " such as `security.protocol`, `sasl.mechanisms`, `sasl.username`, `sasl.password` and `ssl.ca.location`. "
        "The values are secrets and appear nowhere.",
        examples=['{security.protocol: sasl_ssl, sasl.username: me, sasl.password: "${env:KAFKA_PASSWORD}"}'],
    )


class Declared(NamedTuple):
    """One receiver of the file.

    Attributes:
        key: Where it stands below ``receivers``, such as ``otlp.protocols.grpc`` or ``kafka/labels``.
        type: The module in ``receivers/``.
        settings: Its keys.
    """

    key: str
    type: str
    settings: Any

    @property
    def endpoint(self) -> Address | None:
        """Address of the receiver; None for a receiver that fetches."""
        return getattr(self.settings, "endpoint", None)


class Receivers(Section):
    """A field for each type of receiver. ``TYPE/NAME`` is a key of the field ``TYPE``."""

    otlp: Otlp = Field(default=Otlp(), description="OTLP over gRPC and HTTP.")
    kafka: dict[str, Kafka] = Field(
        default_factory=dict,
        description="Topics of Kafka with outcomes or OTLP requests; needs `pip install confluent-kafka`.",
        json_schema_extra={"name": "labels", "shown": "comment"},
    )

    @property
    def declared(self) -> list[Declared]:
        """Every receiver of the file."""
        protocols = [(name, getattr(self.otlp.protocols, name)) for name in Protocols.model_fields]
        found = [Declared(f"otlp.protocols.{name}", name, keys) for name, keys in protocols if keys is not None]
        several = [(kind, name, keys) for kind in NAMED for name, keys in getattr(self, kind).items()]
        return found + [Declared(f"{kind}/{name}", kind, keys) for kind, name, keys in several]

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the receivers of Kafka break, beginning with the name of one."""
        if self.kafka and find_spec("confluent_kafka") is None:
            yield f"kafka/{next(iter(self.kafka))}: Kafka's client is not installed; pip install confluent-kafka"
        read: dict[tuple[str, str], str] = {}
        for name, kafka in self.kafka.items():
            yield from (f"kafka/{name}.{problem}" for problem in _kafka_problems(name, kafka, read))


def _kafka_problems(name: str, kafka: Kafka, read: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield the mistakes of one receiver. ``read``: group and topic → the receiver that reads it first."""
    for key, values in (("brokers", kafka.brokers), ("topics", kafka.topics)):
        if not values:
            yield f"{key}: none are named; write at least one"
    for broker in kafka.brokers:
        if not broker.rpartition(":")[2].isdecimal():
            yield f"brokers: '{broker}' has no port; write '{broker}:9092'"
    for topic in kafka.topics:
        other = read.setdefault((kafka.group, topic), name)
        if other != name:
            yield f"topics: group '{kafka.group}' reads '{topic}' in kafka/{other}, too; name it once"
    for option in kafka.options:
        if option in _OURS:
            yield f"options: '{option}' is Driftline's own; {_OURS[option]}"
    if "signal" in kafka.model_fields_set and not kafka.format.startswith("otlp_"):
        yield f"signal: {kafka.format} holds outcomes; leave it out, or write format: otlp_proto"
    if kafka.format.startswith("otlp_") and (kafka.model or kafka.environment):
        yield "model: OTLP says itself whose its rows are; leave model and environment out"


NAMED = tuple(name for name, field in Receivers.model_fields.items() if get_origin(field.annotation) is dict)
"""The types of receiver of which there may be several, each as ``TYPE/NAME``."""


def by_type(receivers: object) -> object:
    """Return the receivers with each ``TYPE/NAME`` below one key ``TYPE``, by name.

    >>> by_type({"otlp": 1, "kafka/labels": {"topics": "labels"}})
    {'otlp': 1, 'kafka': {'labels': {'topics': 'labels'}}}
    """
    if not isinstance(receivers, Mapping):
        return receivers
    found: dict[Any, Any] = {}
    for key, tree in receivers.items():
        kind, _, name = key.partition("/") if isinstance(key, str) else (key, "", "")
        if kind in NAMED:
            found.setdefault(kind, {})[name or kind] = tree
        else:
            found[key] = tree
    return found

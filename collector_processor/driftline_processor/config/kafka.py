"""``receivers.kafka/NAME``: topics of Kafka from which outcomes, or OTLP requests, are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .values import Secret, Text, one_or_several

_OURS = {
    "bootstrap.servers": "write brokers",
    "group.id": "write group",
    "auto.offset.reset": "write start",
    "enable.auto.commit": "leave it out: messages count when they are on disk",
    "enable.auto.offset.store": "leave it out: messages count when they are on disk",
}

Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_several)]


class Kafka(BaseModel):
    """Topics, and what their messages are.

    ``format``: ``json`` (an outcome, a list of them, or a document as of ``POST /v1/outcomes``), ``ndjson`` (an outcome
    a line), ``otlp_proto`` or ``otlp_json`` (requests of one ``signal``). ``model`` / ``environment``: of outcomes that
    name none. ``start``: where a group begins that has read nothing. ``options``: settings of librdkafka.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    brokers: Texts
    topics: Texts
    group: Text = "driftline"
    format: Literal["json", "ndjson", "otlp_proto", "otlp_json"] = "json"
    signal: Literal["logs", "traces", "metrics"] = "logs"
    model: Text | None = None
    environment: Text | None = None
    start: Literal["earliest", "latest"] = "earliest"
    options: dict[str, Secret] = Field(default_factory=dict)


def renamed(receivers: object) -> object:
    """Return the receivers with those of ``kafka/NAME`` below one key, ``kafka``, by name.

    >>> renamed({"otlp": 1, "kafka/labels": {"topics": "labels"}})
    {'otlp': 1, 'kafka': {'labels': {'topics': 'labels'}}}
    """
    if not isinstance(receivers, Mapping):
        return receivers
    kafka = {str(name).partition("/")[2] or "kafka": tree for name, tree in receivers.items() if _is_kafka(name)}
    others: dict[Any, Any] = {name: tree for name, tree in receivers.items() if not _is_kafka(name)}
    return {**others, "kafka": kafka} if kafka else others


def _is_kafka(name: object) -> bool:
    return isinstance(name, str) and (name == "kafka" or name.startswith("kafka/"))


def broken_kafka(receivers: Mapping[str, Kafka]) -> Iterator[str]:
    """Yield a sentence for every rule that a receiver breaks, beginning with its name."""
    if receivers and find_spec("confluent_kafka") is None:
        yield f"{next(iter(receivers))}: Kafka's client is not installed; pip install confluent-kafka"
    read: dict[tuple[str, str], str] = {}
    for name, kafka in receivers.items():
        for key, values in (("brokers", kafka.brokers), ("topics", kafka.topics)):
            if not values:
                yield f"{name}.{key}: none are named; write at least one"
        for broker in kafka.brokers:
            if not broker.rpartition(":")[2].isdecimal():
                yield f"{name}.brokers: '{broker}' has no port; write '{broker}:9092'"
        for topic in kafka.topics:
            other = read.setdefault((kafka.group, topic), name)
            if other != name:
                yield f"{name}.topics: group '{kafka.group}' reads '{topic}' in kafka/{other}, too; name it once"
        for option in kafka.options:
            if option in _OURS:
                yield f"{name}.options: '{option}' is Driftline's own; {_OURS[option]}"
        if "signal" in kafka.model_fields_set and not kafka.format.startswith("otlp_"):
            yield f"{name}.signal: {kafka.format} holds outcomes; leave it out, or write format: otlp_proto"
        if kafka.format.startswith("otlp_") and (kafka.model or kafka.environment):
            yield f"{name}.model: OTLP says itself whose its rows are; leave model and environment out"

"""Send an alert as a CloudEvents 1.0 event over HTTP or Kafka; its id is the message's id.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and in the same repository
``bindings/http-protocol-binding.md``, ``bindings/kafka-protocol-binding.md`` and
``extensions/partitioning.md``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from driftline_processor.config.actions import Occasions
from driftline_processor.config.http_keys import Mapped, header_problems, secret_url_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import Secret, Text, one_or_several
from driftline_processor.core.policy.template import fill_tree
from driftline_processor.policy.action import HttpAction, Surroundings, facts_of
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Request
from driftline_processor.policy.message import Message
from driftline_processor.present.wording import iso_time

LONGEST_SUBJECT: Final = 500
"""Upper limit of characters of a subject, which is sent as a header: servers accept some thousand bytes of headers."""

STRUCTURED: Final = "application/cloudevents+json; charset=utf-8"

_NOT_A_STRING = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that are invalid in attributes (section "Type System" of the specification)."""

_log = logging.getLogger("driftline.kafka")


class CloudEvents(HttpAction):
    """Sends a CloudEvents 1.0 event over HTTP or Kafka. Retries have the same id, so receivers detect duplicates."""

    follows = True

    on: Occasions = Field(
        default=("opened", "worse", "resolved"),
        description="When the event is sent. Its type is `io.driftline.alert.opened`, `io.driftline.alert.worse` or "
        "`io.driftline.alert.resolved`. `opened` also sends what changes in an open incident: "
        "`io.driftline.alert.joined` (another alert or fault), `io.driftline.alert.cause_changed` and "
        "`io.driftline.alert.recovered` (one of several faults is over).",
        examples=["[opened, resolved]"],
    )
    url: Secret | None = Field(
        default=None,
        description="The URL to send to over HTTP. Only its host is shown or logged.",
        examples=['"https://events.example.com/"'],
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request in addition to the headers of the event. The values are never shown or "
        "logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    brokers: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        default=(),
        description="The Kafka brokers to connect to first, instead of `url`. Requires `pip install confluent-kafka`.",
        examples=['["kafka:9092"]'],
    )
    topic: Text | None = Field(
        default=None,
        description="The Kafka topic. The key of each record is the id of the incident.",
        examples=["alerts"],
    )
    options: dict[str, Secret] = Field(
        default_factory=dict,
        description="Settings of [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md),"
        " such as `security.protocol` and `sasl.password`. The values are never shown or logged.",
        examples=['{security.protocol: sasl_ssl, sasl.username: me, sasl.password: "${env:KAFKA_PASSWORD:-none}"}'],
    )
    source: Text = Field(
        default="/driftline",
        description="The source of the event, as a URI reference. Receivers identify an event by `source` and `id`.",
        examples=["https://driftline.example.com"],
    )
    data: Mapped | None = Field(
        default=None,
        description="The data of the event, with [placeholders](../alert/actions.md#placeholders).",
        examples=['{model: "{model}", page: "{page}"}'],
        json_schema_extra={"default": "[the message](../alert/notifications.md#webhooks)"},
    )

    def may_change_model(self, name: str) -> bool:
        """Return True for an event that asks its receivers to retrain or to roll back; ``name``: of the action."""
        return self.is_retraining(name) or "rollback" in name

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        if (self.url is None) == (not self.brokers):
            yield Problem("url", "set either url, or brokers and topic")
        elif self.url is not None:
            yield from self._http_problems(self.url.get_secret_value())
        else:
            yield from self._kafka_problems()
        if not re.fullmatch(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", self.source):
            yield Problem(
                "source",
                f"'{self.source:.80}' is not a URI reference; use for example '/driftline' or 'https://host/path'",
            )

    def _http_problems(self, url: str) -> Iterator[Problem]:
        yield from secret_url_problems(url)
        if "{" in url:
            yield Problem(
                "url",
                "contains a brace, but placeholders are not supported here; remove it (all events are sent to the same "
                "URL, and receivers distinguish them by their attributes)",
            )
        yield from header_problems(self.headers)
        for header in self.headers:
            if header.lower().startswith("ce-") or header.lower() == "content-type":
                yield Problem(f"headers.{header}", "is set by the event itself; remove it")
        for key in ("topic", "options"):
            if key in self.model_fields_set:
                yield Problem(key, "works only with Kafka; remove it, or set brokers instead of url")

    def _kafka_problems(self) -> Iterator[Problem]:
        if find_spec("confluent_kafka") is None:
            yield Problem("brokers", "Kafka's client is not installed; pip install confluent-kafka")
        for broker in self.brokers:
            if not broker.rpartition(":")[2].isdecimal():
                yield Problem("brokers", f"'{broker:.80}' has no port; use '{broker:.80}:9092'")
        if self.topic is None:
            yield Problem("topic", "is missing; set the name of a topic")
        elif not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", self.topic):
            yield Problem("topic", f"'{self.topic:.40}' is not a topic name; use letters, digits, '.', '_' and '-'")
        for option in self.options:
            if option in _PRODUCER:
                yield Problem("options", f"'{option:.40}' is set by Driftline; {_PRODUCER[option]}")
        if self.headers:
            yield Problem("headers", "work only with url (HTTP); remove them")

    def describe(self, message: Message) -> str:
        """Return the event and its destination."""
        place = f"the topic {self.topic}" if self.url is None else urlsplit(self.address).hostname
        return f"would send to {place}: {_json(self._event(message)).decode()}"

    def request(self, message: Message) -> Request:
        """Return the event as an HTTP request."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        headers["content-type"] = STRUCTURED
        return Request("POST", self.address, content=_json(self._event(message)), headers=headers)

    def carry_out(self, message: Message, around: Surroundings) -> str:
        """Send the event and return the receiver's answer."""
        if self.url is not None:
            return super().carry_out(message, around)
        options = {name: value.get_secret_value() for name, value in self.options.items()}
        settings = {
            "client.id": "driftline",
            **options,
            "bootstrap.servers": ",".join(self.brokers),
            "enable.idempotence": True,
            "message.timeout.ms": max(1, int(self.timeout.total_seconds() * 1000)),
        }
        headers = {"content-type": STRUCTURED}
        event = _json(self._event(message))
        record = {"topic": self.topic, "key": message.alert.encode(), "headers": headers, "value": event}
        return write_record(settings, record, self.timeout.total_seconds() + 1)

    def _event(self, message: Message) -> dict[str, Any]:
        """Return the event in the JSON format; repeats of a message have the same attributes."""
        template = self.data
        facts = facts_of(message)
        data = {"id": message.id, **message.facts} if template is None else fill_tree(template, facts)
        attributes = {
            "specversion": "1.0",
            "id": message.id,
            "source": self.source,
            "type": f"io.driftline.alert.{message.kind}",
            "subject": str(facts["model"] or "")[:LONGEST_SUBJECT],
            "time": iso_time(message.created),
            "datacontenttype": "application/json",
            "partitionkey": message.alert,
        }
        texts = {name: _NOT_A_STRING.sub("\N{REPLACEMENT CHARACTER}", value) for name, value in attributes.items()}
        return {name: value for name, value in texts.items() if value} | {"data": data}


_PRODUCER: Mapping[str, str] = {
    "bootstrap.servers": "use brokers",
    "enable.idempotence": "remove it: an event is written once",
    "acks": "remove it: an event is acknowledged by all replicas",
    "message.timeout.ms": "use timeout",
}


def write_record(settings: dict[str, Any], record: Mapping[str, Any], seconds: float) -> str:
    """Write a record to a Kafka topic, wait for the brokers' acknowledgement, and return its position.

    Args:
        settings: Settings of librdkafka.
        record: Topic, key, headers and value; the key is the alert, so that its events stay in order.
        seconds: Upper limit of the waiting time.

    Raises:
        NotTaken: The brokers did not accept it.
    """
    error: Any
    written: Any
    answers: list[tuple[Any, Any]] = []
    producer: Any = None
    try:
        producer = _producer(settings)
        headers = [(name, value.encode("utf-8", "replace")) for name, value in record["headers"].items()]
        producer.produce(
            record["topic"],
            value=record["value"],
            key=record["key"],
            headers=headers,
            on_delivery=lambda error, record: answers.append((error, record)),
        )
        producer.flush(seconds)
    except Exception as failed:  # invalid settings, or an event that is too large
        answers.append((failed.args[0] if failed.args else failed, None))
    error, written = answers[0] if answers else ("the brokers did not answer in time", None)
    if error is None:
        return f"{written.topic()}/{written.partition()}, offset {written.offset()}"
    if producer is not None:  # unwritten records are discarded, and the message is sent again
        producer.purge()
        producer.poll(0)
    name = error.name() if hasattr(error, "name") else ""
    reason = error.str() if hasattr(error, "str") else str(error)
    raise NotTaken(Answer("refused" if name == "MSG_SIZE_TOO_LARGE" else "put_off", f"{name} {reason}".strip()))


def _producer(settings: dict[str, Any]) -> Any:
    from confluent_kafka import Producer

    return Producer(settings, logger=_log)


def _json(tree: Any) -> bytes:
    return json.dumps(tree, allow_nan=False).encode()


ACTION = CloudEvents

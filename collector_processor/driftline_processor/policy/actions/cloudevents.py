"""Send an alert as an event of CloudEvents 1.0, over HTTP or Kafka; its id is that of the message.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and beside it
``bindings/http-protocol-binding.md``, ``bindings/kafka-protocol-binding.md`` and ``extensions/partitioning.md``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from driftline_processor.config.actions import CloudEvents
from driftline_processor.core.policy import facts_for_templates, fill_tree
from driftline_processor.core.wording import iso_time
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken
from driftline_processor.policy.channels.secrets import secret_parts
from driftline_processor.policy.sources import Sources

from .action import header_secrets

LONGEST_SUBJECT: Final = 500
"""Characters of a subject, which travels in a header: servers take some thousand bytes of those."""

STRUCTURED: Final = "application/cloudevents+json; charset=utf-8"

_NOT_A_STRING = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that no attribute holds (section "Type System" of the specification)."""

_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""Characters that stand for themselves in a header (section 3.1.3.2 of the HTTP binding)."""

_log = logging.getLogger("driftline.kafka")


class CloudEventsAction:
    """The events of alerts, for one receiver."""

    def __init__(self, config: CloudEvents, _: Sources) -> None:
        self._config = config
        url = config.url
        self._sender = _Kafka(config) if url is None else _Http(config, url.get_secret_value())
        options = [value.get_secret_value() for value in config.options.values()]
        self.secrets = [*header_secrets(config.headers), *options, *self._sender.secrets]

    def describe(self, message: Message) -> str:
        """Return the event and where it would go."""
        return f"would send to {self._sender.place}: {_json(self._event(message)).decode()}"

    def carry_out(self, message: Message) -> str:
        """Send the event, and return what the receiver said."""
        event = self._event(message)
        if self._config.mode == "structured":
            return self._sender.send(message.alert, {"content-type": STRUCTURED}, _json(event))
        attributes = {name: value for name, value in event.items() if name not in ("data", "datacontenttype")}
        return self._sender.send(
            message.alert,
            {"content-type": event["datacontenttype"], **self._sender.headers(attributes)},
            _json(event["data"]),
        )

    def close(self) -> None:
        """End connections."""
        self._sender.close()

    def _event(self, message: Message) -> dict[str, Any]:
        """Return the event in the JSON format; its attributes are the same whenever the message comes."""
        template = self._config.data
        facts = facts_for_templates(message.id, message.facts)
        data = {"id": message.id, **message.facts} if template is None else fill_tree(template, facts)
        attributes = {
            "specversion": "1.0",
            "id": message.id,
            "source": self._config.source,
            "type": f"io.driftline.alert.{message.kind}",
            "subject": str(facts["model"] or "")[:LONGEST_SUBJECT],
            "time": iso_time(message.made),
            "datacontenttype": "application/json",
            "partitionkey": message.alert,
        }
        texts = {name: _NOT_A_STRING.sub("\N{REPLACEMENT CHARACTER}", value) for name, value in attributes.items()}
        return {name: value for name, value in texts.items() if value} | {"data": data}


class _Http:
    """Sends events over HTTP."""

    def __init__(self, config: CloudEvents, url: str) -> None:
        self._url = url
        self.place, self.secrets = str(urlsplit(url).hostname), [*secret_parts(url)]
        own = {name: value.get_secret_value() for name, value in config.headers.items()}
        self._service = HttpService(url, config.timeout.total_seconds(), own)

    def headers(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of attributes.

        >>> _Http.headers(None, {"subject": "Straße %"})
        {'ce-subject': 'Stra%C3%9Fe%20%25'}
        """
        return {f"ce-{name}": quote(value, safe=_HEADER_SAFE) for name, value in attributes.items()}

    def send(self, _: str, headers: Mapping[str, str], body: bytes) -> str:
        """Send an event, and return the status of the answer."""
        return f"HTTP {self._service.ask('POST', self._url, content=body, headers=headers).status}"

    def close(self) -> None:
        """Close the connection."""
        self._service.close()


class _Kafka:
    """Writes events to a topic of Kafka; the key is the alert, so that what is said of one stays in its order.

    Args:
        config: The keys.
        connect: Makes the producer from settings of librdkafka; tests give their own.
    """

    def __init__(self, config: CloudEvents, connect: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self._topic, self._timeout = config.topic, config.timeout.total_seconds()
        self._connect = connect or _producer
        self.place = f"the topic {config.topic}"
        self.secrets: list[str] = []
        self._settings = {
            "client.id": "driftline",
            **{name: secret.get_secret_value() for name, secret in config.options.items()},
            "bootstrap.servers": ",".join(config.brokers),
            "enable.idempotence": True,
            "message.timeout.ms": max(1, int(self._timeout * 1000)),
        }
        self._producer: Any = None

    def headers(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of attributes.

        >>> _Kafka.headers(None, {"subject": "Straße"})
        {'ce_subject': 'Straße'}
        """
        return {f"ce_{name}": value for name, value in attributes.items()}

    def send(self, key: str, headers: Mapping[str, str], body: bytes) -> str:
        """Write an event, wait until the brokers have it, and return where it is."""
        error: Any
        written: Any
        came: list[tuple[Any, Any]] = []
        try:
            if self._producer is None:
                self._producer = self._connect(self._settings)
            self._producer.produce(
                self._topic,
                value=body,
                key=key.encode(),
                headers=[(name, value.encode("utf-8", "replace")) for name, value in headers.items()],
                on_delivery=lambda error, written: came.append((error, written)),
            )
            self._producer.flush(self._timeout + 1)
        except Exception as failed:  # settings that are none, or an event that is too large
            came.append((failed.args[0] if failed.args else failed, None))
        error, written = came[0] if came else ("the brokers did not answer in time", None)
        if error is None:
            return f"{written.topic()}/{written.partition()}, offset {written.offset()}"
        self.close()  # a producer that could not write once may be at its end; the next message gets a new one
        name = error.name() if hasattr(error, "name") else ""
        said = error.str() if hasattr(error, "str") else str(error)
        raise NotTaken(Answer("refused" if name == "MSG_SIZE_TOO_LARGE" else "put_off", f"{name} {said}".strip()))

    def close(self) -> None:
        """Forget what is not written: the message is sent again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.poll(0)


def _producer(settings: dict[str, Any]) -> Any:
    from confluent_kafka import Producer

    return Producer(settings, logger=_log)


def _json(tree: Any) -> bytes:
    return json.dumps(tree, allow_nan=False).encode()


ACTION = CloudEventsAction

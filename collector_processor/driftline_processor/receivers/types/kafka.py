"""A Kafka consumer: messages become tables, stored in one transaction with their offsets, then committed.

It polls again when its messages are on disk, so a slow state slows the reading, and the brokers keep the rest.
librdkafka reconnects and waits for topics that do not exist yet.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from driftline.export.backoff import doubling_pauses
from driftline.semconv import attributes, metrics
from pydantic import BeforeValidator, Field

from driftline_processor.config.receivers import ReceiverKeys
from driftline_processor.config.section import Problem
from driftline_processor.config.values import Address, Form, Secret, Text, one_or_several
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.receipts import NO_HEADERS, UNUSABLE_PANE, Overloaded, PanesReceipt, Receipt

if TYPE_CHECKING:
    from driftline_processor.core.decode.written_panes import WrittenPanes
    from driftline_processor.ingest.queue_offsets import Offset
    from driftline_processor.ingest.transaction import Request
    from driftline_processor.receivers.receiver import Intake, Surroundings

_log = logging.getLogger("driftline")

BATCH = 2_000
"""Maximum number of messages per transaction."""

_POLL = 0.5
_LONGEST_WAIT = 30.0


_OURS = {
    "bootstrap.servers": "use brokers",
    "group.id": "use group",
    "auto.offset.reset": "use start",
    "enable.auto.commit": "remove it: messages are acknowledged when they are on disk",
    "enable.auto.offset.store": "remove it: messages are acknowledged when they are on disk",
}

Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_several), Form("text, or list of text")]


class Kafka(ReceiverKeys):
    """Kafka topics with outcomes, OTLP requests or panes. Requires `pip install confluent-kafka`."""

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
    format: Literal["json", "ndjson", "otlp_proto", "otlp_json", "panes"] = Field(
        default="json",
        description="The content of a message. `json`: an outcome, a list of outcomes, or a document as for "
        "[`POST /v1/outcomes`](http-api.md#post-v1outcomes). `ndjson`: one outcome per line. `otlp_proto`, "
        "`otlp_json`: an OTLP request, as the Kafka exporter of the Collector writes it. `panes`: a document as for "
        "[`POST /v1/panes`](panes.md).",
        examples=["otlp_proto"],
    )
    signal: Literal["logs", "traces", "metrics"] = Field(
        default="logs",
        description="The signal of the OTLP requests. `logs` contain predictions, baselines and outcomes. This key is "
        "only for OTLP formats.",
        examples=["traces"],
        json_schema_extra={"shown": "comment"},
    )
    model: Text | None = Field(
        default=None, description="The model to which outcomes without a model name belong.", examples=["churn"]
    )
    environment: Text | None = Field(
        default=None,
        description="The environment to which outcomes without an environment belong.",
        examples=["production"],
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where a new consumer group starts to read.", examples=["latest"]
    )
    options: dict[str, Secret] = Field(
        default_factory=dict,
        description="Settings of "
        "[librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md), such as "
        "`security.protocol`, `sasl.mechanisms`, `sasl.username`, `sasl.password` and `ssl.ca.location`. The "
        "values are never shown or logged.",
        examples=['{security.protocol: sasl_ssl, sasl.username: me, sasl.password: "${env:KAFKA_PASSWORD}"}'],
    )

    def connect(self, key: str, around: Surroundings) -> KafkaReceiver:
        """Return the consumer of the topics."""
        return KafkaReceiver(key, self, around)

    def problems(self, others: Mapping[str, ReceiverKeys]) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        if find_spec("confluent_kafka") is None:
            yield Problem("brokers", "Kafka's client is not installed; pip install confluent-kafka")
        for key, values in (("brokers", self.brokers), ("topics", self.topics)):
            if not values:
                yield Problem(key, "the list is empty; add at least one")
        for broker in self.brokers:
            if not broker.rpartition(":")[2].isdecimal():
                yield Problem("brokers", f"'{broker}' has no port; use '{broker}:9092'")
        for topic in self.topics:
            for name, other_receiver in others.items():
                if (
                    isinstance(other_receiver, Kafka)
                    and other_receiver.group == self.group
                    and topic in other_receiver.topics
                ):
                    yield Problem(
                        "topics", f"group '{self.group}' also reads '{topic}' in {name}; use the topic only once"
                    )
        for option in self.options:
            if option in _OURS:
                yield Problem("options", f"'{option}' is set by Driftline; {_OURS[option]}")
        if "signal" in self.model_fields_set and not self.format.startswith("otlp_"):
            yield Problem(
                "signal", f"applies only to OTLP formats, not to {self.format}; remove it, or set format: otlp_proto"
            )
        if self.format.startswith("otlp_") and (self.model or self.environment):
            yield Problem("model", "OTLP messages already contain the model and the environment; remove both keys")
        if self.format == "panes" and (self.model or self.environment):
            yield Problem("model", "documents of panes already contain the model and the environment; remove both keys")


class KafkaReceiver:
    """Stores the messages of some topics, on its own thread."""

    address: Address | None = None
    """None, because it does not listen."""

    def __init__(
        self,
        key: str,
        settings: Kafka,
        around: Surroundings,
        connect: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        """Create a receiver without connecting.

        Args:
            key: Configuration key, for the log: ``kafka/labels``.
            settings: The configuration of the receiver.
            around: The counters and the clock.
            connect: Creates the consumer from settings of librdkafka; replaced in tests.
        """
        self._key, self._settings, self._connect = key, settings, connect or _consumer
        self._counters, self._clock = around.counters, around.clock
        self._intake: Intake
        self._stopping = threading.Event()
        self._logged: set[str] = set()
        self._consumer: Any = None
        self._thread = threading.Thread(target=self._run, name=f"driftline-{key}", daemon=True)
        self.line = f"topics of Kafka: {', '.join(settings.topics)}"

    def start(self, intake: Intake) -> None:
        """Subscribe and start. No broker needs to be available yet."""
        settings, self._intake = self._settings, intake
        self._consumer = self._connect(
            {
                "queued.max.messages.kbytes": 32_768,
                "max.poll.interval.ms": 600_000,  # the group removes a consumer that is busy for longer
                "client.id": "driftline",
                **{name: secret.get_secret_value() for name, secret in settings.options.items()},
                "bootstrap.servers": ",".join(settings.brokers),
                "group.id": settings.group,
                "auto.offset.reset": settings.start,
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe(list(settings.topics), on_assign=self._assigned)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Store the polled messages, and leave the group, within ``grace`` seconds.

        A group waits for a member that did not leave, and uncommitted messages are polled again.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(grace)
        if self._consumer is not None and not self._thread.is_alive():
            self._consumer.close()
            self._consumer = None

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        """Start at the stored offsets, or at the committed ones of another processor of the group if they are newer."""
        reached = self._intake.offsets()
        try:
            committed = {
                (committed_partition.topic, committed_partition.partition): committed_partition.offset
                for committed_partition in consumer.committed(partitions, timeout=10)
            }
        except Exception as error:
            committed = {}
            self._say(f"the brokers do not return the offsets of the group: {error}")
        for partition in partitions:
            own_offset = reached.get((self._settings.group, partition.topic, partition.partition), -1)
            furthest = max(own_offset, committed.get((partition.topic, partition.partition), -1))
            if furthest >= 0:
                partition.offset = furthest
        consumer.assign(partitions)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                polled = self._consumer.consume(BATCH, timeout=_POLL)
                messages = [message for message in polled if message.error() is None]
                for message in polled:
                    if message.error() is not None:
                        self._say(str(message.error()))
                if messages:
                    self._logged.clear()
                    self._take(messages)
            except Exception:
                _log.exception("%s: messages could not be read; Driftline will retry", self._key)
                self._stopping.wait(1.0)

    def _take(self, messages: Sequence[Any]) -> None:
        """Store messages and commit them; a bad message does not affect others."""
        pauses = doubling_pauses(1.0, _LONGEST_WAIT)
        while not self._stored(messages):
            if self._stopping.is_set():
                return  # polled again after the next start
            if not self._well():
                self._say("the storage accepts nothing; waiting")
                self._stopping.wait(next(pauses))
            elif len(messages) > 1:
                for message in messages:
                    self._take([message])
                return
            else:
                self._count(Counter({_bad_message(): 1}))
                self._offer(_request(offsets=self._offsets(messages))).result()
                break
        self._commit(messages)

    def _stored(self, messages: Sequence[Any]) -> bool:
        """Store messages with their offsets; return False if a transaction failed."""
        try:
            if self._settings.format.startswith("otlp_"):
                self._store_otlp(messages)
            elif self._settings.format == "panes":
                self._store_panes(messages)
            else:
                self._store_outcomes(messages)
        except _Stopping:
            return False
        except Exception as error:
            self._say(f"a transaction failed: {error}")
            return False
        return True

    def _store_outcomes(self, messages: Sequence[Any]) -> None:
        from driftline_processor.readers.outcomes.messages import outcome_tables

        settings, values = self._settings, [message.value() for message in messages]
        lines = settings.format == "ndjson"
        tables, rejected = outcome_tables(values, lines, settings.model, settings.environment, self._clock())
        self._offer(_request(outcomes=tables, offsets=self._offsets(messages))).result()
        self._count(rejected)

    def _store_panes(self, messages: Sequence[Any]) -> None:
        from driftline_processor.core.decode.written_panes import MalformedPanes, parse_panes

        rejected, reasons = Counter[str](), list[str]()
        offered: list[tuple[Any, WrittenPanes, Future[Receipt]]] = []
        for message in messages:
            try:
                panes = parse_panes(message.value() or b"")
            except MalformedPanes as error:
                rejected[_bad_message()] += 1
                reasons.append(f"{_position(message)}: {error}")
                continue
            rejected[UNUSABLE_PANE] += len(panes.refused)
            request = _request(panes=panes, offsets=self._offsets([message]))
            offered.append((message, panes, self._offer(request)))
        self._offer(_request(offsets=self._offsets(messages))).result()  # including those of malformed messages
        for message, panes, future in offered:
            receipt = future.result().panes or PanesReceipt()
            if receipt.conflict:
                rejected[UNUSABLE_PANE] += len(panes.panes)
            refused = [*panes.refused, *receipt.refused]
            if reason := receipt.conflict or next((one.reason for one in refused), ""):
                reasons.append(f"{_position(message)}: {reason}")
        self._count(rejected)
        if reasons:
            more = f" ({len(reasons) - 1:,} more messages)" if len(reasons) > 1 else ""
            _log.warning("%s: panes were not stored: %s%s", self._key, reasons[0], more)

    def _store_otlp(self, messages: Sequence[Any]) -> None:
        from driftline_processor.otlp.json_requests import protobuf_of

        signal, malformed = self._settings.signal, 0
        receipts: list[Future[Receipt]] = []
        for message in messages:
            try:
                body = message.value() or b""
                body = protobuf_of(signal, body) if self._settings.format == "otlp_json" else body
                submit = partial(self._intake.submit, signal, body, NO_HEADERS, self._offsets([message]))
                receipts.append(self._patiently(submit))
            except Malformed:
                malformed += 1
        self._offer(_request(offsets=self._offsets(messages))).result()  # including those of malformed messages
        for future in receipts:
            future.result()
        self._count(Counter({_bad_message(): malformed}))

    def _offer(self, request: Request) -> Future[Receipt]:
        return self._patiently(partial(self._intake.offer, request))

    def _patiently(self, submit: Callable[[], Future[Receipt]]) -> Future[Receipt]:
        """Submit as soon as there is room. Raises :class:`_Stopping` on shutdown."""
        while True:
            try:
                return submit()
            except Overloaded as overloaded:
                if self._stopping.wait(overloaded.retry_after):
                    raise _Stopping from None

    def _well(self) -> bool:
        """Return True if the state can store anything, tested with unchanged offsets."""
        try:
            self._offer(_request(offsets=[_offset(self._settings.group, "", -1, 0)])).result()
        except Exception:
            return False
        return True

    def _offsets(self, messages: Sequence[Any]) -> list[Offset]:
        last = {(message.topic(), message.partition()): message.offset() + 1 for message in messages}
        return [_offset(self._settings.group, *place, following) for place, following in last.items()]

    def _commit(self, messages: Sequence[Any]) -> None:
        try:
            offsets = [_partition(offset) for offset in self._offsets(messages)]
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except Exception as error:  # the state has the offsets anyway
            self._say(f"the offsets could not be committed: {error}")

    def _count(self, rejected: Mapping[str, int]) -> None:
        for reason, rows in rejected.items():
            if rows:
                self._counters.add(metrics.DRIFTLINE_REJECTED_ROWS, rows, {attributes.DRIFTLINE_REASON: reason})

    def _say(self, sentence: str) -> None:
        """Log once until messages arrive again, because an unavailable broker is reported every second."""
        if sentence not in self._logged:
            self._logged.add(sentence)
            _log.warning("%s: %s", self._key, sentence)


class _Stopping(Exception):  # noqa: N818 - no fault
    """The receiver is stopping; polled messages are polled again after the next start."""


def _position(message: Any) -> str:
    return f"topic {message.topic()}, partition {message.partition()}, offset {message.offset()}"


def _bad_message() -> str:
    from driftline_processor.readers.outcomes.messages import BAD_MESSAGE

    return BAD_MESSAGE


def _request(**parts: Any) -> Request:
    from driftline_processor.ingest.transaction import Request  # which imports the database

    return Request(os.urandom(16), **parts)


def _offset(group: str, topic: str, partition: int, following: int) -> Offset:
    from driftline_processor.ingest.queue_offsets import Offset

    return Offset(group, topic, partition, following)


def _consumer(settings: dict[str, Any]) -> Any:
    from confluent_kafka import Consumer

    return Consumer(settings, logger=logging.getLogger("driftline.kafka"))


def _partition(offset: Offset) -> Any:
    from confluent_kafka import TopicPartition

    return TopicPartition(offset.topic, offset.partition, offset.next)


RECEIVER = Kafka

"""Events of CloudEvents: what is sent over HTTP and Kafka is as the specification and its JSON schema ask.

The schema is that of https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/cloudevents.json; names of
extensions are lower-case letters and digits (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from driftline_processor.config.schema import Config
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.policy.action import Surroundings
from driftline_processor.policy.actions import cloudevents
from driftline_processor.policy.actions.cloudevents import CloudEvents
from driftline_processor.policy.http_service import NotTaken
from driftline_processor.policy.sources import NO_SOURCES

from tests.support.ordered_actions import ALERT, FACTS, action, carried_out, order

NAME = "cloudevents/bus"
ID = f"{ALERT}-{NAME}"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in ("id", "source", "specversion", "type")},
        **{
            name: {"type": ["string", "null"], "minLength": 1}
            for name in ("datacontenttype", "dataschema", "subject", "time")
        },
        "data": {"type": ["object", "string", "number", "array", "boolean", "null"]},
        "data_base64": {"type": ["string", "null"], "contentEncoding": "base64"},
    },
    "additionalProperties": {"type": ["string", "boolean", "integer"]},
    "propertyNames": {"pattern": "^[a-z0-9]+$|^data_base64$"},
}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": ID,
    "source": "/driftline",
    "type": "io.driftline.alert.opened",
    "subject": FACTS["model"],
    "time": "1970-01-01T00:00:00Z",
    "datacontenttype": "application/json",
    "partitionkey": ALERT,
}
HOSTILE = 'Straße "%41"\r\nce-type: x\ud800\x7f' + "y" * 9_000


def test_a_structured_event_is_one_document_of_the_schema() -> None:
    with service(lambda _: (202, None)) as there:
        answer = carried_out(NAME, url=f"{there.url}/events", headers={"Authorization": "Bearer secret-7"})
    (asked,) = there.asked
    assert (answer.result, answer.detail) == ("delivered", "HTTP 202")
    assert (asked.method, asked.path) == ("POST", "/events")
    assert asked.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert asked.headers["authorization"] == "Bearer secret-7"
    jsonschema.validate(asked.json, SCHEMA)
    datetime.fromisoformat(asked.json["time"])
    assert asked.json == {**ATTRIBUTES, "data": {"id": ID, **FACTS, "kind": "opened"}}


@pytest.mark.parametrize("kind", ["worse", "joined", "cause_changed", "recovered", "resolved"])
def test_the_type_says_what_became_of_the_alert_and_the_id_which_message_it_is(kind: Any) -> None:
    with service(lambda _: (200, None)) as there, action(NAME, url=there.url) as made:
        made.send(order(NAME, kind))
        made.send(order(NAME, kind))
    first, second = there.asked
    assert first.body == second.body
    assert (first.json["type"], first.json["id"]) == (f"io.driftline.alert.{kind}", f"{ID}-{kind}")


def test_a_hostile_name_stays_within_its_attribute() -> None:
    with service(lambda _: (200, None)) as there:
        answer = carried_out(NAME, facts={"model": HOSTILE}, url=there.url)
    (asked,) = there.asked
    assert answer.result == "delivered"
    said = asked.json["subject"]
    assert said.startswith('Straße "%41"\ufffd\ufffdce-type: x\ufffd\ufffdyyy')
    assert len(said) == 500


def test_a_model_without_a_name_is_no_subject() -> None:
    with service(lambda _: (200, None)) as there:
        carried_out(NAME, facts={"model": ""}, url=there.url)
    jsonschema.validate(there.asked[0].json, SCHEMA)
    assert "subject" not in there.asked[0].json


@pytest.mark.parametrize(
    ("status", "result"), [(204, "delivered"), (302, "put_off"), (413, "refused"), (429, "put_off")]
)
def test_the_status_says_what_became_of_it(status: int, result: str) -> None:
    with service(lambda _: (status, None)) as there:
        assert carried_out(NAME, url=there.url).result == result


def test_what_a_receiver_says_is_quoted_without_what_is_secret() -> None:
    def answers(asked: Asked) -> tuple[int, Any]:
        return 403, f"no {asked.headers['authorization']} for {asked.path}"

    with service(answers) as there:
        answer = carried_out(NAME, url=f"{there.url}/T0123456", headers={"Authorization": "Bearer secret-7"})
    assert answer.detail == "HTTP 403 no *** for /***"


def test_a_dry_run_says_the_event_and_sends_nothing() -> None:
    with service(lambda _: (200, None)) as there:
        answer = carried_out(NAME, url=f"{there.url}/T0123456", dry_run=True, data={"a": "{severity}"})
    assert there.asked == []
    assert answer.detail == f"would send to 127.0.0.1: {json.dumps({**ATTRIBUTES, 'data': {'a': 'critical'}})}"


class Written:
    """Where a message stands."""

    def topic(self) -> str:
        return "alerts"

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return 7


class Fault:
    """What the client says of a message that was not written."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def str(self) -> str:
        return "Local: some words"


class Producer:
    """A producer whose brokers answer as a test says.

    Attributes:
        written: What was produced.
        purged: How often what was not written was forgotten.
    """

    def __init__(self, error: Any = None, answers: bool = True) -> None:
        self.written: list[dict[str, Any]] = []
        self.purged = 0
        self._error, self._answers = error, answers
        self._told: Callable[[Any, Any], None]

    def produce(self, topic: str, on_delivery: Callable[[Any, Any], None], **message: Any) -> None:
        self.written.append({"topic": topic, **message})
        self._told = on_delivery

    def flush(self, _: float) -> int:
        if self._answers:
            self._told(self._error, Written())
        return 0

    def purge(self) -> None:
        self.purged += 1

    def poll(self, _: float) -> int:
        return 0


def kafka(producer: Producer, monkeypatch: pytest.MonkeyPatch, **keys: Any) -> CloudEvents:
    """Return an action whose client is a test's."""
    monkeypatch.setattr(cloudevents, "_producer", lambda _: producer)
    tree = {"actions": {NAME: {"brokers": "127.0.0.1:9092", "topic": "alerts", **keys}}, "storage": {}}
    config = Config.model_validate(tree)
    assert [*map(str, config.problems())] == []
    made = config.actions[NAME]
    assert isinstance(made, CloudEvents)
    return made


def test_over_kafka_the_key_is_the_alert_and_the_headers_say_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer()
    said = kafka(producer, monkeypatch, data={"model": "{model}"}).carry_out(order(NAME), Surroundings(NO_SOURCES))
    (written,) = producer.written
    headers = {name: value.decode() for name, value in written["headers"]}
    assert said == "alerts/2, offset 7"
    assert (written["topic"], written["key"]) == ("alerts", ALERT.encode())
    assert headers == {"content-type": "application/cloudevents+json; charset=utf-8"}
    event = json.loads(written["value"])
    jsonschema.validate(event, SCHEMA)
    assert event["data"] == {"model": FACTS["model"]}


@pytest.mark.parametrize(
    ("error", "answers", "result", "said"),
    [
        (Fault("_MSG_TIMED_OUT"), True, "put_off", "_MSG_TIMED_OUT Local: some words"),
        (Fault("MSG_SIZE_TOO_LARGE"), True, "refused", "MSG_SIZE_TOO_LARGE Local: some words"),
        (None, False, "put_off", "the brokers did not answer in time"),
    ],
)
def test_what_is_not_written_is_forgotten_by_the_client(
    error: Any, answers: bool, result: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(error, answers)
    with pytest.raises(NotTaken) as raised:
        kafka(producer, monkeypatch).carry_out(order(NAME), Surroundings(NO_SOURCES))
    assert (raised.value.answer.result, raised.value.answer.detail) == (result, said)
    assert producer.purged == 1


def test_settings_that_the_client_does_not_know_are_said() -> None:
    keys: dict[str, Any] = {"brokers": "127.0.0.1:9092", "topic": "alerts", "options": {"securty.protocol": "ssl"}}
    answer = carried_out(NAME, **keys)
    assert answer.result == "put_off"
    assert 'No such configuration property: "securty.protocol"' in answer.detail

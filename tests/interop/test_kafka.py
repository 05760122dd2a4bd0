"""Outcomes and predictions through a real broker of Kafka: each message once, through kill -9 of both sides."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from operator import eq, le
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from driftline import Baseline, make_panes
from driftline_processor.config.schema import load
from driftline_processor.demo.peers.kafka import Broker as InstalledBroker
from driftline_processor.demo.peers.kafka import is_installed
from driftline_processor.demo.processes import free_ports
from driftline_processor.state import State
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.ordered_actions import ALERT, FACTS, action, order
from tests.support.processes import prediction
from tests.support.state_rows import Opened

from .peers import eventually, get

pytestmark = pytest.mark.interop

MESSAGES, PARTITIONS = 6_000, 3


class Broker(InstalledBroker):
    """A real broker with topics and a client."""

    def topic(self, name: str) -> None:
        self.make_topic(name, PARTITIONS)

    def produce(self, topic: str, messages: list[bytes]) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.address, "log_level": 0, "linger.ms": 20})
        for number, message in enumerate(messages):
            producer.produce(topic, message, partition=number % PARTITIONS)
            producer.poll(0)
        assert producer.flush(60) == 0

    def consume(self, topic: str, count: int) -> list[Any]:
        """Return the messages of a topic, which are so many."""
        from confluent_kafka import Consumer

        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": uuid.uuid4().hex,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])
        found: list[Any] = []

        def more() -> int:
            found.extend(one for one in consumer.consume(count, 1) if one.error() is None)
            return len(found)

        try:
            eventually(more, partial(le, count))
            found.extend(consumer.consume(1, 1))
        finally:
            consumer.close()
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if not is_installed():
        pytest.skip("no broker of Kafka is installed; `make interop` fetches one where there are Java 17 and Maven")
    pytest.importorskip("confluent_kafka")
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    with broker.up():
        yield broker


class Up:
    """`driftline up` with a receiver of Kafka, in a process that may be killed."""

    def __init__(self, folder: Path, broker: Broker, topic: str, **keys: object) -> None:
        ports = free_ports(3)
        self.web = f"http://127.0.0.1:{ports[2]}"
        endpoints = {
            name: {"endpoint": f"127.0.0.1:{port}"} for name, port in zip(("grpc", "http"), ports, strict=False)
        }
        kafka = {"brokers": broker.address, "topics": topic, "group": topic, **keys}
        kafka["options"] = {"session.timeout.ms": "1000", "heartbeat.interval.ms": "300"}  # a killed one is soon missed
        tree = {
            "receivers": {"otlp": {"protocols": endpoints}, "kafka/labels": kafka},
            "web": {"endpoint": f"127.0.0.1:{ports[2]}"},
            "storage": {"directory": str(folder / "data")},
        }
        self.file, self.folder = folder / "driftline.yaml", folder
        self.file.write_text(yaml.safe_dump(tree))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(self.file)]
        with (self.folder / "driftline.log").open("a") as log, subprocess.Popen(command, stderr=log) as process:
            try:
                eventually(lambda: get(f"{self.web}/readyz"))
                yield process
            finally:
                process.terminate()
                process.wait(30)

    def pending(self) -> float:
        """Return how many outcomes wait for a prediction: all that came."""
        lines = str(get(f"{self.web}/metrics")).splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith("driftline_pending_outcomes ")), 0.0)

    def predictions(self) -> int:
        """Return how many predictions have come."""
        return sum(model["rows"] for model in get(f"{self.web}/api/v1/models")["models"])

    def panes(self) -> list[dict[str, Any]]:
        """Return newest epoch, panes and rows of each source of panes."""
        return [
            {name: source[name] for name in ("epoch", "panes", "rows")}
            for model in get(f"{self.web}/api/v1/models")["models"]
            for source in model["pane_sources"]
        ]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        state = State(load(self.file))
        try:
            return Opened(state).rows(query)
        finally:
            state.stop()


def outcomes(first: int, count: int) -> list[bytes]:
    return [json.dumps({"id": f"A-{i}", "actual": i % 2}).encode() for i in range(first, first + count)]


COUNTED = "SELECT count(*)::INT AS rows, count(DISTINCT id)::INT AS ids FROM outcomes"


def test_every_outcome_counts_once_though_the_processor_is_killed_twice(broker: Broker, tmp_path: Path) -> None:
    broker.topic("labels")
    broker.produce("labels", [*outcomes(0, MESSAGES), b"{torn"])
    up = Up(tmp_path, broker, "labels", model="churn")
    for some in (1, MESSAGES // 2):
        with up.running() as process:
            eventually(up.pending, partial(le, some))
            process.send_signal(signal.SIGKILL)
            process.wait()
    with up.running():
        broker.produce("labels", outcomes(MESSAGES, 500))
        eventually(up.pending, partial(le, MESSAGES + 500))
    assert up.rows(COUNTED) == [(MESSAGES + 500, MESSAGES + 500)]


@pytest.mark.slow
def test_panes_count_once_though_the_processor_is_killed_twice(broker: Broker, tmp_path: Path) -> None:
    frame = {"age": np.arange(4_000.0), "score": np.arange(4_000) / 4_000}
    baseline = Baseline.from_frame(frame, score="score", model="churn", task="binary")
    baseline.save(tmp_path / "churn.json")
    hour = 3_600 * 10**9
    time = (1_728_000_000 + np.arange(4_000) * 900) * 10**9
    made = make_panes(frame, baseline, time=time, environment="")
    messages = [
        body
        for epoch in (1, 2)
        for first in range(0, len(made.panes), 5)
        for _, body in replace(made, panes=made.panes[first : first + 5]).requests("nightly", epoch)
    ]
    broker.topic("panes")
    broker.produce("panes", [*messages[:100], b"{torn", *messages[100:]])
    up = Up(tmp_path, broker, "panes", format="panes")
    tree = yaml.safe_load(up.file.read_text())
    tree["models"] = {"churn": {"baseline": str(tmp_path / "churn.json")}}
    up.file.write_text(yaml.safe_dump(tree))

    for some in (1, 2_000):
        with up.running() as process:
            eventually(up.predictions, partial(le, some))
            process.send_signal(signal.SIGKILL)
            process.wait()
    with up.running():
        eventually(up.panes, partial(eq, [{"epoch": 2, "panes": len(made.panes), "rows": 4_000}]))
    assert (time[-1] - time[0]) // hour + 1 == len(made.panes)
    assert up.rows("SELECT count(*)::INT AS n, count(DISTINCT pane)::INT AS panes FROM pane_sources") == [
        (len(made.panes), len(made.panes))
    ]
    assert (tmp_path / "driftline.log").read_text().count("this is not a document of panes") >= 1


def test_predictions_as_otlp_in_both_encodings(broker: Broker, tmp_path: Path) -> None:
    from google.protobuf.json_format import MessageToDict

    def as_json(body: bytes) -> bytes:
        return json.dumps(MessageToDict(ExportLogsServiceRequest.FromString(body))).encode()

    encodings: dict[str, Callable[[bytes], bytes]] = {"otlp_proto": bytes, "otlp_json": as_json}
    for kind, encoded in encodings.items():
        folder = tmp_path / kind
        folder.mkdir()
        broker.topic(kind)
        broker.produce(kind, [encoded(prediction("churn", f"{kind}-{i}")) for i in range(30)])
        up = Up(folder, broker, kind, format=kind)
        with up.running():
            eventually(up.predictions, partial(eq, 30))


def test_a_broker_that_goes_away_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    if not is_installed():
        pytest.skip("no broker of Kafka is installed; `make interop` fetches one where there are Java 17 and Maven")
    (tmp_path / "kafka").mkdir()
    broker = Broker(tmp_path / "kafka")
    up = Up(tmp_path, broker, "labels", model="churn")
    with ExitStack() as stack:
        stack.enter_context(up.running())  # before there is a broker at all
        for round_ in range(2):
            with broker.up():
                if not round_:
                    broker.topic("labels")
                broker.produce("labels", outcomes(200 * round_, 200))
                eventually(up.pending, partial(le, 200 * (round_ + 1)))
    assert up.rows(COUNTED) == [(400, 400)]


def test_an_alert_is_an_event_of_cloudevents_with_the_alert_as_its_key(broker: Broker) -> None:
    name, topic = "cloudevents/bus", "alerts"
    broker.topic(topic)
    keys: dict[str, Any] = {"brokers": broker.address, "topic": topic}
    with action(name, **keys) as made:
        answers = [made.send(order(name)), made.send(order(name, "resolved"))]
    assert [one.result for one in answers] == ["delivered", "delivered"]
    opened, over = broker.consume(topic, 2)
    assert {opened.key(), over.key()} == {ALERT.encode()}
    assert opened.partition() == over.partition()
    assert [one.detail for one in answers] == [
        f"{topic}/{one.partition()}, offset {one.offset()}" for one in (opened, over)
    ]
    headers = {name: value.decode() for name, value in opened.headers()}
    event = json.loads(opened.value())
    assert headers == {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", f"{ALERT}-{name}", "io.driftline.alert.opened")
    assert (event["subject"], event["data"]["model"]) == (FACTS["model"], FACTS["model"])


def test_an_event_for_a_topic_that_is_not_there_is_put_off_and_arrives_later(broker: Broker) -> None:
    name, topic = "cloudevents/bus", "alerts-later"
    with action(name, brokers=broker.address, topic=topic, timeout="2s") as made:
        early = made.send(order(name))
        broker.topic(topic)
        late = made.send(order(name))
    assert (early.result, late.result) == ("put_off", "delivered")
    assert [one.key() for one in broker.consume(topic, 1)] == [ALERT.encode()]

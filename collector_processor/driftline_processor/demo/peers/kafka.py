"""A broker of Kafka: a real one if its files are there and Java is, otherwise librdkafka's own stand-in."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftline_processor.demo.processes import free_ports, running

JARS = Path(__file__).parents[4] / ".peers" / "kafka"
"""Where `make interop` puts the files of a broker, in a clone."""

_START_SECONDS = 120


def is_installed() -> bool:
    """Return whether a real broker can be started."""
    return JARS.is_dir() and shutil.which("java") is not None


class Broker:
    """A real broker that is its own controller, in a folder; it may be stopped and started again on the same port.

    Attributes:
        address: Where it listens, ``host:port``.
        name: Its kind and version.
        command: What runs it.
    """

    def __init__(self, folder: Path) -> None:
        port, controller = free_ports(2)
        self.folder, self.address = folder, f"127.0.0.1:{port}"
        self.name = f"Kafka {JARS.with_suffix('.version').read_text(encoding='utf-8').strip()}"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        java = ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", quiet, "-cp", f"{JARS}/*"]
        self.command = [*java, "kafka.Kafka", str(folder / "server.properties")]
        (folder / "server.properties").write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}\n"
            f"advertised.listeners=PLAINTEXT://{self.address}\n"
            "controller.listener.names=CONTROLLER\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={folder}/data\nauto.create.topics.enable=false\n"
            "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
            "group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=1000\n",
            encoding="utf-8",
        )
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        identity = f"--cluster-id={name}"  # a name may begin with "-"
        format_it = ["kafka.tools.StorageTool", "format", identity, "-c", "server.properties"]
        subprocess.run([*java, *format_it], cwd=folder, check=True, capture_output=True)

    @contextmanager
    def up(self) -> Iterator[None]:
        """Run it until the block ends; the block begins when it answers."""
        from confluent_kafka import KafkaException

        with running(self.command, {**os.environ}, self.folder / "broker.log", self.folder) as process:
            deadline = time.monotonic() + _START_SECONDS
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise RuntimeError(f"the broker of Kafka ended with exit code {process.returncode} (see above)")
                with contextlib.suppress(KafkaException):
                    self.admin().list_topics(timeout=2)
                    break
            else:
                raise RuntimeError(f"the broker of Kafka did not answer within {_START_SECONDS} s")
            yield

    def admin(self) -> Any:
        """Return a new client that makes topics."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def make_topic(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        from confluent_kafka.cimpl import NewTopic

        admin = self.admin()  # one that is forgotten ends what it began
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(60)


@contextmanager
def broker(folder: Path, *topics: str) -> Iterator[Topics]:
    """Be a broker with some topics until the block ends: a real one if it is installed."""
    if not is_installed():
        with mock_broker() as mock:
            yield mock
        return
    folder.mkdir(exist_ok=True)
    real = Broker(folder)
    with real.up():
        for topic in topics:
            real.make_topic(topic)
        yield Topics(real.address, real.name)


@contextmanager
def mock_broker() -> Iterator[Topics]:
    """Be the broker of ``test.mock.num.brokers`` of librdkafka, which makes each topic that somebody asks for."""
    import confluent_kafka

    cluster = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    (mock,) = cluster.list_topics(timeout=30).brokers.values()
    yield Topics(f"{mock.host}:{mock.port}", "librdkafka's stand-in for Kafka")
    del cluster


@dataclass
class Topics:
    """The topics of a broker.

    Attributes:
        address: Where it listens, ``host:port``.
        broker: Its kind and version.
    """

    address: str
    broker: str

    def read(self, topic: str) -> list[tuple[bytes, bytes]]:
        """Return key and value of each message of a topic."""
        import confluent_kafka

        settings = {"bootstrap.servers": self.address, "group.id": "test", "log_level": 0}
        consumer = confluent_kafka.Consumer(settings)
        try:
            found = list[tuple[bytes, bytes]]()
            for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
                _, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=30)
                consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0)])
                for _ in range(end):
                    message = consumer.poll(30)
                    assert message is not None
                    assert message.error() is None
                    key, value = message.key(), message.value()
                    assert key is not None
                    assert value is not None
                    found.append((key, value))
            return found
        finally:
            consumer.close()

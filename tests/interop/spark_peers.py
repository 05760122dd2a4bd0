"""What a job of Spark needs: its jars, a cluster of one machine, processes that are killed and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline_processor.demo.peers.kafka import Broker, is_installed
from driftline_processor.demo.processes import free_ports

from tests.support.paths import ROOT

from .peers import eventually, get

JARS = ROOT / ".peers" / "spark"
TOPICS = ("otlp_spans", "otlp_logs")
PARTITIONS = 2
PATIENCE = 1_200.0
"""Seconds until a step of a job is a failure: a driver and an executor start in ten on an idle machine."""

_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of a virtual machine that soon ends."""

_SMALL = {
    "spark.driver.memory": "700m",
    "spark.driver.extraJavaOptions": _QUICK,
    "spark.executor.extraJavaOptions": _QUICK,
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
}


def skip_without_java() -> None:
    """Skip a test with the reason where there is no Spark or Java."""
    if find_spec("pyspark") is None:
        pytest.skip("Spark is not installed; `make interop` installs it")
    if shutil.which("java") is None:
        pytest.skip("there is no Java; Spark and Kafka need version 17")


def skip_without_spark() -> None:
    """Skip a test with the reason where there is no Spark, Java, source of Kafka or broker."""
    skip_without_java()
    if not list(JARS.glob("spark-sql-kafka*.jar")):
        pytest.skip("Spark's source of Kafka is not installed; `make interop` fetches it where there is Maven")
    if not is_installed():
        pytest.skip("no broker of Kafka is installed; `make interop` fetches one where there are Java 17 and Maven")
    pytest.importorskip("confluent_kafka")


class Victim:
    """A process that is killed and started again, with the same command."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._command, self._log = [*command], log
        self._environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it unless it runs."""
        if self.process is not None and self.process.poll() is None:
            return
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environment, cwd=self._log.parent
            )
        self.starts += 1

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:  # it has ended
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(status.parent.name))
    return found


def kill_java_child(parent: int) -> bool:
    """Kill the virtual machine of Java that a process has started; return whether there was one."""
    for child in children_of(parent):
        try:
            name = Path(f"/proc/{child}/comm").read_text().strip()
        except OSError:
            continue
        if name == "java":
            os.kill(child, signal.SIGKILL)
            return True
    return False


class Cluster:
    """A standalone master of Spark with two workers of one core."""

    def __init__(self, folder: Path) -> None:
        import pyspark

        binary = str(Path(pyspark.__path__[0]) / "bin" / "spark-class")
        daemon = {
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_WORKER_DIR": str(folder / "worker"),
            "SPARK_DAEMON_JAVA_OPTS": _QUICK,
        }
        port, *web = free_ports(4)
        self.url = f"spark://127.0.0.1:{port}"
        deploy = "org.apache.spark.deploy"
        master = [binary, f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port)]
        self.master = Victim([*master, "--webui-port", str(web[0])], folder / "master.log", daemon)
        worker = [binary, f"{deploy}.worker.Worker", self.url, "--host", "127.0.0.1", "--cores", "1", "--memory", "1g"]
        self.workers = [
            Victim([*worker, "--webui-port", str(web[number])], folder / f"worker{number}.log", daemon)
            for number in (1, 2)
        ]

    def start(self) -> None:
        """Start the master and the workers; they find each other."""
        for process in (self.master, *self.workers):
            process.start()

    def stop(self) -> None:
        """End them."""
        for process in (*self.workers, self.master):
            process.stop()


class Processor:
    """`driftline up` with the model ``churn``, in a folder."""

    def __init__(self, folder: Path, baseline: Baseline) -> None:
        folder.mkdir()
        otlp, web = free_ports(2)
        self.endpoint, self.web, self.state = f"http://127.0.0.1:{otlp}", f"http://127.0.0.1:{web}", folder / "state"
        self.config = folder / "driftline.yaml"
        baseline.save(folder / "churn.baseline.json")
        churn = {
            "baseline": str(folder / "churn.baseline.json"),
            "windows": ["1h", "1d"],
            "slices": ["region"],
            "outcome_delay": "1h",
        }
        tree = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{otlp}"}}}},
            "web": {"endpoint": f"127.0.0.1:{web}"},
            "storage": {"directory": str(self.state)},
            "models": {"churn": churn},
        }
        self.config.write_text(yaml.safe_dump(tree), encoding="utf-8")
        command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(self.config)]
        self.process = Victim(command, folder / "driftline.log")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process.start()
        eventually(lambda: get(f"{self.web}/readyz"))

    def model(self) -> dict[str, Any]:
        """Return the model as the API shows it; {} before it is published."""
        models = get(f"{self.web}/api/v1/models")["models"]
        return dict(models[0]) if models else {}


class Topics:
    """The topics of a broker, and what is written to them."""

    def __init__(self, broker: Broker) -> None:
        from confluent_kafka import Producer

        self._broker = broker
        self._producer = Producer({"bootstrap.servers": broker.address, "log_level": 0, "linger.ms": 20, "acks": "all"})
        self._sent = 0
        for topic in TOPICS:
            broker.make_topic(topic, PARTITIONS)

    def send(self, spans: Sequence[bytes] = (), logs: Sequence[bytes] = (), *, wait: bool = True) -> None:
        """Write requests; with ``wait``, return when all have arrived."""
        for topic, bodies in zip(TOPICS, (spans, logs), strict=True):
            for body in bodies:
                self._producer.produce(topic, body, partition=self._sent % PARTITIONS)
                self._sent += 1
        self._producer.poll(0)
        if wait:
            assert self._producer.flush(300) == 0

    def ends(self) -> dict[str, dict[str, int]]:
        """Return the number of messages by topic and partition."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self._broker.address, "group.id": "ends", "log_level": 0})
        try:
            return {
                topic: {
                    str(number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=60)[1]
                    for number in range(PARTITIONS)
                }
                for topic in TOPICS
            }
        finally:
            consumer.close()


class SubmittedJob(Victim):
    """`driftline spark submit` with a work directory; Spark's files are in its folder."""

    def __init__(
        self, folder: Path, processor: Processor, broker: Broker, trigger: str, master: str, **settings: str
    ) -> None:
        folder.mkdir()
        self.work, self.log = folder / "work", folder / "job.log"
        command = [sys.executable, "-m", "driftline_processor", "spark", "submit", "--config", str(processor.config)]
        command += ["--work", str(self.work), "--brokers", broker.address, "--trigger", trigger, "--master", master]
        for jar in sorted(JARS.glob("*.jar")):
            command += ["--jars", str(jar)]
        for name, value in {**_SMALL, "spark.local.dir": str(folder / "tmp"), **settings}.items():
            command += ["--conf", f"{name}={value}"]
        super().__init__(command, self.log, {"DRIFTLINE_ENDPOINT": processor.endpoint})

    def finished(self) -> str:
        """Run it until it ends by itself; return what it wrote."""
        written = self.log.stat().st_size if self.log.exists() else 0
        self.start()
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        text = self.log.read_bytes()[written:].decode()
        assert code == 0, text[-3000:]
        return text

    def epoch(self) -> int:
        """Return the newest epoch that is done, -1 without any."""
        return max((int(file.name) for file in (self.work / "checkpoint/commits").glob("[0-9]*")), default=-1)

    def read(self) -> dict[str, dict[str, int]]:
        """Return how many messages are done, by topic and partition."""
        epoch = self.epoch()
        if epoch < 0:
            return {}
        text = (self.work / "checkpoint/offsets" / str(epoch)).read_text()
        return dict(json.loads(text.splitlines()[-1]))

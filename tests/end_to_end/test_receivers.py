"""Each receiver once, over its own protocol, into one processor that is killed in between; ``make test`` runs it.

Two predictions arrive over gRPC and HTTP, their outcomes over Kafka and as a document. Nothing acknowledged is lost.
"""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from subprocess import Popen

import confluent_kafka
import grpc
import httpx
from driftline_processor.demo.peers.kafka import mock_broker

from tests.support.processes import HEADERS, prediction, process
from tests.support.waiting import wait_until

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
TIMEOUT = 60.0
KAFKA = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
  kafka: {{brokers: ["{broker}"], topics: [labels], model: churn}}
web: {{endpoint: "127.0.0.1:0"}}
"""


def addresses(child: Popen[str]) -> tuple[str, str, str]:
    """Return where the processor receives gRPC (host:port), OTLP/HTTP (URL), and where its pages are (URL)."""
    assert child.stdout is not None
    receivers, pages = child.stdout.readline(), child.stdout.readline()
    over_grpc, over_http = re.search(r"gRPC on (\S+?)[,;]? ", receivers), re.search(r"HTTP on (\S+)", receivers)
    assert over_grpc is not None, receivers
    assert over_http is not None, receivers
    return over_grpc[1], f"http://{over_http[1]}", pages.split()[-1]


def counts(web: str) -> list[tuple[str, int, int]]:
    models = httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"]
    return [(model["model"], model["rows"], model["outcomes"]) for model in models]


def test_each_receiver_keeps_what_it_acknowledges_also_when_the_processor_is_killed(tmp_path: Path) -> None:
    with mock_broker() as broker:
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "log_level": 0})
        keys = KAFKA.format(broker=broker.address)

        with process(tmp_path, keys, base="") as child:
            over_grpc, _, _ = addresses(child)
            with grpc.insecure_channel(over_grpc) as channel:
                export = channel.unary_unary(EXPORT)
                assert export(prediction("churn", "over-grpc"), timeout=TIMEOUT, wait_for_ready=True) is not None
            child.send_signal(signal.SIGKILL)

        with process(tmp_path, keys, base="") as child:
            _, over_http, web = addresses(child)
            answer = httpx.post(f"{over_http}/v1/logs", content=prediction("churn", "over-http"), headers=HEADERS)
            assert answer.status_code == 200
            producer.produce("labels", json.dumps({"id": "over-grpc", "actual": 1}).encode())
            producer.flush(TIMEOUT)
            outcome = {"model": "churn", "outcomes": [{"id": "over-http", "actual": 0}]}
            assert httpx.post(f"{web}/v1/outcomes", json=outcome).json() == {"accepted": 1, "rejected": []}
            wait_until(lambda: counts(web) == [("churn", 2, 2)])
            child.send_signal(signal.SIGKILL)

        with process(tmp_path, keys, base="") as child:
            _, _, web = addresses(child)
            wait_until(lambda: counts(web) == [("churn", 2, 2)])
            child.send_signal(signal.SIGTERM)
            assert child.wait(TIMEOUT) == 0

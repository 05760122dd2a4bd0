"""`kill -9` at any moment, with a destination that comes and goes: what was acknowledged counts once, and arrives."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from driftline.semconv import attributes as a
from driftline_processor.receipts import Signal
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.otlp_peers import Peer, http_peer
from tests.support.processes import addresses, has_rows, post_predictions, prediction, process
from tests.support.waiting import wait_until

pytestmark = pytest.mark.heavy

KILLS = 4


class Sender:
    """Sends predictions one after the other, each until it is acknowledged."""

    def __init__(self) -> None:
        self.otlp = ""
        self.acknowledged = list[str]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            name = f"order-{number}"
            if self.otlp and post_predictions(self.otlp, prediction("churn", name)):
                self.acknowledged.append(name)
                number += 1
            else:
                time.sleep(0.01)


class Sink(Peer):
    """Remembers which predictions arrived, and how often."""

    def __init__(self) -> None:
        self.away = False
        self.arrived = Counter[str]()
        super().__init__(lambda _: "retry" if self.away else "ok")

    def answer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> str:
        decision = super().answer(signal, body, headers)
        if decision == "ok":
            for group in ExportLogsServiceRequest.FromString(body).resource_logs:
                records = [one for scope in group.scope_logs for one in scope.log_records]
                said = [attribute for one in records for attribute in one.attributes]
                self.arrived.update(one.value.string_value for one in said if one.key == a.ML_PREDICTION_ID)
        return decision


def test_killed_again_and_again_everything_counts_once_and_arrives(tmp_path: Path) -> None:
    sink, sender, chance = Sink(), Sender(), random.Random(1)
    with http_peer(sink) as name:
        more = f"exporters: {{{name}: {{endpoint: '{sink.endpoint}', forward: [records]}}}}\n"
        sender.start()
        try:
            for kill in range(KILLS):
                sink.away = kill % 2 == 1
                with process(tmp_path, more) as child:
                    sender.otlp, web = addresses(child)
                    known = len(sender.acknowledged)
                    wait_until(lambda known=known: len(sender.acknowledged) > known + 20)  # type: ignore[misc]
                    time.sleep(chance.random() * 1.5)
                    child.send_signal(signal.SIGKILL)
                    child.wait(60)
                sender.otlp = ""
            sink.away = False
            with process(tmp_path, more) as child:
                sender.otlp, web = addresses(child)
                known = len(sender.acknowledged)
                wait_until(lambda: len(sender.acknowledged) > known)  # what was under way at the last kill comes again
                sender.stop()
                assert has_rows(web, len(sender.acknowledged))
                wait_until(lambda: set(sink.arrived) >= set(sender.acknowledged))
                page = httpx.get(f"{web}/metrics", trust_env=False).text
        finally:
            sender.stop()
    assert "driftline_log_damaged_bytes_total" not in page
    assert "driftline_forward_dropped_requests_total" not in page

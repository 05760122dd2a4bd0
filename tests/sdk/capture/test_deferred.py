"""Predictions that are read later: their spans end then; the buffer loses nothing that it does not count."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from driftline.capture.buffer import BoundedBuffer
from driftline.capture.prediction import OPEN
from driftline.export.pipeline import pipeline_of
from driftline.integration.recorder import Recorder
from opentelemetry import trace

from tests.support.paths import ROOT
from tests.support.service import Service

KNOWN = {
    "ml.operation.name": "predict",
    "ml.model.name": "churn",
    "ml.model.task": "binary",
    "driftline.prediction.recorded": True,
}


class Request:
    """What a web request will turn out to say. ``cost``: bytes that it holds."""

    def __init__(self, cost: int = 1000) -> None:
        self.cost = cost
        self.reads = 0

    def read(self) -> Any:
        self.reads += 1
        return 0.75


def predict(service: Service, request: Request) -> None:
    """Open a prediction, and close it to be read later."""
    recorder = Recorder(service.model(), "POST /predict")
    prediction = recorder.open()
    recorder.close_later(prediction, request)


def attributes(service: Service) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in service.spans]


def test_a_span_ends_when_its_prediction_is_read(service: Service) -> None:
    predict(service, request := Request())
    before = service.spans
    service.flush()

    assert (before, request.reads) == ([], 1)
    assert [one["ml.prediction.score"] for one in attributes(service)] == [0.75]


def test_what_is_read_later_is_over_at_once(service: Service) -> None:
    before = trace.get_current_span()

    predict(service, Request())

    assert trace.get_current_span() is before
    assert OPEN.get() is None


def test_the_span_of_a_prediction_that_a_full_buffer_drops_ends_with_what_is_known(service: Service) -> None:
    predict(service, request := Request(cost=20 * 2**20))
    predict(service, Request(cost=20 * 2**20))

    assert (attributes(service), request.reads) == ([KNOWN], 0)  # before anything is flushed

    service.flush()
    assert [one.get("ml.prediction.score") for one in attributes(service)] == [None, 0.75]
    assert len(service.table()) == 1
    assert service.counts() == {(): 1, (("ml.prediction.class", "1"),): 1}


def test_an_exporter_that_predicts_while_a_span_is_dropped_waits_for_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = service.exporter.export

    def export(spans: Any) -> Any:
        if len(service.spans) < 2:
            predict(service, Request(cost=40 * 2**20))
        return plain(spans)

    monkeypatch.setattr(service.exporter, "export", export)
    predict(service, Request(cost=20 * 2**20))
    predict(service, Request(cost=20 * 2**20))

    assert KNOWN in attributes(service)


def test_what_a_shutdown_has_no_time_to_read_ends_its_span(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_of(service.channel)
    predict(service, request := Request())
    monkeypatch.setattr(pipeline, "_flush", lambda *_, **__: False)  # another one is under way, and takes too long

    assert not pipeline.shutdown(0.0)
    assert (attributes(service), request.reads) == ([KNOWN], 0)


def test_a_prediction_that_comes_after_the_end_is_read_at_once(service: Service) -> None:
    closed = pipeline_of(service.channel)  # held: a channel whose pipeline nobody holds gets a new one
    closed.shutdown(60.0)
    predict(service, request := Request())

    assert (request.reads, [one["ml.prediction.score"] for one in attributes(service)]) == (1, [0.75])


FORKS = """
import os
from driftline.integration.recorder import Recorder
from tests.support.service import Service

class Request:
    cost, reads = 1000, 0

    def read(self):
        self.reads += 1
        return 0.75

service, request = Service(), Request()
recorder = Recorder(service.model(), "POST /predict")
recorder.close_later(recorder.open(), request)
child = os.fork()
service.flush()
found = len(service.spans), request.reads
if child == 0:
    os._exit(sum(found))
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), *found)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_span_that_waits_while_a_process_forks_is_ended_by_the_parent_alone() -> None:
    # In a process of its own: what other tests have loaded into this one need not live through a fork.
    done = subprocess.run([sys.executable, "-c", FORKS], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.split() == ["0", "1", "1"], done.stderr


THREADS, EACH = 8, 5_000


def test_what_is_taken_and_what_is_dropped_is_what_was_added() -> None:
    queue = BoundedBuffer[int](limit=300, measure=lambda _: (1, 1))
    taken: list[int] = []
    ended = threading.Event()

    def add(first: int) -> None:
        for item in range(first, first + EACH):
            queue.append(item, 1, 1)

    def take() -> None:
        while not ended.is_set():
            taken.extend(queue.drain())

    taker = threading.Thread(target=take)
    adders = [threading.Thread(target=add, args=(i * EACH,)) for i in range(THREADS)]
    for thread in (taker, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    ended.set()
    taker.join()
    taken.extend(queue.drain())

    assert len(taken) == len(set(taken))
    assert len(taken) + queue.drops() == THREADS * EACH
    assert queue.rows == 0
    order = {i: [item for item in taken if item // EACH == i] for i in range(THREADS)}
    assert all(items == sorted(items) for items in order.values())


def test_the_oldest_goes_first_and_the_bound_holds() -> None:
    queue = BoundedBuffer[int](limit=3, measure=lambda _: (1, 2))
    for item in range(10):
        assert queue.append(item, 1, 2) <= 6
    assert queue.drops() == 14
    assert queue.drain() == [7, 8, 9]
    assert queue.first() is None

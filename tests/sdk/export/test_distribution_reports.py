"""Reports of distributions by themselves, from processes that fork, end, and have nobody to report to."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from http.server import ThreadingHTTPServer
from threading import Thread

import pytest
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Delivery
from driftline_processor.demo.peers.recorder import Asked, service
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.facts import lacking
from tests.support.metric_points import points
from tests.support.receiver import Receiver
from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

HEAD = """
import logging, os, sys, time
import driftline

logging.getLogger("driftline").setLevel("WARNING")

churn = driftline.Model("churn", task="binary")

@churn.predict(id="id")
def score(row):
    return 0.5
"""


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that predicts."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    return subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(script)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def url(receiver: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{receiver.server_port}"


def reports(receiver: Receiver) -> list[bytes]:
    return [body for path, body in receiver.requests if path == "/v1/metrics"]


def last_counts(receiver: Receiver) -> dict[str, int]:
    """Return how many predictions each process counted, by its last report."""
    counted: dict[str, int] = {}
    for body in reports(receiver):
        (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
        instance = {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.instance.id"]
        counted[instance] = sum(point.count for point in points([body]) if point.name == "ml.predict.duration")
    return counted


@pytest.mark.slow
def test_a_short_script_reports_what_it_predicted(receiver: Receiver) -> None:
    done = run('score({"id": "a"}); score({"id": "b"})', OTEL_EXPORTER_OTLP_ENDPOINT=url(receiver))

    assert (done.returncode, done.stderr) == (0, "")
    assert (set(receiver.paths), receiver.ids()) == ({"/v1/logs", "/v1/metrics"}, ["a", "b"])
    assert list(last_counts(receiver).values()) == [2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_METRICS_EXPORTER": "prometheus"},
        {"DRIFTLINE_DISTRIBUTIONS": "false"},
    ],
    ids=str,
)
def test_nothing_is_reported_where_that_is_turned_off(receiver: Receiver, environment: dict[str, str]) -> None:
    done = run('score({"id": "a", "x": 1.0})', OTEL_EXPORTER_OTLP_ENDPOINT=url(receiver), **environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert (set(receiver.paths), receiver.ids()) == ({"/v1/logs"}, ["a"])


@pytest.mark.slow
def test_reports_go_where_metrics_go_and_records_where_records_go(receiver: Receiver) -> None:
    with Receiver() as metrics:
        Thread(target=metrics.serve_forever, daemon=True).start()
        done = run(
            'score({"id": "a", "x": 1.0})',
            DRIFTLINE_ENDPOINT=url(receiver),
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{url(metrics)}/mine",
        )
        metrics.shutdown()

    assert (done.returncode, done.stderr) == (0, "")
    assert (set(receiver.paths), set(metrics.paths)) == ({"/v1/logs"}, {"/mine"})


@pytest.mark.slow
def test_parent_and_forked_child_each_report_their_own_rows_from_their_own_start(receiver: Receiver) -> None:
    script = """
        score({"id": "a", "x": 1.0}); score({"id": "b", "x": 1.0})
        driftline.flush()
        score({"id": "c", "x": 1.0})
        pid = os.fork()
        if pid == 0:
            score({"id": "d", "x": 1.0})
            sys.exit(0)
        os.waitpid(pid, 0)
        score({"id": "e", "x": 1.0})
    """
    done = run(script, OTEL_EXPORTER_OTLP_ENDPOINT=url(receiver))

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(last_counts(receiver).values()) == [1, 4]
    starts = {
        point.data.start_time_unix_nano for point in points(reports(receiver)) if point.name == "ml.predict.duration"
    }
    assert len(starts) == 2


@pytest.mark.slow
def test_a_receiver_of_metrics_that_never_answers_holds_up_neither_records_nor_the_end(receiver: Receiver) -> None:
    let_go = threading.Event()

    def hang(_: Asked) -> tuple[int, None]:
        let_go.wait(600)
        return 200, None

    with service(hang) as hung:
        script = """
            from driftline.export.pipeline import pipeline_of
            records, distributions = pipeline_of(None), pipeline_of(None)._reporter
            for i in range(3):
                score({"id": f"{i}", "x": 1.0})
                while records._rows.rows or records._queue.rows:
                    time.sleep(0.01)
                while distributions._lock.acquire(blocking=False):  # until the first report is under way, for good
                    distributions._lock.release()
                    time.sleep(0.01)
        """
        done = run(
            script,
            DRIFTLINE_ENDPOINT=url(receiver),
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=url(hung),
            OTEL_EXPORTER_OTLP_METRICS_TIMEOUT="100000",
            OTEL_METRIC_EXPORT_INTERVAL="100",
        )
        let_go.set()
        hung.shutdown()

    assert done.returncode == 0
    assert receiver.ids() == ["0", "1", "2"]
    assert receiver.paths["/v1/logs"] == 3


@pytest.mark.slow
def test_nothing_listening_is_one_line(receiver: Receiver) -> None:
    script = """
        for i in range(3):
            score({"id": f"{i}", "x": 1.0})
            driftline.flush()
    """
    done = run(
        script, DRIFTLINE_ENDPOINT=url(receiver), OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://127.0.0.1:1/v1/metrics"
    )

    assert done.returncode == 0
    assert (
        lacking(
            done.stderr, "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "DRIFTLINE_DISTRIBUTIONS=false"
        )
        == []
    )
    assert len(receiver.ids()) == 3


@pytest.mark.slow
def test_the_thread_reports_by_itself_again_and_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = threading.Event()
    send = service.metrics.send

    def notice(body: bytes, timeout: float) -> Delivery:
        delivery = send(body, timeout)
        if len(service.metrics.bodies) == 2:
            twice.set()
        return delivery

    monkeypatch.setattr(service.metrics, "send", notice)
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    reporter = unwrap(pipeline_of(service.channel)._reporter)
    reporter._interval = 0.01
    score({"x": 1.0})

    assert twice.wait(60)
    pipeline_of(service.channel).close()
    assert [
        point.count for point in points(service.metrics.bodies[:2]) if point.name == "driftline.feature.distribution"
    ] == [1, 1]


@pytest.mark.slow
def test_a_fork_during_a_report_that_hangs_does_not_end_reporting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let_go, again = threading.Event(), threading.Event(), threading.Event()
    send = service.metrics.send

    def hang(body: bytes, timeout: float) -> Delivery:
        if begun.is_set():
            again.set()
        begun.set()
        let_go.wait(60)
        return send(body, timeout)

    monkeypatch.setattr(service.metrics, "send", hang)
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    background = pipeline_of(service.channel)
    reporter = unwrap(background._reporter)
    reporter._interval = 0.01
    score({"x": 1.0})
    assert begun.wait(60)

    assert reporter.hold(0.01) is False
    let_go.set()
    score({"x": 1.0})

    assert again.wait(60)
    background.close()


@pytest.mark.parametrize("patience", [0.0, 20.0])
def test_no_thread_is_alive_while_a_fork_holds_them_and_they_come_back(service: Service, patience: float) -> None:
    """Also where waiting for the first took all the time that there was."""
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    score({"x": 1.0})
    service.flush()
    background = pipeline_of(service.channel)
    reporter = unwrap(background._reporter)
    before = [background._thread, reporter._thread]

    held = background.hold(patience)
    while not held:  # the thread was at the rows, a millisecond's work
        held = background.hold(patience)
    assert [thread is not None and thread.is_alive() for thread in before] == [False, False]
    background.release()

    assert unwrap(reporter._thread).is_alive()
    background.close()

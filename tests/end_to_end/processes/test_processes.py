"""Forks, exits and short scripts: nothing lost, nothing sent twice, no exit held up."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from driftline.tables.column_codec import strings
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.demo.peers.recorder import Asked, service
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.facts import Facts, lacking
from tests.support.receiver import Receiver, predictions_of
from tests.support.service import NOW

HEAD = """
import os, sys
import driftline

churn = driftline.Model("churn", task="binary")

@churn.predict(id="id")
def score(row):
    return 0.5
"""

READ = (
    "driftline: churn.score: recorded a dict with keys ['id'] as one row, "
    "a float as the score of class '1' (threshold 0.5)\n"
)
FIRST_CALLS = (
    READ,
    READ.replace("score:", "Scorer.predict:").replace("['id']", "['id', 'amount']"),
    READ.replace("score:", "unnamed:").replace("['id']", "['x']"),
)
"""The lines of first calls, which are always shown."""


PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "100000"}
"""Seconds: an exit that waited for the receiver would take a day."""


def run(script: str, endpoint: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program that predicts."""
    environment = {**os.environ, "DRIFTLINE_ENDPOINT": endpoint, **more}
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done if "driftline.configure(" in script else _without_first_call(done)


def _without_first_call(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Leave out the lines of first calls from the standard error."""
    lines = done.stderr.splitlines(keepends=True)
    done.stderr = "".join(line for line in lines if line not in FIRST_CALLS)
    return done


def test_a_short_script_loses_nothing(receiver: Receiver) -> None:
    done = run('score({"id": "a"}); churn.outcome("a", 1)', f"http://127.0.0.1:{receiver.server_port}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert receiver.ids() == ["a"]
    assert [len(decode_logs(body, NOW).outcomes) for body in receiver.bodies] == [0, 1]


def test_parent_and_forked_child_each_send_their_own_rows_once(receiver: Receiver) -> None:
    script = """
        import time
        score({"id": "parent-before"})
        pid = os.fork()
        if pid == 0:
            score({"id": "child"})
            sys.exit(0)
        os.waitpid(pid, 0)
        score({"id": "parent-after"})
    """
    done = run(script, f"http://127.0.0.1:{receiver.server_port}")

    assert (done.returncode, done.stderr) == (0, "")
    assert receiver.ids() == ["child", "parent-after", "parent-before"]
    assert len(receiver.instances()) == 2


def test_a_worker_forked_after_the_parent_has_sent_gets_connections_and_ids_of_its_own(receiver: Receiver) -> None:
    script = """
        @churn.predict
        def unnamed(row):
            return 0.5
        made = lambda: unnamed({"x": 1.0})
        made(); driftline.flush()
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                made(); made()
                driftline.flush()
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
    """
    done = run(script, f"http://127.0.0.1:{receiver.server_port}")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(receiver.ids()) == len(set(receiver.ids())) == 7
    assert len(receiver.instances()) == 4


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_child_of_multiprocessing_sends_its_rows_before_it_ends(
    receiver: Receiver, tmp_path: Any, method: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        HEAD
        + textwrap.dedent(
            f"""
            import multiprocessing

            def work(i):
                score({{"id": f"child-{{i}}"}})

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                score({{"id": "parent"}})
                children = [context.Process(target=work, args=(i,)) for i in range(2)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
            """
        )
    )
    environment = {**os.environ, "DRIFTLINE_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}"}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    _without_first_call(done)

    assert (done.returncode, done.stderr) == (0, "")
    assert receiver.ids() == ["child-0", "child-1", "parent"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_decorated_method_is_handed_to_a_pool_of_processes(receiver: Receiver, tmp_path: Any, method: str) -> None:
    """A bound method travels as its object and its name, and is found decorated on the other side."""
    program = tmp_path / "program.py"
    program.write_text(
        HEAD
        + textwrap.dedent(
            f"""
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            class Scorer:
                def __init__(self, bias):
                    self.bias = bias

                @churn.predict(id="id")
                def predict(self, row):
                    return self.bias + row["amount"] / 100

            if __name__ == "__main__":
                scorer = Scorer(0.25)
                rows = [{{"id": f"pool-{{i}}", "amount": i}} for i in range(4)]
                print(scorer.predict({{"id": "parent", "amount": 25}}))
                with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
                    print(list(pool.map(scorer.predict, rows)))
            """
        )
    )
    environment = {**os.environ, "DRIFTLINE_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}"}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    _without_first_call(done)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["0.5", "[0.25, 0.26, 0.27, 0.28]"]
    assert receiver.ids() == ["parent", "pool-0", "pool-1", "pool-2", "pool-3"]


@pytest.mark.parametrize("end", ["", "driftline.shutdown()"])
def test_the_exit_does_not_wait_for_a_receiver_that_is_not_there(receiver: Receiver, end: str) -> None:
    port = receiver.server_port
    receiver.shutdown()
    receiver.server_close()
    done = run(f'score({{"id": "a"}}); score({{"id": "b"}}); {end}', f"http://127.0.0.1:{port}", **PATIENT)

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"driftline: nothing listens on http://127.0.0.1:{port} (start 'driftline up' or set DRIFTLINE_ENDPOINT); "
        "the last 32 MB are kept in memory",
        f"driftline: rows not delivered to http://127.0.0.1:{port}: 2",
    ]


def test_the_exit_is_bounded_by_a_receiver_that_never_answers() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody accepts
        done = run('score({"id": "a"})', f"http://127.0.0.1:{silent.server_port}", **PATIENT)

    assert done.returncode == 0
    assert "rows not delivered" in done.stderr


def test_configure_sets_up_what_is_missing_and_replaces_nothing(receiver: Receiver) -> None:
    script = f"""
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        trace.set_tracer_provider(mine)
        driftline.configure(service_name="shop", endpoint="http://127.0.0.1:{receiver.server_port}", environment="test")
        assert trace.get_tracer_provider() is mine
        assert type(metrics.get_meter_provider()).__name__ == "MeterProvider"
        score({{"id": "a"}})
        driftline.flush()
    """
    done = run(script, "http://127.0.0.1:9")

    assert (done.returncode, done.stderr) == (0, READ)
    assert "a" in receiver.ids()


def test_configure_names_service_and_environment_on_everything(receiver: Receiver) -> None:
    script = f"""
        from opentelemetry import trace
        driftline.configure(service_name="shop", endpoint="http://127.0.0.1:{receiver.server_port}", environment="test")
        print(dict(trace.get_tracer_provider().resource.attributes)["service.name"])
        score({{"id": "a"}})
    """
    done = run(script, "http://127.0.0.1:9")

    assert (done.returncode, done.stdout, done.stderr) == (0, "shop\n", READ)
    environments = {table.key.environment for body in receiver.bodies for table in predictions_of(body)}
    assert environments == {"test"}


def test_configure_names_them_where_no_spans_are_exported(receiver: Receiver) -> None:
    script = f"""
        os.environ["OTEL_TRACES_EXPORTER"] = "none"
        driftline.configure(service_name="shop", endpoint="http://127.0.0.1:{receiver.server_port}", environment="test")
        score({{"id": "a"}})
    """
    done = run(script, "http://127.0.0.1:9")

    assert (done.returncode, done.stderr) == (0, READ)
    records = [ExportLogsServiceRequest.FromString(body) for path, body in receiver.requests if path == "/v1/logs"]
    metrics = [
        ExportMetricsServiceRequest.FromString(body) for path, body in receiver.requests if path == "/v1/metrics"
    ]
    said = [one.resource for request in records for one in request.resource_logs]
    said += [one.resource for request in metrics for one in request.resource_metrics]
    names = [{pair.key: pair.value.string_value for pair in resource.attributes} for resource in said]
    assert {(name["service.name"], name["deployment.environment.name"]) for name in names} == {("shop", "test")}
    assert receiver.paths.keys() == {"/v1/logs", "/v1/metrics"}


WITHOUT = """
import os, sys
sys.modules.update(dict.fromkeys(os.environ["MISSING"].split(",")))  # each of them now fails to import
import driftline

driftline.configure(service_name="shop")
churn = driftline.Model("churn", task="binary")

@churn.predict(id="id")
def score(row):
    return 0.5

print(score({"id": "a"}), churn.outcome("a", 1), driftline.flush(0.5))
"""


@pytest.mark.parametrize(
    ("environment", "facts"),
    [
        (
            {"MISSING": "requests", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
            ("http://127.0.0.1:1", "'requests'", "ModuleNotFoundError"),
        ),
        (
            {"MISSING": "grpc,opentelemetry.exporter.otlp.proto.grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ("http://localhost:4317", "'grpcio'", "ModuleNotFound"),
        ),
        ({"MISSING": "requests,opentelemetry.exporter.otlp.proto.http"}, ("ModuleNotFoundError",)),
        (
            {"MISSING": "pandas", "DRIFTLINE_ENDPOINT": "localhost:4318"},
            ("DRIFTLINE_ENDPOINT", "'localhost:4318'", "URL"),
        ),
    ],
    ids=["requests", "grpc", "exporters", "endpoint"],
)
def test_a_channel_that_cannot_be_made_stops_no_service(environment: dict[str, str], facts: Facts) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    quick = {"OTEL_METRIC_EXPORT_INTERVAL": "3600000", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env={**clean, **quick, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    _without_first_call(done)

    assert (done.returncode, done.stdout) == (0, "0.5 None False\n"), done.stderr
    assert lacking(done.stderr, *facts) == []
    assert "internal error" not in done.stderr
    assert done.stderr.count("driftline: predictions and outcomes are not recorded: ") == 1


def test_one_404_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    script = """
        score({"id": "a"}); churn.outcome("a", 1)
        print(driftline.flush(60))
        score({"id": "b"}); churn.outcome("b", 1)
        print(driftline.flush(60))
    """
    bodies: list[bytes] = []

    def answers(asked: Asked) -> tuple[int, None]:
        """Be an ingress without a route for logs, once: as while something is rolled out."""
        if asked.path == "/v1/logs":
            bodies.append(asked.body)
        return 404 if bodies == [asked.body] and asked.path == "/v1/logs" else 200, None

    with service(answers) as server:
        done = run(script, server.url)

    assert (done.returncode, done.stdout) == (0, "True\nTrue\n"), done.stderr
    accepted = bodies[1:]
    assert [text for body in accepted for table in predictions_of(body) for text in strings(table.id)] == ["a", "b"]
    assert [text for body in accepted for table in decode_logs(body, NOW).outcomes for text in strings(table.id)] == [
        "a",
        "b",
    ]

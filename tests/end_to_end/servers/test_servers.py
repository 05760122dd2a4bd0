"""Behind real servers, each prediction arrives once and is counted once: whichever worker made it, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from driftline_processor.demo.processes import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.paths import ROOT

from .conftest import Books, environment, running

CUSTOMERS = [f"customer-{i}" for i in range(60)]

SERVERS = {
    "gunicorn, prefork": "gunicorn -w 3 tests.end_to_end.servers.shop:wsgi",
    "gunicorn, preload": "gunicorn -w 3 --preload tests.end_to_end.servers.shop:wsgi",
    "gunicorn, preload, gthread": "gunicorn -w 2 -k gthread --threads 4 --preload tests.end_to_end.servers.shop:wsgi",
    "gunicorn, gevent": "gunicorn -w 2 -k gevent tests.end_to_end.servers.shop:wsgi",
    "gunicorn, gevent, preload": "gunicorn -w 2 -k gevent --preload tests.end_to_end.servers.shop:wsgi",
    "uvicorn, one process": "uvicorn tests.end_to_end.servers.shop:asgi",
    "uvicorn, workers": "uvicorn --workers 2 tests.end_to_end.servers.shop:asgi",
}


EARLY = "from gevent import monkey; monkey.patch_all()"
"""What gevent asks of people who preload: its threads in place before anything has imported others."""


def command(server: str, port: int, folder: Path) -> list[str]:
    bind = ["--port", str(port)] if server.startswith("uvicorn") else ["-b", f"127.0.0.1:{port}"]
    if "gevent, preload" in server:
        (folder / "gunicorn.conf.py").write_text(EARLY)
    return [*SERVERS[server].split(), *bind]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_each_prediction_arrives_and_is_counted_once(books: Books, tmp_path: Path, server: str, warm: bool) -> None:
    pytest.importorskip(server.split(",")[0])
    if "gevent" in server:
        pytest.importorskip("gevent")
    port = free_port()
    env = environment(books, {"SHOP_WARM": "yes"} if warm else {})
    with running(command(server, port, tmp_path), port, env, tmp_path) as shop:
        shop.wait_until_it_listens()
        workers = shop.ask(*CUSTOMERS)
        shop.stop()

    arrived = books.ids()
    warmed = [id for id in arrived if id.startswith("warm-")]
    assert [id for id in arrived if not id.startswith("warm-")] == sorted(CUSTOMERS)
    assert len(warmed) == len(set(warmed))
    assert bool(warmed) is warm
    assert books.counted() == len(arrived)
    assert len(books.instances()) >= len(workers)


def test_workers_that_are_replaced_lose_nothing(books: Books, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    port = free_port()
    recycled = [
        "gunicorn",
        "-w",
        "2",
        "--max-requests",
        "10",
        "-b",
        f"127.0.0.1:{port}",
        "tests.end_to_end.servers.shop:wsgi",
    ]
    with running(recycled, port, environment(books), tmp_path) as shop:
        shop.wait_until_it_listens()
        workers = shop.ask(*CUSTOMERS)
        shop.stop()

    assert len(workers) > 2
    assert books.ids() == sorted(CUSTOMERS)
    assert books.counted() == len(CUSTOMERS)


def test_a_process_that_is_frozen_and_thawed_sends_the_rest(books: Books, tmp_path: Path) -> None:
    """A function that is billed by the millisecond stands still between two requests."""
    port = free_port()
    with running(command("uvicorn, one process", port, tmp_path), port, environment(books), tmp_path) as shop:
        shop.wait_until_it_listens()
        shop.ask("before")
        shop.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        while_frozen = books.ids()
        shop.process.send_signal(signal.SIGCONT)
        shop.ask("after")
        shop.stop()

    assert set(while_frozen) <= {"before"}
    assert books.ids() == ["after", "before"]
    assert books.counted() == 2


def test_what_is_flushed_before_a_freeze_has_arrived(books: Books) -> None:
    script = """
from tests.end_to_end.servers.shop import driftline, score
import os, signal
score({"id": "a"})
assert driftline.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(books), timeout=60, check=False)

    assert done.returncode == -signal.SIGKILL
    assert books.ids() == ["a"]
    assert books.counted() == 1


FAREWELL = """
import time
from contextlib import asynccontextmanager

import driftline
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracers, meters = TracerProvider(), MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(meters)


@asynccontextmanager
async def lifespan(app):
    yield
    tracers.shutdown()
    meters.shutdown()


app = FastAPI(lifespan=lifespan)
driftline.Model("churn", task="binary").instrument(app, routes={"GET /{id}": {"features": "path", "score": "score"}})


@app.get("/{id}")
def score(id: str):
    time.sleep(0.05)
    return {"score": 0.25}
"""


def span_names(books: Books) -> list[str]:
    """Return the names of the spans that arrived."""
    sent = [ExportTraceServiceRequest.FromString(body) for path, body in books.requests if path == "/v1/traces"]
    return [span.name for one in sent for said in one.resource_spans for s in said.scope_spans for span in s.spans]


def test_an_application_that_ends_its_own_providers_has_the_last_second_in_them(books: Books, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    (tmp_path / "farewell.py").write_text(FAREWELL)
    port = free_port()
    with running(["uvicorn", "farewell:app", "--port", str(port)], port, environment(books), tmp_path) as shop:
        shop.wait_until_it_listens()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/17", timeout=120) as answer:
            assert answer.status == 200
        shop.stop()

    assert span_names(books).count("predict churn") == 1
    assert books.counted() == 1


def work_through(pool: str, env: dict[str, str], folder: Path) -> str:
    """Let a Celery worker predict 20 tasks, stop it, and return its log."""
    env = {**env, "SHOP_QUEUE": str(folder / "queue")}
    worker = ["celery", "-A", "tests.end_to_end.servers.tasks", "worker", "--pool", pool, "--concurrency", "2"]
    send = "from tests.end_to_end.servers.tasks import predict\nfor i in range(20): predict.delay(f'task-{i}')"
    subprocess.run([sys.executable, "-c", send], env=env, cwd=folder, check=True, timeout=60)
    done = folder / "queue" / "done"
    with running([*worker, "--without-gossip", "--without-mingle"], 0, env, folder) as shop:
        for _ in range(600):
            if len(list(done.iterdir())) >= 20 or shop.process.poll() is not None:
                break
            time.sleep(0.1)
        shop.stop()
    return shop.log


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_tasks_of_celery_arrive_once(books: Books, tmp_path: Path, pool: str) -> None:
    pytest.importorskip("celery")
    log = work_through(pool, environment(books), tmp_path)

    assert books.ids() == sorted(f"task-{i}" for i in range(20)), log
    assert books.counted() == 20


def test_tasks_of_celery_are_in_the_providers_of_the_application(books: Books, tmp_path: Path) -> None:
    """Children of Celery end without ``atexit``, in which the providers would send the last spans and counts."""
    pytest.importorskip("celery")
    zero_code = pytest.importorskip("opentelemetry.instrumentation.auto_instrumentation")
    env = environment(books)
    env |= {
        "PYTHONPATH": os.pathsep.join([str(Path(zero_code.__file__).parent), env["PYTHONPATH"]]),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
    }
    log = work_through("prefork", env, tmp_path)

    assert span_names(books).count("predict churn") == books.counted() == len(books.ids()) == 20, log


@pytest.mark.parametrize("pool", ["multiprocessing.Pool", "concurrent.futures.ProcessPoolExecutor"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_loses_nothing_when_it_is_closed(
    books: Books, tmp_path: Path, pool: str, method: str
) -> None:
    program = tmp_path / "program.py"
    if pool == "multiprocessing.Pool":
        use = "pool = context.Pool(3); list(pool.map(work, range(30))); pool.close(); pool.join()"
    else:
        use = "with futures.ProcessPoolExecutor(3, context) as pool: list(pool.map(work, range(30)))"
    program.write_text(
        f"""
import multiprocessing
from concurrent import futures

from tests.end_to_end.servers.shop import score


def work(i):
    return score({{"id": f"row-{{i}}"}})


if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    score({{"id": "parent"}})
    {use}
"""
    )
    done = subprocess.run(
        [sys.executable, str(program)], env=environment(books), capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert books.ids() == sorted(["parent", *(f"row-{i}" for i in range(30))])
    assert books.counted() == 31


def test_no_thread_of_driftline_is_alive_at_a_fork(books: Books) -> None:
    script = """
import os, threading
alive = lambda: sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("driftline"))
said = lambda: [name for name in alive() if name != "driftline-metrics"]  # which starts with the first row's second
seen = []
os.register_at_fork(before=lambda: seen.append(alive()))  # the first to be registered is the last to be called
from tests.end_to_end.servers.shop import driftline, score

score({"id": "parent"})
assert said() == ["driftline", "driftline-end-metrics", "driftline-end-traces"], alive()
if os.fork() == 0:
    score({"id": "child"})
    raise SystemExit
os.wait()
assert seen == [[]], seen
score({"id": "parent again"})
assert said() == ["driftline", "driftline-end-metrics", "driftline-end-traces"], alive()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(books), capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert books.ids() == ["child", "parent", "parent again"]
    assert books.counted() == 3


def test_a_script_that_turns_the_signal_into_an_exit_loses_nothing(books: Books) -> None:
    script = """
import os, signal, sys
from tests.end_to_end.servers.shop import score
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
score({"id": "a"})
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(books), timeout=60, check=False)

    assert done.returncode == 143
    assert books.ids() == ["a"]
    assert books.counted() == 1


def test_the_end_is_bounded_when_the_collector_is_away(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    port, nobody = free_port(), free_port()
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody}"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    patient = {**env, "OTEL_EXPORTER_OTLP_TIMEOUT": "100000"}  # an end that waited for exporters would take a day
    serve = [*command("gunicorn, prefork", port, tmp_path), "--graceful-timeout", "100"]
    with running(serve, port, patient, tmp_path) as shop:
        shop.wait_until_it_listens()
        shop.ask(*CUSTOMERS)
        shop.process.send_signal(signal.SIGTERM)
        assert shop.process.wait(200) == 0
        assert "rows not delivered" in shop.log
        assert "SIGKILL" not in shop.log  # which is what gunicorn sends after its timeout

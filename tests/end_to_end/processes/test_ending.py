"""The end of a process that `configure()` set up: spans and counts arrive, and nobody waits long for a receiver."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

import pytest
from driftline.configuration import destination
from driftline.export import lifecycle
from driftline.export.endpoint import resolve
from driftline.export.threads import BoundedClose
from driftline.faults import FAULTS

from tests.support.facts import lacking
from tests.support.receiver import Receiver


@dataclass
class Day:
    """A clock that only the things waited for move, and what was done when."""

    now: float = 100.0
    done: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.done.append((self.now - 100.0, what))


@dataclass
class Slow:
    """A provider that takes ``seconds`` to close once that was begun, or a pipeline that takes them to send."""

    day: Day
    name: str
    seconds: float
    after_records: bool = False

    def begin(self) -> None:
        self.day.note(f"begin {self.name}")

    def wait(self, timeout: float) -> bool:
        self.day.now += min(self.seconds, timeout)
        self.day.note(f"left {self.name}")
        return self.seconds <= timeout

    def shutdown(self, timeout: float) -> bool:
        return self.wait(timeout)

    def flush(self, timeout: float, **_: object) -> bool:
        return self.wait(timeout)

    def settle(self, timeout: float) -> None:
        """Nothing is recorded."""

    def report_undelivered(self) -> None:
        self.day.note("undelivered")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    day = Day()
    monkeypatch.setattr(lifecycle, "_clock", lambda: day.now)
    monkeypatch.setattr(lifecycle, "_stopped_at", -60.0)  # a server of an earlier test may have ended
    monkeypatch.setattr(lifecycle, "_left", 1e9)
    return day


def end(monkeypatch: pytest.MonkeyPatch, pipelines: list[Any], closings: list[Any]) -> None:
    monkeypatch.setattr(lifecycle, "pipelines", lambda: pipelines)
    monkeypatch.setattr(lifecycle, "_closings", closings)
    lifecycle.end_process(5.0)


def test_spans_are_sent_while_records_are_and_counts_after_them(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    spans, counts = Slow(day, "spans", 0.0), Slow(day, "counts", 0.25, after_records=True)
    end(monkeypatch, [Slow(day, "records", 1.0)], [spans, counts])

    assert day.done == [
        (0.0, "begin spans"),
        (1.0, "left records"),
        (1.0, "begin spans"),
        (1.0, "begin counts"),
        (1.25, "left counts"),
        (1.25, "left spans"),
    ]


def test_providers_that_never_end_get_what_is_left_of_five_seconds(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    closings = [Slow(day, "spans", 1e9), Slow(day, "counts", 1e9, after_records=True)]
    end(monkeypatch, [Slow(day, "records", 2.0)], closings)

    assert day.now == 105.0


def test_the_last_counts_get_a_moment_where_records_took_it_all(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    closings = [Slow(day, "spans", 1e9), Slow(day, "counts", 1e9, after_records=True)]
    end(monkeypatch, [Slow(day, "records", 1e9)], closings)

    assert day.now == 105.25


@dataclass
class Hanging(Slow):
    """A pipeline of which every step takes all of its time, as with a name resolution that hangs."""

    seconds: float = 1e9

    def settle(self, timeout: float) -> None:
        self.wait(timeout)


@pytest.mark.parametrize("handler", [0.0, 60.0], ids=["without handlers", "with a handler of a minute"])
def test_all_steps_of_the_end_share_one_time(day: Day, monkeypatch: pytest.MonkeyPatch, handler: float) -> None:
    """Twice the predictions, then the records, then the providers."""
    closings: list[Any] = [Slow(day, "spans", 1e9), Slow(day, "counts", 1e9, after_records=True)]
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [Hanging(day, "records")])
    monkeypatch.setattr(lifecycle, "_closings", closings)
    monkeypatch.setattr(lifecycle, "_left", lifecycle.END_SECONDS)
    monkeypatch.setattr(lifecycle, "_exiting", False)
    lifecycle._begin_exit()
    lifecycle._begin_exit()
    day.now += handler
    lifecycle.end_process()

    assert day.now == pytest.approx(100.0 + handler + lifecycle.END_SECONDS)
    assert lifecycle.END_SECONDS == 2.5


@pytest.mark.parametrize("timeout", [0.0, 0.25, 1.0, 10.0])
def test_all_steps_of_a_flush_share_its_time(day: Day, monkeypatch: pytest.MonkeyPatch, timeout: float) -> None:
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [Hanging(day, "a"), Hanging(day, "b")])
    monkeypatch.setattr(lifecycle, "_closings", [])

    assert lifecycle.flush(timeout) is False
    assert day.now == pytest.approx(100.0 + max(timeout, lifecycle.LAST_SECONDS))


def test_the_end_of_a_process_has_what_its_server_left(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Slow(day, "records", 1e9)
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [records])
    monkeypatch.setattr(lifecycle, "_closings", [])
    monkeypatch.setattr(lifecycle, "_stopped_at", -60.0)
    lifecycle._flush_at_stop()
    lifecycle.end_process()

    assert day.now == pytest.approx(101.8)
    assert [what for _, what in day.done].count("undelivered") == 1
    day.now += 60
    lifecycle.end_process()
    assert day.now == pytest.approx(163.6)


def test_several_pipelines_share_the_time_of_one(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [Slow(day, "a", 3.0), Slow(day, "b", 1e9), Slow(day, "c", 0.0)])

    assert lifecycle.shutdown(5.0) is False
    assert day.now == 105.0


def test_a_provider_is_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    closings = [BoundedClose("traces", lambda: closed.append("traces"), int)]
    end(monkeypatch, [], closings)
    end(monkeypatch, [], closings)

    assert closed == ["traces"]
    assert closings == []


def test_a_provider_that_hangs_is_left_behind() -> None:
    never = Event()
    closing = BoundedClose("traces", never.wait, int)
    closing.begin()

    assert closing.wait(0.0) is False
    never.set()
    assert closing.wait(60.0) is True


def test_a_provider_that_fails_to_close_is_a_fault_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    closing = BoundedClose("traces", lambda: [].pop(), int)
    closing.begin()

    assert closing.wait(60.0) is True
    assert FAULTS.drain() == Counter({"IndexError": 1})


HEAD = """
import os, sys
import driftline

driftline.configure("shop", {endpoint!r})
churn = driftline.Model("churn", task="binary")

@churn.predict(id="id")
def score(row):
    return 0.5
"""


PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "100000"}
"""Seconds: an exit that waited for the exporters would take a day."""


def run(script: str, endpoint: str, *, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that `configure()` set up."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    return subprocess.run(
        [sys.executable, "-c", before + HEAD.format(endpoint=endpoint) + textwrap.dedent(script)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_a_short_script_sends_its_spans_counts_and_distributions(receiver: Receiver, proxy: str) -> None:
    done = run('score({"id": "a"})', f"http://127.0.0.1:{receiver.server_port}", http_proxy=proxy, all_proxy=proxy)

    assert done.returncode == 0
    assert (set(receiver.paths), receiver.ids()) == ({"/v1/logs", "/v1/traces", "/v1/metrics"}, ["a"])
    assert receiver.paths["/v1/metrics"] >= 2  # counts, and distributions


def test_all_that_goes_to_an_endpoint_in_code_has_the_headers_of_the_environment(receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.server_port}"
    run('score({"id": "a"})', endpoint, OTEL_EXPORTER_OTLP_HEADERS="api-key=secret")

    keys = {(asked.path, asked.headers["api-key"]) for asked in receiver.asked}
    assert keys == {("/v1/logs", "secret"), ("/v1/traces", "secret"), ("/v1/metrics", "secret")}


def test_spans_that_are_no_predictions_are_sent_without_a_record(receiver: Receiver) -> None:
    script = """
        from opentelemetry import trace
        trace.get_tracer("shop").start_span("checkout").end()
    """
    run(script, f"http://127.0.0.1:{receiver.server_port}")

    assert receiver.paths["/v1/traces"] == 1


def test_a_forked_child_sends_spans_of_its_own(receiver: Receiver) -> None:
    script = """
        score({"id": "parent"})
        driftline.flush()
        pid = os.fork()
        if pid == 0:
            score({"id": "child"})
            sys.exit(0)
        os.waitpid(pid, 0)
    """
    done = run(script, f"http://127.0.0.1:{receiver.server_port}")

    assert done.returncode == 0
    assert receiver.paths["/v1/traces"] == 2


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_process_ends_though_nothing_listens(protocol: str) -> None:
    with socket.socket() as held:  # bound, never listening: nobody else gets this port meanwhile
        held.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
        done = run('score({"id": "a"})', endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, **PATIENT)

    assert done.returncode == 0
    assert lacking(done.stderr, f"{endpoint}", "1") == []
    assert ("StatusCode.UNAVAILABLE encountered while exporting" in done.stderr) is (protocol == "grpc")


def test_a_process_ends_though_the_receiver_never_answers() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody accepts
        done = run('score({"id": "a"})', f"http://127.0.0.1:{silent.server_port}", **PATIENT)

    assert done.returncode == 0
    assert "rows not delivered" in done.stderr


BLOCKING_HANDLERS = {
    "a log server that does not answer": "handler = logging.handlers.HTTPHandler({server!r}, '/log')",
    "a handler that blocks, behind another": (
        "logging.Handler.emit = lambda *_: threading.Event().wait()\n"
        "handler = logging.handlers.MemoryHandler(1, target=logging.Handler())"
    ),
    "a handler whose flush blocks too": (
        "handler = logging.Handler()\nhandler.emit = handler.flush = lambda *_: threading.Event().wait()"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("imported", ["before", "after"])
@pytest.mark.parametrize("blocking", BLOCKING_HANDLERS)
def test_a_process_ends_though_its_logging_blocks(blocking: str, imported: str, receiver: Receiver) -> None:
    imports = "import logging, logging.handlers, threading"
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody accepts
        handler = BLOCKING_HANDLERS[blocking].format(server=f"127.0.0.1:{silent.server_port}")
        lines = ["logging.root.addHandler(handler)", 'score({"id": "a"})', "print('done', flush=True)"]
        script = "\n".join([*([imports] if imported == "after" else []), handler, *lines])
        before = f"{imports}\n" if imported == "before" else ""
        done = run(script, f"http://127.0.0.1:{receiver.server_port}", before=before, **PATIENT)

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert receiver.ids() == ["a"]


@pytest.mark.slow
def test_a_process_ends_though_the_lines_of_its_end_block() -> None:
    script = """
    import logging, threading
    logging.getLogger("driftline").setLevel("WARNING")
    handler = logging.Handler()
    handler.emit = lambda _: print("line", flush=True) or threading.Event().wait()
    logging.root.addHandler(handler)
    score({"id": "a"})
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody accepts
        done = run(script, f"http://127.0.0.1:{silent.server_port}", **PATIENT)

    assert (done.returncode, done.stdout) == (0, "line\n")


SLOW_NAMES = """
    import atexit, socket, threading, time
    socket.getaddrinfo = lambda *_, **__: time.sleep(100_000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["", "driftline.flush(0.1)"])
@pytest.mark.parametrize("has_threads", [True, False])
def test_a_process_ends_though_no_name_is_resolved(step: str, has_threads: bool) -> None:
    script = textwrap.dedent(SLOW_NAMES) + f'score({{"id": "a"}})\n{step}\n'
    if not has_threads:  # as in Python 3.12 at exit
        script += "def refuse(*_, **__):\n    raise RuntimeError('no thread at interpreter shutdown')\n"
        script += "atexit.register(setattr, threading, '_start_new_thread', refuse)\n"
    done = run(script, "http://localhost:1", **PATIENT)

    assert done.returncode == 0
    assert "driftline: rows not delivered to http://localhost:1: 1" in done.stderr
    assert "no thread can be opened" not in done.stderr


def test_spans_over_grpc_pass_a_proxy_by_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://elsewhere:4317")
    direct = {"endpoint": "http://localhost:4317", "channel_options": (("grpc.enable_http_proxy", 0),)}

    assert destination("TRACES", resolve("http://localhost:4317", {})) == direct
    assert destination("TRACES", resolve("http://d:4317", {})) == {"endpoint": "http://d:4317"}
    (session,) = destination("TRACES", None).values()  # over HTTP
    assert session.proxies == {}

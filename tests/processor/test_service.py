"""`driftline up` as a whole: it receives, keeps, forwards, shows, and ends in order."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import attributes
from driftline.semconv import metrics as m
from driftline_processor.access.local import user_name
from driftline_processor.config.schema import Config, load, validate_file
from driftline_processor.servers.ports import PortInUse
from driftline_processor.service import Service, run
from driftline_processor.state import State
from driftline_processor.store import memory_folder
from driftline_processor.store.database import StorageError
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.facts import lacking
from tests.support.metric_requests import histogram_of, metrics_body, predictions_of
from tests.support.otlp_peers import Peer, grpc_peer, http_peer, log
from tests.support.processes import post_predictions, prediction, process
from tests.support.running_service import PROTOCOLS, get, receivers, running, service_config, url
from tests.support.stock_sdk import export_spans
from tests.support.waiting import wait_until


@pytest.mark.parametrize("served", [grpc_peer, http_peer], ids=["to grpc", "to http"])
def test_what_is_received_on_either_port_is_forwarded(served: Callable[[Peer], Any], tmp_path: Path) -> None:
    peer = Peer()
    with served(peer) as name:
        exporter = {"endpoint": peer.endpoint, "tls": {"insecure": True}, "forward": ["traces"]}
        with running(tmp_path, exporters={name: exporter}) as service:
            export_spans(GrpcSpanExporter(endpoint=str(service.addresses["grpc"]), insecure=True), "over grpc")
            export_spans(HttpSpanExporter(url(service, "http", "/v1/traces")), "over http")
    assert sorted(peer.names) == ["over grpc", "over http"]


def test_ready_while_running_and_alive_pages_and_outcomes_on_both_ports(tmp_path: Path) -> None:
    outcome = {"model": "churn", "outcomes": [{"id": "a", "actual": 1}]}
    with running(tmp_path) as service:
        assert get(service, "/healthz").status_code == 200
        assert get(service, "/readyz").json() == {"ready": True, "problems": []}
        assert get(service, "/").status_code == 200
        for part in ("web", "http"):
            answer = httpx.post(url(service, part, "/v1/outcomes"), json=outcome, trust_env=False)
            assert answer.status_code == 200
    assert [problem.message for problem in service.health.problems()] == ["the processor is stopping"]


def test_a_malformed_request_of_any_signal_is_refused_and_not_forwarded(tmp_path: Path) -> None:
    peer, headers = Peer(), {"content-type": "application/x-protobuf"}
    with http_peer(peer) as name:
        everything = ["traces", "metrics", "logs", "records"]
        with running(tmp_path, exporters={name: {"endpoint": peer.endpoint, "forward": everything}}) as service:
            for kind in ("traces", "metrics", "logs"):
                address = url(service, "http", f"/v1/{kind}")
                answer = httpx.post(address, content=b"\x0a\x05abc", headers=headers, trust_env=False)
                assert (kind, answer.status_code) == (kind, 400)
            httpx.post(url(service, "http", "/v1/logs"), content=log("login"), headers=headers, trust_env=False)
    assert peer.names == ["login"]


def test_requests_are_counted_by_signal(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        export_spans(HttpSpanExporter(url(service, "http", "/v1/traces")), "a")
        counters = service.health.counters.snapshot()
    assert counters[m.DRIFTLINE_RECEIVED_REQUESTS, ((attributes.DRIFTLINE_SIGNAL, "traces"),)] == 1


@pytest.mark.slow
def test_a_restart_finds_what_was_acknowledged(tmp_path: Path) -> None:
    headers, body = {"content-type": "application/x-protobuf"}, prediction("churn", "a")
    for _ in range(2):  # the second is a resend: the same bytes, after a restart
        with running(tmp_path) as service:
            answer = httpx.post(url(service, "http", "/v1/logs"), content=body, headers=headers, trust_env=False)
            assert answer.status_code == 200
            models = get(service, "/api/v1/models").json()
    assert "churn" in str(models)


def test_what_is_derived_goes_where_it_is_wanted(tmp_path: Path) -> None:
    """A sampled prediction span of a stock SDK, its outcome over HTTP: a span in the same trace, and metrics."""
    peer = Peer()
    with http_peer(peer) as name:
        wanted = {"endpoint": peer.endpoint, "forward": ["traces"], "derived": ["traces", "metrics"]}
        with running(tmp_path, exporters={name: wanted}) as service:
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(HttpSpanExporter(url(service, "http", "/v1/traces"))))
            scored: dict[str, Any] = {attributes.ML_MODEL_NAME: "churn", attributes.ML_PREDICTION_SCORE: 0.75}
            span = provider.get_tracer("app").start_span("predict churn", attributes=scored)
            span.set_attribute(attributes.ML_PREDICTION_ID, "order-1")
            span.end()
            outcome = {"model": "churn", "outcomes": [{"id": "order-1", "actual": 1}]}
            accepted = httpx.post(url(service, "web", "/v1/outcomes"), json=outcome, trust_env=False).json()
    assert accepted == {"accepted": 1, "rejected": []}
    assert [found for kind, found in peer.accepted if kind == "traces"] == [["predict churn"], ["outcome churn"]]
    assert any(m.DRIFTLINE_PREDICTIONS in found for kind, found in peer.accepted if kind == "metrics")


def test_what_is_derived_bears_no_name_that_a_service_sends(tmp_path: Path) -> None:
    """What a service counts is forwarded as well, so under one name every sum would count a prediction twice."""
    peer, headers = Peer(), {"content-type": "application/x-protobuf"}
    now, since = time.time_ns(), time.time_ns() - 60 * 10**9
    durations = histogram_of(
        m.ML_PREDICT_DURATION, DURATION_BOUNDS, [5, *[0] * len(DURATION_BOUNDS)], start=since, time=now, sum=0.1
    )
    counted = metrics_body([predictions_of(5.0, "1", start=since, time=now), durations])
    with http_peer(peer) as name:
        everything = {"endpoint": peer.endpoint, "forward": ["metrics"], "derived": ["metrics"]}
        with running(tmp_path, exporters={name: everything}) as service:
            address = url(service, "http", "/v1/metrics")
            assert httpx.post(address, content=counted, headers=headers, trust_env=False).status_code == 200
            wait_until(lambda: m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus in get(service, "/metrics").text)
            page = get(service, "/metrics").text
    names = [name for kind, found in peer.accepted if kind == "metrics" for name in found]
    sent = [m.ML_PREDICTIONS, m.ML_PREDICT_DURATION]
    assert [names.count(name) for name in sent] == [1, 1]  # as they came; what is derived may go out more than once
    assert {m.DRIFTLINE_PREDICTIONS, m.DRIFTLINE_PREDICT_DURATION} <= set(names)
    assert m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus in page
    assert [name for name in sent if m.INSTRUMENTS[name].prometheus in page] == []


@pytest.mark.parametrize("taken", ["grpc", "http", "web"])
def test_a_port_in_use_leaves_nothing_half_started(taken: str, tmp_path: Path) -> None:
    with running(tmp_path / "one") as first:
        port = str(first.addresses[taken])
        endpoint = {"endpoint": port}
        keys = {"web": endpoint} if taken == "web" else receivers({**PROTOCOLS, taken: endpoint})
        second = Service(service_config(tmp_path / "two", **keys))
        with pytest.raises(PortInUse, match=f"{port} is in use"):
            second.start()
    assert not (tmp_path / "two").exists()
    for address in second.addresses.values():
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{address}", trust_env=False)


def test_stopping_twice_is_stopping_once_and_a_part_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(service_config(tmp_path))
    service.start()
    monkeypatch.setattr(State, "settle", lambda *_: 1 / 0)
    service.stop()
    service.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "a component could not be stopped; the others are stopped"
    ]
    with pytest.raises(httpx.ConnectError):
        get(service, "/healthz")


def test_it_says_where_everything_is(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        ports = service.addresses
        assert service.lines() == [
            f"driftline receives OTLP over gRPC on {ports['grpc']} and OTLP over HTTP on {ports['http']}",
            f"pages on http://{ports['web']}",
            f"rows are kept in {tmp_path}",
            "not forwarding: traces end here; add --forward URL",
            f"decisions carry the name {user_name()}; 'driftline login http://{ports['web']}' prints a link that logs "
            "you in",
        ]


def test_the_pages_have_the_address_that_is_configured(tmp_path: Path) -> None:
    with running(tmp_path, web={"endpoint": "127.0.0.1:0", "public_url": "https://driftline.example.com"}) as service:
        assert service.lines()[1] == "pages on https://driftline.example.com"


def test_other_machines_are_warned_about(tmp_path: Path) -> None:
    with running(tmp_path, web={"endpoint": "0.0.0.0:0"}, insecure_anonymous=True) as service:
        web = service.addresses["web"]
        warning = f"warning: everyone who can reach {web} can send and read data (insecure_anonymous)"
        assert service.lines()[-1] == warning


@pytest.mark.parametrize(
    "listener", ["receivers: {otlp: {protocols: {grpc: {endpoint: ENDPOINT}}}}", "web: {endpoint: ENDPOINT}"]
)
@pytest.mark.parametrize(
    "endpoint", ["0.0.0.0:4444", ":4444", "[::]:4444", "192.168.1.5:4444", "127.evil.example:4444"]
)
def test_other_machines_are_not_listened_to_unless_it_is_said_that_they_may(
    listener: str, endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(listener.replace("ENDPOINT", f"'{endpoint}'"))
    assert run(path) == 2
    said = capsys.readouterr().err
    assert lacking(said, "driftline token create", "auth: {tokens:", "'127.0.0.1'", "'insecure_anonymous: true'") == []
    assert [f"driftline: {problem}" for problem in [*map(str, validate_file(path))]] == said.splitlines()
    path.write_text(path.read_text() + "\ninsecure_anonymous: true\n")
    assert [*map(str, validate_file(path))] == []


def test_a_wrong_configuration_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("models: {churn: {windows: [25]}}\nweb: {endpiont: x}\n")
    assert run(path) == 2
    assert capsys.readouterr().err.splitlines() == [
        "driftline: web.endpiont: there is no such key; did you mean 'endpoint'?",
        "driftline: models.churn.windows: '25' has no unit; use '25h' or '25m'",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals, tmp_path: Path) -> None:
    with process(tmp_path) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(5)]
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert lacking(lines[0], "gRPC on 127.0.0.1:", "HTTP on 127.0.0.1:") == []
    assert (child.returncode, out, err) == (0, "driftline: stopping\n", "")


@pytest.mark.slow
def test_a_second_process_on_the_same_directory_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path / "driftline-data"), process(tmp_path) as second:
        out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (2, "")
    assert lacking(err, "storage.directory:", str(tmp_path / "driftline-data")) == []
    assert err.count("\n") == 1


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"storage\.directory: .*file/data cannot be written"):
        Service(service_config(tmp_path / "file" / "data")).start()


def test_the_defaults_are_the_documented_ports() -> None:
    assert load() == Config()


def test_a_thread_that_ends_by_an_error_shows_and_only_a_restart_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    health = Service(load()).health
    health.clear("service")

    def fail() -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with health.watched_threads():
        assert health.alive
        thread = threading.Thread(target=fail, name="driftline-keeper")
        thread.start()
        thread.join()
    said = "the thread driftline-keeper ended with an error (RuntimeError: bug); restart driftline"
    assert [(problem.name, problem.message) for problem in health.problems()] == [("threads", said)]
    assert (health.alive, health.ready) == (False, False)


@pytest.mark.slow
@pytest.mark.skipif(not memory_folder.BASE.exists(), reason="there is no file system in memory")
def test_in_memory_nothing_is_left_behind_and_the_next_start_begins_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path(tempfile.mkdtemp(dir=memory_folder.BASE))
    monkeypatch.setattr(memory_folder, "BASE", own)
    (own / "driftline-killed").mkdir()
    (own / "driftline-killed" / "lock").touch()
    for _ in range(2):
        with running(tmp_path, storage="memory") as service:
            assert get(service, "/api/v1/models").json()["models"] == []
            assert "rows are kept in memory, and are lost when this process ends" in service.lines()
            assert post_predictions(url(service, "http", ""), prediction("churn", "a"))
            (folder,) = own.iterdir()
            assert {"driftline.duckdb", "log", "lock"} <= {file.name for file in folder.iterdir()}
        assert list(own.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    own.rmdir()


def test_the_start_says_who_is_told_and_no_address(tmp_path: Path) -> None:
    channels, policies = {"team": "https://example.com/secret"}, {"low": {"when": "accuracy < 0.8"}}
    notify = ["team", "json://127.0.0.1:9/secret"]
    with running(tmp_path, notify=notify, channels=channels, policies=policies) as service:
        assert "notifying team, json by the policies health, low" in service.lines()
        assert "secret" not in "".join(service.lines())

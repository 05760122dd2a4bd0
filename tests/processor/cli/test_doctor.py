"""`driftline doctor`: each everyday mistake is found, with its evidence and its fix, and a good setup has none."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import yaml
from driftline_processor.cli import checks, port_probe
from driftline_processor.cli.checks import Finding, check_configuration, check_environment, check_status, hint_findings
from driftline_processor.cli.commands import app
from driftline_processor.cli.port_probe import ask_port
from driftline_processor.config.schema import load
from driftline_processor.demo.processes import free_port
from driftline_processor.service import Service
from typer.testing import CliRunner

from tests.support.certificates import Authority
from tests.support.processes import HEADERS, prediction
from tests.support.running_service import running, url
from tests.support.waiting import wait_until

VARIABLES = ("DRIFTLINE_", "OTEL_")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("state")) as one:
        wait_until(lambda: httpx.get(url(one, "web", "/readyz"), trust_env=False).status_code == 200)
        yield one


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(VARIABLES)]:
        monkeypatch.delenv(name)


def config_file(folder: Path, **keys: Any) -> Path:
    ports = {"grpc": {"endpoint": f"127.0.0.1:{free_port()}"}, "http": {"endpoint": f"127.0.0.1:{free_port()}"}}
    fixed = {
        "receivers": {"otlp": {"protocols": ports}},
        "web": {"endpoint": f"127.0.0.1:{free_port()}"},
        "storage": {"directory": "data"},
    }
    file = folder / "driftline.yaml"
    file.write_text(yaml.safe_dump({**fixed, **keys}))
    return file


def found(findings: Iterator[Finding]) -> list[str]:
    return [finding.what for finding in findings]


def test_a_good_configuration_and_a_good_processor_have_no_finding(service: Service, tmp_path: Path) -> None:
    there = {"endpoint": f"http://{service.addresses['http']}", "forward": ["traces"]}
    file = config_file(tmp_path, exporters={"otlp_http/there": there})
    answer = CliRunner().invoke(app, ["doctor", "--config", str(file), "--url", url(service, "web", "")])
    assert (answer.exit_code, answer.output.splitlines()[-1]) == (
        0,
        f"no problem in the variables of this shell, {file}, the processor at {url(service, 'web', '')}",
    )


def test_the_processor_of_a_file_is_asked_at_the_address_in_the_file(service: Service, tmp_path: Path) -> None:
    file = config_file(tmp_path, web={"endpoint": str(service.addresses["web"])})
    answer = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    assert answer.output.endswith(f"the processor at {url(service, 'web', '')}\n")


def test_without_a_valid_file_no_other_processor_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text("modles: {}")
    answer = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    assert answer.exit_code == 1
    assert "nothing answers" not in answer.output
    assert answer.output.endswith(f"1 finding in the variables of this shell, {file}\n")


def test_without_an_answer_the_exit_code_is_2_unless_a_file_was_checked(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    file = config_file(tmp_path)
    assert CliRunner().invoke(app, ["doctor", "--url", nowhere]).exit_code == 2
    assert CliRunner().invoke(app, ["doctor", "--url", nowhere, "--config", str(file)]).exit_code == 0
    file.write_text("modles: {}")
    bad = CliRunner().invoke(app, ["doctor", "--url", nowhere, "--config", str(file)])
    assert bad.exit_code == 1
    assert "fix:      did you mean 'models'?" in bad.output


@pytest.mark.parametrize(
    ("kind", "port", "words"),
    [
        ("otlp_http", "grpc", "wrong port: OTLP over HTTP is expected, but a gRPC server answers"),
        ("otlp_grpc", "http", "wrong port: OTLP over gRPC is expected, but an OTLP/HTTP receiver answers"),
        ("otlp_http", "web", "wrong port: OTLP over HTTP is expected, but the pages of a Driftline processor answer"),
        ("otlp_grpc", "web", "wrong port: OTLP over gRPC is expected, but the pages of a Driftline processor answer"),
        ("otlp_grpc", "grpc", ""),
        ("otlp_http", "http", ""),
    ],
)
def test_an_exporter_to_the_wrong_port(kind: str, port: str, words: str, service: Service, tmp_path: Path) -> None:
    scheme = "http://" if kind == "otlp_http" else ""
    keys = {"endpoint": f"{scheme}{service.addresses[port]}", "tls": {"insecure": True}, "forward": ["traces"]}
    file = config_file(tmp_path, exporters={f"{kind}/peer": keys})
    assert found(check_configuration(load(file), is_running=True)) == ([words] if words else [])


@pytest.mark.slow
def test_a_destination_that_is_away_or_rejects_the_credentials(tmp_path: Path) -> None:
    token = tmp_path / "shop.token"
    token.write_text("a token of more than twenty characters")
    token.chmod(0o600)
    auth = {"tokens": [{"name": "shop", "token_file": str(token), "may": "ingest"}]}
    with running(tmp_path / "there", auth=auth) as there:
        rejecting = {"endpoint": f"http://{there.addresses['http']}", "forward": ["logs"]}
        exporters = {
            "otlp_http/away": {"endpoint": f"http://127.0.0.1:{free_port()}", "forward": ["traces"]},
            "otlp_http/rejecting": rejecting,
            "otlp_http/good": {**rejecting, "headers": {"authorization": f"Bearer {token.read_text()}"}},
        }
        findings = [*check_configuration(load(config_file(tmp_path, exporters=exporters)), is_running=True)]
    assert [finding.what for finding in findings] == [
        "the destination exporters.otlp_http/away does not answer",
        "the destination exporters.otlp_http/rejecting rejects requests",
    ]
    assert "HTTP 401" in findings[1].evidence


def test_a_port_that_is_not_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_probe, "WAIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = config_file(tmp_path, web={"endpoint": f"127.0.0.1:{taken.getsockname()[1]}"})
        findings = found(check_configuration(load(file), is_running=False))
    assert findings == ["web.endpoint: the port is not free"]


def test_the_url_of_another_port(service: Service) -> None:
    for port, words in (("grpc", "a gRPC server answers"), ("http", "an OTLP/HTTP receiver answers")):
        answer = CliRunner().invoke(app, ["doctor", "--url", url(service, port, "")])
        assert answer.exit_code == 1
        assert f"wrong port: a page of Driftline is expected, but {words}" in answer.output


def test_a_url_without_tls_of_a_port_with_tls(tmp_path: Path) -> None:
    web = {"endpoint": "127.0.0.1:0", "tls": Authority(tmp_path).issue().keys}
    with running(tmp_path / "data", web=web) as service:
        answer = CliRunner().invoke(app, ["doctor", "--url", f"http://{service.addresses['web']}"])
    assert answer.exit_code == 1
    assert f"fix:      use --url https://{service.addresses['web']}" in answer.output
    assert "token" not in answer.output


def environment(service: Service, values: Mapping[str, str]) -> dict[str, str]:
    """Return variables with the addresses of the service in place of names such as {http}."""
    addresses = {name: str(address) for name, address in service.addresses.items()}
    return {name: value.format(**addresses) for name, value in values.items()}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{http}"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{grpc}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{grpc}"},
            ["wrong port: OTLP over HTTP is expected, but a gRPC server answers"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://{http}", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
            ["wrong port: OTLP over gRPC is expected, but an OTLP/HTTP receiver answers"],
        ),
        (
            {"DRIFTLINE_ENDPOINT": "http://{web}"},
            ["wrong port: OTLP over HTTP is expected, but the pages of a Driftline processor answer"],
        ),
        (
            {"DRIFTLINE_ENDPOINT": "https://{http}"},
            ["the scheme of DRIFTLINE_ENDPOINT is wrong"],
        ),
        (
            {"DRIFTLINE_ENDPOINT": "http://{http}/v1/logs"},
            ["DRIFTLINE_ENDPOINT has the path of a signal, which is added twice"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{http}", "OTEL_SDK_DISABLED": "true"},
            ["the SDK is disabled, although a destination is set"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{http}", "OTEL_LOGS_EXPORTER": "none"},
            ["predictions are not sent"],
        ),
        (
            {"DRIFTLINE_ENDPOINT": "http://{http}", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x"},
            ["the token is not sent to DRIFTLINE_ENDPOINT"],
        ),
    ],
)
def test_variables_that_contradict_each_other(variables: dict[str, str], words: list[str], service: Service) -> None:
    assert found(check_environment(environment(service, variables)))[: len(words) or 1] == words


BUNDLE = {"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.crt", "REQUESTS_CA_BUNDLE": "company.crt"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (BUNDLE, ["REQUESTS_CA_BUNDLE replaces OTEL_EXPORTER_OTLP_CERTIFICATE"]),
        (
            {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE": "ca.crt", "CURL_CA_BUNDLE": "company.crt"},
            ["CURL_CA_BUNDLE replaces OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"],
        ),
        ({**BUNDLE, "REQUESTS_CA_BUNDLE": "ca.crt"}, []),
        ({**BUNDLE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []),  # gRPC reads no bundle
        ({"REQUESTS_CA_BUNDLE": "company.crt"}, []),
    ],
)
def test_certificates_that_the_exporters_of_opentelemetry_ignore(variables: dict[str, str], words: list[str]) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    silent = "nothing answers at the address of OTEL_EXPORTER_OTLP_ENDPOINT"
    assert found(check_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables})) == [*words, silent]


def test_a_disk_that_is_nearly_full_is_found_once(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1 << 40, used=1 << 40, free=1 << 20))
    file = config_file(tmp_path)
    findings = [[*check_configuration(load(file), is_running=is_running)] for is_running in (False, True)]
    assert [found(iter(some)) for some in findings] == [["the disk of storage.directory is nearly full"], []]
    answer = CliRunner().invoke(app, ["doctor", "--config", str(file), "--url", url(service, "web", "")])
    assert answer.output.count(" left") == 1
    assert answer.output.startswith("disk needs attention")


def test_an_expired_certificate_and_one_that_ends_soon() -> None:
    now = datetime.now(UTC)
    ends = [now - timedelta(days=1), now + timedelta(days=3), now + timedelta(days=60)]
    findings = [found(checks._check_certificate("web.tls", "tls.crt", end)) for end in ends]
    assert findings == [["the certificate of web.tls has expired"], ["the certificate of web.tls expires soon"], []]


@pytest.mark.slow
def test_a_model_without_a_baseline_and_outcomes_that_find_no_prediction(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for number in range(3):
            body = prediction("churn", f"row-{number}")
            httpx.post(url(service, "http", "/v1/logs"), content=body, headers=HEADERS, trust_env=False)
        outcomes = {"model": "chrn", "outcomes": [{"id": "x", "actual": 1}]}
        httpx.post(url(service, "web", "/v1/outcomes"), json=outcomes, trust_env=False)
        address = url(service, "web", "")
        wait_until(lambda: "no baseline" in httpx.get(f"{address}/api/v1/models", trust_env=False).text)
        wait_until(lambda: "chrn" in httpx.get(f"{address}/api/v1/models", trust_env=False).text)
        answer = CliRunner().invoke(app, ["doctor", "--url", address])
    assert answer.exit_code == 1
    assert "a model has no baseline of its own" in answer.output
    assert "outcomes do not find their prediction" in answer.output
    assert "fix:      did you mean 'churn'?" in answer.output


@pytest.mark.slow
def test_a_command_without_the_capability_to_read(tmp_path: Path) -> None:
    token = tmp_path / "shop.token"
    token.write_text("a token of more than twenty characters")
    token.chmod(0o600)
    auth = {"tokens": [{"name": "shop", "token_file": str(token), "may": "ingest"}]}
    with running(tmp_path, auth=auth) as service:
        asked = ["doctor", "--url", url(service, "web", "")]
        without = CliRunner().invoke(app, asked)
        wrong = CliRunner().invoke(app, [*asked, "--token-file", str(token)])
    for answer in (without, wrong):
        assert answer.exit_code == 1
        assert "fix:      use --token-file with a token whose 'may' contains read" in answer.output
    assert "'shop' does not have the capability 'read'" in wrong.output


def test_rejected_rows_are_findings_with_the_fix_of_their_reason() -> None:
    rejected = {"not_permitted": 7, "time_out_of_range": 1, "row_seen": 90, "bad_batch": 2}
    findings = [*check_status({"attention": [], "rejected_rows": rejected})]
    assert [finding.evidence for finding in findings] == [
        "7 rows since the start, reason not_permitted",
        "1 row since the start, reason time_out_of_range",
        "2 rows since the start, reason bad_batch",
    ]
    assert "capability" in findings[0].fix
    assert "clock" in findings[1].fix


def test_each_hint_of_a_model_is_a_finding() -> None:
    lost = (
        "900 of the 1,000 predictions (90 %) that churn counted on 1 July 2013 have arrived: either a buffer of the "
        "service was full, or its records do not reach this processor; see the log of the service."
    )
    names = "1 July 2013: 12 of 14 baseline features arrived; missing: age; new: agee."
    assert [finding.what for finding in hint_findings([lost, names])] == [
        "rows are lost between the service and the processor",
        "the features are not those of the baseline",
    ]


def test_a_model_whose_name_nobody_declared(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for name in ("chrun", "churn", "prices"):
            body = prediction(name, "row-1")
            httpx.post(url(service, "http", "/v1/logs"), content=body, headers=HEADERS, trust_env=False)
        address, file = url(service, "web", ""), config_file(tmp_path, models={"churn": {}})
        wait_until(lambda: len(httpx.get(f"{address}/api/v1/models", trust_env=False).json()["models"]) == 3)
        answer = CliRunner().invoke(app, ["doctor", "--url", address, "--config", str(file)])
    assert answer.output.count("a model is not declared") == 1
    assert "evidence: chrun has sent predictions" in answer.output
    assert "fix:      did you mean 'churn'?" in answer.output


def test_a_clock_that_is_apart(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(minutes=3)

    monkeypatch.setattr(checks, "datetime", Later)
    answer = CliRunner().invoke(app, ["doctor", "--url", url(service, "web", "")])
    assert "the clocks of this machine and of the processor differ\n  evidence: by " in answer.output


def test_a_date_beyond_dates_is_no_clock() -> None:
    answer = httpx.Response(200, headers={"date": f"1 Jan {10**20} 00:00:00 GMT"})
    session = httpx.Client(base_url="http://driftline", transport=httpx.MockTransport(lambda _: answer))

    assert list(checks._check_clock(Mock(open=Mock(return_value=session)))) == []


def test_what_a_port_speaks(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = {name: ask_port("127.0.0.1", address.port).speaks for name, address in service.addresses.items()}
    assert spoken == {"grpc": "grpc", "http": "otlp_http", "web": "pages"}
    assert ask_port("127.0.0.1", free_port()).speaks == "nothing"
    monkeypatch.setattr(port_probe, "WAIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ask_port("127.0.0.1", silent.getsockname()[1]).speaks == "something else"


class Server:
    """A server whose first answer depends on the first bytes of the client; None = it closes without an answer."""

    def __init__(self, answer: Callable[[bytes], bytes | None], tls: ssl.SSLContext | None = None) -> None:
        self._answer, self._tls = answer, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(60)
                secure = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                with secure:
                    secure.sendall(self._answer(secure.recv(4096)) or b"")


def http_only(refusal: bytes | None) -> Callable[[bytes], bytes | None]:
    """Return the answers of a server of HTTP/1 that answers anything else with the refusal."""
    page = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    return lambda first: page if first.startswith((b"GET", b"POST")) and b"HTTP/1" in first else refusal


BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "speaks"),
    [
        (http_only(BAD), "http"),
        (http_only(None), "http"),
        (http_only(b"<html>505 without a status line, as http.server of Python"), "http"),
        (lambda _: b"SSH-2.0-OpenSSH_9.6\r\n", "something else"),
        (lambda _: b"-ERR unknown command 'PRI'\r\n", "something else"),
        (lambda _: b"N", "something else"),  # PostgreSQL without TLS
        (lambda _: None, "something else"),
        (lambda _: bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), "grpc"),
    ],
    ids=["http 400", "http closes", "http.server", "ssh", "redis", "postgres", "closes", "grpc"],
)
@pytest.mark.parametrize("is_tls", [False, True])
def test_what_servers_answer_to_http_2(
    answer: Callable[[bytes], bytes | None],
    speaks: str,
    is_tls: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = None
    if is_tls:
        keys = Authority(tmp_path).issue().keys
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(keys["cert_file"], keys["key_file"])
        context.set_alpn_protocols(["h2"] if speaks == "grpc" else ["http/1.1"])
        speaks = "http" if speaks == "something else" else speaks  # the negotiated protocol decides
    monkeypatch.setattr(port_probe, "WAIT", 2.0)
    with Server(answer, context) as server:
        found = ask_port("127.0.0.1", server.port)
    assert (found.speaks, found.tls) == (speaks, is_tls)


@pytest.mark.slow
def test_the_http_server_of_python_is_http() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        assert ask_port("127.0.0.1", server.server_address[1]).speaks == "http"
        server.shutdown()
        thread.join(60)

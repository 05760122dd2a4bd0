"""A service sends records, outcomes, baselines and distributions to a processor with mTLS and tokens."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from driftline_processor.service import Service

from tests.support.certificates import Authority, Pair
from tests.support.running_service import receivers, running
from tests.support.waiting import wait_until

HOST = Path(__file__).with_name("host.py")
TOKEN = "dlt_" + "shop" * 10
READER = "dlt_" + "read" * 10


class Files(NamedTuple):
    """The certificates and tokens of a test."""

    authority: Authority
    server: Pair
    client: Pair
    token: Path

    @property
    def trust(self) -> dict[str, str]:
        """The variables of a client with a certificate."""
        return {
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(self.authority.file),
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(self.client.certificate),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(self.client.key),
        }

    @property
    def of_logs(self) -> dict[str, str]:
        """The same for records only."""
        return {name.replace("OTLP_", "OTLP_LOGS_"): value for name, value in self.trust.items()}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = Authority(tmp_path)
    token = tmp_path / "shop.token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    return Files(authority, authority.issue("server"), authority.issue("client"), token)


def processor(
    files: Files, may: str = "ingest, outcomes, baselines", *, mtls: bool = True
) -> AbstractContextManager[Service]:
    """Run a processor with TLS on its receivers, which needs a token."""
    folder = files.token.parent
    tls: dict[str, Any] = {"cert_file": files.server.certificate, "key_file": files.server.key}
    if mtls:
        tls["client_ca_file"] = files.authority.file
    tokens = []
    for name, text, capabilities in (("shop", TOKEN, may), ("reader", READER, "read, read_rows")):
        digest = folder / f"{name}.sha256"
        digest.write_text(hashlib.sha256(text.encode()).hexdigest())
        tokens.append({"name": name, "sha256_file": digest, "may": capabilities.split(", ")})
    port: dict[str, Any] = {"endpoint": "127.0.0.1:0", "tls": tls}
    return running(folder / "state", auth={"tokens": tokens}, **receivers({"grpc": port, "http": port}))


READ = (
    "driftline: churn.score: recorded a dict with keys ['id', 'amount'] as one row, "
    "a float as the score of class '1' (threshold 0.5)\n"
)
"""The line of the first call, which is always shown."""


def run_host(environ: Mapping[str, str], seconds: float = 20.0) -> tuple[str, str]:
    """Run the service; return what it printed, and its log without the line of its first call."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    command = [sys.executable, str(HOST), str(seconds)]
    host = subprocess.run(command, env={**kept, **environ}, capture_output=True, text=True, timeout=100, check=True)
    assert host.stderr.count(READ) == 1
    return host.stdout, host.stderr.replace(READ, "")


def read(service: Service, path: str) -> Any:
    """Return an answer of the API."""
    headers = {"authorization": f"Bearer {READER}"}
    url = f"http://{service.addresses['web']}{path}"
    return httpx.get(url, headers=headers, trust_env=False).raise_for_status().json()


def outcomes_of(service: Service, id: str) -> int:
    """Return the number of stored outcomes of a prediction."""
    return len(read(service, f"/api/v1/models/churn/outcomes?id={id}")["outcomes"])


@pytest.mark.parametrize("way", ["endpoint", "driftline", "logs", "header"])
def test_everything_arrives_over_http_with_a_certificate_and_a_token(files: Files, way: str) -> None:
    with processor(files) as service:
        url = f"https://localhost:{service.addresses['http'].port}"
        header = "authorization=Bearer%20" + TOKEN
        environ = {
            "endpoint": {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **files.trust, "DRIFTLINE_TOKEN_FILE": str(files.token)},
            "driftline": {"DRIFTLINE_ENDPOINT": url, **files.trust, "DRIFTLINE_TOKEN_FILE": str(files.token)},
            "logs": {"DRIFTLINE_ENDPOINT": url, **files.of_logs, "OTEL_EXPORTER_OTLP_LOGS_HEADERS": header},
            "header": {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **files.trust, "OTEL_EXPORTER_OTLP_HEADERS": header},
        }[way]
        printed, log = run_host(environ)

        assert (printed, log) == ("flushed True\noutcomes 3\n", "")
        wait_until(lambda: bool(read(service, "/api/v1/models")["models"]))
        [model] = read(service, "/api/v1/models")["models"]
        assert (model["model"], model["rows"]) == ("churn", 10)
        wait_until(lambda: [outcomes_of(service, id) for id in ("id-0", "id-1", "id-3")] == [1, 1, 1])
        assert httpx.get(
            f"http://{service.addresses['web']}/v1/baselines/churn/7",
            headers={"authorization": f"Bearer {READER}"},
            trust_env=False,
        ).is_success


def test_everything_arrives_over_grpc_and_outcomes_with_an_answer_over_http(files: Files) -> None:
    with processor(files) as service:
        port = service.addresses["grpc"].port
        environ = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{port}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
            **files.trust,
        }
        printed, log = run_host(environ)

        assert printed.startswith("flushed True\noutcomes outcomes() sends outcomes over HTTP, but")
        assert log == ""
        wait_until(lambda: bool(read(service, "/api/v1/models")["models"]))
        wait_until(lambda: outcomes_of(service, "id-0") == 1)


def broken(files: Files, **environ: str) -> dict[str, str]:
    """Return variables that work, except for these; an empty one is missing."""
    both = {**files.trust, "DRIFTLINE_TOKEN_FILE": str(files.token), **environ}
    return {name: value for name, value in both.items() if value}


KEPT = "; the last 32 MB are kept in memory"
CERTIFICATES = (
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY (or OTEL_EXPORTER_OTLP_LOGS_...)"
)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_wrong_connection_is_one_line_with_the_fix_and_the_rows_wait(files: Files, protocol: str) -> None:
    other = Authority(files.token.parent, "other")
    with processor(files) as service:
        port = service.addresses["grpc" if protocol == "grpc" else "http"].port

        def line(scheme: str = "https", **environ: str) -> str:
            url = f"{scheme}://localhost:{port}"
            variables = broken(files, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, **environ)
            printed, log = run_host({**variables, "OTEL_METRICS_EXPORTER": "none"}, 1.0)
            assert printed.startswith("flushed False\n"), log
            lines = [one for one in log.splitlines() if "rows not delivered" not in one and one.startswith("driftline")]
            assert len(lines) == 1, log
            return lines[0].replace(url, "URL")

        strange = line(OTEL_EXPORTER_OTLP_CERTIFICATE=str(other.file))
        assert strange.startswith("driftline: URL: the certificate of the server cannot be verified (")
        assert "set OTEL_EXPORTER_OTLP_CERTIFICATE (or OTEL_EXPORTER_OTLP_LOGS_...) to the certificate of" in strange
        anonymous = line(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="", OTEL_EXPORTER_OTLP_CLIENT_KEY="")
        assert anonymous == (
            f"driftline: URL: the server requires a certificate of the client; set {CERTIFICATES}{KEPT}"
        )
        gone = line(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(files.token.with_name("gone.crt")))
        assert gone.startswith("driftline: URL: a certificate cannot be used (")
        assert "use https://" in line("http")
        assert service.health.body()["problems"] == []
    with running(files.token.parent / "plain") as plain:
        port = plain.addresses["grpc" if protocol == "grpc" else "http"].port
        assert line() == (
            "driftline: URL: the server does not use TLS at this port; use http://, or the port that uses TLS" + KEPT
        )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_sender_that_is_refused_is_told_why_and_its_rows_are_counted_as_lost(files: Files, protocol: str) -> None:
    with processor(files, "metrics") as service:
        port = service.addresses["grpc" if protocol == "grpc" else "http"].port

        def line(**environ: str) -> str:
            url = f"https://localhost:{port}"
            variables = broken(files, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, **environ)
            printed, log = run_host({**variables, "OTEL_METRICS_EXPORTER": "none"}, 5.0)
            assert printed.startswith("flushed False\n"), log
            lines = [one for one in log.splitlines() if one.startswith("driftline")]
            assert len(lines) == 1, log
            return lines[0].replace(url, "URL")

        assert line(DRIFTLINE_TOKEN_FILE="").endswith(
            "; a token is required; set DRIFTLINE_TOKEN_FILE to its file, or OTEL_EXPORTER_OTLP_LOGS_HEADERS to "
            "'authorization=Bearer%20TOKEN' (rows lost so far: 10)"
        )
        unknown = files.token.with_name("unknown.token")
        unknown.write_text("dlt_" + "none" * 10)
        assert line(DRIFTLINE_TOKEN_FILE=str(unknown)).endswith(
            f"; the token is unknown or was replaced; put the new one into the file {unknown} (rows lost so far: 10)"
        )
        incapable = line()
        assert "'shop' does not have the capability 'ingest'; add it under auth, in 'may'" in incapable
        assert incapable.endswith("ask the operator to add it under auth (rows lost so far: 10)")


def test_outcomes_with_an_answer_fail_at_once_with_the_fix(files: Files) -> None:
    with processor(files, "read") as service:
        url = f"https://localhost:{service.addresses['http'].port}"
        printed, _ = run_host(broken(files, DRIFTLINE_ENDPOINT=url, OTEL_EXPORTER_OTLP_CERTIFICATE=""), 1.0)
        assert (
            f"outcomes {url}/v1/outcomes did not accept the outcomes: the certificate of the server cannot be"
            in printed
        )
        printed, _ = run_host(broken(files, DRIFTLINE_ENDPOINT=url), 1.0)
        assert "403 Forbidden: 'shop' does not have the capability 'outcomes'" in printed


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_rows_wait_for_a_certificate_that_is_renewed(files: Files, protocol: str) -> None:
    """A host whose certificate the processor does not accept sends everything after its file was replaced."""
    stranger = Authority(files.token.parent, "other").issue("stranger")
    with processor(files) as service:
        environ = broken(
            files,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            DRIFTLINE_ENDPOINT=f"https://localhost:{service.addresses['grpc' if protocol == 'grpc' else 'http'].port}",
            OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(stranger.certificate),
            OTEL_EXPORTER_OTLP_CLIENT_KEY=str(stranger.key),
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
        command = [sys.executable, str(HOST), "60"]
        with subprocess.Popen(command, env={**kept, **environ}, stderr=subprocess.PIPE, text=True) as host:
            assert host.stderr is not None
            assert host.stderr.readline() == READ
            assert "does not accept the certificate of the client" in host.stderr.readline()
            stranger.replace_by(files.client)
            host.wait(60)
        wait_until(lambda: bool(read(service, "/api/v1/models")["models"]))
        assert read(service, "/api/v1/models")["models"][0]["rows"] == 10

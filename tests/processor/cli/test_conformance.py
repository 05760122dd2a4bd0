"""`driftline conformance` checks any OTLP endpoint, ours among them, and names what it cannot reach."""

from __future__ import annotations

import hashlib
import json
import socket
from collections import Counter
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app
from driftline_processor.conformance import endpoint
from driftline_processor.conformance.requirements import CHECKED, LEFT_OUT
from driftline_processor.demo.processes import free_port
from typer.testing import CliRunner, Result

from tests.support.certificates import Authority
from tests.support.faulty_receiver import receiver
from tests.support.running_service import PROTOCOLS, get, receivers, running, url


def conformance(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["conformance", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    """Return the one sentence of a command that checks nothing."""
    answer = conformance(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    return answer.stderr.removeprefix("driftline: ").strip()


def test_our_receiver_keeps_each_must_and_each_should_that_small_requests_show(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        http, grpc = url(service, "http", ""), url(service, "grpc", "")
        answer = conformance(http, "--grpc", grpc, "--json")
        models = get(service, "/api/v1/models").json()["models"]

    results = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert [one["name"] for one in results["results"] if one["outcome"] == "fail"] == []
    assert Counter(one["outcome"] for one in results["results"]) == {"pass": 41, "not observed": 8}
    assert results["signals"] == {name: ["traces", "metrics", "logs"] for name in ("http", "grpc")}
    assert models == []


@pytest.mark.slow
def test_our_receiver_keeps_each_must_about_limits_and_takes_less_than_is_recommended(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        http, grpc = url(service, "http", ""), url(service, "grpc", "")
        answer = conformance(http, "--grpc", grpc, "--json", "--over-limit", 65)

    results = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert [one["name"] for one in results["results"] if one["outcome"] == "fail"] == [
        "grpc.request-limit.default",  # 20 MiB: docs/reference/conformance.md
        "http.request-limit.default",
    ]
    assert [one["name"] for one in results["results"] if one["outcome"] == "not observed"] == [
        "grpc.partial.warning",
        "http.partial.warning",
    ]


def test_a_must_that_fails_is_exit_code_1_and_a_should_is_not() -> None:
    with receiver("count") as wrong, receiver("no details") as poor:
        assert conformance(wrong.http).exit_code == 1
        assert conformance("--grpc", wrong.grpc).exit_code == 1
        assert conformance(poor.http).exit_code == 0


def test_the_table_has_outcome_level_section_and_what_was_sent_and_received() -> None:
    with receiver("count") as wrong:
        lines = conformance("--grpc", wrong.grpc).stdout.splitlines()

    at = next(number for number, line in enumerate(lines) if "grpc.partial.count" in line)
    assert lines[0].split() == ["outcome", "level", "requirement", "sent", "received"]
    assert lines[at].split()[:3] == ["fail", "MUST", "grpc.partial.count"]
    assert "traces, 2 of 3 with ids of zeroes;" in lines[at]
    assert "OTLP/gRPC Response > Partial Success" in lines[at + 1]
    assert "rejected_spans=3" in "".join(lines[at : at + 3])
    assert lines[-5] == "MUST: 7 passed, 1 failed, 3 not observed"


def test_json_has_each_sentence_with_its_link() -> None:
    with receiver() as good:
        results = json.loads(conformance(good.http, "--grpc", good.grpc, "--json").stdout)

    assert [one["name"] for one in results["results"]] == [one.name for one in CHECKED]
    assert [one["name"] for one in results["not_observable"]] == [one.name for one in LEFT_OUT]
    partial = next(one for one in results["results"] if one["name"] == "http.partial.reason")
    assert partial["link"].endswith("/docs/specification.md#partial-success-1")
    assert partial["sentence"].startswith("The server SHOULD populate the `error_message` field")


def test_headers_and_the_token_are_sent_with_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("secret\n")
    with receiver() as good:
        conformance(
            good.http, "--grpc", good.grpc, "--token-file", token, "--header", "X-Tenant=a=b", "--header", "n=1"
        )

    assert len(good.headers) == 57  # and one GET
    assert {(one["authorization"], one["x-tenant"], one["n"]) for one in good.headers} == {
        ("Bearer secret", "a=b", "1")
    }
    assert max(int(one.get("content-length", 0)) for one in good.headers) < 2048  # as the help promises
    assert [one for one in good.headers if not one["user-agent"].startswith("driftline-conformance/")] == []


def test_a_token_that_travels_unencrypted_is_a_warning(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("secret\n")
    warning, refused = conformance("http://otlp.invalid:4318", "--token-file", token).stderr.splitlines()

    assert warning == "driftline: warning: the token travels unencrypted to http://otlp.invalid:4318; use https://"
    assert refused.startswith("driftline: no response from http://otlp.invalid:4318: ")


@pytest.mark.slow
def test_tls_and_mtls_are_used_for_both_transports(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.issue("client")
    tls = {**authority.issue("server").keys, "client_ca_file": str(authority.file)}
    keys = receivers({name: {**place, "tls": tls} for name, place in PROTOCOLS.items()})  # type: ignore[dict-item]
    digest = tmp_path / "sender.sha256"
    digest.write_text(hashlib.sha256(b"secret").hexdigest())
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("secret")
    auth = {"tokens": [{"name": "sender", "sha256_file": str(digest), "may": ["ingest"]}]}
    with running(tmp_path / "data", **keys, auth=auth) as service:
        http, grpc = f"https://{service.addresses['http']}", f"https://{service.addresses['grpc']}"
        files = ("--ca-file", authority.file, "--cert-file", client.certificate, "--key-file", client.key)
        assert conformance(http, "--grpc", grpc, *files, "--token-file", token).exit_code == 0
        assert refusal(http, *files) == f"{http} answers 401; use --token-file or --header"
        assert refusal("--grpc", grpc, *files) == f"{grpc} answers UNAUTHENTICATED; use --token-file or --header"
        assert refusal(http).startswith(f"no response from {http}: ")
        assert refusal("--grpc", grpc).startswith(f"no response from {grpc}: ")


def test_an_absent_endpoint_is_one_sentence() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with receiver() as good:
        assert refusal(nowhere).startswith(f"no response from {nowhere}: ")
        assert refusal(good.http, "--grpc", nowhere).startswith(f"no response from {nowhere}: ")


def test_a_server_that_never_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WAIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        assert refusal(url) == f"no response from {url}: timed out"
        assert refusal("--grpc", url) == f"no response from {url}: Deadline Exceeded"


def test_the_port_of_the_other_transport_is_one_sentence() -> None:
    with receiver() as good:
        assert refusal(good.grpc).startswith(f"no response from {good.grpc}: ")
        assert refusal("--grpc", good.http).startswith(f"no response from {good.http}: ")


def test_a_server_without_otlp_is_one_sentence() -> None:
    with receiver("no signal") as web:
        assert refusal(web.http) == f"{web.http} answers 404 to all signals; use the URL of an OTLP/HTTP receiver"
        assert refusal("--grpc", web.grpc) == (
            f"{web.grpc} answers UNIMPLEMENTED to all signals; use the URL of an OTLP/gRPC receiver"
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the endpoint is missing; use the URL of OTLP/HTTP, or --grpc with a URL, or both"),
        (
            ["localhost:4318"],
            "localhost:4318: it is not a URL of an endpoint; use http://HOST:PORT or https://HOST:PORT",
        ),
        (
            ["http://h:99999"],
            "http://h:99999: it is not a URL of an endpoint; use http://HOST:PORT or https://HOST:PORT",
        ),
        (["http://h", "--header", "token"], "--header: 'token' is not followed by '=' and a value; use NAME=VALUE"),
        (
            ["https://h", "--cert-file", "c.crt"],
            "--key-file: is missing; cert_file is set, and needs its key",
        ),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: list[str], sentence: str) -> None:
    assert refusal(*arguments) == sentence

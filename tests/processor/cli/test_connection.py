"""Commands reach a processor with TLS and tokens, and name the option that is missing or wrong."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from driftline_processor.access.local import local_token_file
from driftline_processor.cli.commands import app
from driftline_processor.service import Service
from typer.testing import CliRunner

from tests.support.certificates import Authority, Pair
from tests.support.running_service import running
from tests.support.slow import slow

TOKENS = {"reader": "dlt_" + "read" * 10, "sender": "dlt_" + "send" * 10}


class Trust(NamedTuple):
    """Certificates and tokens in files."""

    folder: Path
    authority: Authority
    server: Pair
    client: Pair

    def token(self, name: str) -> str:
        return str(self.folder / f"{name}.token")


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    for variable in [name for name in os.environ if name.startswith("DRIFTLINE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    for name, text in TOKENS.items():
        file = tmp_path / f"{name}.token"
        file.touch(mode=0o600)
        file.write_text(text)
        (tmp_path / f"{name}.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    authority = Authority(tmp_path)
    return Trust(tmp_path, authority, authority.issue("server"), authority.issue("client"))


@contextmanager
def processor(trust: Trust, *, mtls: bool = False, tls: bool = True, auth: bool = True) -> Iterator[Service]:
    """Run a processor whose pages need the token of the reader."""
    keys: dict[str, Any] = dict(trust.server.keys)
    if mtls:
        keys["client_ca_file"] = str(trust.authority.file)
    may = {"reader": ["read"], "sender": ["ingest", "outcomes"]}
    tokens = [{"name": name, "sha256_file": str(trust.folder / f"{name}.sha256"), "may": may[name]} for name in may]
    web = {"endpoint": "127.0.0.1:0", **({"tls": keys} if tls else {})}
    with running(trust.folder / "data", web=web, **({"auth": {"tokens": tokens}} if auth else {})) as service:
        yield service


def run(*arguments: object) -> tuple[int, str]:
    """Run a command; return its exit code, and everything that it printed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_each_kind_of_command_reaches_a_processor_with_mtls_and_a_token(trust: Trust, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("id,actual\nA-1,1\n")
    with processor(trust, mtls=True) as service:
        url = f"https://{service.addresses['web']}"
        pair = ("--cert-file", trust.client.certificate, "--key-file", trust.client.key)
        options = ("--ca-file", trust.authority.file, *pair)
        reads = (*options, "--token-file", trust.token("reader"))
        assert run("incidents", "list", "--url", url, *reads) == (0, "no open alerts\n")
        assert run("policies", "test", config(tmp_path), "--url", url, *reads)[0] == 0
        code, printed = run("top", url, *reads)
        assert (code, "No model has sent predictions yet" in printed) == (0, True)
        sends = (*options, "--token-file", trust.token("sender"))
        code, printed = run("outcomes", "push", outcomes, "--model", "churn", "--url", url, *sends)
        assert (code, "1 accepted, 0 rejected" in printed) == (0, True)


def config(folder: Path) -> Path:
    file = folder / "policies.yaml"
    file.write_text("policies: {bad: {when: verdict is degraded}}")
    return file


def test_the_options_can_be_variables(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    with processor(trust, mtls=True) as service:
        monkeypatch.setenv("DRIFTLINE_CA_FILE", str(trust.authority.file))
        monkeypatch.setenv("DRIFTLINE_CERT_FILE", str(trust.client.certificate))
        monkeypatch.setenv("DRIFTLINE_KEY_FILE", str(trust.client.key))
        monkeypatch.setenv("DRIFTLINE_TOKEN_FILE", trust.token("reader"))
        assert run("incidents", "list", "--url", service.addresses["web"]) == (0, "no open alerts\n")


@pytest.mark.parametrize("command", [("incidents", "list", "--url"), slow(("top",))], ids=["a request", "top"])
def test_a_connection_that_fails_is_one_line_with_the_option(trust: Trust, command: tuple[str, ...]) -> None:
    other = Authority(trust.folder, "other")
    token = ("--token-file", trust.token("reader"))
    ca = ("--ca-file", trust.authority.file)
    with processor(trust, mtls=True) as service, processor_without_tls(trust) as plain:
        address = service.addresses["web"]
        assert re.sub(" \\(.*\\)", "", failure(*command, f"https://{address}", *token)) == (
            f"https://{address}: the certificate of the server cannot be verified; set --ca-file to the certificate of "
            "the authority that issued it"
        )
        assert failure(*command, f"https://{address}", *token, *ca) == (
            f"https://{address}: the server requires a certificate of the client; set --cert-file and --key-file"
        )
        stranger = other.issue("stranger")
        pair = ("--cert-file", stranger.certificate, "--key-file", stranger.key)
        assert failure(*command, f"https://{address}", *token, *ca, *pair) == (
            f"https://{address}: the server does not accept the certificate of the client; check --cert-file and "
            "--key-file"
        )
        assert "use a URL with https://" in failure(*command, f"http://{address}", *token)
        address = plain.addresses["web"]
        assert failure(*command, f"https://{address}", *token) == (
            f"https://{address}: the server does not use TLS at this port; use http://, or the port that uses TLS"
        )


@contextmanager
def processor_without_tls(trust: Trust) -> Iterator[Service]:
    with running(trust.folder / "plain") as service:
        yield service


def failure(*command: object) -> str:
    """Return the line of a command that ends with an error."""
    code, printed = run(*command)
    assert code in (1, 2)
    [line] = printed.splitlines()
    return line.removeprefix("driftline top: ").removeprefix("driftline: ")


def test_a_log_in_that_is_missing_or_not_enough_is_one_line_with_the_fix(trust: Trust) -> None:
    wrong = trust.folder / "wrong.token"
    wrong.touch(mode=0o600)
    wrong.write_text("dlt_" + "x" * 40)
    with processor(trust, tls=False) as service:
        url = f"http://{service.addresses['web']}"
        listed = ("incidents", "list", "--url", url)
        assert failure(*listed).endswith("; use --token-file, or the variable DRIFTLINE_TOKEN_FILE")
        assert f"({wrong} was sent)" in failure(*listed, "--token-file", wrong)
        assert "'sender' does not have the capability 'read'" in failure(*listed, "--token-file", trust.token("sender"))
        assert "'sender' does not have the capability 'read'" in failure(
            "top", url, "--token-file", trust.token("sender")
        )


def test_a_bad_file_is_one_line_with_the_option_the_file_and_the_fix(trust: Trust) -> None:
    shown = trust.folder / "shown.token"
    shown.write_text(TOKENS["reader"])
    shown.chmod(0o644)
    empty, text = trust.folder / "empty.token", trust.folder / "text.crt"
    empty.touch(mode=0o600)
    text.write_text("hello")
    listed = ("incidents", "list", "--url", "https://127.0.0.1:1")
    cases = {
        ("--token-file", shown): f"--token-file: {shown} can be read by everybody on this machine; "
        f"run 'chmod 600 {shown}'",
        ("--token-file", trust.folder / "gone"): f"--token-file: {trust.folder / 'gone'} cannot be read: No such file "
        "or directory; check the path, and that the user of this process may read it",
        ("--token-file", empty): f"--token-file: {empty} has no token; use a file of 'driftline token create'",
        ("--ca-file", text): f"--ca-file: {text} has no certificate; it must contain certificates as PEM",
        ("--cert-file", trust.client.certificate): "--key-file: is missing; cert_file is set, and needs its key",
    }
    for options, line in cases.items():
        assert failure(*listed, *options) == line


def test_a_token_without_tls_beyond_this_machine_is_a_warning(trust: Trust) -> None:
    listed = ("incidents", "list", "--url", "http://driftline.invalid:8780", "--token-file", trust.token("reader"))
    code, printed = run(*listed)
    assert code == 2
    assert printed.splitlines()[0] == (
        "driftline: warning: the token travels unencrypted to http://driftline.invalid:8780; use https://"
    )


def test_the_token_of_this_machine_is_used_here_and_sent_nowhere_else(trust: Trust) -> None:
    with processor(trust, tls=False, auth=False) as service:
        address = service.addresses["web"]
        assert local_token_file(address.port).exists()
        code, printed = run("audit", "list", "--url", f"http://{address}")
        assert (code, "the configuration was loaded at the start" in printed) == (0, True)
        local_token_file(address.port).unlink()
        assert "log-in" in failure("audit", "list", "--url", f"http://{address}")

"""`driftline token create` and `driftline login`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx
import pytest
from driftline_processor.access.local import local_token_file
from driftline_processor.cli.commands import app as commands
from typer.testing import CliRunner, Result

from tests.support.running_service import running


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(commands, arguments)


def test_on_this_machine_a_command_logs_in_as_the_user_who_runs_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with running(tmp_path / "state") as service:
        port = service.addresses["web"].port
        url = f"http://127.0.0.1:{port}"
        unknown = run("silence", "--model", "none", "--why", "x", "--url", url)
        login = run("login", url)
        file = local_token_file(port)
        kept = file.read_text()
        file.unlink()
        anonymous = run("silence", "--model", "none", "--why", "x", "--url", url)
        gone = run("login", url)
        file.write_text(kept)
        file.chmod(0o644)  # anybody may have put it there
        exposed = run("silence", "--model", "none", "--why", "x", "--url", url)
    assert "there is no model 'none'" in unknown.output
    for refused in (anonymous, exposed):
        assert "this needs a log-in with the capability 'decide'" in refused.output
        assert "use --token-file, or the variable DRIFTLINE_TOKEN_FILE" in refused.output
    assert (login.exit_code, login.output) == (0, f"{url}/login#{kept.strip()}\n")
    assert gone.exit_code == 2
    assert f"{file} cannot be read (No such file or directory): start 'driftline up' as this user" in gone.output


def test_the_link_of_login_logs_a_browser_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with running(tmp_path / "state") as service, httpx.Client(trust_env=False) as browser:
        address, _, text = run("login", str(service.addresses["web"])).output.strip().partition("#")
        assert browser.post(address, data={"token": text}).status_code == 303
        assert [cookie.name for cookie in browser.cookies.jar] == ["driftline"]


def test_a_token_is_written_for_its_holder_and_as_a_digest(tmp_path: Path) -> None:
    created = run(
        "token",
        "create",
        "shop",
        "--may",
        "ingest, outcomes",
        "--models",
        "churn-*,fraud",
        "--directory",
        str(tmp_path),
    )
    text = (tmp_path / "shop.token").read_text().strip()
    assert (tmp_path / "shop.sha256").read_text().strip() == hashlib.sha256(text.encode()).hexdigest()
    assert len(text) == 47
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("shop.token", "shop.sha256")} == {0o600}
    assert created.output.endswith(
        "auth:\n  tokens:\n"
        f'    - {{name: "shop", sha256_file: {tmp_path}/shop.sha256, may: [ingest, outcomes], '
        'models: ["churn-*", "fraud"]}\n'
    )
    assert text not in created.output


@pytest.mark.parametrize(
    ("name", "may", "problem"),
    [
        ("shop", "ingst", "--may: 'ingst' is not a capability; did you mean 'ingest'?"),
        ("shop", " , ", "--may: is empty; use for example 'ingest,outcomes'"),
        ("../shop", "ingest", "'../shop' cannot be the name of a file; use letters, digits, '-' and '_'"),
        ("taken", "ingest", "taken.token exists already; delete it to replace the token"),
    ],
)
def test_a_wrong_token_is_one_line_and_writes_nothing(tmp_path: Path, name: str, may: str, problem: str) -> None:
    (tmp_path / "taken.token").write_text("kept")
    result = run("token", "create", name, "--may", may, "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert problem in result.output
    assert os.listdir(tmp_path) == ["taken.token"]
    assert (tmp_path / "taken.token").read_text() == "kept"

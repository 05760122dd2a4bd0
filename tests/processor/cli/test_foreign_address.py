"""An address that is not Driftline: each command that takes one ends with a sentence, soon, and writes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import typer
from driftline.baseline.baseline import Baseline
from driftline_processor.cli import checks, connection, outcome_upload
from driftline_processor.cli.commands import app
from driftline_processor.terminal import top, top_application
from typer.testing import CliRunner

from tests.support.hostile_endpoint import whole

COMMANDS = {
    "annotate": ["m", "a note"],
    "audit export": ["-o", "audit.jsonl"],
    "audit list": [],
    "audit verify": [],
    "baseline build": ["--from-production", "m", "-o", "new.json"],
    "baseline push": ["baseline.json"],
    "conformance": [],
    "doctor": [],
    "drill": ["feature_null", "--model", "m"],
    "export": ["--to", "results"],
    "forget": ["--model", "m", "--id", "a", "--yes"],
    "incidents ack": ["a"],
    "incidents approve": ["a", "retrain", "--why", "b"],
    "incidents list": [],
    "login": [],
    "models approve-retrain": ["m", "--why", "w"],
    "models decisions": ["m"],
    "models retire": ["m", "--why", "w"],
    "outcomes push": ["outcomes.csv", "--model", "m"],
    "outcomes show": ["a", "--model", "m"],
    "policies test": ["policies.yaml"],
    "postmortem": ["a"],
    "report": ["m", "-o", "report.html"],
    "retrain-check": ["--model", "m"],
    "review": ["-o", "review.html"],
    "silence": ["m", "--for", "1h", "--why", "x"],
    "snapshot": ["--model", "m", "-o", "rows.parquet"],
    "state backup": ["backup.tar"],
    "status": [],
    "top": [],
    "versions": ["--model", "m"],
}  # fmt: skip

NO_FAILURE = {"login", "doctor", "conformance"}
"""``login`` only prints a link, and the result of the others is what they found at the address."""

RETRIES = {"500", "ssh", "ends"}
"""Answers after which outcomes are sent again: a processor that starts gives them, too."""

HTML = b"<!doctype html><title>Welcome</title>"
ANSWERS = {
    "html": whole(HTML, b"content-type: text/html"),
    "404": whole(HTML, status=b"404 Not Found"),
    "500": whole(b"[]", status=b"500 Internal Server Error"),
    "redirect": whole(b"", b"location: /login", status=b"302 Found"),
    "list": whole(b"[]"),
    "object": whole(b"{}"),
    "another api": whole(b'{"models": 5, "alerts": [1], "days": [], "accepted": "x", "rejected": 1}'),
    "null": whole(b"null"),
    "huge integer": whole(b"9" * 5_000),
    "deep": whole(b"[" * 100_000),
    "lone surrogate": whole(b'"\\ud800"'),
    "nan": whole(b"NaN"),
    "binary": whole(bytes(range(256))),
    "empty": whole(b""),
    "damaged gzip": whole(b"abc", b"content-encoding: gzip"),
    "grpc": [b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0"],
    "ssh": [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "ends": [],
}


@contextmanager
def answering_all(pieces: list[bytes], *, silent: bool = False) -> Iterator[str]:
    """Yield the URL of an endpoint that answers each connection with these bytes, or keeps it open."""
    over = Event()
    opened: list[socket.socket] = []

    def answer() -> None:
        while not over.is_set():
            with suppress(OSError):
                client, _ = listener.accept()
                opened.append(client)
                if not silent:
                    with client:
                        client.recv(65_536)
                        client.sendall(b"".join(pieces))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
            for client in opened:
                client.close()


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    age = np.random.default_rng(0).normal(size=500)
    fields: dict[str, Any] = {"model": "m", "version": "v1", "task": "binary", "classes": ["0", "1"]}
    baseline = Baseline.from_frame({"age": age}, score=1 / (1 + np.exp(-age)), actual=(age > 0) * 1.0, **fields)
    Path("baseline.json").write_text(baseline.to_json())
    Path("outcomes.csv").write_text("id,actual\nA,1\n")
    Path("policies.yaml").write_text("policies: {bad: {when: verdict is degraded}}")
    return {"baseline.json", "outcomes.csv", "policies.yaml"}


def run(command: str, url: str) -> tuple[int, list[str]]:
    place = [url] if command in ("login", "top", "conformance") else ["--url", url]
    result = CliRunner().invoke(app, [*command.split(), *COMMANDS[command], *place])
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
    return result.exit_code, result.output.splitlines()


def check(command: str, url: str, files: set[str]) -> None:
    """Assert that a command ends with one sentence about an address, and leaves no file."""
    code, lines = run(command, url)
    if command not in NO_FAILURE:
        assert code in (1, 2), (command, lines)
        assert (len(lines), url in lines[0]) == (1, True), (command, lines)
    assert {file.name for file in Path.cwd().iterdir() if file.name != "home"} == files, command


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS)
def test_another_server_is_a_sentence_for_every_command(answer: str, files: set[str]) -> None:
    with answering_all(ANSWERS[answer]) as url:
        for command in COMMANDS:
            if not (command == "outcomes push" and answer in RETRIES | {"grpc", "damaged gzip"}):
                check(command, url, files)


def test_another_server_is_a_sentence_that_names_the_right_address(files: set[str]) -> None:
    with answering_all(ANSWERS["html"]) as url:
        assert run("status", url) == (
            2,
            [f"driftline: {url}: the response 200 is not from Driftline; use the address of the pages (web.endpoint)"],
        )
        check("baseline push", url, files)


@pytest.mark.slow
def test_a_closed_port_is_a_sentence_for_every_command(files: set[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for command in COMMANDS:
        if command != "outcomes push":  # it waits for a processor that starts, for less than a minute
            check(command, url, files)


@pytest.mark.slow
def test_a_port_that_says_nothing_is_a_sentence_for_every_command(
    files: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in WAITS.items():
        assert getattr(module, name) <= 30
        monkeypatch.setattr(module, name, 0.02)
    with answering_all([], silent=True) as url:
        for command in COMMANDS:
            if command != "conformance":  # tests/processor/conformance asks silent endpoints
                check(command, url, files)


WAITS: dict[Any, str] = {
    connection: "WAIT",
    outcome_upload: "WAIT",
    checks: "_WAIT",
    top: "TIMEOUT",
    top_application: "TIMEOUT",
}


def test_every_command_that_takes_an_address_is_in_the_table() -> None:
    def names(command: Any, path: str) -> Iterator[str]:
        if hasattr(command, "list_commands"):
            context = command.context_class(command)
            for name in command.list_commands(context):
                yield from names(command.get_command(context, name), f"{path} {name}".strip())
        elif any(parameter.name == "url" for parameter in command.params):
            yield path

    assert set(names(typer.main.get_command(app), "")) == set(COMMANDS)

"""`GET /api/v1/status` and `driftline status`: what runs, and what needs attention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app
from driftline_processor.config.reload import ConfigFile, Reloads
from driftline_processor.health import Health, SendingReport
from driftline_processor.terminal.status import status_lines
from driftline_processor.web.process_status import ProcessStatus
from driftline_processor.web.site import Process
from msgspec.structs import fields
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.fake_view import NOW, FakeView, app_of
from tests.support.running_service import running, url

MINUTE = 60 * 10**9


def asked(process: Process, health: Health | None = None) -> dict[str, object]:
    addresses = {"grpc": "127.0.0.1:4317", "web": "127.0.0.1:8780"}
    client = TestClient(app_of(FakeView(), health=health or Health(), addresses=addresses, process=process))
    answer = client.get("/api/v1/status")
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_destination_that_fails_needs_attention_until_it_accepts_something() -> None:
    failing = SendingReport("otlp_http/tempo", 41, NOW - 9 * MINUTE, NOW - MINUTE, "HTTP 403: no")
    working = SendingReport("oncall", 0, NOW - MINUTE, NOW - 2 * MINUTE, "HTTP 503")
    status = asked(Process(destinations=lambda: [failing], channels=lambda: [working]))
    assert status["attention"] == [
        {
            "name": "otlp_http/tempo",
            "message": "the destination fails (HTTP 403: no), last tried 1 min ago, last success 9 min ago; check its "
            "address, its credentials and its log",
        }
    ]
    assert status["destinations"] == [
        {
            "name": "otlp_http/tempo",
            "waiting": 41,
            "last_success": "2014-01-01T08:51:00Z",
            "last_error": "HTTP 403: no",
            "last_error_time": "2014-01-01T08:59:00Z",
        }
    ]


def test_a_changed_or_bad_file_and_a_pending_restart_need_attention(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text("currency: EUR")
    reloads = Reloads(ConfigFile(file), Health(), lambda: NOW - MINUTE)
    same = asked(Process(reloads=reloads))
    file.write_text("currency: USD")
    changed = asked(Process(reloads=reloads))
    reloads.succeed(reloads.file.digest(), ["web.endpoint"])
    waiting = asked(Process(reloads=reloads))
    reloads.fail(["web: is bad"])
    bad = asked(Process(reloads=reloads))
    assert same["attention"] == []
    assert [names(one) for one in (changed, waiting, bad)] == [
        ["configuration"],
        ["restart"],
        ["configuration", "restart"],
    ]
    assert "web: is bad" in str(bad["attention"])


def names(status: dict[str, object]) -> list[str]:
    attention = status["attention"]
    assert isinstance(attention, list)
    return [one["name"] for one in attention]


def test_a_problem_of_health_is_a_line_and_the_page_has_the_same() -> None:
    health = Health()
    health.report("storage", "the disk is full")
    failing = SendingReport("oncall", 2, None, NOW, "HTTP 404")
    process = Process(channels=lambda: [failing])
    status = asked(process, health)
    page = TestClient(app_of(FakeView(), health=health, process=process)).get("/status").text
    assert names(status) == ["storage", "oncall"]
    assert not status["ready"]
    assert "last success never" in page
    assert "HTTP 404" in page


def test_every_fact_is_in_the_answer() -> None:
    flat = set(asked(Process())) | {"lags", "evaluated", "pending", "memory_limit", "rejected"}
    assert {field.name for field in fields(ProcessStatus)} <= flat


@pytest.mark.slow
def test_the_command_prints_one_screen_and_its_exit_code_says_whether_to_look(tmp_path: Path) -> None:
    away = {"otlp_http/away": {"endpoint": "http://127.0.0.1:9", "forward": ["traces"]}}
    with running(tmp_path, exporters=away) as service:
        address = url(service, "web", "")
        well = CliRunner().invoke(app, ["status", "--url", address])
        service.health.report("log", "the log lags", ready=True)
        attention = CliRunner().invoke(app, ["status", "--url", address])
        as_json = CliRunner().invoke(app, ["status", "--url", address, "--json"])
    silent = CliRunner().invoke(app, ["status", "--url", address])
    assert (well.exit_code, attention.exit_code, as_json.exit_code, silent.exit_code) == (0, 1, 1, 2)
    assert well.output.splitlines()[-1] == "the processor is well; 'driftline doctor' also looks at models and senders"
    assert len(well.output.splitlines()) < 24
    assert "otlp_http/away: no success yet" in well.output
    assert attention.output.splitlines()[-2:] == ["needs attention:", "  log: the log lags"]
    assert [*status_lines(json.loads(as_json.output))][-2:] == attention.output.splitlines()[-2:]


def test_the_version_is_an_option() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("driftline 0.")

"""`driftline incidents`: what was done about an alert, and approving what waits for it."""

from __future__ import annotations

from pathlib import Path

import httpx
from driftline_processor.cli.commands import app as commands
from driftline_processor.cli.incidents import alert_lines
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.message import Message
from typer.testing import CliRunner

from tests.support.approvals import ACTION, awaiting
from tests.support.facts import lacking
from tests.support.policy_watch import model
from tests.support.serve import serve
from tests.support.verdict_windows import right, wrong


def token_of(folder: Path, name: str) -> list[str]:
    """Return the option that logs a person in."""
    file = folder / f"{name}.token"
    file.write_text(name)
    file.chmod(0o600)
    return ["--token-file", str(file)]


def test_an_action_is_approved_and_the_list_says_so(tmp_path: Path) -> None:
    run = CliRunner().invoke
    with awaiting(tmp_path) as there, serve(there.app) as url:
        before = run(commands, ["incidents", "list", "--url", url])
        approving = ["incidents", "approve", there.alert, ACTION, "--why", "the feed is fine"]
        done = run(commands, [*approving, "--url", url])
        (message,) = there.sent
        there.watch.alerts.write((), deliveries=[Delivery(message.id, 7, "delivered", "HTTP 200")])
        after = run(commands, ["incidents", "list", "--url", url])
        other = run(commands, ["incidents", "approve", there.alert, "http/x", "--why", "b", "--url", url])
    assert "  actions: http/rollback opened: awaits approval\n" in before.output
    assert lacking(done.output, "late:", "http/rollback", "approved", "would send POST models.example.com") == []
    assert "  actions: http/rollback opened: delivered (HTTP 200), approved by ann\n" in after.output
    assert other.exit_code == 2
    assert "this alert has no action of this name that waits for approval" in other.output


def test_the_list_says_to_whom_an_alert_was_escalated_and_what_waits(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there, serve(there.app) as url:
        now, held = there.watch.clock.now, 1_383_548_400 * 10**9
        sent = [
            Message("1", there.alert, "team", "opened", now, {}),
            Message("2", there.alert, "<b>oncall", "escalated", now, {}, held),
        ]
        there.watch.alerts.write((), sent, [Delivery("1", now, "delivered")])
        listed = CliRunner().invoke(commands, ["incidents", "list", "--url", url]).output
        page = httpx.get(f"{url}/incidents", trust_env=False).text
    assert "  notified: team opened: delivered, <b>oncall escalated: held; not acknowledged; escalated to <b>" in listed
    assert "escalated, &lt;b&gt;oncall: held until <time" in page
    assert "escalated to &lt;b&gt;oncall" in page


def test_the_name_of_a_model_sends_no_control_characters_to_a_terminal(tmp_path: Path) -> None:
    name = "late\x1b]0;title\x07"
    with awaiting(tmp_path) as there, serve(there.app) as url:
        there.watch.look(model([right(0)], name))
        there.watch.look(model([right(0), wrong(1), wrong(2)], name))
        listed = CliRunner().invoke(commands, ["incidents", "list", "--url", url]).output
    assert "  late·]0;title·  health  since" in listed
    assert "\x1b" not in listed


def test_who_takes_an_alert_on_keeps_it_until_somebody_takes_it_over(tmp_path: Path) -> None:
    run = CliRunner().invoke
    with awaiting(tmp_path) as there, serve(there.app) as url:
        short, bob = there.alert[:5], token_of(tmp_path, "bob")
        first = run(commands, ["incidents", "ack", short, "--by", "ann", "--url", url])
        again = run(commands, ["incidents", "ack", short, "--url", url])
        second = run(commands, ["incidents", "ack", short, *bob, "--url", url])
        third = run(commands, ["incidents", "ack", there.alert, *bob, "--take-over", "--url", url])
        other = run(commands, ["incidents", "ack", short, *bob, "--by", "ann", "--url", url])
        listed = run(commands, ["incidents", "list", "--url", url])
        unknown = run(commands, ["incidents", "ack", "zzz", "--url", url])
    assert (first.exit_code, first.output.partition(" since ")[0]) == (0, "late: acknowledged by you")
    assert (again.exit_code, again.output) == (0, first.output)
    assert (other.exit_code, other.output) == (
        2,
        f"driftline: {url}: by: 'ann' is not who logged in, 'bob'; remove 'by'\n",
    )
    assert (second.exit_code, second.output.partition(" since ")[0]) == (1, "late: acknowledged by ann")
    assert lacking(second.output, "--take-over") == []
    assert (third.exit_code, third.output.partition(" since ")[0]) == (0, "late: acknowledged by you")
    assert "; acknowledged by bob" in listed.output
    assert "." not in listed.output.splitlines()[0]
    assert unknown.exit_code == 2
    assert "zzz: no alert has this id" in unknown.output


def test_a_silenced_alert_says_until_when() -> None:
    alert = {
        **{"id": "4c1f0a92be77d310", "open": True, "severity": "critical", "model": "late", "environment": ""},
        **{"policy": "health", "since": "2026-11-04T00:00:00.5Z", "until": None, "finding": "It is wrong."},
        **{"acknowledged": None, "messages": [], "escalated_to": [], "silenced": "2026-12-27T00:00:00Z"},
    }
    assert alert_lines(alert) == [
        "4c1f0a92be77d310  open  critical  late  health  since 2026-11-04T00:00:00Z",
        "  It is wrong.",
        "  silenced until 2026-12-27T00:00:00Z; not acknowledged",
    ]


def test_an_alert_or_a_model_is_silenced_listed_and_the_silence_ended(tmp_path: Path) -> None:
    run = CliRunner().invoke
    with awaiting(tmp_path) as there, serve(there.app) as url:
        done = run(commands, ["silence", there.alert[:5], "--for", "1h", "--why", "a deployment", "--url", url])
        run(commands, ["silence", "--model", "late", "--why", "a migration", "--url", url])
        listed = run(commands, ["silence", "--list", "--url", url]).output.splitlines()
        ended = run(commands, ["silence", "--end", done.output.split()[0], "--url", url])
        left = run(commands, ["silence", "--list", "--url", url]).output.splitlines()
        both = run(commands, ["silence", there.alert, "--model", "late", "--why", "x", "--url", url])
        without = run(commands, ["silence", "--model", "late", "--url", url])
    assert lacking(done.output, "late (health)", "silenced until", "by ann: a deployment") == []
    assert listed[0] == done.output.rstrip("\n")
    assert "late  silenced until" in listed[1]
    assert (ended.exit_code, "ended by ann" in ended.output, left) == (0, True, listed[1:])
    assert [(one.exit_code, reason in one.output) for one, reason in ((both, "--model NAME"), (without, "why:"))] == [
        (2, True),
        (2, True),
    ]

"""`driftline incidents`: what was done about an alert, and approving what waits for it."""

from __future__ import annotations

from pathlib import Path

from driftline_processor.cli.commands import app as commands
from driftline_processor.policy.alerts import Delivery
from typer.testing import CliRunner

from tests.support.approvals import ACTION, awaiting
from tests.support.serve import serve


def test_an_action_is_approved_and_the_list_says_so(tmp_path: Path) -> None:
    run = CliRunner().invoke
    with awaiting(tmp_path) as there, serve(there.app) as url:
        before = run(commands, ["incidents", "list", "--url", url])
        approving = ["incidents", "approve", there.alert, ACTION, "--by", "ann", "--why", "the feed is fine"]
        done = run(commands, [*approving, "--url", url])
        (message,) = there.sent
        there.watch.alerts.write((), deliveries=[Delivery(message.id, 7, "delivered", "HTTP 200")])
        after = run(commands, ["incidents", "list", "--url", url])
        other = run(commands, ["incidents", "approve", there.alert, "http/x", "--by", "a", "--why", "b", "--url", url])
    assert "  done: http/rollback opened: awaits approval\n" in before.output
    assert done.output.startswith("late: http/rollback is approved by ann, since ")
    assert "  done: http/rollback opened: delivered (HTTP 200), approved by ann\n" in after.output
    assert other.exit_code == 2
    assert "no such action of this alert awaits an approval" in other.output

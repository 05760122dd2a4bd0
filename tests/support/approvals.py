"""The pages and the API over an alert whose action waits for somebody to approve it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

from driftline_processor.policy.acknowledgement import acknowledge as note_acknowledgement
from driftline_processor.policy.alerts import Approval
from driftline_processor.policy.approvals import approve as note_approval
from driftline_processor.policy.approvals import request_of
from driftline_processor.policy.message import Message
from starlette.applications import Starlette

from tests.support.fake_view import FakeView, app_of
from tests.support.policy_watch import Watched, model, watched
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import right, wrong

ACTION = "http/rollback"


@dataclass
class Awaiting:
    """An application, and what it was asked to carry out.

    Attributes:
        app: The pages and the API.
        alert: Id of the alert.
        watch: What keeps it.
        sent: The messages that were approved.
    """

    app: Starlette
    alert: str
    watch: Watched
    sent: list[Message]

    @property
    def digest(self) -> str:
        """The digest of what would be sent."""
        (order,) = self.watch.alerts.orders_to_approve(self.alert, ACTION)
        return unwrap(request_of(self.watch.config, order)).digest


@contextmanager
def awaiting(folder: Path, approvers: int = 1, **keys: Any) -> Iterator[Awaiting]:
    """Open the application until the block ends.

    Args:
        folder: Where the state is.
        approvers: How many people must approve the action.
        keys: Of the action, beside its address and ``approval``.
    """
    rollback = {"url": "https://models.example.com/hooks/T0123456", "approval": "required", **keys}
    configuration = {
        "models": {"late": {"approvers": approvers}},
        "actions": {ACTION: rollback},
        "policies": {"health": {"actions": [ACTION]}},
        "notify": [],
    }
    with watched(folder, **configuration) as watch:
        watch.look(model([right(0)]))
        watch.look(model([right(0), wrong(1), wrong(2)]))
        sent: list[Message] = []
        lock = Lock()  # as the state has one

        def approve(alert: str, action: str, by: str, why: str, digest: str) -> Approval | None:
            with lock:
                given = note_approval(watch.alerts, watch.config, alert, action, by, why, digest, watch.clock())
            sent.extend([given[1]] if given and given[1] else [])
            return given and given[0]

        def acknowledge(alert: str, by: str, why: str, take_over: bool = False) -> Any:
            return note_acknowledgement(watch.alerts, {}, alert, by, why, watch.clock(), take_over=take_over)[0]

        view = FakeView([model([right(0), wrong(1), wrong(2)])], alerts=watch.alerts, decisions=watch.decisions)
        view.audit_log = watch.audit
        view.silences = watch.silences

        def silence(model: str, environment: str, policy: str, by: str, why: str, lasts: int) -> Any:
            now = watch.clock()
            return watch.silences.record(model, environment, policy, by, why, now, now + lasts)

        def end_silence(id: str, by: str) -> Any:
            return watch.silences.end(id, by, watch.clock())

        view.notifications = SimpleNamespace(
            acknowledge=acknowledge,
            approve=approve,
            silence=silence,
            end_silence=end_silence,
            request_of=partial(request_of, watch.config),
        )
        view.explanations = watch.explanations
        app = app_of(view, watch.clock)
        (alert,) = watch.alerts.alerts
        yield Awaiting(app, alert, watch, sent)


__all__ = ["ACTION", "Awaiting", "awaiting"]

"""Messages to actions, and actions from the keys of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from driftline_processor.config.schema import Config
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.alerts import Alert
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Kind, Message
from driftline_processor.policy.sources import NO_SOURCES, Report, Sources

ALERT = "4c1f0a92be77d310"

FACTS: Mapping[str, Any] = {
    "title": "churn is degraded since 4 November 2026",
    "text": 'The accuracy is 71 %.\nWhat to do: Look at "plan".',
    "links": {"page": "http://127.0.0.1:8780/models/churn?window=1d", "report": "http://127.0.0.1:8780/r"},
    "alert": ALERT,
    "policy": "health",
    "model": 'ch"urn {state}/eu',
    "version": "7",
    "environment": "",
    "severity": "critical",
    "owner": "payments",
    "tier": 1,
    "state": "degraded",
    "since": "2026-11-04T00:00:00Z",
    "until": None,
}


REPORT = Report("driftline-churn.html", b"<html>\r\n\xff</html>")

REPORTING = Sources(lambda _: REPORT, NO_SOURCES.rows)
"""A processor that has a report of every window."""


class Alerts:
    """The alerts that there are."""

    def __init__(self, *alerts: Alert) -> None:
        self.alerts: Mapping[str, Alert] = {one.id: one for one in alerts}


def order(action: str, kind: Kind = "opened", **facts: Any) -> Message:
    """Return a message to an action."""
    id = f"{ALERT}-{action}" if kind == "opened" else f"{ALERT}-{action}-{kind}"
    return Message(id, ALERT, action, kind, 0, {**FACTS, "kind": kind, **facts})


@contextmanager
def action(name: str, /, sources: Sources = NO_SOURCES, **keys: Any) -> Iterator[ActionChannel]:
    """Make an action from its keys."""
    config = Config.model_validate({"actions": {name: keys}, "storage": {}})
    assert [*map(str, config.problems())] == []
    made = ActionChannel(config.actions[name], sources)
    try:
        yield made
    finally:
        made.close()


def carried_out(name: str, kind: Kind = "opened", facts: Mapping[str, Any] | None = None, **keys: Any) -> Answer:
    """Return what an action says of one message."""
    with action(name, **keys) as made:
        return made.send(order(name, kind, **(facts or {})))

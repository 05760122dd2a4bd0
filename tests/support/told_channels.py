"""Messages to channels, and a channel from the keys of a file whose service a test plays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jsonschema
from driftline_processor.config.schema import Config
from driftline_processor.demo.peers.recorder import Answers, Asked, Service, service
from driftline_processor.policy.channel import Channel, open_channel
from driftline_processor.policy.message import Kind, Message

from tests.support.ordered_actions import ALERT, FACTS


def told(kind: Kind = "opened", **facts: Any) -> Message:
    """Return a message about an alert to the channel ``team``."""
    return Message(f"{ALERT}-1-team-{kind}", ALERT, "team", kind, 0, {**FACTS, "kind": kind, **facts})


@contextmanager
def channel_at(url: str, answers: Answers) -> Iterator[tuple[Channel, Service]]:
    """Open the channel of an address over a service that answers as a test says."""
    with service(answers) as there:
        keys = {"channels": {"team": {"url": url, "endpoint": there.url}}, "storage": {}}
        config = Config.model_validate(keys)
        assert [*map(str, config.problems())] == []
        channel = open_channel(config.all_channels["team"])
        try:
            yield channel, there
        finally:
            channel.close()


def checked(asked: Asked, schema: Mapping[str, Any]) -> Any:
    """Return the JSON of a request, which a schema takes."""
    jsonschema.validate(asked.json, schema)
    return asked.json


__all__ = ["ALERT", "FACTS", "channel_at", "checked", "told"]

"""A receiver in memory: it takes whatever it is sent."""

from __future__ import annotations

import json
from typing import Any

from driftline.channel import Delivery


class Memory:
    """A channel that keeps the requests it is given. ``name``: what the log calls it."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.bodies: list[bytes] = []

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002 - nothing takes time here
        """Keep a request."""
        self.bodies.append(body)
        return Delivery("delivered")

    def forget(self) -> None:
        """Keep what there is: a child of this process has a copy of its own."""

    def close(self) -> None:
        """Keep what there is: it is read after the end."""


class OutcomeDesk:
    """Takes the outcomes of :meth:`driftline.Model.outcomes`, as ``POST /v1/outcomes`` does.

    A row needs an id, and an actual unless it is retracted.

    ``accepted``: the model and the row of each that can be used.
    """

    def __init__(self) -> None:
        self.accepted: list[tuple[str, dict[str, Any]]] = []

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:  # noqa: ARG002
        """Keep the rows of a document that can be used, and name the others."""
        document = json.loads(body)
        rejected = []
        for index, row in enumerate(document["outcomes"]):
            needed = ("id",) if row.get("retracted") else ("id", "actual")
            missing = [name for name in needed if row.get(name) in (None, "")]
            if missing:
                rejected.append({"index": index, "reason": f"it has no {missing[0]}"})
            else:
                self.accepted.append((document["model"], row))
        answer = {"accepted": len(document["outcomes"]) - len(rejected), "rejected": rejected}
        return Delivery("delivered"), json.dumps(answer).encode()

    def close(self) -> None:
        """Keep what there is."""

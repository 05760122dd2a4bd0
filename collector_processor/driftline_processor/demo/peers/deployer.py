"""A service that deploys models: which version of each serves, and the version before on request.

It has no vendor, so its schema is what the actions ``http/rollback`` and ``http/canary`` of the examples send.
A service reads the version in service from ``GET /models/NAME``, at ``recorder.service(deployer)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema

from .recorder import Asked

SCHEMAS: dict[str, dict[str, Any]] = {
    "rollback": {
        "type": "object",
        "required": ["from_version", "reason"],
        "properties": {"from_version": {"type": "string"}, "reason": {"type": "string", "minLength": 1}},
    },
    "canary": {
        "type": "object",
        "required": ["share", "reason"],
        "properties": {
            "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "reason": {"type": "string", "minLength": 1},
        },
    },
}


class Deployer:
    """The versions of some models.

    A request with an ``Idempotency-Key`` that it knows has the answer of the first one, and changes nothing.

    Attributes:
        serving: Model → the version that serves.
        done: Key → the first request with it.

    Args:
        versions: Model → its versions, the oldest first; the last one serves.
        token: What requests bear; None = they need no token.
    """

    def __init__(self, versions: Mapping[str, Sequence[str]], token: str | None = None) -> None:
        self.serving = {model: ordered[-1] for model, ordered in versions.items()}
        self.done: dict[str, Asked] = {}
        self._versions, self._token = versions, token
        self._answers: dict[str, tuple[int, Any]] = {}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        _, _, model, *request = asked.path.split("/")
        if model not in self.serving:
            return 404, {"error": f"there is no model {model}"}
        if asked.method == "GET":
            return 200, {"version": self.serving[model]}
        if self._token is not None and asked.headers.get("authorization") != f"Bearer {self._token}":
            return 401, {"error": "the token is missing or wrong"}
        (kind,) = request
        jsonschema.validate(asked.json, SCHEMAS[kind])
        key = asked.headers["idempotency-key"]
        if key not in self.done:
            self.done[key] = asked
            self._answers[key] = self._roll_back(model, asked.json) if kind == "rollback" else (202, None)
        elif (self.done[key].path, self.done[key].json) != (asked.path, asked.json):
            return 422, {"error": f"{key} is the key of another request"}
        return self._answers[key]

    def _roll_back(self, model: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        ordered, serving = self._versions[model], self.serving[model]
        if body["from_version"] != serving:
            return 409, {"error": f"{serving} serves, and not {body['from_version']}"}
        if serving == ordered[0]:
            return 409, {"error": f"there is no version before {serving}"}
        self.serving[model] = ordered[ordered.index(serving) - 1]
        return 202, {"version": self.serving[model]}

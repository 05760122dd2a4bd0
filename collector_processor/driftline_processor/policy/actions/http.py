"""Send a configured HTTP request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from driftline_processor.config.http_keys import Attached, Tree, header_problems, secret_url_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import Secret
from driftline_processor.core.policy.template import fill_text, fill_tree
from driftline_processor.policy.action import Exchange, HttpAction, facts_of, filled_address, with_own_headers
from driftline_processor.policy.http_service import File, Request, idempotency_key
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources


class Http(HttpAction):
    """Sends an HTTP request. If a message is sent again, the header `Idempotency-Key` has the same value."""

    targets = ("url",)

    url: Secret = Field(
        description="The URL to send to. It may contain [the placeholders of a "
        "target](../alert/actions.md#targets-and-limits). Only its host is shown or logged.",
        examples=['"https://models.example.com/{model}/rollback"'],
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field(
        default="POST", description="The method of the request.", examples=["PUT"]
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    body: Tree | None = Field(
        default=None,
        description="The body of the request: keys and values are sent as JSON, and a text is sent unchanged. "
        "Placeholders such as `{model}` are replaced by [facts of the message](../alert/actions.md#placeholders).",
        examples=['{reason: "{title}", alert: "{alert}"}'],
        json_schema_extra={"default": "[the message](../alert/notifications.md#webhooks); nothing for GET and DELETE"},
    )
    attach: Attached = Field(
        default=None,
        description="`report`: send a form (`multipart/form-data`) with the body as the part `message`, and [the "
        "report of the window](../see/web-ui.md#send-a-report) as the part `report`.",
        examples=["report"],
        json_schema_extra={"default": "nothing"},
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from secret_url_problems(self.url.get_secret_value())
        yield from header_problems(self.headers)
        if self.attach is not None and self.method in ("GET", "DELETE"):
            yield Problem("attach", f"needs a request with a body, but {self.method} has none; set method: POST")
        for header in self.headers:
            if self.attach is not None and header.lower() == "content-type":
                yield Problem(f"headers.{header}", "is set by Driftline, because attach sends a form; remove it")

    def request(self, message: Message) -> Request:
        """Return the configured request with the message's id."""
        kind, content = self._content(message)
        headers = {"Idempotency-Key": idempotency_key(message.id), **({"Content-Type": kind} if kind else {})}
        headers = with_own_headers(headers, self.headers)
        return Request(self.method, filled_address(self.address, message), content=content or None, headers=headers)

    def exchange(self, message: Message, sources: Sources) -> Exchange[str]:
        """Send the request, or a form of its body and the report."""
        request = self.request(message)
        if self.attach is None:
            return self.reference((yield request))
        report = sources.report(message)
        kind, content = self._content(message)
        form: dict[str, File] = {"message": (None, content, kind)}
        if report is not None:
            form["report"] = (report.name, report.html, "text/html")
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
        reply = yield Request(self.method, request.url, files=form, headers=headers)
        return self.reference(reply) + ("" if report is not None else ", without a report, because there is none")

    def _content(self, message: Message) -> tuple[str, bytes]:
        """Return media type and bytes of the body; "" and nothing without a body."""
        body: Any = self.body
        if body is None and self.method in ("GET", "DELETE"):
            return "", b""
        facts = facts_of(message)
        if isinstance(body, str):
            return "text/plain; charset=utf-8", fill_text(body, facts).encode("utf-8", "replace")
        filled = {"id": message.id, **message.facts} if body is None else fill_tree(body, facts)
        return "application/json", json.dumps(filled, allow_nan=False).encode()


ACTION = Http

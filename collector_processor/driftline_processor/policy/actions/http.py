"""Send a request of HTTP, as its keys say."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from driftline_processor.config.actions import Http
from driftline_processor.core.policy import facts_for_templates, fill_text, fill_tree
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.http_service import File, HttpService, idempotency_key
from driftline_processor.policy.channels.secrets import secret_parts
from driftline_processor.policy.sources import Sources

from .action import filled_address, header_secrets

_WITHOUT_BODY = ("GET", "DELETE")
"""Methods that send nothing where no body is written."""


class HttpAction:
    """A request for each message."""

    def __init__(self, config: Http, sources: Sources) -> None:
        self._config, self._sources = config, sources
        self._service = HttpService(config.url.get_secret_value(), config.timeout.total_seconds())
        self.secrets = [*header_secrets(config.headers), *secret_parts(config.url.get_secret_value())]

    def describe(self, message: Message) -> str:
        """Return method, host and body."""
        kind, content = self._content(message)
        host = urlsplit(self._config.url.get_secret_value()).hostname
        attached = " with the report" if self._config.attach is not None else ""
        said = f"would send {self._config.method} to {host}{attached}"
        return f"{said}, {kind}: {content.decode()}" if content else said

    def carry_out(self, message: Message) -> str:
        """Send the request, and return the status of the answer."""
        kind, content = self._content(message)
        headers = {"Idempotency-Key": idempotency_key(message.id), **({"Content-Type": kind} if kind else {})}
        own = {name: value.get_secret_value() for name, value in self._config.headers.items()}
        given = {name.lower() for name in own}
        sent = {name: value for name, value in headers.items() if name.lower() not in given} | own
        url = filled_address(self._config.url.get_secret_value(), message)
        if self._config.attach is None:
            reply = self._service.ask(self._config.method, url, content=content or None, headers=sent)
            return f"HTTP {reply.status}"
        report = self._sources.report(message)
        form: dict[str, File] = {"message": (None, content, kind)}
        if report is not None:
            form["report"] = (report.name, report.html, "text/html")
        without_type = {name: value for name, value in sent.items() if name.lower() != "content-type"}
        reply = self._service.ask(self._config.method, url, files=form, headers=without_type)
        return f"HTTP {reply.status}" if report is not None else f"HTTP {reply.status}, without a report: there is none"

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _content(self, message: Message) -> tuple[str, bytes]:
        """Return the type of what is sent, and it; "" and nothing for a request without a body."""
        body: Any = self._config.body
        if body is None and self._config.method in _WITHOUT_BODY:
            return "", b""
        facts = facts_for_templates(message.id, message.facts)
        if isinstance(body, str):
            return "text/plain; charset=utf-8", fill_text(body, facts).encode("utf-8", "replace")
        filled = {"id": message.id, **message.facts} if body is None else fill_tree(body, facts)
        return "application/json", json.dumps(filled, allow_nan=False).encode()


ACTION = HttpAction

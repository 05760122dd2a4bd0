"""Run a workflow of GitHub Actions, or send an event to a repository.

GitHub has no key by which it knows a request again. So the runs are looked through first: one whose name holds the id
of the message is the run of that message.

Source: https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event and
https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from driftline_processor.config.actions import GitHub
from driftline_processor.core.policy import facts_for_templates, fill_tree
from driftline_processor.core.wording import iso_time
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken, Reply
from driftline_processor.policy.sources import Sources

API_VERSION: Final = "2022-11-28"

RUNS, PAGES = 30, 5
"""Runs of a page, as many as fit in what is read of an answer, and pages that are looked through."""

EARLIER: Final = 3600 * 10**9
"""Nanoseconds by which the clocks of GitHub and of the processor may differ."""


class GitHubAction:
    """The workflows of one repository."""

    def __init__(self, config: GitHub, _: Sources) -> None:
        self._config = config
        token = config.token.get_secret_value()
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": "driftline",
        }
        self.secrets = [token]
        self._service = HttpService(config.url, config.timeout.total_seconds(), headers)
        self._repository = f"{config.url}/repos/{config.repository}"

    def describe(self, message: Message) -> str:
        """Return what would run, and with what."""
        body = self._body(message)
        if self._config.workflow is None:
            said = f"would send the event {body['event_type']} to {self._config.repository}"
            return f"{said}: {json.dumps(body['client_payload'])}"
        what = f"{self._config.workflow} of {self._config.repository} at {self._config.ref}"
        return f"would run {what}: {json.dumps(body['inputs'])}"

    def carry_out(self, message: Message) -> str:
        """Run it unless it ran before, and return the address of the run."""
        known = self._run(message)
        if known is not None:
            return f"{known} is there already"
        place = "dispatches" if self._config.workflow is None else f"actions/workflows/{self._workflow}/dispatches"
        reply = self._ask("POST", f"{self._repository}/{place}", json=self._body(message))
        return _address(reply.json()) if reply.status == 200 else f"HTTP {reply.status}"

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    @property
    def _workflow(self) -> str:
        return quote(self._config.workflow or "", safe="")

    def _body(self, message: Message) -> dict[str, Any]:
        facts = facts_for_templates(message.id, message.facts)
        if self._config.workflow is None:
            return {"event_type": self._config.event, "client_payload": fill_tree(self._config.payload, facts)}
        inputs = {name: _text(value) for name, value in fill_tree(self._config.inputs, facts).items()}
        body = {"ref": self._config.ref, "inputs": inputs}
        # GitHub Enterprise Server may not know it, and refuses what it does not know.
        own = self._config.url == GitHub.model_fields["url"].default
        return {**body, "return_run_details": True} if own else body

    def _run(self, message: Message) -> str | None:
        """Return the address of the run of a message, None where there is none."""
        of, event = (
            ("runs", "repository_dispatch")
            if self._config.workflow is None
            else (f"workflows/{self._workflow}/runs", "workflow_dispatch")
        )
        asked = {
            "event": event,
            "created": f">={iso_time((message.made - EARLIER) // 10**9 * 10**9)}",
            "per_page": RUNS,
        }
        mark = re.compile(rf"(?<![\w/-]){re.escape(message.id)}(?![\w/-])")
        for page in range(1, PAGES + 1):
            reply = self._ask("GET", f"{self._repository}/actions/{of}", parameters={**asked, "page": page})
            found = reply.json().get("workflow_runs")
            if not isinstance(found, list):
                raise NotTaken(Answer("put_off", "the answer names no runs"))
            for run in found:
                if isinstance(run, dict) and mark.search(f"{run.get('display_title')} {run.get('name')}"):
                    return _address(run)
            if len(found) < RUNS:
                break
        return None

    def _ask(self, method: str, url: str, **more: Any) -> Reply:
        """Ask; what is not found may be there for another token, and is asked for again."""
        reply = self._service.ask(method, url, taken=(404,), **more)
        if reply.status == 404:
            raise NotTaken(Answer("put_off", f"HTTP 404 {reply.text}"))
        return reply


def _text(value: Any) -> str:
    """Return an input of a workflow as text, which all of them are."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _address(run: Mapping[str, Any]) -> str:
    return str(run.get("html_url") or run.get("id") or run.get("workflow_run_id") or "the run")


ACTION = GitHubAction

"""Run a workflow of GitHub Actions, or send a repository event.

GitHub has no idempotency key. Therefore existing runs are searched first for a run whose name contains the
message's id.

Source: https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event and
https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from pydantic import Field

from driftline_processor.config.http_keys import Mapped, base_url_problems, header_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import PageUrl, Secret, Text
from driftline_processor.core.policy.template import fill_tree
from driftline_processor.policy.action import Exchange, HttpAction, authorization, facts_of
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Reply, Request
from driftline_processor.policy.message import Message
from driftline_processor.present.wording import iso_time

API_VERSION: Final = "2022-11-28"

RUNS, PAGES = 30, 5
"""Runs per page, limited by the bytes that are read of an answer, and number of pages that are searched."""

EARLIER: Final = 3600 * 10**9
"""Tolerated difference of GitHub's and the processor's clocks, nanoseconds."""


class GitHub(HttpAction):
    """A run of GitHub Actions: one workflow, or all workflows that are triggered by a repository event."""

    url: PageUrl = Field(
        default="https://api.github.com",
        description="The URL of the API; for GitHub Enterprise Server `https://HOST/api/v3`.",
        examples=["https://github.example.com/api/v3"],
    )
    repository: Text = Field(description="Owner and name of the repository.", examples=["example/churn"])
    token: Secret = Field(
        description="A token with permission to read and write Actions and, for `event`, to write Contents. It is "
        "never shown or logged.",
        examples=['"${env:GITHUB_TOKEN:-none}"'],
    )
    workflow: Text | None = Field(
        default=None, description="The file name of the workflow to run, or its id.", examples=["retrain.yml"]
    )
    ref: Text = Field(default="main", description="The branch or tag whose workflow runs.", examples=["release"])
    inputs: Mapped = Field(
        default={"message": "{id}", "model": "{model}"},
        description="The inputs of the workflow, which the workflow must declare. One of them must contain "
        "`{id}`, which identifies the run.",
        examples=['{message: "{id}", version: "{version}"}'],
        json_schema_extra={"default": "message and model"},
    )
    event: Text | None = Field(
        default=None,
        description="The type of the event, instead of `workflow`. Every workflow that waits for this event runs.",
        examples=["model-is-wrong"],
    )
    payload: Mapped = Field(
        default={
            "message": "{id}",
            "alert": "{alert}",
            "kind": "{kind}",
            "policy": "{policy}",
            "model": "{model}",
            "version": "{version}",
            "environment": "{environment}",
            "severity": "{severity}",
            "since": "{since}",
            "page": "{page}",
        },
        description="The payload of the event, with at most ten keys.",
        examples=['{message: "{id}", model: "{model}"}'],
        json_schema_extra={
            "default": "message, alert, kind, policy, model, version, environment, severity, since and page"
        },
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", self.repository):
            yield Problem("repository", f"'{self.repository:.80}' is not a repository; use OWNER/NAME")
        yield from header_problems({"token": self.token})
        if (self.workflow is None) == (self.event is None):
            yield Problem("workflow", "set either workflow or event")
        elif self.workflow is not None:
            yield from self._workflow_problems(self.workflow)
        elif self.event is not None:
            yield from self._event_problems(self.event)

    def _workflow_problems(self, workflow: str) -> Iterator[Problem]:
        if not re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9._-]+", workflow):
            yield Problem(
                "workflow", f"'{workflow:.80}' is not a file name of a workflow; use the name without its folder"
            )
        if len(self.inputs) > MOST_INPUTS:
            yield Problem("inputs", f"must be at most {MOST_INPUTS}, the limit of GitHub; remove some")
        for name, value in self.inputs.items():
            if isinstance(value, Mapping | list | tuple) or value is None:
                yield Problem(f"inputs.{name:.80}", "is not a string; inputs of a workflow must be strings")
        yield from _without_id("inputs", self.inputs)
        if "payload" in self.model_fields_set:
            yield Problem("payload", "works only with event; use inputs")

    def _event_problems(self, event: str) -> Iterator[Problem]:
        if len(event) > 100:
            yield Problem("event", "must have at most 100 characters, the limit of GitHub; use a shorter one")
        if len(self.payload) > MOST_PAYLOAD:
            yield Problem(
                "payload", f"must have at most {MOST_PAYLOAD} keys, the limit of GitHub; put some of them below one key"
            )
        yield from _without_id("payload", self.payload)
        for key in ("inputs", "ref"):
            if key in self.model_fields_set:
                yield Problem(key, "works only with workflow; remove it")

    def common_headers(self) -> dict[str, str]:
        """Return the token, and the version of the API."""
        return {
            **authorization(self.token),
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": "driftline",
        }

    def request(self, message: Message) -> Request:
        """Return the request that runs the workflow or sends the event."""
        facts = facts_of(message)
        if self.workflow is None:
            body = {"event_type": self.event, "client_payload": fill_tree(self.payload, facts)}
            return Request("POST", f"{self._repository}/dispatches", body, accepted=(404,))
        inputs = {name: _text(value) for name, value in fill_tree(self.inputs, facts).items()}
        body = {"ref": self.ref, "inputs": inputs}
        # GitHub Enterprise Server may lack it, and rejects unknown parameters.
        if self.url == GitHub.model_fields["url"].default:
            body["return_run_details"] = True
        place = f"actions/workflows/{quote(self.workflow, safe='')}/dispatches"
        return Request("POST", f"{self._repository}/{place}", body, accepted=(404,))

    def already_done(self, message: Message) -> Exchange[str | None]:
        """Return the address of the run whose name contains the message's id."""
        place, event = "runs", "repository_dispatch"
        if self.workflow is not None:
            place, event = f"workflows/{quote(self.workflow, safe='')}/runs", "workflow_dispatch"
        created = f">={iso_time((message.made - EARLIER) // 10**9 * 10**9)}"
        mark = re.compile(rf"(?<![\w/-]){re.escape(message.id)}(?![\w/-])")
        for page in range(1, PAGES + 1):
            query: dict[str, str | int] = {"event": event, "created": created, "per_page": RUNS, "page": page}
            reply = yield Request("GET", f"{self._repository}/actions/{place}", parameters=query, accepted=(404,))
            runs = _raise_if_missing(reply).json().get("workflow_runs")
            if not isinstance(runs, list):
                raise NotTaken(Answer("put_off", "the response contains no runs"))
            for run in runs:
                if isinstance(run, dict) and mark.search(f"{run.get('display_title')} {run.get('name')}"):
                    return _address(run)
            if len(runs) < RUNS:
                break
        return None

    def reference(self, reply: Reply) -> str:
        """Return the address of the run if GitHub returns it."""
        return (
            _address(_raise_if_missing(reply).json())
            if reply.status == 200
            else f"HTTP {_raise_if_missing(reply).status}"
        )

    @property
    def _repository(self) -> str:
        return f"{self.url}/repos/{self.repository}"


MOST_INPUTS, MOST_PAYLOAD = 25, 10
"""GitHub's upper limits of workflow inputs and of payload keys."""


def _without_id(key: str, tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if no part of a tree contains the message's id."""
    if "{id}" not in json.dumps(tree, default=str):
        yield Problem(
            key, 'the placeholder {id}, with which Driftline finds the run again, is missing; add message: "{id}"'
        )


def _raise_if_missing(reply: Reply) -> Reply:
    """Return a reply; raises for 404, which can be fixed by another token and is retried."""
    if reply.status == 404:
        raise NotTaken(Answer("put_off", f"HTTP 404 {reply.text}"))
    return reply


def _text(value: Any) -> str:
    """Return an input of a workflow as text, which all of them are."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _address(run: Mapping[str, Any]) -> str:
    return str(run.get("html_url") or run.get("id") or run.get("workflow_run_id") or "the run")


ACTION = GitHub

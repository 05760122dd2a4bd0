"""Run a workflow of GitHub Actions.

GitHub has no idempotency key. Therefore existing runs are searched first for a run whose name contains the
message's id.

Source: https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
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
    """Starts a run of a GitHub Actions workflow."""

    url: PageUrl = Field(
        default="https://api.github.com",
        description="The URL of the API. For GitHub Enterprise Server, the URL is `https://HOST/api/v3`.",
        examples=["https://github.example.com/api/v3"],
    )
    repository: Text = Field(description="Owner and name of the repository.", examples=["example/churn"])
    token: Secret = Field(
        description="A token with permission to read and write Actions. It is never shown or logged.",
        examples=['"${env:GITHUB_TOKEN:-none}"'],
    )
    workflow: Text = Field(description="The file name of the workflow to run, or its id.", examples=["retrain.yml"])
    ref: Text = Field(default="main", description="The branch or tag whose workflow runs.", examples=["release"])
    inputs: Mapped = Field(
        default={"message": "{id}", "model": "{model}"},
        description="The inputs of the workflow, which the workflow must declare. One of the inputs must contain "
        "`{id}`, which identifies the run.",
        examples=['{message: "{id}", version: "{version}"}'],
        json_schema_extra={"default": "message and model"},
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", self.repository):
            yield Problem("repository", f"'{self.repository:.80}' is not a repository; use OWNER/NAME")
        yield from header_problems({"token": self.token})
        if not re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9._-]+", self.workflow):
            yield Problem(
                "workflow", f"'{self.workflow:.80}' is not a file name of a workflow; use the name without its folder"
            )
        if len(self.inputs) > MOST_INPUTS:
            yield Problem("inputs", f"must be at most {MOST_INPUTS}, the limit of GitHub; remove some")
        for name, value in self.inputs.items():
            if isinstance(value, Mapping | list | tuple) or value is None:
                yield Problem(f"inputs.{name:.80}", "is not a string; inputs of a workflow must be strings")
        if "{id}" not in json.dumps(self.inputs, default=str):
            yield Problem(
                "inputs",
                'the placeholder {id}, with which Driftline finds the run again, is missing; add message: "{id}"',
            )

    def common_headers(self) -> dict[str, str]:
        """Return the token, and the version of the API."""
        return {
            **authorization(self.token),
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": "driftline",
        }

    def request(self, message: Message) -> Request:
        """Return the request that runs the workflow."""
        inputs = {name: _text(value) for name, value in fill_tree(self.inputs, facts_of(message)).items()}
        body: dict[str, Any] = {"ref": self.ref, "inputs": inputs}
        # GitHub Enterprise Server may lack it, and rejects unknown parameters.
        if self.url == GitHub.model_fields["url"].default:
            body["return_run_details"] = True
        return Request("POST", f"{self._workflow}/dispatches", body, accepted=(404,))

    def already_done(self, message: Message) -> Exchange[str | None]:
        """Return the address of the run whose name contains the message's id."""
        created = f">={iso_time((message.created - EARLIER) // 10**9 * 10**9)}"
        mark = re.compile(rf"(?<![\w/-]){re.escape(message.id)}(?![\w/-])")
        for page in range(1, PAGES + 1):
            query: dict[str, str | int] = {
                "event": "workflow_dispatch",
                "created": created,
                "per_page": RUNS,
                "page": page,
            }
            reply = yield Request("GET", f"{self._workflow}/runs", parameters=query, accepted=(404,))
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
    def _workflow(self) -> str:
        return f"{self.url}/repos/{self.repository}/actions/workflows/{quote(self.workflow, safe='')}"


MOST_INPUTS = 25
"""GitHub's upper limit of workflow inputs."""


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

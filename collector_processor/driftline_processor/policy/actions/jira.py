"""One Jira issue per incident: created when it opens, commented when alerts join, change, get worse, or end.

Jira has no idempotency key. Therefore the issue is searched by its label and a comment by its message's id
before either is created.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from driftline_processor.config.actions import Occasions
from driftline_processor.config.http_keys import Attached, Mapped, TextTemplate, base_url_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import PageUrl, Secret, Text, one_or_several
from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy.template import fill_text, fill_tree
from driftline_processor.policy.action import Exchange, HttpAction, authorization, facts_of
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Request
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources

LONGEST_SUMMARY: Final = 255
"""Jira's upper limit of characters of a summary."""

COMMENTS: Final = 100
"""Number of newest comments that are searched for an earlier one."""


class Jira(HttpAction):
    """Creates one issue per incident. The label `driftline-ALERT` identifies the issue, so there is only one."""

    follows = True
    changes = False

    on: Occasions = Field(
        default=("opened", "worse", "resolved"),
        description="When the action runs. `opened` creates the issue, and adds a comment when an alert or a fault "
        "joins the incident, when the cause changes, or when one of several faults is over. `worse` and `resolved` add "
        "a comment.",
        examples=["[opened]"],
    )
    url: PageUrl = Field(description="The address of Jira.", examples=["https://example.atlassian.net"])
    project: Text = Field(description="The key of the project.", examples=["PAY"])
    issue_type: Text = Field(default="Task", description="The type of the issue.", examples=["Bug"])
    api: Literal[2, 3] = Field(
        default=3,
        description="The version of the REST API: `3` for Jira Cloud, `2` for Jira Data Center.",
        examples=["2"],
    )
    user: Text | None = Field(
        default=None,
        description="The owner of the token, for Jira Cloud: an email address.",
        examples=["driftline@example.com"],
        json_schema_extra={"default": "the token identifies the user, as in Jira Data Center"},
    )
    token: Secret = Field(
        description="The API token of `user`, or a personal access token. It is never shown or logged.",
        examples=['"${env:JIRA_TOKEN:-none}"'],
    )
    summary: TextTemplate = Field(
        default="{title}", description="The first line of the issue.", examples=['"[{severity}] {title}"']
    )
    labels: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        default=(), description="Labels in addition to the label of the incident.", examples=["[models]"]
    )
    fields: Mapped = Field(
        default_factory=dict,
        description="Other fields of a new issue, as Jira's API names them.",
        examples=["{priority: {name: High}}"],
    )
    transition: Text | None = Field(
        default=None,
        description="The transition to run when the incident is over: its name, or the name of the status to which "
        "it leads.",
        examples=["Done"],
        json_schema_extra={"default": "the issue is not changed"},
    )
    reopen: Text | None = Field(
        default=None,
        description="The transition to run when a new alert belongs to an issue that is done: its name, or the name "
        "of the status to which it leads.",
        examples=["To Do"],
        json_schema_extra={"default": "a comment is added, and the status is not changed"},
    )
    attach: Attached = Field(
        default=None,
        description="`report`: attach [the report of the window](../see/web-ui.md#send-a-report) to the issue when "
        "the alert is opened, and when it becomes worse.",
        examples=["report"],
        json_schema_extra={"default": "nothing"},
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", self.project):
            yield Problem(
                "project", f"'{self.project:.40}' is not a project key; use the prefix of the issues, such as 'PAY'"
            )
        for label in self.labels:
            if re.search(r"\s", label):
                yield Problem(
                    "labels", f"'{label:.40}' contains a space, which Jira does not allow in labels; use a hyphen"
                )
        for field in ("project", "issuetype", "summary", "description", "labels"):
            if field in self.fields:
                yield Problem(f"fields.{field}", "is set by another key of the action; remove it here")
        if self.transition is not None and "resolved" not in self.on:
            yield Problem(
                "transition", "applies when the alert is over, but 'on' does not contain 'resolved'; add 'resolved'"
            )

    def common_headers(self) -> dict[str, str]:
        """Return the token, or user and token."""
        credentials = authorization(self.token) if self.user is None else authorization(None, self.user, self.token)
        return {**credentials, "Accept": "application/json"}

    def describe(self, message: Message) -> str:
        """Return the summary of the issue, or the issue of the comment."""
        kind, label = message.kind, label_of(message)
        if kind == "opened" and not message.facts.get("again"):
            summary = self._issue_fields(message)["summary"]
            return f"would create an issue in {self.project}, unless an issue with the label {label} exists: {summary}"
        transition_words = f", and move it to {self.transition}" if kind == "resolved" and self.transition else ""
        return f"would comment on the issue with the label {label}{transition_words}: {message.facts['title']}"

    def request(self, message: Message) -> Request:
        """Return the request that creates the issue."""
        return Request("POST", f"{self._api}/issue", {"fields": self._issue_fields(message)})

    def exchange(self, message: Message, sources: Sources) -> Exchange[str]:
        """Find or create the issue, comment on it, move it and attach the report. Return its key and address."""
        issue = yield from self._find_issue(message)
        begins = message.kind == "opened" and not message.facts.get("again")
        if issue is None:
            if message.kind not in ("opened", "joined"):
                return "there is no issue to comment on"
            reply = yield self.request(message)
            key = _key(reply.json())
        else:
            key = _key(issue)
            if not begins:
                yield from self._comment(key, message)
                if message.kind == "resolved" and self.transition is not None:
                    yield from self._move(key, issue, self.transition)
                elif message.kind in ("opened", "joined") and self.reopen is not None and _is_done(issue):
                    yield from self._move(key, issue, self.reopen)
        attached = yield from self._attach(key, message, sources)
        return f"{key} {self.url}/browse/{quote(key, safe='')}{attached}"

    @property
    def _api(self) -> str:
        return f"{self.url}/rest/api/{self.api}"

    def _issue(self, key: str) -> str:
        return f"{self._api}/issue/{quote(key, safe='')}"

    def _find_issue(self, message: Message) -> Exchange[dict[str, Any] | None]:
        """Return the oldest issue with the label of an alert."""
        query = f'project = "{self.project}" AND labels = "{label_of(message)}" ORDER BY created ASC'
        path = "search/jql" if self.api == 3 else "search"
        parameters: dict[str, str | int] = {"jql": query, "fields": "status", "maxResults": 1}
        reply = yield Request("GET", f"{self._api}/{path}", parameters=parameters)
        issues = reply.json().get("issues")
        if not isinstance(issues, list):
            raise NotTaken(Answer("put_off", "the response to the search contains no issues"))
        return next((issue for issue in issues if isinstance(issue, dict)), None)

    def _issue_fields(self, message: Message) -> dict[str, Any]:
        facts = facts_of(message)
        summary = " ".join(fill_text(self.summary, facts).split())
        return {
            **fill_tree(self.fields, facts),
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": summary[:LONGEST_SUMMARY],
            "description": self._document(message.facts["text"], message.facts["links"]),
            "labels": list(dict.fromkeys([label_of(message), *self.labels])),
        }

    def _comment(self, key: str, message: Message) -> Exchange[None]:
        """Comment on an issue unless one of its newest comments is of this message."""
        address = f"{self._issue(key)}/comment"
        parameters: dict[str, str | int] = {"orderBy": "-created", "maxResults": COMMENTS}
        comments = yield Request("GET", address, parameters=parameters)
        mark = f"Message {message.id}."
        if mark.encode() not in comments.body:
            text = f"{message.facts['title']}.\n{message.facts['text']}\n{mark}"
            yield Request("POST", address, {"body": self._document(text, message.facts["links"])})

    def _attach(self, key: str, message: Message, sources: Sources) -> Exchange[str]:
        """Attach the report unless it exists; return the result, "" if not configured.

        A rejected attachment, for instance a file that is too large, does not affect the issue.
        """
        if self.attach is None or message.kind == "resolved":
            return ""
        report = sources.report(message)
        if report is None:
            return ", without a report, because there is none"
        reply = yield Request("GET", self._issue(key), parameters={"fields": "attachment"})
        files = (reply.json().get("fields") or {}).get("attachment") or []
        if any(isinstance(file, dict) and file.get("filename") == report.name for file in files):
            return ", with its report"
        try:
            yield Request(
                "POST",
                f"{self._issue(key)}/attachments",
                files={"file": (report.name, report.html, "text/html")},
                headers={"X-Atlassian-Token": "no-check"},
            )
        except NotTaken as not_taken:
            if not_taken.answer.result == "put_off":
                raise
            return f", without its report: {not_taken.answer.detail}"
        return ", with its report"

    def _move(self, key: str, issue: Mapping[str, Any], status: str) -> Exchange[None]:
        """Move an issue by the name of a transition or a status; NotTaken if neither exists."""
        if _status(issue).casefold() == status.casefold():
            return
        address = f"{self._issue(key)}/transitions"
        reply = yield Request("GET", address)
        transitions = [transition for transition in reply.json().get("transitions", []) if isinstance(transition, dict)]
        for transition in transitions:
            names = {
                str(transition.get("name", "")).casefold(),
                str((transition.get("to") or {}).get("name", "")).casefold(),
            }
            if status.casefold() in names:
                yield Request("POST", address, {"transition": {"id": str(transition["id"])}})
                return
        if _is_done(issue):
            return
        fix = near(status, [str(transition.get("name", "")) for transition in transitions])
        raise NotTaken(Answer("refused", f"{key} has no transition '{status}' from '{_status(issue)}'; {fix}"))

    def _document(self, text: str, links: Mapping[str, str]) -> Any:
        return adf(text, links) if self.api == 3 else wiki(text, links)


def label_of(message: Message) -> str:
    """Return the label of the issue of an alert."""
    return f"driftline-{message.alert}"


def adf(text: str, links: Mapping[str, str]) -> dict[str, Any]:
    """Return a text and its links in the Atlassian Document Format for version 3 of the API.

    Source: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/

    >>> adf("It fires.", {})["content"]
    [{'type': 'paragraph', 'content': [{'type': 'text', 'text': 'It fires.'}]}]
    """
    paragraphs: list[dict[str, Any]] = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.splitlines() if line.strip()
    ]
    if links:
        content: list[dict[str, Any]] = []
        for name, address in links.items():
            content += [{"type": "text", "text": " "}] if content else []
            mark = {"type": "link", "attrs": {"href": address}}
            content.append({"type": "text", "text": name, "marks": [mark]})
        paragraphs.append({"type": "paragraph", "content": content})
    return {"version": 1, "type": "doc", "content": paragraphs}


def wiki(text: str, links: Mapping[str, str]) -> str:
    r"""Return a text and its links in the markup of version 2 of the API; markup in names is escaped.

    >>> wiki("{noformat} [~admin] fires.", {"page": "http://127.0.0.1:8780/models/churn"})
    '{noformat}(noformat) [~admin] fires.{noformat}\n[page|http://127.0.0.1:8780/models/churn]'
    """
    escaped = text.replace("{noformat}", "(noformat)")
    return "\n".join(["{noformat}" + escaped + "{noformat}", *(f"[{name}|{link}]" for name, link in links.items())])


def _key(issue: Mapping[str, Any]) -> str:
    key = issue.get("key")
    if not isinstance(key, str):
        raise NotTaken(Answer("put_off", "the response contains no issue key"))
    return key


def _status(issue: Mapping[str, Any]) -> str:
    return str(((issue.get("fields") or {}).get("status") or {}).get("name", ""))


def _is_done(issue: Mapping[str, Any]) -> bool:
    status = (issue.get("fields") or {}).get("status") or {}
    return bool((status.get("statusCategory") or {}).get("key") == "done")


ACTION = Jira

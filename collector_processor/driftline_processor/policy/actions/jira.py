"""One issue of Jira for each incident: made when it opens, commented on when more joins, it is worse, and it is over.

Jira has no key by which it knows a request again. So the issue is looked for by its label before it is made, and a
comment by the id of its message before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from driftline_processor.config.actions import Jira
from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy import facts_for_templates, fill_text, fill_tree
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken
from driftline_processor.policy.sources import Sources

from .action import basic_credentials

LONGEST_SUMMARY: Final = 255
"""Characters of a summary that Jira takes."""

COMMENTS: Final = 100
"""Comments, the newest ones, among which one that was written before is looked for."""


class JiraAction:
    """The issues of one project."""

    def __init__(self, config: Jira, sources: Sources) -> None:
        self._config, self._sources = config, sources
        token = config.token.get_secret_value()
        basic = basic_credentials(config.user or "", token)
        authorization = f"Bearer {token}" if config.user is None else f"Basic {basic}"
        headers = {"Authorization": authorization, "Accept": "application/json"}
        self.secrets = [token, basic]
        self._service = HttpService(config.url, config.timeout.total_seconds(), headers)
        self._api = f"{config.url}/rest/api/{config.api}"

    def describe(self, message: Message) -> str:
        """Return the summary of the issue, or of which issue a comment would be."""
        kind, label = message.kind, label_of(message)
        if kind == "opened" and not message.facts.get("again"):
            return f"would make an issue in {self._config.project}, unless one has the label {label}: " + str(
                self._fields(message)["summary"]
            )
        moved = f", and move it to {self._config.transition}" if kind == "over" and self._config.transition else ""
        return f"would comment on the issue with the label {label}{moved}: {message.facts['title']}"

    def carry_out(self, message: Message) -> str:
        """Make the issue or comment on it, and return its key and address."""
        issue = self._issue(message)
        if issue is None:
            if message.kind not in ("opened", "joined"):
                return "there is no issue to comment on"
            issue = self._service.ask("POST", f"{self._api}/issue", json={"fields": self._fields(message)}).json()
            return self._named(_key(issue)) + self._attached(_key(issue), message)
        key = _key(issue)
        if message.kind == "opened" and not message.facts.get("again"):
            return self._named(key) + self._attached(key, message)
        self._comment(key, message)
        if message.kind == "over" and self._config.transition is not None:
            self._move(key, issue, self._config.transition)
        elif message.kind in ("opened", "joined") and self._config.reopen is not None and _is_done(issue):
            self._move(key, issue, self._config.reopen)
        return self._named(key) + self._attached(key, message)

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _issue(self, message: Message) -> dict[str, Any] | None:
        """Return the oldest issue with the label of an alert."""
        asked = f'project = "{self._config.project}" AND labels = "{label_of(message)}" ORDER BY created ASC'
        path = "search/jql" if self._config.api == 3 else "search"
        parameters: dict[str, str | int] = {"jql": asked, "fields": "status", "maxResults": 1}
        found = self._service.ask("GET", f"{self._api}/{path}", parameters=parameters).json().get("issues")
        if not isinstance(found, list):
            raise NotTaken(Answer("put_off", "the answer to a search names no issues"))
        return next((one for one in found if isinstance(one, dict)), None)

    def _fields(self, message: Message) -> dict[str, Any]:
        facts = facts_for_templates(message.id, message.facts)
        summary = " ".join(fill_text(self._config.summary, facts).split())
        return {
            **fill_tree(self._config.fields, facts),
            "project": {"key": self._config.project},
            "issuetype": {"name": self._config.issue_type},
            "summary": summary[:LONGEST_SUMMARY],
            "description": self._document(message.facts["text"], message.facts["links"]),
            "labels": list(dict.fromkeys([label_of(message), *self._config.labels])),
        }

    def _comment(self, key: str, message: Message) -> None:
        address = f"{self._api}/issue/{quote(key, safe='')}/comment"
        parameters: dict[str, str | int] = {"orderBy": "-created", "maxResults": COMMENTS}
        known = self._service.ask("GET", address, parameters=parameters)
        mark = f"Message {message.id}."
        if mark.encode() in known.body:
            return
        text = f"{message.facts['title']}.\n{message.facts['text']}\n{mark}"
        self._service.ask("POST", address, json={"body": self._document(text, message.facts["links"])})

    def _attached(self, key: str, message: Message) -> str:
        """Attach the report unless one of its name is there; return what came of that, "" where nobody asked for it.

        What Jira refuses to attach, such as a file that is too large, takes nothing from the issue.
        """
        if self._config.attach is None or message.kind == "over":
            return ""
        report = self._sources.report(message)
        if report is None:
            return ", without a report: there is none"
        address = f"{self._api}/issue/{quote(key, safe='')}"
        known = self._service.ask("GET", address, parameters={"fields": "attachment"}).json().get("fields") or {}
        if any(isinstance(one, dict) and one.get("filename") == report.name for one in known.get("attachment") or []):
            return ", with its report"
        try:
            self._service.ask(
                "POST",
                f"{address}/attachments",
                files={"file": (report.name, report.html, "text/html")},
                headers={"X-Atlassian-Token": "no-check"},
            )
        except NotTaken as not_taken:
            if not_taken.answer.result == "put_off":
                raise
            return f", without its report: {not_taken.answer.detail}"
        return ", with its report"

    def _move(self, key: str, issue: Mapping[str, Any], wanted: str) -> None:
        """Bring an issue to a status, by the name of the transition or of the status; NotTaken where none is so."""
        if _status(issue).casefold() == wanted.casefold():
            return
        address = f"{self._api}/issue/{quote(key, safe='')}/transitions"
        found = [
            one for one in self._service.ask("GET", address).json().get("transitions", []) if isinstance(one, dict)
        ]
        for one in found:
            names = {str(one.get("name", "")).casefold(), str((one.get("to") or {}).get("name", "")).casefold()}
            if wanted.casefold() in names:
                self._service.ask("POST", address, json={"transition": {"id": str(one["id"])}})
                return
        if _is_done(issue):
            return
        known = [str(one.get("name", "")) for one in found]
        fix = near(wanted, known)
        raise NotTaken(Answer("refused", f"{key} has no transition '{wanted}' from '{_status(issue)}'; {fix}"))

    def _document(self, text: str, links: Mapping[str, str]) -> Any:
        return adf(text, links) if self._config.api == 3 else wiki(text, links)

    def _named(self, key: str) -> str:
        return f"{key} {self._config.url}/browse/{quote(key, safe='')}"


def label_of(message: Message) -> str:
    """Return the label of the issue of an alert."""
    return f"driftline-{message.alert}"


def adf(text: str, links: Mapping[str, str]) -> dict[str, Any]:
    """Return a text and its links in the Atlassian Document Format, as version 3 of the API takes them.

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
    """Return a text and its links in the markup of version 2 of the API; no name in it is read as markup.

    >>> wiki("{noformat} [~admin] fires.", {"page": "http://127.0.0.1:8780/models/churn"})
    '{noformat}(noformat) [~admin] fires.{noformat}\\n[page|http://127.0.0.1:8780/models/churn]'
    """
    kept = text.replace("{noformat}", "(noformat)")
    return "\n".join(["{noformat}" + kept + "{noformat}", *(f"[{name}|{at}]" for name, at in links.items())])


def _key(issue: Mapping[str, Any]) -> str:
    key = issue.get("key")
    if not isinstance(key, str):
        raise NotTaken(Answer("put_off", "the answer names no key of an issue"))
    return key


def _status(issue: Mapping[str, Any]) -> str:
    return str(((issue.get("fields") or {}).get("status") or {}).get("name", ""))


def _is_done(issue: Mapping[str, Any]) -> bool:
    status = (issue.get("fields") or {}).get("status") or {}
    return bool((status.get("statusCategory") or {}).get("key") == "done")


ACTION = JiraAction

"""Jira's issues, as far as actions ask for them, in requests that its published schema takes.

The parts of the schema are those of IssueUpdateDetails, Comment and IssueTransition:
https://developer.atlassian.com/cloud/jira/platform/swagger-v3.v3.json
https://developer.atlassian.com/server/jira/platform/rest/v10000/ (version 2, whose texts are strings)
and of the Atlassian Document Format: https://unpkg.com/@atlaskit/adf-schema/dist/json-schema/v1/full.json
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema

from .recorder import Asked

ADF = {
    "type": "object",
    "required": ["version", "type", "content"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 1},
        "type": {"const": "doc"},
        "content": {"type": "array", "items": {"$ref": "#/$defs/paragraph"}},
    },
    "$defs": {
        "paragraph": {
            "type": "object",
            "required": ["type"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "paragraph"},
                "content": {"type": "array", "items": {"$ref": "#/$defs/text"}},
            },
        },
        "text": {
            "type": "object",
            "required": ["type", "text"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "text"},
                "text": {"type": "string", "minLength": 1},
                "marks": {"type": "array", "items": {"$ref": "#/$defs/link"}},
            },
        },
        "link": {
            "type": "object",
            "required": ["type", "attrs"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "link"},
                "attrs": {
                    "type": "object",
                    "required": ["href"],
                    "additionalProperties": False,
                    "properties": {"href": {"type": "string"}},
                },
            },
        },
    },
}


def named(key: str) -> dict[str, Any]:
    """Return the schema of what is named by one key."""
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"type": "string"}},
        "additionalProperties": False,
    }


def schemas(api: int) -> dict[str, dict[str, Any]]:
    """Return the schema of what is posted, by the end of its path."""
    text: dict[str, Any] = {k: v for k, v in ADF.items() if k != "$defs"} if api == 3 else {"type": "string"}
    fields = {
        "type": "object",
        "required": ["project", "issuetype", "summary"],
        "properties": {
            "project": named("key"),
            "issuetype": named("name"),
            "summary": {"type": "string", "maxLength": 255, "pattern": r"^[^\r\n]+$"},
            "description": text,
            "labels": {"type": "array", "items": {"type": "string", "pattern": r"^\S+$"}},
        },
    }
    found = {
        "issue": {"properties": {"fields": fields}, "required": ["fields"]},
        "comment": {"properties": {"body": text}, "required": ["body"]},
        "transitions": {"properties": {"transition": named("id")}, "required": ["transition"]},
    }
    return {
        name: {"type": "object", "additionalProperties": False, "$defs": ADF["$defs"], **one}
        for name, one in found.items()
    }


class Jira:
    """The issues of a project, as far as the requests ask for them.

    Attributes:
        issues: Status by key; the label of each is kept beside.
        comments: By key.
        moves: The transitions that there are: id → name, and the status it leads to.
    """

    def __init__(self, api: int, project: str = "PAY") -> None:
        self.base, self.api, self.project = f"/rest/api/{api}", api, project
        self.issues: dict[str, str] = {}
        self.labels: dict[str, list[str]] = {}
        self.comments: dict[str, list[Any]] = {}
        self.moves = {"11": ("Begin", "In Progress"), "31": ("Finish", "Done"), "41": ("Back", "To Do")}
        self._schemas = schemas(api)

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        assert asked.headers["accept"] == "application/json"
        assert asked.path.startswith(self.base)
        path = asked.path.removeprefix(self.base)
        if asked.method == "POST":
            jsonschema.validate(asked.json, self._schemas[path.rpartition("/")[2]])
        if path == ("/search/jql" if self.api == 3 else "/search"):
            return 200, {"issues": self._found(asked.query["jql"])}
        if path == "/issue":
            key = f"{self.project}-{len(self.issues) + 1}"
            self.issues[key], self.labels[key] = "To Do", asked.json["fields"]["labels"]
            return 201, {"id": "10001", "key": key, "self": f"http://127.0.0.1/{key}"}
        _, _, key, part = path.split("/")
        if part == "comment" and asked.method == "GET":
            return 200, {"comments": [{"body": one} for one in self.comments.get(key, [])]}
        if part == "comment":
            self.comments.setdefault(key, []).append(asked.json["body"])
            return 201, {"id": "1"}
        if asked.method == "GET":
            ways = self.moves.items()
            return 200, {"transitions": [{"id": id, "name": name, "to": {"name": to}} for id, (name, to) in ways]}
        self.issues[key] = self.moves[asked.json["transition"]["id"]][1]
        return 204, None

    def _found(self, jql: str) -> list[dict[str, Any]]:
        asked = re.fullmatch(rf'project = "{self.project}" AND labels = "(\S+)" ORDER BY created ASC', jql)
        assert asked is not None
        return [self._issue(key, status) for key, status in self.issues.items() if asked[1] in self.labels[key]][:1]

    def _issue(self, key: str, status: str) -> dict[str, Any]:
        category = {"key": "done" if status == "Done" else "new"}
        return {"id": "10001", "key": key, "fields": {"status": {"name": status, "statusCategory": category}}}

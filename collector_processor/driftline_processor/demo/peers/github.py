"""GitHub's runs of a workflow, as far as they are asked for, in requests that its published schema takes.

The parts of the schema are those of the body of ``actions/create-workflow-dispatch`` in
https://github.com/github/rest-api-description, version 2022-11-28;
``return_run_details`` as of
https://github.blog/changelog/2026-02-19-workflow-dispatch-api-now-returns-run-ids
"""

from __future__ import annotations

from typing import Any

import jsonschema

from .recorder import Asked

WORKFLOW: dict[str, Any] = {
    "type": "object",
    "required": ["ref"],
    "additionalProperties": False,
    "properties": {
        "ref": {"type": "string"},
        "inputs": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 25},
        "return_run_details": {"type": "boolean"},
    },
}


class GitHub:
    """The runs of a workflow, each named as its ``run-name`` says: after the message.

    Attributes:
        runs: Their names, the newest first.
        inputs: Those of the runs that were asked for, the first first.

    Args:
        details: Whether the answer names the run, as GitHub does where ``return_run_details`` asks for it.
    """

    host = "api.github.com"

    def __init__(self, repository: str, workflow: str, token: str, *runs: str, details: bool = True) -> None:
        self.runs, self._details = [*runs], details
        self.inputs: list[dict[str, str]] = []
        self._repository, self._workflow, self._token = repository, workflow, token

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        assert asked.headers["authorization"] == f"Bearer {self._token}"
        assert asked.headers["accept"] == "application/vnd.github+json"
        assert asked.headers["x-github-api-version"] == "2022-11-28"
        assert asked.headers["user-agent"]
        path = asked.path.removeprefix(f"/repos/{self._repository}/actions/workflows/{self._workflow}/")
        if asked.method == "GET":
            assert (path, asked.query["event"]) == ("runs", "workflow_dispatch")
            page, size = int(asked.query.get("page", 1)), int(asked.query["per_page"])
            assert size <= 100
            shown = self.runs[(page - 1) * size : page * size]
            return 200, {"total_count": len(self.runs), "workflow_runs": [self._run(name) for name in shown]}
        assert path == "dispatches"
        jsonschema.validate(asked.json, WORKFLOW)
        name = f"retrain for {asked.json['inputs']['message']}"
        self.runs.insert(0, name)
        self.inputs.append(asked.json["inputs"])
        return (200, {"workflow_run_id": 7, **self._run(name)}) if self._details else (204, None)

    def _run(self, name: str) -> dict[str, Any]:
        at = f"https://github.com/{self._repository}/actions/runs/{len(name)}"
        return {"id": len(name), "name": "retrain", "display_title": name, "html_url": at}

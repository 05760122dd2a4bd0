"""Airflow's runs of a DAG, as far as actions ask for them, in requests that its published schema takes.

The parts of the schema are those of DAGRun (version 1) and TriggerDAGRunPostBody and LoginBody (version 2):
https://airflow.apache.org/docs/apache-airflow/2.10.5/stable-rest-api-ref.html#operation/post_dag_run
https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html#operation/trigger_dag_run
https://airflow.apache.org/docs/apache-airflow-providers-fab/stable/auth-manager/token.html
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema

from .recorder import Asked

_NULLABLE = {"type": ["string", "null"]}
SCHEMAS: dict[int, dict[str, Any]] = {
    1: {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "dag_run_id": _NULLABLE,
            "logical_date": _NULLABLE,
            "execution_date": _NULLABLE,
            "data_interval_start": _NULLABLE,
            "data_interval_end": _NULLABLE,
            "conf": {"type": "object"},
            "note": _NULLABLE,
        },
    },
    2: {
        "type": "object",
        "additionalProperties": False,
        "required": ["logical_date"],
        "properties": {
            "dag_run_id": _NULLABLE,
            "logical_date": _NULLABLE,
            "data_interval_start": _NULLABLE,
            "data_interval_end": _NULLABLE,
            "run_after": _NULLABLE,
            "conf": {"type": ["object", "null"]},
            "note": _NULLABLE,
        },
    },
}
LOGIN = {
    "type": "object",
    "additionalProperties": False,
    "required": ["username", "password"],
    "properties": {"username": {"type": "string"}, "password": {"type": "string"}},
}


class Airflow:
    """The runs of a DAG.

    Attributes:
        runs: Their configuration, by id.
        tokens: Those that are taken.
    """

    def __init__(self, api: int, tokens: tuple[str, ...] = ("token-1",), dag: str = "retrain_churn") -> None:
        self.runs: dict[str, Any] = {}
        self.tokens = [*tokens]
        self._api, self._given, self._dag = api, 0, dag

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        if asked.path == "/auth/token":
            jsonschema.validate(asked.json, LOGIN)
            self._given += 1
            return 201, {"access_token": f"token-{self._given}"}
        known = [f"Bearer {token}" for token in self.tokens] if self._api == 2 else ["Basic ZHJpZnRsaW5lOnNlY3JldC03"]
        if asked.headers.get("authorization") not in known:
            return 401, {"detail": f"{asked.headers.get('authorization')} is not known"}
        base = f"/api/v{self._api}/dags/{self._dag}/dagRuns"
        if asked.method == "GET":
            run = asked.path.removeprefix(f"{base}/")
            return (200, {"dag_run_id": run}) if run in self.runs else (404, {"detail": "not found"})
        if asked.path != base:
            return 404, {"detail": "no such DAG"}
        jsonschema.validate(asked.json, SCHEMAS[self._api])
        run = asked.json["dag_run_id"]
        assert re.fullmatch(r"[A-Za-z0-9_.~:+-]+", run)  # core.allowed_run_id_pattern
        if run in self.runs:
            return 409, {"detail": "already exists"}
        self.runs[run] = asked.json["conf"]
        return 200, {"dag_run_id": run, "state": "queued"}

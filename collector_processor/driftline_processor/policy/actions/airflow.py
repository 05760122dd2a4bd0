"""Trigger a DAG run of Airflow. Its id is derived from the message, so that Airflow creates each run once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

from msgspec.structs import replace
from pydantic import Field, SecretStr

from driftline_processor.config.http_keys import Mapped, base_url_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import PageUrl, Secret, Text
from driftline_processor.core.policy.template import fill_tree
from driftline_processor.policy.action import Exchange, HttpAction, authorization, facts_of
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Request
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources


class Airflow(HttpAction):
    """Starts a run of a DAG. The id of the run is derived from the incident, so Airflow starts each run only once."""

    url: PageUrl = Field(description="The address of Airflow.", examples=["https://airflow.example.com"])
    dag: Text = Field(description="Id of the DAG.", examples=["retrain_churn"])
    api: Literal[1, 2] = Field(
        default=2, description="The version of the REST API: `2` for Airflow 3, `1` for Airflow 2.", examples=["1"]
    )
    user: Text | None = Field(
        default=None,
        description="The user. API 1 uses it for basic authentication. API 2 uses it to get a token "
        "from `/auth/token`.",
        examples=["driftline"],
    )
    password: Secret | None = Field(
        default=None,
        description="The password of `user`. It is never shown or logged.",
        examples=['"${env:AIRFLOW_PASSWORD:-none}"'],
    )
    token: Secret | None = Field(
        default=None,
        description="A token to use instead of user and password. It is never shown or logged.",
        examples=['"${env:AIRFLOW_TOKEN:-none}"'],
    )
    conf: Mapped = Field(
        default={
            "alert": "{alert}",
            "kind": "{kind}",
            "policy": "{policy}",
            "model": "{model}",
            "version": "{version}",
            "environment": "{environment}",
            "since": "{since}",
            "page": "{page}",
        },
        description="The configuration of the run.",
        examples=['{model: "{model}", version: "{version}"}'],
        json_schema_extra={"default": "alert, kind, policy, model, version, environment, since and page"},
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", self.dag):
            yield Problem("dag", f"'{self.dag:.40}' is not a DAG id; use letters, digits, '_', '-' and '.'")
        if (self.user is None) != (self.password is None):
            yield Problem("password", "needs user, and user needs password; set both or neither")
        if (self.token is None) == (self.user is None):
            yield Problem("token", "set either a token, or user and password")

    def common_headers(self) -> dict[str, str]:
        """Return the token, or user and password for version 1."""
        return authorization(self.token, self.user, self.password if self.api == 1 else None)

    def request(self, message: Message) -> Request:
        """Return the request that triggers the run; an existing run of this id is not changed."""
        body: dict[str, Any] = {"dag_run_id": run_id(message), "conf": fill_tree(self.conf, facts_of(message))}
        if self.api == 2:
            body["logical_date"] = None
        return Request("POST", self._runs, body, accepted=(409,))

    def exchange(self, message: Message, _: Sources) -> Exchange[str]:
        """Trigger the run and return its id; on a conflict, check that the run exists."""
        headers: dict[str, str] = {}
        if self.api == 2 and self.token is None:
            headers = authorization((yield from self._new_token()))
        run = run_id(message)
        reply = yield replace(self.request(message), headers=headers)
        if reply.status != 409:
            return run
        existing = yield Request("GET", f"{self._runs}/{quote(run, safe='')}", headers=headers, accepted=(404,))
        if existing.status == 404:
            raise NotTaken(Answer("put_off", f"HTTP 409, but there is no run {run}: {reply.text}"))
        return f"{run} already exists"

    @property
    def _runs(self) -> str:
        return f"{self.url}/api/v{self.api}/dags/{quote(self.dag, safe='')}/dagRuns"

    def _new_token(self) -> Exchange[SecretStr]:
        """Return a token for user and password, as version 2 requires."""
        assert self.password is not None
        credentials = {"username": self.user, "password": self.password.get_secret_value()}
        reply = yield Request("POST", f"{self.url}/auth/token", credentials)
        token = reply.json().get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise NotTaken(Answer("put_off", "the answer of /auth/token has no access_token"))
        return SecretStr(token)


def run_id(message: Message) -> str:
    """Return the id of a run in characters that every Airflow accepts.

    Source: https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html#allowed-run-id-pattern

    >>> run_id(Message("4c1f0a92be77d310-airflow/retrain", "4c1f0a92be77d310", "airflow/retrain", "opened", 0, {}))
    'driftline-4c1f0a92be77d310-airflow-retrain'
    """
    return f"driftline-{re.sub(r'[^A-Za-z0-9_.~:+-]', '-', message.id)}"


ACTION = Airflow

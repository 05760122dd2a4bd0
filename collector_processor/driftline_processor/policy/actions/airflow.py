"""Start a run of a DAG of Airflow. Its id is made from the message, so that Airflow has each run once."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from driftline_processor.config.actions import Airflow
from driftline_processor.core.policy import facts_for_templates, fill_tree
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken, Reply
from driftline_processor.policy.sources import Sources

from .action import basic_credentials


class AirflowAction:
    """The runs of one DAG."""

    def __init__(self, config: Airflow, _: Sources) -> None:
        self._config = config
        self._service = HttpService(config.url, config.timeout.total_seconds(), {"Accept": "application/json"})
        self._runs = f"{config.url}/api/v{config.api}/dags/{quote(config.dag, safe='')}/dagRuns"
        self._token = None if config.token is None else config.token.get_secret_value()
        password = "" if config.password is None else config.password.get_secret_value()
        self.secrets = {password, basic_credentials(config.user or "", password), self._token or password}

    def describe(self, message: Message) -> str:
        """Return which run would start, and its configuration."""
        body = self._body(message)
        return f"would start the run {body['dag_run_id']} of {self._config.dag}: {json.dumps(body['conf'])}"

    def carry_out(self, message: Message) -> str:
        """Start the run, and return its id; one that is there already is left alone."""
        body = self._body(message)
        run = str(body["dag_run_id"])
        reply = self._ask("POST", self._runs, body, taken=(409,))
        if reply.status == 409:
            there = self._ask("GET", f"{self._runs}/{quote(run, safe='')}", taken=(404,))
            if there.status == 404:
                raise NotTaken(Answer("put_off", f"HTTP 409, though there is no run {run}: {reply.text}"))
            return f"{run} is there already"
        return run

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _body(self, message: Message) -> dict[str, Any]:
        conf = fill_tree(self._config.conf, facts_for_templates(message.id, message.facts))
        body: dict[str, Any] = {"dag_run_id": run_id(message), "conf": conf}
        return body if self._config.api == 1 else {**body, "logical_date": None}

    def _ask(self, method: str, url: str, body: Any = None, taken: tuple[int, ...] = ()) -> Reply:
        """Ask with a token; with a new one where Airflow does not know the one that it gave before."""
        given, config = self._token, self._config
        for_own = config.api == 2 and config.token is None
        if for_own and self._token is None:
            self._token = self._new_token()
        headers = {"Authorization": self._authorization()}
        reply = self._service.ask(method, url, json=body, headers=headers, taken=(*taken, 401) if for_own else taken)
        if reply.status == 401 and for_own:
            self._token = None
            if given is None:  # it was new
                raise NotTaken(Answer("put_off", f"HTTP 401 {reply.text}"))
            return self._ask(method, url, body, taken)
        return reply

    def _authorization(self) -> str:
        if self._token is not None:
            return f"Bearer {self._token}"
        assert self._config.password is not None
        return f"Basic {basic_credentials(self._config.user or '', self._config.password.get_secret_value())}"

    def _new_token(self) -> str:
        assert self._config.password is not None
        said = {"username": self._config.user, "password": self._config.password.get_secret_value()}
        token = self._service.ask("POST", f"{self._config.url}/auth/token", json=said).json().get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise NotTaken(Answer("put_off", "the answer of /auth/token has no access_token"))
        self.secrets.add(token)
        return token


def run_id(message: Message) -> str:
    """Return the id of a run, of characters that every Airflow takes.

    Source: https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html#allowed-run-id-pattern

    >>> run_id(Message("4c1f0a92be77d310-airflow/retrain", "4c1f0a92be77d310", "airflow/retrain", "opened", 0, {}))
    'driftline-4c1f0a92be77d310-airflow-retrain'
    """
    return f"driftline-{re.sub(r'[^A-Za-z0-9_.~:+-]', '-', message.id)}"


ACTION = AirflowAction

"""The alias of a model in a real registry of MLflow: back by one version, and no further, over lost answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

import pytest
from driftline_processor.demo.processes import free_ports

from tests.interop.peers import get, post, running
from tests.support.ordered_actions import ALERT, action, order

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

NAME = "mlflow/champion"
PATIENCE = 240.0
"""Seconds until a server that makes its tables first is a failure."""

TAG = f"driftline.{ALERT}-mlflow-champion"


class Registry:
    """The REST API of a server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, method: str = "POST", **body: Any) -> Any:
        return post(f"{self.url}/api/2.0/mlflow/{path}", body, method)

    def register(self, name: str, versions: int, alias: str) -> None:
        """Register a model with so many versions; the alias is at the newest."""
        self.ask("registered-models/create", name=name)
        for _ in range(versions):
            self.ask("model-versions/create", name=name, source="s3://models/x")
        self.move(name, alias, versions)

    def move(self, name: str, alias: str, version: int) -> None:
        self.ask("registered-models/alias", name=name, alias=alias, version=str(version))

    def model(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return aliases and tags."""
        found = get(f"{self.url}/api/2.0/mlflow/registered-models/get?name={quote(name, safe='')}")["registered_model"]
        aliases = {one["alias"]: one["version"] for one in found.get("aliases", [])}
        return aliases, {one["key"]: one["value"] for one in found.get("tags", [])}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed: make frameworks")
    folder = tmp_path_factory.mktemp("mlflow")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--default-artifact-root", str(folder)]
    alone = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # no workers for jobs that nobody sends
    with running(command, lambda: get(f"{url}/health"), folder / "mlflow.log", alone, PATIENCE):
        yield Registry(url)


def sent(registry: Registry, **keys: Any) -> str:
    """Return what becomes of the message; it goes to an action that knows nothing of those before."""
    with action(NAME, url=registry.url, alias="champion", **keys) as made:
        return made.send(order(NAME)).detail


def test_the_alias_goes_back_once_and_stays_where_somebody_puts_it(registry: Registry) -> None:
    registry.register("churn", 8, "champion")
    registry.move("churn", "champion", 7)
    registry.ask("model-versions/delete", name="churn", version="6", method="DELETE")
    assert sent(registry, model="churn") == "champion: 7 to 5"
    assert registry.model("churn") == ({"champion": "5"}, {TAG: "champion: 7 to 5, done"})
    registry.move("churn", "champion", 7)
    assert sent(registry, model="churn") == "champion: 7 to 5, done before"
    assert registry.model("churn")[0] == {"champion": "7"}


def test_what_was_noted_and_not_done_is_done_by_the_repeat(registry: Registry) -> None:
    name = "Straße 'x' = \"y\" %2F"
    registry.register(name, 7, "champion")
    registry.ask("registered-models/set-tag", name=name, key=TAG, value="champion: 7 to 4")
    assert sent(registry, model=name) == "champion: 7 to 4"
    assert registry.model(name) == ({"champion": "4"}, {TAG: "champion: 7 to 4, done"})


def test_a_model_or_an_alias_that_is_not_there_is_said(registry: Registry) -> None:
    registry.register("other", 2, "challenger")
    assert sent(registry, model="other") == "other has no alias champion"
    assert sent(registry, model="no such model").startswith("HTTP 404 ")

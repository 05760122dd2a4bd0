"""The operators, the sensor and the trigger in a real Airflow 3 and Airflow 2, over a processor: `make airflow`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from driftline_processor.policy.action import Surroundings
from driftline_processor.policy.actions.airflow import Airflow
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import NO_SOURCES
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.paths import ROOT
from tests.support.retrained_model import Retrained, retrained
from tests.support.serve import serve
from tests.support.waiting import wait_until

PYTHONS = {
    name: python
    for name in ("airflow-3", "airflow-2")
    if (python := ROOT / f".venv-{name}" / "bin" / "python").exists()
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHONS, reason="no Airflow: `make airflow` installs it into environments of its own"),
]


STARTED_DAG = """
from datetime import datetime
from airflow.sdk import DAG
with DAG("retrain_churn", start_date=datetime(2026, 1, 1), schedule=None, is_paused_upon_creation=False):
    pass
"""

ASKED_BEFORE = 10
"""Times that other tasks and triggers ask at most before the sensor that waits."""


class CountedRequests:
    """An application that counts how often the model is asked for.

    Attributes:
        waited_for: Set once a sensor has asked in vain.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._count = app, 0
        self.waited_for = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count += scope["path"] == "/api/v1/models/churn"
        if self._count > ASKED_BEFORE:
            self.waited_for.set()
        await self._app(scope, receive, send)


def predict_once_waited_for(waiting: CountedRequests, model: Retrained) -> None:
    """Send a day of more outcomes once a sensor waits for them."""
    assert waiting.waited_for.wait(300.0)
    model.predict_day(4, "2", 0.2, rows=1000)
    model.predict_day(5, "2", 0.2)


def write_rows(path: Path, wrong: float) -> Path:
    """Write rows with their outcomes, of which a share is wrong."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 2000)
    score = np.where((rng.random(2000) < wrong) ^ (truth == 1), 0.9, 0.1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "score", "actual"])
        writer.writerows(zip(range(2000), rng.integers(20, 60, 2000), score, truth, strict=True))
    return path


def run_dags(python: Path, home: Path, url: str, rows: Path, baseline: Path) -> dict[str, Any]:
    """Run the DAGs of ``airflow_dags.py`` in an Airflow, and return what became of them."""
    connections: dict[str, dict[str, Any]] = {
        "DRIFTLINE_DEFAULT": {"host": url},
        "DEAD": {"host": "127.0.0.1", "port": 1},
    }
    environment = {
        **os.environ,
        **{
            f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "driftline", **said}) for name, said in connections.items()
        },
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "NO_PROXY": "127.0.0.1",
        "COMMAND": str(ROOT / ".venv" / "bin" / "driftline"),
        "ROWS": str(rows),
        "BASELINE": str(baseline),
    }
    dags = home / "dags"
    dags.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("airflow_dags.py"), dags)
    subprocess.run([python, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
    done = subprocess.run(
        [python, dags / "airflow_dags.py"], env=environment, capture_output=True, text=True, check=False
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(json.loads(found[-1].removeprefix("FOUND ")))


@pytest.mark.parametrize("name", PYTHONS)
def test_a_dag_waits_asks_and_branches_by_a_running_processor(name: str, tmp_path: Path) -> None:
    was, now = write_rows(tmp_path / "was.csv", 0.1), write_rows(tmp_path / "now.csv", 0.4)
    with retrained(tmp_path) as model:
        waiting = CountedRequests(model.app)
        later = threading.Thread(target=lambda: predict_once_waited_for(waiting, model))
        later.start()
        with serve(waiting) as url:
            found = run_dags(PYTHONS[name], tmp_path / "home", url, now, was)
        later.join()

    assert found["version"].startswith(name.removeprefix("airflow-"))
    assert found["connection"] == [True, "connected; number of models: 1"]
    assert found["retraining"] == {
        **dict.fromkeys(("labels", "degraded", "late", "verdict", "pays", "train"), "success"),
        "calm": "skipped",
    }
    assert found["failing"] == {
        **dict.fromkeys(("fails", "misnamed", "crossed", "no_command"), "failed"),
        **dict.fromkeys(("skips", "never", "dead", "crossed_skips"), "skipped"),
        "evaluated": "success",
    }
    fired = found["triggers"]
    assert (fired["held"]["state"], fired["held"]["verdict"]["state"]) == ("held", "degraded")
    assert "did you mean 'churn'?" in fired["misnamed"]["message"]
    assert fired["dead"] == "still waits"


@contextmanager
def api_server(python: Path, home: Path) -> Iterator[str]:
    """Run Airflow's API server with one DAG that bob may start, until the block ends."""
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "retrain_churn.py").write_text(STARTED_DAG)
    (home / "passwords.json").write_text('{"bob": "secret-1"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "bob:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
    }
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run([python, "-m", "airflow", *command], env=environment, check=True, capture_output=True)
    serving = [str(python), "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(serving, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/api/v2/version"))
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def answers(url: str) -> bool:
    """Return whether anything is there."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.skipif("airflow-3" not in PYTHONS, reason="no Airflow 3: `make airflow` installs it")
def test_an_alert_starts_one_run_of_a_real_airflow_however_often_it_is_sent(tmp_path: Path) -> None:
    message = Message("4c1f0a92-airflow/retrain", "4c1f0a92", "airflow/retrain", "opened", 0, {"model": "churn"})
    run = "driftline-4c1f0a92-airflow-retrain"
    with api_server(PYTHONS["airflow-3"], tmp_path / "home") as url:
        said = {"url": url, "dag": "retrain_churn", "user": "bob", "password": "secret-1", "conf": {"model": "{model}"}}
        for told in (run, f"{run} already exists"):  # a new action each time: after a restart
            assert Airflow.model_validate(said).carry_out(message, Surroundings(NO_SOURCES)) == told
        who = {"username": "bob", "password": "secret-1"}
        token = httpx.post(f"{url}/auth/token", json=who, trust_env=False).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        runs = httpx.get(f"{url}/api/v2/dags/retrain_churn/dagRuns", headers=headers, trust_env=False).json()

    assert [(one["dag_run_id"], one["conf"]) for one in runs["dag_runs"]] == [(run, {"model": "churn"})]

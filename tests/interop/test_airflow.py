"""The operators, the sensor and the trigger in a real Airflow 3 and Airflow 2, over a processor: `make airflow`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.paths import ROOT
from tests.support.retrained_model import Retrained, retrained
from tests.support.serve import serve

PYTHONS = {
    name: python
    for name in ("airflow-3", "airflow-2")
    if (python := ROOT / f".venv-{name}" / "bin" / "python").exists()
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHONS, reason="no Airflow: `make airflow` installs it into environments of its own"),
]


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
    assert found["connection"] == [True, "2 models are known"]
    assert found["retraining"] == {
        **dict.fromkeys(("labels", "wrong", "late", "verdict", "pays", "train"), "success"),
        "calm": "skipped",
    }
    assert found["failing"] == {
        **dict.fromkeys(("fails", "misnamed", "crossed", "no_command"), "failed"),
        **dict.fromkeys(("skips", "never", "dead", "crossed_skips"), "skipped"),
        "evaluated": "success",
    }
    fired = found["triggers"]
    assert (fired["held"]["state"], fired["held"]["verdict"]["state"]) == ("held", "wrong")
    assert "did you mean 'churn'?" in fired["misnamed"]["said"]
    assert fired["dead"] == "still waits"

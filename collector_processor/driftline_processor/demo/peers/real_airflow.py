"""A real Airflow 3 that runs the DAGs of an example, where ``make airflow`` has installed one beside the clone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from driftline_processor.demo.processes import await_answer, free_port

USER, PASSWORD = "driftline", "replayed"


def airflow_program() -> Path | None:
    """Return the command of Airflow that ``make airflow`` installs, or None."""
    program = Path(__file__).parents[4] / ".venv-airflow-3" / "bin" / "airflow"
    return program if program.exists() else None


class RealAirflow:
    """A running Airflow; ``wait_until_ready`` before it is asked.

    Attributes:
        url: Of its API.
        variables: The environment variables by which an action of Driftline reaches it.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.variables = {"AIRFLOW_URL": self.url, "AIRFLOW_USER": USER, "AIRFLOW_PASSWORD": PASSWORD}
        self._process = process
        self._pages = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def wait_until_ready(self, dag: str) -> None:
        """Wait until Airflow answers and has read a DAG."""
        await_answer(f"{self.url}/api/v2/version", self._process, "Airflow", seconds=240)
        token = self._pages.post("/auth/token", json={"username": USER, "password": PASSWORD}).raise_for_status()
        self._pages.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        self._pages.headers["Accept"] = "application/json"
        await_answer(f"{self.url}/api/v2/dags/{dag}", self._process, dag, seconds=240, headers=self._pages.headers)

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, the oldest first."""
        found: list[dict[str, Any]] = self._get(f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]
        return found

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        """Return the state of each task of a run that has one, in the order in which they began."""
        found = self._get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        begun = sorted(
            (one for one in found if one["state"]), key=lambda one: str(one["start_date"] or one["end_date"])
        )
        return {one["task_id"]: one["state"] for one in begun}

    def _get(self, path: str) -> Any:
        return self._pages.get(path).raise_for_status().json()


@contextlib.contextmanager
def real_airflow(program: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[RealAirflow]:
    """Run ``airflow standalone`` over the DAGs in ``folder/dags`` until the block ends; it is not ready at once.

    Args:
        program: Of Airflow.
        folder: Of the example; Airflow's own files are in a folder of it.
        environment: Of the tasks; ``python`` and ``driftline`` there are those that run this.
    """
    home = folder / "airflow"
    home.mkdir()
    (home / "passwords.json").write_text(json.dumps({USER: PASSWORD}), encoding="utf-8")
    port = free_port()
    programs = (str(Path(sys.executable).parent), str(program.parent), environment.get("PATH", os.defpath))
    tasks = {
        **environment,
        "PATH": os.pathsep.join(programs),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    command = [str(program.with_name("python")), "-m", "airflow", "standalone"]
    with (folder / "airflow.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=tasks, stdout=log, stderr=log, start_new_session=True)
    try:
        yield RealAirflow(port, process)
    finally:
        _end_session(process)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End Airflow and the processes that it started, which are in its session."""
    for signal_number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

"""A processor of its own process that is killed in the middle, and what it says afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from driftline_processor.demo.processes import free_port

from .stage import PATIENCE, Windows

BOUNDED = {"roc_auc": 1e-3, "average_precision": 2e-2, "ks": 0.02, "lift@0.1": 0.5, "gain@0.1": 0.05}
"""What panes know up to a bound, and how far a window of so many rows may be from its rows."""


class Processor:
    """``driftline up`` on ports that stay the same when it is started again."""

    def __init__(self, folder: Path, configuration: str, environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._environment = folder, {**os.environ, **(environment or {})}
        self._ports = {name: free_port() for name in ("grpc", "http", "web")}
        self.web, self.otlp = (f"http://127.0.0.1:{self._ports[name]}" for name in ("web", "http"))
        listen = {name: {"endpoint": f"127.0.0.1:{port}"} for name, port in self._ports.items()}
        said = yaml.safe_load(configuration)
        otlp = {"protocols": {name: listen[name] for name in ("grpc", "http")}}
        said |= {"receivers": {**said.get("receivers", {}), "otlp": otlp}, "web": listen["web"]}
        (folder / "up.yaml").write_text(yaml.safe_dump({**said, "storage": {"directory": str(folder / "state")}}))
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "driftline_processor", "up", "--config", "up.yaml"]
        with (self._folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, env=self._environment)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self._client.get(f"{self.web}/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        pytest.fail((self._folder / "up.log").read_text())

    def kill(self) -> None:
        """kill -9, at once; and start again over what is left."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.start()

    def stop(self) -> None:
        self._client.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def post(self, outcomes: pd.DataFrame, model: str) -> None:
        body = outcomes.to_csv(index=False)
        kind = {"Content-Type": "text/csv"}
        answer = httpx.post(
            f"{self.otlp}/v1/outcomes", params={"model": model}, content=body, headers=kind, trust_env=False
        )
        assert (answer.status_code, answer.json().get("rejected")) == (200, []), answer.text

    def get(self, path: str) -> Any:
        """Return the JSON of an address of the API."""
        answer = self._client.get(self.web + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def weak_slices(self, model: str, window: str, start: str) -> Any:
        """Return what a search of a window's rows finds; the evaluations do not hold it."""
        url = f"{self.web}/api/v1/models/{model}/weak-slices"
        answer = self._client.get(url, params={"window": window, "start": start})
        assert answer.status_code == 200, answer.text
        return answer.json()["weak_slices"]

    def windows(self, model: str, window: str, told: Windows) -> Windows:
        """Return the closed windows, as soon as they have the rows and outcomes of those that files tell of.

        It is patient as long as there is something new.
        """
        wanted = [(one["start"], one["rows"], one["outcomes"]["rows"]) for one in told]
        url, seen = f"{self.web}/api/v1/models/{model}/evaluations", None
        while True:
            answer = self._client.get(url, params={"window": window, "limit": 1000})
            found: Windows = answer.json()["windows"] if answer.status_code == 200 else []
            closed = [one for one in found if one["closed"]]
            known = [(one["start"], one["rows"], one["outcomes"]["rows"]) for one in closed]
            if closed and known == wanted[: len(known)] and len(known) >= len(wanted) - 2:
                return closed
            if known != seen:
                seen, deadline = known, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                pytest.fail(f"{known} is not {wanted}\n{(self._folder / 'up.log').read_text()[-3000:]}")
            time.sleep(1.0)  # a look at hundreds of windows costs the processor as much as judging some

"""What an example plays on: its folder, a processor with its ``driftline.yaml``, its service, and peers that record."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from msgspec import Struct
from rich.console import Console

from driftline_processor.config.yaml_loader import Loader
from driftline_processor.present.numbers import count
from driftline_processor.terminal.console import Text

from .evaluated import LOOK_EVERY, PATIENCE, wait_until_evaluated
from .peers.internet import internet
from .peers.jaeger import HOST, PROGRAM, RecordingJaeger, Traces, real_jaeger
from .peers.mail import mail
from .peers.pagerduty import PagerDuty
from .peers.recorder import Answers, Asked
from .peers.slack import Slack
from .processes import Ports, await_answer, running
from .steps import Steps

Entered = TypeVar("Entered")


class Claim(Struct, frozen=True):
    """One sentence that an example promises, whether it holds, and what was seen."""

    sentence: str
    holds: bool
    saw: str


class Stage:
    """What an example plays on.

    Every host of HTTPS that the processor asks is a recording peer here: Slack, PagerDuty, and those that the example
    names. A request to any other host is answered 502.

    Attributes:
        folder: A copy of the example's folder; all that runs, runs in it.
        ports: Ports of the processor, and one for the service.
        slack: Messages to Slack.
        pagerduty: Events to PagerDuty.
        mail: Letters, taken at the port ``mail.port``.
        claims: What was claimed so far.
    """

    def __init__(
        self, folder: Path, ports: Ports, console: Console, steps: Steps, ending: contextlib.ExitStack
    ) -> None:
        self.folder, self.ports = folder, ports
        self.console = console
        self._steps, self._ending = steps, ending
        self.web, self.otlp = f"http://127.0.0.1:{ports.web}", f"http://127.0.0.1:{ports.http}"
        self.slack, self.pagerduty = Slack(), PagerDuty()
        self._hosts: dict[str, Answers] = {Slack.host: self.slack, PagerDuty.host: self.pagerduty}
        self._world = ending.enter_context(internet(folder, self._answered))
        self.mail = ending.enter_context(mail())
        self.claims: list[Claim] = []
        self.environment = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "DRIFTLINE_URL": self.web,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        self._pages = ending.enter_context(httpx.Client(base_url=self.web, timeout=30, trust_env=False))

    def _answered(self, asked: Asked) -> tuple[int, Any]:
        answers = self._hosts.get(asked.headers["host"])
        return (502, None) if answers is None else answers(asked)

    @property
    def left(self) -> list[Asked]:
        """The requests that left the processor for other hosts."""
        return self._world.asked

    def host(self, name: str, answers: Answers) -> None:
        """Let a recording peer be a host of HTTPS, such as ``airflow.example.com``."""
        self._hosts[name] = answers

    def say(self, step: str, total: int = 0) -> None:
        """Begin a step, which the progress shows; ``total``: its number of rows."""
        self._steps.begin(step, total)

    def go_on(self, done: int, step: str = "") -> None:
        """Show how many rows of the step are done."""
        self._steps.go_on(done, step)

    def run(self, *command: str) -> str:
        """Run a Python script, or a module with ``-m``, in the folder, and return what it prints.

        Raises:
            RuntimeError: It ends with another code than 0.
        """
        line = [sys.executable, *command]
        done = subprocess.run(line, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def driftline(self, *command: str) -> str:
        """Run ``driftline`` in the folder, as a person would, and return what it prints. Raises as :meth:`run`."""
        return self.run("-m", "driftline_processor", *command)

    def start_processor(self, variables: Mapping[str, str] | None = None) -> None:
        """Start ``driftline up`` with the example's own ``driftline.yaml``; only ports and the state are the stage's.

        Args:
            variables: Environment variables that the file reads, beside Slack's and PagerDuty's.
        """
        text = (self.folder / "driftline.yaml").read_text(encoding="utf-8")
        configuration = yaml.load(text, Loader=Loader)  # `on` is a key, not True
        otlp = {name: {"endpoint": f"127.0.0.1:{getattr(self.ports, name)}"} for name in ("grpc", "http")}
        configuration["receivers"] = {**(configuration.get("receivers") or {}), "otlp": {"protocols": otlp}}
        configuration["web"] = {"endpoint": f"127.0.0.1:{self.ports.web}"}
        configuration["storage"] = {**(configuration.get("storage") or {}), "directory": "state"}
        (self.folder / "up.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
        environment = {
            **self.environment,
            **self._world.environment,
            "SLACK_TOKEN": "T0123456/B0123456/recording",
            "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
            **(variables or {}),
        }
        processor = self._start("the processor", environment, "-m", "driftline_processor", "up", "--config", "up.yaml")
        await_answer(f"{self.web}/readyz", processor, "the processor")

    def serve(self, *command: str, healthy: str = "/healthz", port: int | None = None) -> httpx.Client:
        """Start the service, and return a client of it.

        Args:
            command: A Python script or module and its arguments; the service listens at the variable ``PORT``.
            healthy: Path that answers 200 when it is ready.
            port: Where it listens; None = the port that is meant for it.
        """
        port = port or self.ports.service
        url = f"http://127.0.0.1:{port}"
        service = self._start("the service", {**self.environment, "PORT": str(port)}, *command)
        await_answer(f"{url}{healthy}", service, "the service")
        return self._ending.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))

    def work(self, name: str, *command: str, variables: Mapping[str, str] | None = None) -> None:
        """Start a process that serves nothing, such as a consumer of a queue; every host of HTTPS is a peer for it.

        Args:
            name: What its log is called.
            command: A Python script or module and its arguments.
            variables: Further environment variables.
        """
        self._start(name, {**self.environment, **self._world.environment, **(variables or {})}, *command)

    def enter(self, part: contextlib.AbstractContextManager[Entered]) -> Entered:
        """Start a part of the example, such as a broker, which ends with it."""
        return self._ending.enter_context(part)

    def start_jaeger(self) -> Traces:
        """Start Jaeger: the real one if it is there, else a recording peer. ``variables`` are for the processor."""
        if PROGRAM.exists():
            return self.enter(real_jaeger(self.folder))
        peer = RecordingJaeger()
        self.host(HOST, peer)
        return peer

    def _start(self, name: str, environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        return self._ending.enter_context(running([sys.executable, *command], environment, log, folder=self.folder))

    def get(self, path: str, **parameters: Any) -> Any:
        """Return JSON of the processor's API."""
        return self._pages.get(path, params=parameters).raise_for_status().json()

    def metrics(self) -> list[str]:
        """Return the lines of the page that Prometheus scrapes."""
        return self._pages.get("/metrics").raise_for_status().text.splitlines()

    def windows(self, model: str, window: str) -> list[dict[str, Any]]:
        """Return the evaluated windows of a model, the first first; none where nothing is known of it yet."""
        answer = self._pages.get(f"/api/v1/models/{model}/evaluations", params={"window": window, "limit": 1000})
        windows: list[dict[str, Any]] = answer.json()["windows"] if answer.status_code == 200 else []
        return sorted(windows, key=lambda one: str(one["start"]))

    def alerts(self, *policies: str) -> list[dict[str, Any]]:
        """Return the alerts, the oldest first; of all policies where none is named."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        return sorted(
            (one for one in alerts if one["policy"] in policies or not policies), key=lambda one: str(one["since"])
        )

    def wait_until_evaluated(
        self, model: str, window: str, rows: int, outcomes: int | None = 0
    ) -> list[dict[str, Any]]:
        """Wait as :func:`evaluated.wait_until_evaluated`; return the windows."""
        self.say("Evaluating", rows)
        return wait_until_evaluated(
            lambda: self.windows(model, window), rows, outcomes, lambda there, _: self.go_on(there)
        )

    def wait_for(self, condition: Callable[[], bool], progress: Callable[[], Any] = lambda: None) -> bool:
        """Wait until a condition holds; return False when it does not, and nothing has changed for long."""
        before, deadline = progress(), time.monotonic() + PATIENCE
        while not condition():
            if (now := progress()) != before:
                before, deadline = now, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_EVERY)
        return True

    def wait_until_told(self, policy: str, *expected: tuple[str, str]) -> list[dict[str, Any]]:
        """Wait until a policy's messages are (channel, kind) as expected and delivered; return its alerts."""

        def delivered() -> list[tuple[str, str]]:
            messages = [one for alert in self.alerts(policy) for one in alert["messages"]]
            return sorted((one["channel"], one["kind"]) for one in messages if one["result"] == "delivered")

        self.say(f"Waiting for the messages of the policy {policy!r}")
        self.wait_for(lambda: delivered() == sorted(expected), delivered)
        return self.alerts(policy)

    def wait_until_quiet(self, seconds: float = 5.0) -> None:
        """Wait until nothing has left the processor for so many seconds, so that what was *not* sent can be claimed."""
        self.say("Waiting for anything else that might be sent")
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if (now := len(self.left) + len(self.mail.letters)) != seen:
                seen, since = now, time.monotonic()
            time.sleep(LOOK_EVERY)

    def claim(self, sentence: str, holds: bool, saw: object = "") -> None:
        """Say what the example promises, whether it holds, and what was seen."""
        self.claims.append(Claim(sentence, bool(holds), str(saw)))

    def report(self) -> bool:
        """Print all claims and return whether all hold; a request that a peer refused is one that does not."""
        for refused in self._world.refused:
            self.claim("each request fits the schema of its vendor", False, refused)
        self.console.print("\n[bold]Claims and results[/]")
        for claim in self.claims:
            mark, style = ("✓", "green") if claim.holds else ("✗", "red")
            self.console.print(Text.assemble((f" {mark} ", style), claim.sentence))
            for line in claim.saw.splitlines():
                self.console.print(Text(f"     {line}", style="dim"))
        missing = [claim for claim in self.claims if not claim.holds]
        if missing:
            self.console.print(f"\n[red]{count(len(missing))} of {count(len(self.claims))} did not hold.[/]")
        return bool(self.claims) and not missing


def as_json(rows: Any) -> list[dict[str, Any]]:
    """Return the rows of a pandas table as JSON objects; times as texts, NaN as null."""
    parsed: list[dict[str, Any]] = json.loads(rows.to_json(orient="records", date_format="iso", date_unit="s"))
    return parsed
